//! The file that holds the master key: made once, never replaced.
//!
//! Everything secret in the store is sealed with this key, so losing the file loses the signing keys. It is
//! made by a temporary file, fsync, link and fsync of the folder, before the first sealed row is written: at
//! no moment does a half-written file stand under the final name, and of two starts at once one wins.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis_core::secret::{Secret, SecretKind};
use portcullis_store::MasterKey;
use zeroize::Zeroizing;

/// The key, and whether this start made it.
#[derive(Debug)]
pub struct Loaded {
    /// The key.
    pub key: MasterKey,
    made: Option<PathBuf>,
}

impl Loaded {
    /// Takes back a key file that this start made: the store turned out to be sealed with another key, and
    /// the operator is to find the folder as it was.
    pub fn take_back(&self) {
        if let Some(path) = &self.made {
            let _ = fs::remove_file(path);
        }
    }
}

/// Reads the key file, or makes it when there is none.
///
/// # Errors
/// When the file cannot be read, is open to others than its owner, or holds no key.
pub fn load_or_create(path: &Path) -> Result<Loaded> {
    match read(path) {
        Ok(key) => Ok(Loaded { key, made: None }),
        Err(error) if is_absent(&error) => {
            let key = create(path)?;
            Ok(Loaded {
                key,
                made: Some(path.to_owned()),
            })
        }
        Err(error) => Err(error),
    }
}

fn is_absent(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|e| e.kind() == ErrorKind::NotFound)
}

fn read(path: &Path) -> Result<MasterKey> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| {
        format!(
            "the master key file {shown} cannot be read; make it readable for this user, or point \
             keys.master_key_file to where it is"
        )
    })?;
    let text = Zeroizing::new(text);
    let mode = fs::metadata(path)
        .with_context(|| format!("{shown}"))?
        .mode();
    if mode & 0o077 != 0 {
        bail!(
            "the master key file {shown} is open to others (mode {:o}); run: chmod 600 {shown}",
            mode & 0o777
        );
    }
    let bytes = STANDARD.decode(text.trim()).ok().map(Zeroizing::new);
    let key: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
    let Some(key) = key else {
        bail!(
            "the master key file {shown} does not hold 32 bytes in base64; restore it from your backup: \
             without it the signing keys in the store cannot be read"
        );
    };
    Ok(MasterKey::from_bytes(key))
}

fn create(path: &Path) -> Result<MasterKey> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let temporary = folder.join(format!(".master.key.{}", std::process::id()));
    let context = || format!("the master key file {} cannot be written", path.display());
    // The digest of a fresh 256-bit secret: 32 bytes that nobody can guess.
    let bytes = Secret::generate(SecretKind::Client).digest();
    let text = Zeroizing::new(STANDARD.encode(bytes.as_bytes()) + "\n");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .with_context(context)?;
    file.write_all(text.as_bytes()).with_context(context)?;
    file.sync_all().with_context(context)?;
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    match linked {
        Ok(()) => {}
        // Another start made it a moment ago: that one is the key.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return read(path),
        Err(error) => return Err(error).with_context(context),
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(context)?;
    read(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");

        let first = load_or_create(&path).unwrap();
        let second = load_or_create(&path).unwrap();

        assert_eq!(first.key.id(), second.key.id());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        second.take_back();
        assert!(
            path.exists(),
            "a key that was there before is never taken back"
        );
        first.take_back();
        assert!(!path.exists());
    }

    #[test]
    fn a_key_file_that_is_damaged_or_open_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let open = load_or_create(&path).unwrap_err();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "garbage").unwrap();
        let damaged = load_or_create(&path).unwrap_err();

        assert!(format!("{open:#}").contains("chmod 600"), "{open:#}");
        assert!(format!("{damaged:#}").contains("restore it"), "{damaged:#}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "garbage");
    }
}
