//! The node set: who decides from this database, and how far each has come.
//!
//! On SQLite the set is this process. On PostgreSQL a node's row is committed before its first load, so whoever
//! reads the set after a commit finds every node that may have loaded before it.

use std::time::Duration;

use portcullis_core::{
    change::ChangeSeq,
    clock::{BootTime, Timestamp},
    ids::NodeId,
    permissions::Authority,
};
use serde_json::json;
use sqlx::AnyConnection;

use crate::{
    act::{Fault, Note, act, operators_only},
    error::{ActError, CorruptRow},
    row::Columns,
    store::{Acted, Engine, Store},
    transaction::Transaction,
};

/// What a node does when it has not reached the store for longer than its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStale {
    /// Goes on from what it knows, until `stale_max`.
    Serve,
    /// Stops.
    Refuse,
}

impl OnStale {
    /// The stored form.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Refuse => "refuse",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Serve, Self::Refuse]
            .into_iter()
            .find(|word| word.as_str() == text)
    }
}

/// What is known of the earlier incarnation of a node's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessor {
    /// It ended: this process holds the lock that it held.
    Ended,
    /// It may still run.
    Unknown,
}

/// Which node a process is.
#[derive(Debug, Clone)]
pub struct NodeIdentity {
    /// Its name, the same after a restart.
    pub id: NodeId,
    /// This process; random.
    pub incarnation: String,
    /// Words of `auth`, `gateway`, `registry`.
    pub roles: Vec<String>,
    /// What it does past its lease.
    pub on_stale: OnStale,
    /// For how long it goes on with [`OnStale::Serve`].
    pub stale_max: Duration,
    /// Whether the earlier process of this name has ended.
    pub predecessor: Predecessor,
}

/// A node and one of its processes.
pub(crate) type NodeKey = (String, String);

/// What this process saw of another node, on its own clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeenNode {
    pub(crate) beat: i64,
    /// When the beat was first seen at this number.
    pub(crate) since: BootTime,
}

/// A node as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name.
    pub id: NodeId,
    /// Which process.
    pub incarnation: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// The change its snapshot stands at; `None` before its first load.
    pub seq: Option<ChangeSeq>,
    /// When it joined, by its own clock.
    pub joined_at: Timestamp,
    /// When it was last heard of, by its own clock.
    pub seen_at: Timestamp,
    /// What it does past its lease.
    pub on_stale: OnStale,
}

/// A row of the node set.
#[derive(Debug, Clone)]
pub(crate) struct NodeRow {
    pub(crate) info: NodeInfo,
    pub(crate) beat: i64,
    /// For how long after a read it may decide from it.
    pub(crate) decides_for: Duration,
    /// For how long it stays in the set without a sign of life.
    pub(crate) stale_max: Duration,
}

impl NodeRow {
    pub(crate) fn key(&self) -> NodeKey {
        (self.info.id.to_string(), self.info.incarnation.clone())
    }
}

/// Longer by one part in a hundred: the clocks of two machines may run differently fast.
pub(crate) fn with_drift(duration: Duration) -> Duration {
    duration + duration / 100
}

impl Store {
    /// Puts this node into the set: committed before the first load reads anything. Done by
    /// [`crate::first_load`] as well.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn join(&self) -> Result<(), ActError> {
        let connection = self.writers().acquire().await.map_err(Fault::from)?;
        Ok(self.join_on(connection).await?)
    }

    async fn join_on(
        &self,
        connection: sqlx::pool::PoolConnection<sqlx::Any>,
    ) -> Result<(), Fault> {
        let node = &self.settings().node;
        let mut tx = Transaction::begin(connection, "BEGIN").await?;
        if self.engine() == Engine::Sqlite {
            // Whoever else stands there has ended, or this process would not hold the lock.
            sqlx::query("DELETE FROM nodes WHERE incarnation <> $1")
                .bind(node.incarnation.as_str())
                .execute(tx.db())
                .await?;
        } else if node.predecessor == Predecessor::Ended {
            sqlx::query("DELETE FROM nodes WHERE id = $1 AND incarnation <> $2")
                .bind(node.id.as_str())
                .bind(node.incarnation.as_str())
                .execute(tx.db())
                .await?;
        }
        let micros = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        let now = self.clock().now().as_us();
        sqlx::query(
            "INSERT INTO nodes (id, incarnation, roles, beat, lease_us, on_stale, stale_max_us, joined_at_us, seen_at_us) \
             VALUES ($1, $2, $3, 0, $4, $5, $6, $7, $7) ON CONFLICT (id, incarnation) DO NOTHING",
        )
        .bind(node.id.as_str())
        .bind(node.incarnation.as_str())
        .bind(node.roles.join(","))
        .bind(micros(self.settings().lease))
        .bind(node.on_stale.as_str())
        .bind(micros(node.stale_max))
        .bind(now)
        .execute(tx.db())
        .await?;
        Ok(tx.commit().await?)
    }

    /// Takes this node out of the set: it decides nothing any more.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn leave(&self) -> Result<(), ActError> {
        let mut connection = self.writers().acquire().await.map_err(Fault::from)?;
        let node = &self.settings().node;
        sqlx::query("DELETE FROM nodes WHERE id = $1 AND incarnation = $2")
            .bind(node.id.as_str())
            .bind(node.incarnation.as_str())
            .execute(&mut *connection)
            .await
            .map_err(Fault::from)?;
        Ok(())
    }

    /// Takes a node that is known to have stopped out of the set. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `NotFound`.
    pub async fn forget(
        &self,
        authority: &Authority,
        node: &NodeId,
    ) -> Result<Acted<()>, ActError> {
        operators_only(authority)?;
        act!(self, authority.actor(), |act| {
            let gone = sqlx::query("DELETE FROM nodes WHERE id = $1")
                .bind(node.as_str())
                .execute(act.db())
                .await?;
            if gone.rows_affected() == 0 {
                return Err(ActError::NotFound("node").into());
            }
            act.note(&Note {
                action: "node.forget",
                kind: "node",
                id: node.as_str(),
                organization: None,
                detail: json!({}),
            });
            Ok(())
        })
    }

    /// The node set. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`.
    pub async fn nodes(&self, authority: &Authority) -> Result<Vec<NodeInfo>, ActError> {
        operators_only(authority)?;
        let mut connection = self.reader().await?;
        let rows = node_rows(&mut connection).await?;
        let own = &self.settings().node;
        let infos = rows.into_iter().map(|row| {
            let mut info = row.info;
            if info.id == own.id && info.incarnation == own.incarnation {
                info.seq = (*self.applied().borrow()).map(ChangeSeq::new);
            }
            info
        });
        Ok(infos.collect())
    }

    /// Writes down how far this node has come, and that it lives. Puts it back into the set when it was
    /// forgotten.
    pub(crate) async fn beat(&self) -> Result<(), Fault> {
        let node = &self.settings().node;
        let seq = *self.applied().borrow();
        let mut connection = self.control().await?;
        let updated = sqlx::query(
            "UPDATE nodes SET seq = $3, beat = beat + 1, seen_at_us = $4 WHERE id = $1 AND incarnation = $2",
        )
        .bind(node.id.as_str())
        .bind(node.incarnation.as_str())
        .bind(seq)
        .bind(self.clock().now().as_us())
        .execute(&mut *connection)
        .await?;
        if updated.rows_affected() == 0 {
            tracing::warn!("this node was taken out of the node set while it runs; it joins again");
            self.join_on(connection).await?;
            // What was committed while it was out, nobody waited for: look at once.
            self.wake_refresher();
        }
        Ok(())
    }

    /// The node set as far as it may still decide: nodes without a sign of life for longer than they may go on
    /// are left out, and taken out.
    pub(crate) async fn deciding_nodes(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<Vec<NodeRow>, Fault> {
        let rows = node_rows(connection).await?;
        let gone = self.gone(&rows);
        for row in rows.iter().filter(|row| gone.contains(&row.key())) {
            let (id, incarnation) = row.key();
            tracing::warn!(node = %id, "a node gave no sign of life for longer than it may decide; it is taken out");
            sqlx::query("DELETE FROM nodes WHERE id = $1 AND incarnation = $2 AND beat = $3")
                .bind(id)
                .bind(incarnation)
                .bind(row.beat)
                .execute(&mut *connection)
                .await?;
        }
        Ok(rows
            .into_iter()
            .filter(|row| !gone.contains(&row.key()))
            .collect())
    }

    /// Which of these gave no sign of life for longer than they may go on, by this process's own watch.
    fn gone(&self, rows: &[NodeRow]) -> Vec<NodeKey> {
        let now = self.clock().boot_time();
        let mut seen = self.seen_nodes();
        seen.retain(|key, _| rows.iter().any(|row| row.key() == *key));
        let mut gone = Vec::new();
        let own = &self.settings().node;
        // This process lives, whatever its clock just did.
        for row in rows
            .iter()
            .filter(|row| row.info.incarnation != own.incarnation)
        {
            let entry = seen.entry(row.key()).or_insert(SeenNode {
                beat: row.beat,
                since: now,
            });
            if entry.beat != row.beat {
                *entry = SeenNode {
                    beat: row.beat,
                    since: now,
                };
            }
            let limit = with_drift(row.stale_max.max(row.decides_for));
            if now.since(entry.since) > limit {
                gone.push(row.key());
            }
        }
        gone
    }
}

async fn node_rows(connection: &mut AnyConnection) -> Result<Vec<NodeRow>, Fault> {
    let rows = sqlx::query(
        "SELECT id, incarnation, roles, seq, beat, lease_us, on_stale, stale_max_us, joined_at_us, seen_at_us \
         FROM nodes ORDER BY id, incarnation",
    )
    .fetch_all(connection)
    .await?;
    let rows = rows
        .iter()
        .map(|row| of_row(&Columns::of(row, "nodes")))
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

fn of_row(columns: &Columns<'_>) -> Result<NodeRow, CorruptRow> {
    let roles = columns
        .text("roles")?
        .split(',')
        .filter(|role| !role.is_empty());
    let on_stale = columns.word("on_stale", OnStale::parse)?;
    let lease = Duration::from_micros(columns.count("lease_us")?);
    let stale_max = Duration::from_micros(columns.count("stale_max_us")?);
    Ok(NodeRow {
        beat: columns.number("beat")?,
        decides_for: match on_stale {
            OnStale::Serve => stale_max.max(lease),
            OnStale::Refuse => lease,
        },
        stale_max,
        info: NodeInfo {
            id: columns.id("id", NodeId::parse)?,
            incarnation: columns.owned("incarnation")?,
            roles: roles.map(str::to_owned).collect(),
            seq: columns.optional_number("seq")?.map(ChangeSeq::new),
            joined_at: columns.instant("joined_at_us")?,
            seen_at: columns.instant("seen_at_us")?,
            on_stale,
        },
    })
}
