//! The handle to the database: opening, closing, and what everything that speaks to it shares.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    fs::File,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portcullis_core::{
    change::ChangeSeq,
    clock::{BootTime, Clock},
};
use sqlx::{Any, AnyPool, pool::PoolConnection};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::{
    act::Fault,
    change_log::Position,
    error::OpenError,
    master_key::MasterKey,
    nodes::{NodeIdentity, NodeKey, SeenNode},
    open::{self, Opened, Pools},
    refresher::RefresherStatus,
    schema,
};

/// How many commits are remembered with the moment at which they were known.
const COMMITS_MAX: usize = 4_096;

/// What a store needs to know.
#[derive(Debug)]
pub struct StoreSettings {
    /// `sqlite:PATH` or `postgres://...`.
    pub url: String,
    /// Where LISTEN works, when `url` leads through a pooler that breaks it. PostgreSQL only.
    pub listen_url: Option<String>,
    /// Opens what is sealed in the database.
    pub master_key: MasterKey,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Which node this process is.
    pub node: NodeIdentity,
    /// For how long a successful read of the log may be decided from.
    pub lease: Duration,
    /// Lifetime of the access tokens of new clients.
    pub token_lifetime: Duration,
}

/// Which database engine a store speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Embedded: exactly one process.
    Sqlite,
    /// Shared by many nodes.
    Postgres,
}

/// What the audit log is told beside the actor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ActContext {
    /// Where the request came from.
    pub address: Option<IpAddr>,
}

/// What an act did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted<T> {
    /// The result.
    pub value: T,
    /// The change to wait for at the barrier; `None` when nothing that decisions depend on changed.
    pub seq: Option<ChangeSeq>,
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    context: ActContext,
}

struct Shared {
    engine: Engine,
    settings: StoreSettings,
    installation_id: String,
    pools: Pools,
    /// Held by SQLite alone, until the store is closed.
    lock: Mutex<Option<File>>,
    /// Counts reasons for the refresher to look at the log.
    wake: watch::Sender<u64>,
    /// Counts acts that owed something.
    owed: watch::Sender<u64>,
    /// What this process's refresher has applied; `None` before its first load.
    applied: watch::Sender<Option<i64>>,
    position: Mutex<Option<Position>>,
    commits: Mutex<VecDeque<(i64, BootTime)>>,
    seen_nodes: Mutex<HashMap<NodeKey, SeenNode>>,
    barrier_turns: Semaphore,
    status: Arc<RefresherStatus>,
}

/// A lock whose data is whole at every moment, so that a panic elsewhere does not spoil it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the database, and makes or migrates it when that is called for.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed.
    pub async fn open(settings: StoreSettings) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let Opened {
            engine,
            pools,
            lock,
        } = open::open(&settings).await?;
        let mut connection = pools
            .readers
            .acquire()
            .await
            .map_err(|error| schema::unreachable(error.into()))?;
        let installation_id = schema::installation_id(&mut connection).await?;
        drop(connection);
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                settings,
                installation_id,
                pools,
                lock: Mutex::new(lock),
                wake: watch::Sender::new(0),
                owed: watch::Sender::new(0),
                applied: watch::Sender::new(None),
                position: Mutex::new(None),
                commits: Mutex::new(VecDeque::new()),
                seen_nodes: Mutex::new(HashMap::new()),
                barrier_turns: Semaphore::new(2),
                status: Arc::default(),
            }),
            context: ActContext::default(),
        })
    }

    /// Leaves the node set, checkpoints and lets the database go.
    pub async fn close(&self) {
        if let Err(error) = self.leave().await {
            tracing::warn!(%error, "this node could not leave the node set; others wait for its lease");
        }
        let pools = &self.shared.pools;
        pools.readers.close().await;
        pools.control.close().await;
        pools.usage.close().await;
        // The last connection to an SQLite file that closes writes its log back into it.
        pools.writers.close().await;
        drop(locked(&self.shared.lock).take());
    }

    /// The same store, with what the audit log is told of the acts done through it.
    #[must_use]
    pub fn within(&self, context: ActContext) -> Self {
        Self {
            shared: self.shared.clone(),
            context,
        }
    }

    /// Which engine it speaks to.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.shared.engine
    }

    pub(crate) fn installation(&self) -> &str {
        &self.shared.installation_id
    }

    pub(crate) fn context(&self) -> ActContext {
        self.context
    }

    pub(crate) fn settings(&self) -> &StoreSettings {
        &self.shared.settings
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.shared.settings.clock.as_ref()
    }

    pub(crate) fn writers(&self) -> &AnyPool {
        &self.shared.pools.writers
    }

    /// A connection for what people read.
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Any>, Fault> {
        Ok(self.shared.pools.readers.acquire().await?)
    }

    /// A connection for the refresher, the heartbeat and the barrier. On SQLite it cannot write.
    pub(crate) async fn control(&self) -> Result<PoolConnection<Any>, Fault> {
        Ok(self.shared.pools.control.acquire().await?)
    }

    pub(crate) async fn usage_connection(&self) -> Result<PoolConnection<Any>, Fault> {
        Ok(self.shared.pools.usage.acquire().await?)
    }

    /// Notes that an act of this process was committed with this number.
    pub(crate) fn committed(&self, seq: ChangeSeq) {
        self.known_since(seq);
        self.wake_refresher();
    }

    /// Makes the refresher look at the log.
    pub(crate) fn wake_refresher(&self) {
        self.shared.wake.send_modify(|count| *count += 1);
    }

    /// Follows the reasons to look at the log.
    pub(crate) fn wakes(&self) -> watch::Receiver<u64> {
        self.shared.wake.subscribe()
    }

    /// Makes the workers look for jobs.
    pub(crate) fn wake_workers(&self) {
        self.shared.owed.send_modify(|count| *count += 1);
    }

    /// Follows the acts of this process that owed something. Acts of other nodes are found by looking now and
    /// then.
    #[must_use]
    pub fn jobs_owed(&self) -> watch::Receiver<u64> {
        self.shared.owed.subscribe()
    }

    /// By when, on this machine's clock, a change was committed for certain: when this process first heard of
    /// it, or of a later one.
    pub(crate) fn known_since(&self, seq: ChangeSeq) -> BootTime {
        let now = self.clock().boot_time();
        let mut commits = locked(&self.shared.commits);
        let known = commits
            .iter()
            .filter(|(known, _)| *known >= seq.get())
            .map(|(_, at)| *at)
            .min();
        if let Some(at) = known {
            return at;
        }
        if commits.len() >= COMMITS_MAX {
            commits.pop_front();
        }
        commits.push_back((seq.get(), now));
        now
    }

    /// Forgets what was known of commits: they were another history's.
    pub(crate) fn forget_commits(&self) {
        locked(&self.shared.commits).clear();
    }

    /// What this process's refresher has applied.
    pub(crate) fn applied(&self) -> &watch::Sender<Option<i64>> {
        &self.shared.applied
    }

    pub(crate) fn position(&self) -> MutexGuard<'_, Option<Position>> {
        locked(&self.shared.position)
    }

    pub(crate) fn seen_nodes(&self) -> MutexGuard<'_, HashMap<NodeKey, SeenNode>> {
        locked(&self.shared.seen_nodes)
    }

    /// A turn to read the node set for whoever waits at the barrier. `None` never comes: nobody closes it.
    pub(crate) async fn barrier_turn(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.barrier_turns.acquire().await.ok()
    }

    pub(crate) fn status(&self) -> &Arc<RefresherStatus> {
        &self.shared.status
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?})", self.engine())
    }
}
