//! How the cores of a port are doing: when each was last seen at work, and how many connections it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often each core shows that it is not stuck.
const TICK: Duration = Duration::from_millis(100);

/// A core that has not ticked for so long gets connections only when all the others are as late.
const STUCK: Duration = Duration::from_secs(1);

/// Shows whether the cores of a port still turn. Cheap to clone and to read.
#[derive(Debug, Clone)]
pub struct CoreHealth {
    begin: Instant,
    cores: Arc<[Core]>,
    acceptor: Arc<Core>,
}

#[derive(Debug, Default)]
struct Core {
    /// Milliseconds from `begin` to the last tick; `u64::MAX` once the core has ended in good order.
    ticked_ms: AtomicU64,
    open: AtomicUsize,
}

impl CoreHealth {
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            begin: Instant::now(),
            cores: (0..cores).map(|_| Core::default()).collect(),
            acceptor: Arc::default(),
        }
    }

    /// The time since each core's last tick, by the number of the core. A core that has drained counts
    /// as just seen.
    #[must_use]
    pub fn tick_ages(&self) -> Vec<Duration> {
        self.cores.iter().map(|core| self.age(core)).collect()
    }

    /// The age of the oldest last tick among the cores and the thread that accepts for them.
    #[must_use]
    pub fn oldest_tick_age(&self) -> Duration {
        self.cores
            .iter()
            .chain([&*self.acceptor])
            .map(|core| self.age(core))
            .max()
            .unwrap_or_default()
    }

    fn age(&self, core: &Core) -> Duration {
        let ticked = Duration::from_millis(core.ticked_ms.load(Ordering::Relaxed));
        self.begin.elapsed().saturating_sub(ticked)
    }

    /// Connections open on each core, by the number of the core.
    #[must_use]
    pub fn open_connections(&self) -> Vec<usize> {
        self.cores
            .iter()
            .map(|core| core.open.load(Ordering::Relaxed))
            .collect()
    }

    /// Ticks for this core for as long as its runtime turns.
    pub(crate) async fn keep_core_ticking(&self, core: usize) {
        match self.cores.get(core) {
            Some(core) => self.keep_ticking(core).await,
            None => std::future::pending().await,
        }
    }

    /// The same for the thread that accepts.
    pub(crate) async fn keep_acceptor_ticking(&self) {
        self.keep_ticking(&self.acceptor).await;
    }

    async fn keep_ticking(&self, core: &Core) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            core.ticked_ms.store(now, Ordering::Relaxed);
        }
    }

    /// This core will not tick again, and that is well.
    pub(crate) fn core_has_ended(&self, core: usize) {
        if let Some(core) = self.cores.get(core) {
            core.ticked_ms.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// The thread that accepts will not tick again, and that is well.
    pub(crate) fn acceptor_has_ended(&self) {
        self.acceptor.ticked_ms.store(u64::MAX, Ordering::Relaxed);
    }

    /// Cores by open connections, fewest first; equals in turn; those that are stuck after all others.
    pub(crate) fn by_load(&self, turn: usize) -> Vec<usize> {
        let count = self.cores.len();
        let mut order: Vec<usize> = (0..count)
            .map(|nth| turn.wrapping_add(nth) % count)
            .collect();
        order.sort_by_key(|core| {
            let core = self.cores.get(*core);
            core.map(|core| (self.age(core) > STUCK, core.open.load(Ordering::Relaxed)))
        });
        order
    }
}

/// One connection among those of a core.
#[derive(Debug)]
pub(crate) struct Place {
    health: CoreHealth,
    core: usize,
}

impl Place {
    pub(crate) fn take(health: &CoreHealth, core: usize) -> Self {
        if let Some(core) = health.cores.get(core) {
            core.open.fetch_add(1, Ordering::Relaxed);
        }
        Self {
            health: health.clone(),
            core,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(core) = self.health.cores.get(self.core) {
            core.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
