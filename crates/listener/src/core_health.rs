//! How the cores of a port are doing: when each was last seen at work, and how many connections it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often each core shows that it is not stuck.
const TICK: Duration = Duration::from_millis(100);

/// Shows whether the cores of a port still turn. Cheap to clone and to read.
#[derive(Debug, Clone)]
pub struct CoreHealth {
    begin: Instant,
    cores: Arc<[Core]>,
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
        }
    }

    /// The time since each core's last tick, by the number of the core. A core that has drained counts
    /// as just seen.
    #[must_use]
    pub fn tick_ages(&self) -> Vec<Duration> {
        let now = self.begin.elapsed();
        let age = |core: &Core| {
            now.saturating_sub(Duration::from_millis(
                core.ticked_ms.load(Ordering::Relaxed),
            ))
        };
        self.cores.iter().map(age).collect()
    }

    /// The age of the tick of the core that has been quiet for longest.
    #[must_use]
    pub fn oldest_tick_age(&self) -> Duration {
        self.tick_ages().into_iter().max().unwrap_or_default()
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
    pub(crate) async fn keep_ticking(&self, core: usize) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.set_ticked(core, now);
        }
    }

    /// This core will not tick again, and that is well.
    pub(crate) fn set_ended(&self, core: usize) {
        self.set_ticked(core, u64::MAX);
    }

    fn set_ticked(&self, core: usize, ticked_ms: u64) {
        if let Some(core) = self.cores.get(core) {
            core.ticked_ms.store(ticked_ms, Ordering::Relaxed);
        }
    }

    /// Cores by open connections, fewest first; equals in turn.
    pub(crate) fn by_load(&self, turn: usize) -> Vec<usize> {
        let count = self.cores.len();
        let mut order: Vec<usize> = (0..count)
            .map(|nth| turn.wrapping_add(nth) % count)
            .collect();
        order.sort_by_key(|core| {
            self.cores
                .get(*core)
                .map_or(0, |core| core.open.load(Ordering::Relaxed))
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
