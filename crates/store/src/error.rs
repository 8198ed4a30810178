//! Why a store could not be opened, and why an act or a read was refused. Texts name the thing and the remedy,
//! never a value of a row.

use std::path::PathBuf;

/// A stored row does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the row {row} of table {table} has a value in column {column} that does not parse")]
pub struct CorruptRow {
    /// Which table.
    pub table: &'static str,
    /// Which column.
    pub column: &'static str,
    /// The row's key.
    pub row: String,
}

/// Why the store could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither `sqlite:PATH` nor `postgres://...`.
    #[error(
        "the store's URL is neither sqlite:PATH nor postgres://USER@HOST/DATABASE; correct the setting store.url"
    )]
    Url,
    /// Another process holds the database.
    #[error(
        "the database {} is in use by {}; stop that process, or give this one another data folder",
        path.display(), holder.as_deref().unwrap_or("another process")
    )]
    Locked {
        /// The database file.
        path: PathBuf,
        /// What the lock file says of its holder.
        holder: Option<String>,
    },
    /// The file is damaged, or is not ours.
    #[error("the database {} cannot be used: {problem}; restore it from a backup", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// The schema was made by a newer program.
    #[error(
        "the database has schema version {found} and this program knows versions up to {known}; start the newer program again, or restore a backup from before the upgrade"
    )]
    NewerSchema {
        /// The database's version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// A migration that was applied is not the one this program has.
    #[error(
        "schema version {version} of the database is not the one this program would have made; start the program that made it, or restore a backup"
    )]
    ForeignSchema {
        /// Which version.
        version: i64,
    },
    /// The master key does not fit what is sealed in the database.
    #[error(
        "the master key {given} does not open the keys of this database, which were sealed with the master key {expected}; put that key file back"
    )]
    MasterKey {
        /// The id of the given key.
        given: String,
        /// The id of the key that the database was sealed with.
        expected: String,
    },
    /// The file or folder cannot be read or written.
    #[error("the file {} cannot be used: {source}; check its folder, owner and permissions", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database server does not answer, or refuses.
    #[error(
        "the database cannot be reached: {0}; check store.url and that the database server runs"
    )]
    Unreachable(String),
}

/// Why an act or a read was refused. Nothing was changed, except where `Unavailable` says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// Unknown, or another organization's: the two are not told apart.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Something else stands against it.
    #[error("{detail}")]
    Conflict {
        /// For programs, `snake_case`.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// Edited by somebody else since it was read.
    #[error("it was changed in the meantime and is at version {current} now")]
    Stale {
        /// The version it has now.
        current: i64,
    },
    /// A field's value is not allowed.
    #[error("{field}: {detail}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The thing is visible to the actor, the act is another party's.
    #[error("this act belongs to another party")]
    Forbidden,
    /// The database was busy for too long; the same act may be tried again.
    #[error("the database is busy")]
    Busy,
    /// The database does not answer.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A stored row does not parse.
    #[error(transparent)]
    Corrupt(#[from] CorruptRow),
}

impl ActError {
    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict {
            code,
            detail: detail.into(),
        }
    }

    pub(crate) fn invalid(field: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            detail: detail.into(),
        }
    }
}
