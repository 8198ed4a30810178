//! The embedded database as a file: held by one process, checked before it is written to, made in one step.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use portcullis_core::clock::Timestamp;
use sqlx::{AnyConnection, ConnectOptions, Connection, any::AnyConnectOptions};

use crate::{
    dialect::APPLICATION_ID,
    error::OpenError,
    master_key::{MasterKey, hexadecimal},
    schema, sqlite_check,
    store::Engine,
};

/// How a connection may use the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Beside a log that may hold the last changes.
    ReadOnly,
    /// Without a log: the file is all there is, and nothing is made beside it.
    Untouched,
    ReadWrite,
}

/// The path of `sqlite:PATH`; parameters behind a `?` are ours to set and are dropped.
pub(crate) fn path_of(url: &str) -> Result<PathBuf, OpenError> {
    let rest = url.strip_prefix("sqlite:").ok_or(OpenError::Url)?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" || path.ends_with('/') {
        return Err(OpenError::Url);
    }
    absolute(Path::new(path))
}

/// The path below the real path of its folder, so that nothing of it can be read in two ways.
fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    let name = path.file_name().ok_or(OpenError::Url)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = fs::canonicalize(parent).map_err(|source| OpenError::File {
        path: parent.to_owned(),
        source,
    })?;
    Ok(parent.join(name))
}

/// How the driver is told of a file.
pub(crate) fn options(path: &Path, mode: Mode) -> Result<AnyConnectOptions, OpenError> {
    let mut url = "sqlite://".to_owned();
    for byte in path.to_str().ok_or(OpenError::Url)?.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            url.push('%');
            url.push_str(&hexadecimal(&[byte]));
        }
    }
    url.push_str(match mode {
        Mode::ReadOnly => "?mode=ro",
        Mode::Untouched => "?mode=ro&immutable=1",
        Mode::ReadWrite => "?mode=rw",
    });
    let options = AnyConnectOptions::from_str(&url).map_err(|_| OpenError::Url)?;
    Ok(options.disable_statement_logging())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(ending);
    PathBuf::from(name)
}

pub(crate) fn file_error(path: &Path, source: std::io::Error) -> OpenError {
    OpenError::File {
        path: path.to_owned(),
        source,
    }
}

pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

/// Takes the database for this process alone, for as long as the file that is returned stays open.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = beside(path, ".lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path)
        .map_err(|source| file_error(&lock_path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let told = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            return Err(OpenError::Locked {
                path: path.to_owned(),
                holder: told.then(|| holder.trim().chars().take(80).collect()),
            });
        }
        Err(TryLockError::Error(source)) => return Err(file_error(&lock_path, source)),
    }
    let named = file
        .set_len(0)
        .and_then(|()| writeln!(file, "process {}", std::process::id()));
    named.map_err(|source| file_error(&lock_path, source))?;
    Ok(file)
}

/// Refuses a file that this process may not write to.
pub(crate) fn writable(path: &Path) -> Result<(), OpenError> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .map(|_| ())
        .map_err(|source| file_error(path, source))
}

/// Makes the file when there is none, otherwise checks it. Nothing is changed when this fails.
pub(crate) async fn make_or_check(
    path: &Path,
    master_key: &MasterKey,
    now: Timestamp,
) -> Result<(), OpenError> {
    let making = beside(path, ".creating");
    for ending in ["", "-wal", "-shm", "-journal"] {
        // What a start left behind that was ended in the middle: it never had its name.
        let _ = fs::remove_file(beside(&making, ending));
    }
    if path.exists() {
        sqlite_check::check(path, master_key).await
    } else if has_log(path) {
        Err(damaged(
            path,
            "the file is missing, but the log of its last changes (-wal) is there",
        ))
    } else {
        make(path, &making, master_key, now).await
    }
}

/// Whether the log of the last changes is there, as after a kill.
pub(crate) fn has_log(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|wal| wal.len() > 0)
}

/// Makes the database under another name and renames it when it is whole and on disk.
async fn make(
    path: &Path,
    making: &Path,
    master_key: &MasterKey,
    now: Timestamp,
) -> Result<(), OpenError> {
    create_private(making)?;
    let mut connection = connect(making, Mode::ReadWrite).await?;
    schema::prepare(&mut connection, Engine::Sqlite, master_key, now).await?;
    let mark = format!("PRAGMA application_id = {APPLICATION_ID}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(mark))
        .execute(&mut connection)
        .await
        .map_err(|error| of_driver(making, &error))?;
    connection
        .close()
        .await
        .map_err(|error| of_driver(making, &error))?;
    let finish = || -> std::io::Result<()> {
        File::open(making)?.sync_all()?;
        fs::rename(making, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    finish().map_err(|source| file_error(path, source))
}

/// Creates an empty file that its owner alone may read.
pub(crate) fn create_private(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map(|_| ())
        .map_err(|source| file_error(path, source))
}

pub(crate) async fn connect(path: &Path, mode: Mode) -> Result<AnyConnection, OpenError> {
    options(path, mode)?
        .connect()
        .await
        .map_err(|error| of_driver(path, &error))
}

/// What the driver's error means for whoever opens this file.
pub(crate) fn of_driver(path: &Path, error: &sqlx::Error) -> OpenError {
    let code = error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<u32>().ok())
        .map_or(0, |code| code & 0xff);
    match code {
        // SQLITE_CORRUPT, SQLITE_NOTADB.
        11 | 26 => damaged(path, "it is damaged"),
        // SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN.
        3 | 8 | 14 => file_error(
            path,
            std::io::Error::new(std::io::ErrorKind::PermissionDenied, error.to_string()),
        ),
        5 | 6 => OpenError::Locked {
            path: path.to_owned(),
            holder: None,
        },
        _ => OpenError::Unreachable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_from_the_url() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/p.db?mode=rwc", folder.path().display());

        let path = path_of(&url).unwrap();

        assert_eq!(path, fs::canonicalize(folder.path()).unwrap().join("p.db"));
        for bad in [
            "",
            "sqlite:",
            "sqlite::memory:",
            "mysql://x",
            "sqlite:/tmp/",
        ] {
            assert!(path_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.db");
        let first = lock(&path).unwrap();

        let second = lock(&path).unwrap_err().to_string();

        assert!(
            second.contains(&format!("process {}", std::process::id())),
            "{second}"
        );
        drop(first);
        assert!(lock(&path).is_ok());
    }
}
