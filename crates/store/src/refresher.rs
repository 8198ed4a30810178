//! Keeps a snapshot fresh: first load, then refresh after refresh.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis_core::{
    change::ChangeSeq,
    clock::BootTime,
    snapshot::{Facts, Snapshot, SnapshotHandle},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    act::Fault,
    change_feed,
    change_log::Position,
    error::ActError,
    snapshot_loader::{self, Found},
    store::{Engine, Store},
};

/// Changes that come within this time of a refresh are read together.
const BURST: Duration = Duration::from_millis(20);

/// Which secrets a node's snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotParts {
    /// Digests of client secrets: nodes that issue tokens.
    pub secret_digests: bool,
    /// Private halves of `client` keys: nodes that issue tokens.
    pub private_client_keys: bool,
    /// Private halves of `outbound` keys: nodes that send to providers.
    pub private_outbound_keys: bool,
}

impl SnapshotParts {
    /// A node with every role.
    pub const ALL: Self = Self {
        secret_digests: true,
        private_client_keys: true,
        private_outbound_keys: true,
    };
}

/// A first load.
#[derive(Debug)]
pub struct Loaded {
    /// Everything.
    pub snapshot: Arc<Snapshot>,
    /// When the read was sent: where the lease starts.
    pub read_at: BootTime,
    /// Rows that did not parse and were left out.
    pub corrupt_rows: u64,
}

/// Joins the node set, then loads everything.
///
/// # Errors
/// [`ActError`]. A signing key that does not parse or open is an error; any other such row is left out and
/// counted.
pub async fn first_load(store: &Store, parts: SnapshotParts) -> Result<Loaded, ActError> {
    store.join().await?;
    let (read_at, loaded) = snapshot_loader::load(store, parts).await?;
    let snapshot = built(loaded.position, loaded.facts).await?;
    store.status().note_corrupt(loaded.corrupt);
    stand_at(store, loaded.position);
    if store.engine() == Engine::Postgres {
        store.beat().await?;
    }
    Ok(Loaded {
        snapshot,
        read_at,
        corrupt_rows: loaded.corrupt,
    })
}

/// Builds a snapshot of everything away from the runtime's own threads: for a large one that takes a while.
async fn built(position: Position, facts: Facts) -> Result<Arc<Snapshot>, Fault> {
    let seq = ChangeSeq::new(position.seq);
    tokio::task::spawn_blocking(move || Arc::new(Snapshot::from_facts(seq, facts)))
        .await
        .map_err(|_| ActError::Unavailable("the snapshot could not be built".to_owned()).into())
}

/// Notes where this process's snapshot stands, for the barrier and for the next look.
fn stand_at(store: &Store, position: Position) {
    *store.position() = Some(position);
    store
        .status()
        .applied_seq
        .store(position.seq, Ordering::Relaxed);
    store.applied().send_replace(Some(position.seq));
}

/// What the refresher has seen, for metrics and readiness. Counts are since the start.
#[derive(Debug, Default)]
pub struct RefresherStatus {
    /// The change the snapshot stands at.
    pub applied_seq: AtomicI64,
    /// Refreshes that brought something new.
    pub refreshes: AtomicU64,
    /// Everything was loaded anew.
    pub full_loads: AtomicU64,
    /// Of these, because the database was another one than before: a restored backup. An alarm.
    pub other_histories: AtomicU64,
    /// Reads that failed.
    pub failed_reads: AtomicU64,
    /// Rows left out because they do not parse. An alarm.
    pub corrupt_rows: AtomicU64,
    /// Old snapshots still in use by somebody.
    pub retired_snapshots: AtomicU64,
    /// 1 while changes are pushed, 0 while they are polled for.
    pub pushed: AtomicU64,
}

impl RefresherStatus {
    fn note_corrupt(&self, rows: u64) {
        self.corrupt_rows.fetch_add(rows, Ordering::Relaxed);
    }
}

/// The loop that keeps a [`SnapshotHandle`] fresh.
#[derive(Debug)]
pub struct Refresher;

impl Refresher {
    /// Runs until `stop` is cancelled. The handle must hold the snapshot that [`first_load`] gave.
    pub async fn run(
        store: Store,
        handle: Arc<SnapshotHandle>,
        parts: SnapshotParts,
        stop: CancellationToken,
    ) {
        let mut follower = Follower {
            store: &store,
            handle: &handle,
            parts,
            retired: Vec::new(),
            failing: false,
        };
        tokio::join!(
            follower.follow(&stop),
            change_feed::listen(&store, &stop),
            heartbeat(&store, &stop),
        );
    }
}

struct Follower<'a> {
    store: &'a Store,
    handle: &'a SnapshotHandle,
    parts: SnapshotParts,
    /// Old snapshots, kept until this is their only owner, so that no core that serves calls frees one.
    retired: Vec<Arc<Snapshot>>,
    failing: bool,
}

impl Follower<'_> {
    async fn follow(&mut self, stop: &CancellationToken) {
        let mut wakes = self.store.wakes();
        while !stop.is_cancelled() {
            self.refresh().await;
            self.release();
            let burst_end = Instant::now() + BURST;
            let poll = change_feed::poll_interval(self.store);
            tokio::select! {
                () = stop.cancelled() => return,
                // The sender lives as long as the store does.
                _ = tokio::time::timeout(poll, wakes.changed()) => {}
            }
            let _ = tokio::time::timeout_at(burst_end, stop.cancelled()).await;
            wakes.mark_unchanged();
        }
    }

    /// Looks at the log once, and reads what is new.
    async fn refresh(&mut self) {
        match self.try_refresh().await {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the change log can be read again");
                }
            }
            Err(fault) => {
                let status = self.store.status();
                status.failed_reads.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    let error = ActError::from(fault);
                    tracing::error!(%error, "the change log could not be read; decisions go on from what is known");
                }
            }
        }
    }

    async fn try_refresh(&mut self) -> Result<(), Fault> {
        let position = *self.store.position();
        let Some(from) = position else {
            return self.load_everything().await;
        };
        let read = snapshot_loader::look(self.store, self.parts, from).await?;
        let status = self.store.status();
        match read.found {
            Found::Nothing => {
                self.handle.confirm(read.sent_at);
                Ok(())
            }
            Found::Changes(loaded) => {
                let seq = ChangeSeq::new(loaded.position.seq);
                let next = Arc::new(self.handle.load().with(seq, loaded.facts));
                status.note_corrupt(loaded.corrupt);
                status.refreshes.fetch_add(1, Ordering::Relaxed);
                self.publish(next, (loaded.position, read.sent_at));
                Ok(())
            }
            Found::TooMuch => self.load_everything().await,
            Found::OtherHistory => {
                status.other_histories.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    seq = from.seq,
                    "the database has another history than before: it was restored or failed over; everything is loaded anew"
                );
                self.store.forget_commits();
                self.load_everything().await
            }
        }
    }

    async fn load_everything(&mut self) -> Result<(), Fault> {
        let (sent_at, loaded) = snapshot_loader::load(self.store, self.parts).await?;
        let snapshot = built(loaded.position, loaded.facts).await?;
        let status = self.store.status();
        status.note_corrupt(loaded.corrupt);
        status.full_loads.fetch_add(1, Ordering::Relaxed);
        self.publish(snapshot, (loaded.position, sent_at));
        Ok(())
    }

    fn publish(&mut self, next: Arc<Snapshot>, read: (Position, BootTime)) {
        let (position, sent_at) = read;
        self.retired.push(self.handle.replace(next, sent_at));
        stand_at(self.store, position);
        // By when the changes were committed at the latest, for whoever waits for them here.
        self.store.known_since(ChangeSeq::new(position.seq));
    }

    /// Frees the old snapshots that nobody else holds any more, on a thread that serves nothing.
    fn release(&mut self) {
        let (free, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retired)
            .into_iter()
            .partition(|snapshot| Arc::strong_count(snapshot) == 1);
        self.retired = held;
        let left = u64::try_from(self.retired.len()).unwrap_or(u64::MAX);
        self.store
            .status()
            .retired_snapshots
            .store(left, Ordering::Relaxed);
        if !free.is_empty() {
            drop(tokio::task::spawn_blocking(move || drop(free)));
        }
    }
}

async fn watch_others(store: &Store) -> Result<(), Fault> {
    let mut connection = store.control().await?;
    store.deciding_nodes(&mut connection).await.map(|_| ())
}

/// Tells the other nodes how far this one has come: after every refresh, and in any case three times in a
/// lease. On SQLite there are no others.
async fn heartbeat(store: &Store, stop: &CancellationToken) {
    if store.engine() == Engine::Sqlite {
        return;
    }
    let mut applied = store.applied().subscribe();
    let pause =
        (store.settings().lease / 3).clamp(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        if let Err(fault) = store.beat().await {
            tracing::warn!(
                ?fault,
                "this node could not tell the others how far it has come"
            );
            let _ = tokio::time::timeout(Duration::from_millis(200), stop.cancelled()).await;
        }
        // Keeps the watch on the others' signs of life.
        if let Err(fault) = watch_others(store).await {
            tracing::debug!(?fault, "the node set could not be read");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tokio::time::timeout(pause, applied.changed()) => {}
        }
    }
}

impl Store {
    /// What this process's refresher has seen.
    #[must_use]
    pub fn refresher_status(&self) -> Arc<RefresherStatus> {
        self.status().clone()
    }
}
