//! The schema: its migrations, and what must hold before any of them runs.

use aws_lc_rs::digest;
use portcullis_core::clock::Timestamp;
use sqlx::{AnyConnection, Row};

use crate::{
    act::Fault,
    dialect,
    error::{ActError, OpenError},
    master_key::{MasterKey, Place, hexadecimal, random_bytes},
    row::Columns,
    store::Engine,
};

/// Every migration with its version, in order.
const MIGRATIONS: [(i64, &str); 4] = [
    (1, include_str!("../migrations/0001_initial.sql")),
    (2, include_str!("../migrations/0002_jobs.sql")),
    (3, include_str!("../migrations/0003_catalog.sql")),
    (4, include_str!("../migrations/0004_people.sql")),
];

/// Tables of usage counters.
const USAGE: &str = include_str!("../migrations/usage.sql");

/// What is sealed to try a master key on.
const CHECK_TEXT: &[u8] = b"portcullis";
const INSTALLATION_ID: &str = "installation_id";
/// The setting that holds [`portcullis_core::installation::InstallationSettings`].
pub(crate) const INSTALLATION: &str = "installation";

/// The newest version this program knows.
fn newest() -> i64 {
    MIGRATIONS
        .iter()
        .map(|(version, _)| *version)
        .max()
        .unwrap_or(0)
}

/// The texts of the migrations that lead to a version.
pub(crate) fn migrations_up_to(version: i64) -> impl Iterator<Item = &'static str> {
    MIGRATIONS
        .iter()
        .filter(move |(number, _)| *number <= version)
        .map(|(_, text)| *text)
}

fn checksum(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    hexadecimal(digest.as_ref())
}

/// What was found in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// No schema of ours.
    Nothing,
    /// Ours, at this version.
    Version(i64),
}

pub(crate) fn unreachable(fault: Fault) -> OpenError {
    OpenError::Unreachable(ActError::from(fault).to_string())
}

/// Looks at the schema and at the master key without changing anything.
pub(crate) async fn inspect(
    connection: &mut AnyConnection,
    engine: Engine,
    master_key: &MasterKey,
) -> Result<Found, OpenError> {
    let tables = match engine {
        Engine::Sqlite => {
            "SELECT COUNT(*) AS n FROM sqlite_master WHERE type = 'table' AND name = 'schema_versions'"
        }
        Engine::Postgres => {
            "SELECT COUNT(*) AS n FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_name = 'schema_versions'"
        }
    };
    if count(connection, tables).await.map_err(unreachable)? == 0 {
        return Ok(Found::Nothing);
    }
    let version = check_versions(connection).await?;
    check_master_key(connection, master_key).await?;
    Ok(Found::Version(version))
}

async fn count(connection: &mut AnyConnection, text: &'static str) -> Result<i64, Fault> {
    let row = sqlx::query(text).fetch_one(connection).await?;
    Ok(Columns::of(&row, "schema").number("n")?)
}

async fn check_versions(connection: &mut AnyConnection) -> Result<i64, OpenError> {
    let rows = sqlx::query("SELECT checksum, version FROM schema_versions ORDER BY version")
        .fetch_all(connection)
        .await
        .map_err(|error| unreachable(error.into()))?;
    let mut last = 0;
    for row in &rows {
        let columns = Columns::of(row, "schema_versions");
        let corrupt = |error: crate::error::CorruptRow| unreachable(error.into());
        let version = columns.number("version").map_err(corrupt)?;
        let applied = columns.text("checksum").map_err(corrupt)?;
        let known = MIGRATIONS.iter().find(|(known, _)| *known == version);
        match known {
            Some((_, text)) if checksum(text) == applied => {}
            None if version > newest() => {}
            _ => return Err(OpenError::ForeignSchema { version }),
        }
        last = last.max(version);
    }
    if last > newest() {
        return Err(OpenError::NewerSchema {
            found: last,
            known: newest(),
        });
    }
    Ok(last)
}

/// With something sealed in the database, the key must be the one that sealed it.
async fn check_master_key(
    connection: &mut AnyConnection,
    master_key: &MasterKey,
) -> Result<(), OpenError> {
    let sealed = count(connection, "SELECT COUNT(*) AS n FROM signing_keys")
        .await
        .map_err(unreachable)?;
    let rows = sqlx::query("SELECT id, check_value FROM master_keys ORDER BY created_at_us DESC")
        .fetch_all(connection)
        .await
        .map_err(|error| unreachable(error.into()))?;
    if sealed == 0 {
        return Ok(());
    }
    let mut expected = "unknown".to_owned();
    for row in &rows {
        let columns = Columns::of(row, "master_keys");
        let corrupt = |error: crate::error::CorruptRow| unreachable(error.into());
        let id = columns.owned("id").map_err(corrupt)?;
        let value = columns.bytes("check_value").map_err(corrupt)?;
        let opens = master_key
            .open(&check_place(&id), value)
            .is_ok_and(|text| text.as_slice() == CHECK_TEXT);
        if id == master_key.id() && opens {
            return Ok(());
        }
        expected = id;
    }
    Err(OpenError::MasterKey {
        given: master_key.id(),
        expected,
    })
}

fn check_place(id: &str) -> Place<'_> {
    Place {
        table: "master_keys",
        id,
        version: 1,
    }
}

/// Brings the schema up to this program's version and notes the master key, in one transaction.
pub(crate) async fn prepare(
    connection: &mut AnyConnection,
    engine: Engine,
    master_key: &MasterKey,
    now: Timestamp,
) -> Result<(), OpenError> {
    let begin = match engine {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        // Nodes that start at once migrate one after the other.
        Engine::Postgres => "BEGIN; SELECT pg_advisory_xact_lock(5783201994)",
    };
    let lost = |error: sqlx::Error| unreachable(error.into());
    sqlx::raw_sql(begin)
        .execute(&mut *connection)
        .await
        .map_err(lost)?;
    let found = inspect(connection, engine, master_key).await?;
    let from = match found {
        Found::Nothing => 0,
        Found::Version(version) => version,
    };
    for (version, text) in MIGRATIONS.iter().filter(|(version, _)| *version > from) {
        sqlx::raw_sql(*text)
            .execute(&mut *connection)
            .await
            .map_err(lost)?;
        sqlx::query(
            "INSERT INTO schema_versions (version, checksum, applied_at_us) VALUES ($1, $2, $3)",
        )
        .bind(*version)
        .bind(checksum(text))
        .bind(now.as_us())
        .execute(&mut *connection)
        .await
        .map_err(lost)?;
    }
    if engine == Engine::Postgres {
        // The counters stand beside the rest there; on SQLite they have a file of their own.
        prepare_usage(connection, engine).await.map_err(lost)?;
    }
    first_rows(connection, master_key, now).await?;
    sqlx::raw_sql("COMMIT")
        .execute(&mut *connection)
        .await
        .map_err(lost)?;
    Ok(())
}

/// Columns of the counters that are younger than their table, and what they say of rows that are older.
const USAGE_ADDED: [(&str, &str); 3] = [
    (
        "refusals",
        "ALTER TABLE usage_counters ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0",
    ),
    (
        "first_at_us",
        "ALTER TABLE usage_counters ADD COLUMN first_at_us BIGINT NOT NULL DEFAULT 0; \
         UPDATE usage_counters SET first_at_us = hour * 3600000000",
    ),
    (
        "last_at_us",
        "ALTER TABLE usage_counters ADD COLUMN last_at_us BIGINT NOT NULL DEFAULT 0; \
         UPDATE usage_counters SET last_at_us = hour * 3600000000",
    ),
];

/// Makes the table of counters, or completes one that an older program made.
pub(crate) async fn prepare_usage(
    connection: &mut AnyConnection,
    engine: Engine,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(USAGE).execute(&mut *connection).await?;
    let present = sqlx::query(dialect::usage_columns(engine))
        .fetch_all(&mut *connection)
        .await?;
    let mut names = Vec::with_capacity(present.len());
    for row in &present {
        names.push(row.try_get::<String, _>("name")?);
    }
    for (name, text) in USAGE_ADDED {
        if !names.iter().any(|present| present == name) {
            sqlx::raw_sql(text).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Rows that every installation has.
async fn first_rows(
    connection: &mut AnyConnection,
    master_key: &MasterKey,
    now: Timestamp,
) -> Result<(), OpenError> {
    let lost = |error: sqlx::Error| unreachable(error.into());
    let epoch = i64::from_le_bytes(random_bytes::<8>());
    sqlx::query(
        "INSERT INTO change_counter (id, seq, epoch) VALUES (1, 0, $1) ON CONFLICT (id) DO NOTHING",
    )
    .bind(epoch)
    .execute(&mut *connection)
    .await
    .map_err(lost)?;
    sqlx::query("INSERT INTO settings (name, value, changed_at_us) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING")
        .bind(INSTALLATION_ID)
        .bind(uuid::Uuid::new_v4().to_string())
        .bind(now.as_us())
        .execute(&mut *connection)
        .await
        .map_err(lost)?;
    let id = master_key.id();
    let check = master_key
        .seal(&check_place(&id), CHECK_TEXT)
        .map_err(|_| OpenError::Unreachable("the master key cannot seal".to_owned()))?;
    // As long as nothing is sealed, another key may take the place of the one noted before.
    sqlx::query(
        "DELETE FROM master_keys WHERE id <> $1 AND NOT EXISTS (SELECT 1 FROM signing_keys)",
    )
    .bind(id.as_str())
    .execute(&mut *connection)
    .await
    .map_err(lost)?;
    sqlx::query("INSERT INTO master_keys (id, check_value, created_at_us) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING")
        .bind(id)
        .bind(check)
        .bind(now.as_us())
        .execute(&mut *connection)
        .await
        .map_err(lost)?;
    Ok(())
}

/// The name that this installation gave itself.
pub(crate) async fn installation_id(connection: &mut AnyConnection) -> Result<String, OpenError> {
    let row = sqlx::query("SELECT value FROM settings WHERE name = $1")
        .bind(INSTALLATION_ID)
        .fetch_one(connection)
        .await
        .map_err(|error| unreachable(error.into()))?;
    Columns::of(&row, "settings")
        .owned("value")
        .map_err(|error| unreachable(error.into()))
}

/// Whether a setting is the store's own.
pub(crate) fn is_reserved(name: &str) -> bool {
    [INSTALLATION_ID, INSTALLATION].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps() {
        let versions: Vec<i64> = MIGRATIONS.iter().map(|(version, _)| *version).collect();

        assert_eq!(versions, (1..=newest()).collect::<Vec<_>>());
    }
}
