//! The `NAME=value` file that a development server writes. Which name is used for what is decided in
//! `settings`.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// Where a development server started in this folder writes its file.
pub(super) const DEV_ENV: &str = ".portcullis/dev.env";

const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What a `dev.env` says, by name.
pub(super) struct DevEnv {
    path: PathBuf,
    values: BTreeMap<String, Zeroizing<String>>,
}

impl fmt::Debug for DevEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("DevEnv");
        debug.field("path", &self.path).finish_non_exhaustive()
    }
}

/// The file is there and is not used. `Display` names it and the remedy.
#[derive(Debug, thiserror::Error)]
pub(super) enum DevEnvError {
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error(
        "{} can be read or changed by every user of this machine (mode {mode:03o}): run `chmod 600 {}`",
        path.display(), path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{} belongs to another user: start your own server, or set the values in the environment", path.display())]
    Foreign { path: PathBuf },
    #[error("{} line {line} is not NAME=value: correct the line, or remove the file", path.display())]
    Line { path: PathBuf, line: usize },
}

impl DevEnv {
    /// The file at this path; `None` when there is none.
    ///
    /// # Errors
    /// [`DevEnvError`] when it cannot be read, or must not be trusted.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, DevEnvError> {
        let unreadable = |reason: String| DevEnvError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let metadata = file
            .metadata()
            .map_err(|error| unreadable(error.to_string()))?;
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            return Err(unreadable("it is no small file".to_owned()));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(error.to_string()))?;
        let values = parse(&text).map_err(|line| DevEnvError::Line {
            path: path.to_owned(),
            line,
        })?;
        let holds_secret = values.keys().any(|name| is_secret(name));
        check_owner(path, &metadata, holds_secret)?;
        Ok(Some(Self {
            path: path.to_owned(),
            values,
        }))
    }

    /// The value of this name, if it is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name)?.as_str();
        (!value.is_empty()).then_some(value)
    }

    /// Where it was read.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn is_secret(name: &str) -> bool {
    ["_SECRET", "_TOKEN", "_PASSWORD"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// A file that somebody else can write could send our secrets to that person's server. Root may use any
/// file: it runs in containers over folders of other users.
#[cfg(unix)]
fn check_owner(
    path: &Path,
    metadata: &std::fs::Metadata,
    holds_secret: bool,
) -> Result<(), DevEnvError> {
    use std::os::unix::fs::MetadataExt as _;

    let mode = metadata.mode() & 0o777;
    let exposed = if holds_secret { 0o006 } else { 0o002 };
    if mode & exposed != 0 {
        return Err(DevEnvError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    let us = rustix::process::geteuid();
    if !us.is_root() && metadata.uid() != us.as_raw() && metadata.uid() != 0 {
        return Err(DevEnvError::Foreign {
            path: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &std::fs::Metadata, _: bool) -> Result<(), DevEnvError> {
    Ok(())
}

/// The values by name, or the number of the first line that is neither a value nor a comment.
fn parse(text: &str) -> Result<BTreeMap<String, Zeroizing<String>>, usize> {
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .strip_prefix("export ")
            .unwrap_or(line)
            .split_once('=')
            .filter(|(name, _)| is_name(name))
            .ok_or(index + 1)?;
        values.insert(name.to_owned(), Zeroizing::new(unquoted(value)));
    }
    Ok(values)
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed)
}

/// The value without its quotes, as a shell would read it.
fn unquoted(value: &str) -> String {
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(text) = inside('\'') {
        return text.to_owned();
    }
    let Some(text) = inside('"') else {
        return value.to_owned();
    };
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = character == '\\';
        match characters.next_if(|next| escaped && matches!(next, '"' | '\\' | '$' | '`')) {
            Some(next) => plain.push(next),
            None => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_a_shell_reads_them() {
        let text = "# sample\n\nA=1\nexport B='two words'\nC=\"a \\\"b\\\" \\$c \\d\"\nURL=http://h/?x=y\n";

        let values = parse(text).unwrap();

        let get = |name: &str| values.get(name).unwrap().as_str();
        assert_eq!(get("A"), "1");
        assert_eq!(get("B"), "two words");
        assert_eq!(get("C"), "a \"b\" $c \\d");
        assert_eq!(get("URL"), "http://h/?x=y");
    }

    #[test]
    fn a_line_that_is_no_value_is_named_by_its_number() {
        assert_eq!(parse("A=1\nnonsense\n").unwrap_err(), 2);
        assert_eq!(parse("A B=1\n").unwrap_err(), 1);
    }

    #[test]
    fn a_missing_file_is_no_error() {
        let folder = tempfile::tempdir().unwrap();

        let read = DevEnv::read(&folder.path().join(DEV_ENV)).unwrap();

        assert!(read.is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_everybody_may_read_is_refused_and_a_plain_value_is_not() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.env");
        let write = |text: &str| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        };

        write("API_SECRET=pcs_1\n");
        let refused = DevEnv::read(&path).unwrap_err();
        write("API_URL=http://localhost\n");
        let read = DevEnv::read(&path).unwrap().unwrap();

        assert!(refused.to_string().contains("chmod 600"), "{refused}");
        assert_eq!(read.get("API_URL"), Some("http://localhost"));
    }
}
