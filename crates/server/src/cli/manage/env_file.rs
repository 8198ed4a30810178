//! Puts a new key and secret into a `.env` file that only its owner can read. Never printed, never logged.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::failure::{Exit, Failure};

/// A `.env` file that is about to get new values. Everything that can fail because of the path fails when
/// it is opened, before a secret exists that is shown only once.
#[derive(Debug)]
pub(super) struct EnvFile {
    path: PathBuf,
    /// In the same folder, mode 0600 from its first byte.
    next: NamedTempFile,
}

impl EnvFile {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if path.is_dir() {
            return Err(unwritable(path, "it is a folder"));
        }
        let next =
            NamedTempFile::new_in(folder).map_err(|error| unwritable(path, &error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            next,
        })
    }

    /// Sets these names, keeps every other line, and takes the place of the file in one step.
    pub(super) fn write(mut self, values: &[(&str, &str)]) -> Result<(), Failure> {
        let present = match fs::read_to_string(&self.path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == ErrorKind::NotFound => Zeroizing::default(),
            Err(error) => return Err(unwritable(&self.path, &error.to_string())),
        };
        let text = with_values(&present, values);
        let written = self
            .next
            .write_all(text.as_bytes())
            .and_then(|()| self.next.as_file().sync_all());
        written.map_err(|error| unwritable(&self.path, &error.to_string()))?;
        let Self { path, next } = self;
        next.persist(&path)
            .map(drop)
            .map_err(|error| unwritable(&path, &error.error.to_string()))
    }
}

fn with_values(present: &str, values: &[(&str, &str)]) -> Zeroizing<String> {
    let is_replaced = |line: &&str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let name = line.split_once('=').map(|(name, _)| name.trim_end());
        values.iter().any(|(replaced, _)| name == Some(replaced))
    };
    let mut text = Zeroizing::new(String::with_capacity(present.len() + 512));
    for line in present.lines().filter(|line| !is_replaced(line)) {
        text.push_str(line);
        text.push('\n');
    }
    for (name, value) in values {
        text.push_str(name);
        text.push('=');
        text.push_str(value);
        text.push('\n');
    }
    text
}

fn unwritable(path: &Path, reason: &str) -> Failure {
    let what = format!("{} cannot be written: {reason}", path.display());
    Failure::new(Exit::Unclassified, "env_file", what)
        .fix("name a file in a folder that you may write to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_values_replace_the_old_and_keep_every_other_line() {
        let present = "# mine\nAPI_KEY=old\nOTHER=1\nexport API_SECRET='old'\nAPI_KEY_OLD=x\n";

        let text = with_values(present, &[("API_KEY", "new"), ("API_SECRET", "pcs_1")]);

        assert_eq!(
            text.as_str(),
            "# mine\nOTHER=1\nAPI_KEY_OLD=x\nAPI_KEY=new\nAPI_SECRET=pcs_1\n"
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_readable_by_its_owner_only_even_if_it_was_not_before() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs::write(&path, "OTHER=1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

        EnvFile::open(&path)
            .unwrap()
            .write(&[("API_SECRET", "pcs_1")])
            .unwrap();

        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "OTHER=1\nAPI_SECRET=pcs_1\n"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_path_that_cannot_be_written_fails_before_there_is_a_secret() {
        let folder = tempfile::tempdir().unwrap();

        let nowhere = EnvFile::open(&folder.path().join("no/such/folder/.env"));
        let a_folder = EnvFile::open(folder.path());

        assert!(nowhere.is_err());
        assert!(a_folder.is_err());
    }
}
