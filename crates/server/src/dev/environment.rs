//! `DIR/dev.env`: what a user of the development server pastes or sources, in `NAME=value` lines.
//!
//! Written once everything answers, removed at start and on a clean stop: as long as it is there, its
//! addresses answer.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The name of the file.
pub const FILE_NAME: &str = "dev.env";

/// Writes the file whole or not at all, readable by the owner only.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, values: &[(&'static str, String)]) -> Result<PathBuf> {
    let path = folder.join(FILE_NAME);
    let temporary = folder.join(".dev.env.new");
    let context = || format!("{} cannot be written", path.display());
    let mut text = String::new();
    for (name, value) in values {
        let _ = writeln!(text, "{name}={value}");
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .with_context(context)?;
    file.write_all(text.as_bytes()).with_context(context)?;
    file.sync_all().with_context(context)?;
    fs::rename(&temporary, &path).with_context(context)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(context)?;
    Ok(path)
}

/// Removes the file of an earlier run.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(folder: &Path) -> Result<()> {
    let path = folder.join(FILE_NAME);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}
