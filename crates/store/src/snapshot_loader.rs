//! Loads a snapshot: everything, or what changed since a position of the log. One read-only transaction that
//! sees one moment, so that a snapshot is always a state that existed.

use std::{collections::BTreeMap, time::Duration};

use portcullis_core::{change::EntityKind, clock::BootTime, snapshot::Facts};

use crate::{
    act::Fault,
    change_log::{self, Position, Since},
    dialect,
    error::ActError,
    keys,
    refresher::SnapshotParts,
    snapshot_rows::{FactReader, Scope},
    store::Store,
    transaction::Transaction,
};

/// With more changes than this, reading everything is the shorter way.
const CHANGES_MAX: usize = 5_000;
/// How long a look at the log may take, reading what changed included.
const DELTA_TIME_MAX: Duration = Duration::from_secs(5);
/// How long reading everything may take.
const LOAD_TIME_MAX: Duration = Duration::from_mins(2);

/// What a read found.
pub(crate) struct Read {
    /// When it was sent: where the lease starts.
    pub(crate) sent_at: BootTime,
    pub(crate) found: Found,
}

pub(crate) enum Found {
    /// The log ends where it did.
    Nothing,
    /// These facts changed since.
    Changes(Box<Loaded>),
    /// The changes do not lead there: everything is to be loaded.
    TooMuch,
    /// The position is not in this log.
    OtherHistory,
}

/// Facts and where they stand.
pub(crate) struct Loaded {
    pub(crate) facts: Facts,
    pub(crate) position: Position,
    /// Rows that were left out.
    pub(crate) corrupt: u64,
}

async fn in_time<T>(
    limit: Duration,
    read: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let late = || {
        Fault::Act(ActError::Unavailable(
            "the database did not answer in time".to_owned(),
        ))
    };
    tokio::time::timeout(limit, read)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// Reads everything.
pub(crate) async fn load(store: &Store, parts: SnapshotParts) -> Result<(BootTime, Loaded), Fault> {
    in_time(LOAD_TIME_MAX, async {
        let connection = store.control().await?;
        let sent_at = store.clock().boot_time();
        let words = dialect::begin_snapshot(store.engine());
        let mut tx = Transaction::begin(connection, words).await?;
        let position = change_log::end(tx.db()).await?;
        let loaded = facts(store, &mut tx, (&Scope::All, parts), position).await?;
        tx.commit().await?;
        let loaded = loaded.ok_or(ActError::NotFound("connection"))?;
        Ok((sent_at, loaded))
    })
    .await
}

/// Reads what changed since a position.
pub(crate) async fn look(
    store: &Store,
    parts: SnapshotParts,
    from: Position,
) -> Result<Read, Fault> {
    in_time(DELTA_TIME_MAX, async {
        let mut connection = store.control().await?;
        let sent_at = store.clock().boot_time();
        // One statement sees one moment by itself; most looks need no more than this one.
        if change_log::end(&mut connection).await? == from {
            return Ok(Read {
                sent_at,
                found: Found::Nothing,
            });
        }
        let words = dialect::begin_snapshot(store.engine());
        let mut tx = Transaction::begin(connection, words).await?;
        let found = changes(store, &mut tx, parts, from).await?;
        tx.commit().await?;
        Ok(Read { sent_at, found })
    })
    .await
}

async fn changes(
    store: &Store,
    tx: &mut Transaction,
    parts: SnapshotParts,
    from: Position,
) -> Result<Found, Fault> {
    let (position, changes) = match change_log::since(tx.db(), from).await? {
        Since::NotInLog => return Ok(Found::OtherHistory),
        Since::Changes(position, changes) => (position, changes),
    };
    if changes.len() > CHANGES_MAX {
        return Ok(Found::TooMuch);
    }
    let mut ids: BTreeMap<EntityKind, _> = BTreeMap::new();
    for (kind, id) in changes {
        // A kind that this program does not know was written by a newer one: what it means is in the tables.
        let Some(kind) = kind else {
            return Ok(Found::TooMuch);
        };
        ids.entry(kind)
            .or_insert_with(std::collections::BTreeSet::new)
            .insert(id);
    }
    let scope = Scope::Changed {
        after: from.seq,
        up_to: position.seq,
        ids,
    };
    let loaded = facts(store, tx, (&scope, parts), position).await?;
    Ok(loaded.map_or(Found::TooMuch, |loaded| Found::Changes(Box::new(loaded))))
}

/// `None` when what changed cannot be found.
async fn facts(
    store: &Store,
    tx: &mut Transaction,
    what: (&Scope, SnapshotParts),
    position: Position,
) -> Result<Option<Loaded>, Fault> {
    let (scope, parts) = what;
    let mut facts = Facts::default();
    if scope.has(EntityKind::Key) {
        facts.keys = Some(keys::load(tx.db(), &store.settings().master_key, parts).await?);
    }
    let mut reader = FactReader::new(tx.db(), scope, store.clock().now());
    if scope.has(EntityKind::Organization) {
        reader.organizations(&mut facts).await?;
    }
    if scope.has(EntityKind::App) {
        reader.apps(&mut facts).await?;
    }
    if scope.has(EntityKind::Api) {
        reader.apis(&mut facts).await?;
    }
    if scope.has(EntityKind::Instance) {
        reader.instances(&mut facts).await?;
    }
    if scope.has(EntityKind::Client) {
        reader.clients(&mut facts, parts.secret_digests).await?;
    }
    if scope.has(EntityKind::Subscription) {
        reader.subscriptions(&mut facts).await?;
    }
    if scope.has(EntityKind::Connection) && !reader.connections(&mut facts).await? {
        return Ok(None);
    }
    let corrupt = reader.corrupt;
    Ok(Some(Loaded {
        facts,
        position,
        corrupt,
    }))
}
