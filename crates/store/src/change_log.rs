//! The log of changes: appended in the act, read by whoever follows, trimmed by age and count.

use std::time::Duration;

use portcullis_core::{
    change::{ChangeSeq, ChangeStamp, EntityKind, EntityRef},
    clock::Timestamp,
};
use sqlx::AnyConnection;

use crate::{act::Fault, error::ActError, row::Columns, store::Store};

/// Younger changes stay, unless there are too many of them.
const KEPT_FOR: Duration = Duration::from_hours(26);
/// This many stay, however old.
const KEPT_LEAST: i64 = 1_000;
/// No more than this many stay, however young.
const KEPT_MOST: i64 = 200_000;

/// Where a follower stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) seq: i64,
    /// The stamp of the change with that number; the database's own at 0.
    pub(crate) stamp: i64,
    /// The database's own.
    pub(crate) epoch: i64,
}

/// Appends changes and gives the last one's number. The last statements of an act: from here to COMMIT the
/// counter row is locked, so numbers become visible in order and without gaps. (An identity column is numbered
/// at insert, so that a late commit can hide behind a higher number.)
pub(crate) async fn append(
    connection: &mut AnyConnection,
    changes: &[EntityRef],
    now: Timestamp,
) -> Result<ChangeSeq, Fault> {
    let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let row = sqlx::query("UPDATE change_counter SET seq = seq + $1 WHERE id = 1 RETURNING seq")
        .bind(count)
        .fetch_one(&mut *connection)
        .await?;
    let last = Columns::of(&row, "change_counter").number("seq")?;
    for (entity, seq) in changes.iter().zip(last - count + 1..) {
        sqlx::query(
            "INSERT INTO changes (seq, stamp, entity_kind, entity_id, at_us) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(seq)
        .bind(ChangeStamp::random().get())
        .bind(entity.kind.as_str())
        .bind(entity.id.as_str())
        .bind(now.as_us())
        .execute(&mut *connection)
        .await?;
    }
    Ok(ChangeSeq::new(last))
}

/// The last change of a thing. When the log no longer goes back to it, the oldest change that is left: to have
/// applied that one is to have applied every earlier one.
pub(crate) async fn last_change_of(
    connection: &mut AnyConnection,
    kind: EntityKind,
    id: &str,
) -> Result<Option<ChangeSeq>, Fault> {
    let row = sqlx::query(
        "SELECT COALESCE((SELECT MAX(seq) FROM changes WHERE entity_kind = $1 AND entity_id = $2), \
                         (SELECT MIN(seq) FROM changes)) AS seq",
    )
    .bind(kind.as_str())
    .bind(id)
    .fetch_one(connection)
    .await?;
    let seq = Columns::of(&row, "changes").optional_number("seq")?;
    Ok(seq.map(ChangeSeq::new))
}

/// The end of the log.
pub(crate) async fn end(connection: &mut AnyConnection) -> Result<Position, Fault> {
    let row = sqlx::query(
        "SELECT c.seq, c.epoch, COALESCE(l.stamp, c.epoch) AS stamp \
         FROM change_counter c LEFT JOIN changes l ON l.seq = c.seq WHERE c.id = 1",
    )
    .fetch_one(connection)
    .await?;
    let columns = Columns::of(&row, "change_counter");
    Ok(Position {
        seq: columns.number("seq")?,
        stamp: columns.number("stamp")?,
        epoch: columns.number("epoch")?,
    })
}

/// What a follower finds after its position.
#[derive(Debug)]
pub(crate) enum Since {
    /// These things changed, up to that position.
    Changes(Position, Vec<(Option<EntityKind>, String)>),
    /// The position is not in this log: another history, or one that was trimmed.
    NotInLog,
}

/// Reads the log from a position on, inside a transaction that sees one moment.
pub(crate) async fn since(connection: &mut AnyConnection, from: Position) -> Result<Since, Fault> {
    let end = end(connection).await?;
    if end.epoch != from.epoch || end.seq < from.seq {
        return Ok(Since::NotInLog);
    }
    let rows = sqlx::query(
        "SELECT seq, stamp, entity_kind, entity_id FROM changes WHERE seq >= $1 AND seq <= $2 ORDER BY seq",
    )
    .bind(from.seq)
    .bind(end.seq)
    .fetch_all(connection)
    .await?;
    let mut expected = if from.seq == 0 { 1 } else { from.seq };
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let columns = Columns::of(row, "changes");
        let seq = columns.number("seq")?;
        let mine = seq == from.seq;
        if seq != expected || (mine && columns.number("stamp")? != from.stamp) {
            return Ok(Since::NotInLog);
        }
        if !mine {
            let kind = EntityKind::parse(columns.text("entity_kind")?);
            changes.push((kind, columns.owned("entity_id")?));
        }
        expected += 1;
    }
    if expected != end.seq + 1 {
        return Ok(Since::NotInLog);
    }
    Ok(Since::Changes(end, changes))
}

impl Store {
    /// Removes what is no longer needed: old changes, idempotency keys past their day, and jobs finished long
    /// ago. To be called about once an hour, by any node.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn maintain(&self, now: Timestamp) -> Result<(), ActError> {
        let kept_from = now.as_us() - i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX);
        let mut connection = self.writers().acquire().await.map_err(Fault::from)?;
        // The newest change always stays: followers find their position by it.
        sqlx::query(
            "DELETE FROM changes WHERE seq <= (SELECT seq FROM change_counter WHERE id = 1) - $1 \
             AND (at_us < $2 OR seq <= (SELECT seq FROM change_counter WHERE id = 1) - $3)",
        )
        .bind(KEPT_LEAST)
        .bind(kept_from)
        .bind(KEPT_MOST)
        .execute(&mut *connection)
        .await
        .map_err(Fault::from)?;
        sqlx::query("DELETE FROM idempotency_keys WHERE expires_at_us <= $1")
            .bind(now.as_us())
            .execute(&mut *connection)
            .await
            .map_err(Fault::from)?;
        crate::sessions::tidy(&mut connection, now).await?;
        crate::links::tidy(&mut connection, now).await?;
        // SQLite has this one writer, and the next step is an act that needs it.
        drop(connection);
        self.trim_jobs(now).await
    }
}
