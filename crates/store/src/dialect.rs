//! Every difference between SQLite and PostgreSQL.

use sqlx::{Any, AnyConnection, Executor, error::DatabaseError};

use crate::store::Engine;

/// The channel on which PostgreSQL tells of changes.
pub(crate) const CHANNEL: &str = "portcullis_changes";

/// `PRAGMA application_id` of our files: "PCLS".
pub(crate) const APPLICATION_ID: u32 = 0x5043_4c53;

/// How an act begins: it can be given up by the server, never held open by a client that went away. On
/// PostgreSQL each statement sees what was committed before it: acts lock the rows they decide from, and the
/// counter row would make every stricter level fail whenever two acts meet.
pub(crate) const fn begin_act(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        Engine::Postgres => {
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '4s'; \
             SET LOCAL idle_in_transaction_session_timeout = '5s'"
        }
    }
}

/// How a read of the log begins: everything in it is of one moment.
pub(crate) const fn begin_snapshot(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "BEGIN DEFERRED",
        Engine::Postgres => {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SET LOCAL statement_timeout = '120s'"
        }
    }
}

/// Reads the jobs of a kind that are due, and locks them. Nodes that claim at once do not wait for each other, and
/// none sees what another has locked; SQLite has one writer.
pub(crate) const fn due_jobs(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => {
            "SELECT id, kind, state, recipient, payload_sealed, attempts, attempts_before_retry FROM jobs \
             WHERE kind = $1 AND due_at_us <= $2 ORDER BY due_at_us, id LIMIT $3"
        }
        Engine::Postgres => {
            "SELECT id, kind, state, recipient, payload_sealed, attempts, attempts_before_retry FROM jobs \
             WHERE kind = $1 AND due_at_us <= $2 ORDER BY due_at_us, id LIMIT $3 FOR UPDATE SKIP LOCKED"
        }
    }
}

/// The names of the columns of the table of counters.
pub(crate) const fn usage_columns(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "SELECT name FROM pragma_table_info('usage_counters')",
        Engine::Postgres => {
            "SELECT CAST(column_name AS TEXT) AS name FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = 'usage_counters'"
        }
    }
}

/// What connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Acts.
    Write,
    /// Everything else.
    Read,
}

/// Prepares a new connection.
pub(crate) async fn after_connect(
    connection: &mut AnyConnection,
    engine: Engine,
    purpose: Purpose,
) -> sqlx::Result<()> {
    let text = match (engine, purpose) {
        // The busy timeout comes first: switching to WAL may itself have to wait. It is short because whoever
        // wants the writer asks again until its own time is up.
        (Engine::Sqlite, Purpose::Write) => {
            "PRAGMA busy_timeout = 250; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF"
        }
        (Engine::Sqlite, Purpose::Read) => {
            "PRAGMA busy_timeout = 2000; PRAGMA query_only = ON; PRAGMA cell_size_check = ON; \
             PRAGMA trusted_schema = OFF"
        }
        // An acknowledged act is on disk, whatever the server's default says; a stricter default stays.
        (Engine::Postgres, Purpose::Write) => {
            "SELECT CASE WHEN current_setting('synchronous_commit') = 'off' \
             THEN set_config('synchronous_commit', 'on', false) ELSE '' END"
        }
        (Engine::Postgres, Purpose::Read) => "SELECT set_config('statement_timeout', '5s', false)",
    };
    connection.execute(sqlx::raw_sql(text)).await.map(|_| ())
}

/// Tells the other nodes that the log has grown. A hint: whoever misses it polls.
pub(crate) async fn notify(connection: &mut AnyConnection, engine: Engine, seq: i64) {
    if engine == Engine::Postgres {
        let told = sqlx::query::<Any>("SELECT pg_notify('portcullis_changes', $1)")
            .bind(seq.to_string())
            .execute(connection)
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "a change could not be announced; others will poll");
        }
    }
}

/// What an error of the driver means for whoever met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorMeaning {
    /// Two acts stood in each other's way; the same act may pass the next time.
    Again,
    /// It took too long to get what was needed.
    Busy,
    /// A unique row was there already.
    Taken,
    /// A value does not decode.
    Corrupt,
    /// The statement failed for good, and the transaction with it.
    Failed,
    /// The connection is gone: nobody knows what became of a COMMIT on it.
    Lost,
}

/// Classifies an error.
pub(crate) fn meaning(error: &sqlx::Error) -> ErrorMeaning {
    match error {
        sqlx::Error::PoolTimedOut => ErrorMeaning::Busy,
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => ErrorMeaning::Corrupt,
        sqlx::Error::Database(error) => meaning_of_code(error.as_ref()),
        sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::RowNotFound
        | sqlx::Error::Encode(_)
        | sqlx::Error::Configuration(_) => ErrorMeaning::Failed,
        _ => ErrorMeaning::Lost,
    }
}

fn meaning_of_code(error: &dyn DatabaseError) -> ErrorMeaning {
    if error.is_unique_violation() {
        return ErrorMeaning::Taken;
    }
    let code = error.code().unwrap_or_default();
    match code.as_ref() {
        // serialization_failure, deadlock_detected.
        "40001" | "40P01" => ErrorMeaning::Again,
        // lock_not_available, query_canceled, too_many_connections.
        "55P03" | "57014" | "53300" => ErrorMeaning::Busy,
        // admin_shutdown, crash_shutdown, cannot_connect_now, and the idle timeout.
        "57P01" | "57P02" | "57P03" | "25P03" => ErrorMeaning::Lost,
        // SQLite's codes are numbers whose low byte is the kind: SQLITE_BUSY and SQLITE_LOCKED, then
        // SQLITE_IOERR, SQLITE_CORRUPT and SQLITE_FULL.
        number if code.len() < 5 => match number.parse::<u32>().unwrap_or(0) & 0xff {
            5 | 6 => ErrorMeaning::Busy,
            10 | 11 | 13 => ErrorMeaning::Lost,
            _ => ErrorMeaning::Failed,
        },
        _ => ErrorMeaning::Failed,
    }
}
