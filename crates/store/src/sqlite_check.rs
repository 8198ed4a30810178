//! What must hold of an SQLite file before anything is written to it: that it is ours, whole, and has the schema
//! it says it has. It is read without being able to write.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use sqlx::{AnyConnection, Connection, Row};

use crate::{
    act::Fault,
    dialect::APPLICATION_ID,
    error::{ActError, OpenError},
    master_key::MasterKey,
    row::Columns,
    schema::{self, Found},
    sqlite_file::{Mode, connect, damaged, file_error, has_log, of_driver},
    store::Engine,
};

/// Up to this size the indexes are compared with their tables too, which takes some times as long.
const COMPARED_BYTES_MAX: u64 = 64 * 1024 * 1024;
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Reads the whole file through once, without being able to write to it.
pub(crate) async fn check(path: &Path, master_key: &MasterKey) -> Result<(), OpenError> {
    check_header(path)?;
    let mode = if has_log(path) {
        Mode::ReadOnly
    } else {
        Mode::Untouched
    };
    let mut connection = connect(path, mode).await?;
    check_pages(path, &mut connection).await?;
    let tables = definitions(&mut connection)
        .await
        .map_err(|_| damaged(path, "its schema cannot be read"))?;
    if !tables.contains_key("schema_versions") {
        return Err(damaged(path, "it is a database of another program"));
    }
    let found = schema::inspect(&mut connection, Engine::Sqlite, master_key)
        .await
        .map_err(|error| match error {
            OpenError::Unreachable(problem) => damaged(path, problem),
            other => other,
        })?;
    connection
        .close()
        .await
        .map_err(|error| of_driver(path, &error))?;
    let Found::Version(version) = found else {
        return Err(damaged(path, "it is a database of another program"));
    };
    check_definitions(path, &tables, version).await
}

/// Tables and indexes by name, each with the text that made it.
async fn definitions(connection: &mut AnyConnection) -> Result<BTreeMap<String, String>, Fault> {
    let rows = sqlx::query("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        .fetch_all(connection)
        .await?;
    let mut texts = BTreeMap::new();
    for row in &rows {
        let columns = Columns::of(row, "sqlite_master");
        texts.insert(columns.owned("name")?, columns.owned("sql")?);
    }
    Ok(texts)
}

/// Compares the schema with what the migrations make in an empty database: a file whose schema text was damaged
/// or edited may otherwise answer anything. What is there beside it stays.
async fn check_definitions(
    path: &Path,
    found: &BTreeMap<String, String>,
    version: i64,
) -> Result<(), OpenError> {
    let expected = async {
        let mut memory = AnyConnection::connect("sqlite::memory:").await?;
        for text in schema::migrations_up_to(version) {
            sqlx::raw_sql(text).execute(&mut memory).await?;
        }
        definitions(&mut memory).await
    };
    let expected = expected
        .await
        .map_err(|fault| OpenError::Unreachable(ActError::from(fault).to_string()))?;
    let changed = expected
        .iter()
        .find(|(name, text)| found.get(*name) != Some(*text));
    match changed {
        Some((name, _)) => Err(damaged(
            path,
            format!("its table or index {name} is not as it was made"),
        )),
        None => Ok(()),
    }
}

fn check_header(path: &Path) -> Result<(), OpenError> {
    let mut header = [0; 100];
    let mut file = File::open(path).map_err(|source| file_error(path, source))?;
    if file.read_exact(&mut header).is_err() {
        return Err(damaged(path, "it is empty or cut off"));
    }
    if !header.starts_with(MAGIC) {
        return Err(damaged(path, "it is not an SQLite database"));
    }
    let id = header
        .get(68..72)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_be_bytes);
    if id != APPLICATION_ID && id != 0 {
        return Err(damaged(path, "it is a database of another program"));
    }
    let length = file
        .metadata()
        .map_err(|source| file_error(path, source))?
        .len();
    // With a log the last pages may still be there alone.
    if !has_log(path) && length < length_told(&header) {
        return Err(damaged(path, "it is cut off"));
    }
    Ok(())
}

/// How long the file is by its own header (database file format, section 1.3); 0 when the header does not know.
fn length_told(header: &[u8; 100]) -> u64 {
    let number = |from: usize| {
        let bytes = header.get(from..from + 4)?.try_into().ok()?;
        Some(u64::from(u32::from_be_bytes(bytes)))
    };
    let page_size = header
        .get(16..18)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, |bytes| match u16::from_be_bytes(bytes) {
            1 => 65_536,
            size => u64::from(size),
        });
    // The number of pages is up to date when it was written with the last change.
    match (number(24), number(28), number(92)) {
        (Some(changed), Some(pages), Some(valid_for)) if changed == valid_for => pages * page_size,
        _ => 0,
    }
}

async fn check_pages(path: &Path, connection: &mut AnyConnection) -> Result<(), OpenError> {
    let bytes = std::fs::metadata(path)
        .map_err(|source| file_error(path, source))?
        .len();
    let text = if bytes <= COMPARED_BYTES_MAX {
        "PRAGMA integrity_check"
    } else {
        "PRAGMA quick_check"
    };
    let rows = sqlx::query(text)
        .fetch_all(connection)
        .await
        .map_err(|error| match of_driver(path, &error) {
            OpenError::Unreachable(problem) => damaged(path, problem),
            other => other,
        })?;
    for row in &rows {
        let finding: String = row.try_get(0).unwrap_or_else(|_| "unreadable".to_owned());
        // A row that breaks a rule of the schema is left out where it is read; it stops nothing else.
        let one_row = [
            "CHECK constraint",
            "NULL value",
            "TEXT value",
            "NUMERIC value",
            "non-unique",
        ];
        if one_row.iter().any(|start| finding.starts_with(start)) {
            tracing::warn!(%finding, "a row of the database breaks a rule of its table");
        } else if finding != "ok" {
            return Err(damaged(path, format!("it is damaged ({finding})")));
        }
    }
    Ok(())
}
