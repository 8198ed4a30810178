//! Connections to providers: one pool for each core, so that nothing here is shared or locked.
//!
//! Connections are kept by instance, never by address: which addresses may be reached depends on whose API it
//! is, and an instance whose target has changed must not meet connections to the old one. A connection is used
//! again only when both messages on it ended exactly where they said.

mod connect;
mod connection;
mod relay;
mod stream;

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    fmt, mem,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use portcullis_core::{
    clock::{BootTime, Clock},
    ids::{IdKey, OrganizationId},
    routes::InstanceRecord,
    sharded::IdHash,
};
use tokio::{
    sync::oneshot,
    task::spawn_local,
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};

pub use self::connect::{UpstreamTls, UpstreamTlsError};
pub(crate) use self::connection::{Connection, Failure};
use crate::{
    error::UpstreamError,
    settings::{Limits, Settings, Timeouts},
};

/// How often connections that nobody used are looked through.
const SWEEP: Duration = Duration::from_secs(5);

/// The connections of one core.
pub(crate) struct Upstream {
    connector: connect::Connector,
    timeouts: Timeouts,
    limits: Limits,
    clock: Arc<dyn Clock>,
    pools: RefCell<HashMap<IdKey, Pool, IdHash>>,
}

/// The connections to one instance.
struct Pool {
    instance: Arc<InstanceRecord>,
    /// Waiting for a call; the one used last is taken first, so that the others may end.
    #[expect(clippy::vec_box, reason = "a connection is large and moves often")]
    idle: Vec<Box<Connection>>,
    /// How many exist, in use or not.
    open: usize,
    /// Calls that wait, the first come first.
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// What a waiting call gets.
enum Turn {
    Connection(Box<Connection>),
    Place(Slot),
}

/// Where a call that wants a new connection stands.
enum Line {
    /// It may make one.
    Place(Slot),
    /// It waits for this.
    Turn(oneshot::Receiver<Turn>),
}

/// One of the connections an instance may have. Whoever drops it passes it on.
pub(crate) struct Slot {
    upstream: Weak<Upstream>,
    instance: IdKey,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(upstream) = self.upstream.upgrade() else {
            return;
        };
        let next = Self {
            upstream: mem::take(&mut self.upstream),
            instance: self.instance,
        };
        upstream.pass_on(next);
    }
}

impl Upstream {
    pub(crate) fn new(settings: &Settings, tls: UpstreamTls, clock: Arc<dyn Clock>) -> Rc<Self> {
        let connector = connect::Connector {
            policy: settings.address_policy.clone(),
            tls,
            timeout: settings.timeouts.connect,
        };
        Rc::new(Self {
            connector,
            timeouts: settings.timeouts,
            limits: settings.limits,
            clock,
            pools: RefCell::default(),
        })
    }

    /// A connection that is at hand.
    pub(crate) fn take_idle(
        &self,
        instance: &Arc<InstanceRecord>,
        now: BootTime,
    ) -> Option<Box<Connection>> {
        loop {
            let mut connection = {
                let mut pools = self.pools.borrow_mut();
                let pool = pools.get_mut(&instance.id.key())?;
                if !leads_to(&pool.instance, instance) {
                    return None;
                }
                pool.idle.pop()?
            };
            // Dropped outside of the borrow: a connection that ends passes its place on.
            if !connection.is_stale(now) && connection.is_usable() {
                return Some(connection);
            }
        }
    }

    /// A connection, new or the next that becomes free.
    pub(crate) async fn wait_for(
        self: &Rc<Self>,
        instance: &Arc<InstanceRecord>,
        organization: Option<&OrganizationId>,
    ) -> Result<Box<Connection>, UpstreamError> {
        if let Some(connection) = self.take_idle(instance, self.clock.boot_time()) {
            return Ok(connection);
        }
        let slot = match self.line_up(instance)? {
            Line::Place(slot) => slot,
            Line::Turn(turn) => {
                let deadline = Instant::now() + self.timeouts.connect;
                match timeout_at(deadline, turn).await {
                    Ok(Ok(Turn::Connection(connection))) => return Ok(connection),
                    Ok(Ok(Turn::Place(slot))) => slot,
                    Ok(Err(_)) | Err(_) => return Err(UpstreamError::Busy),
                }
            }
        };
        self.open(instance, organization, slot).await
    }

    /// A new connection, for a call that found a kept one dead.
    pub(crate) async fn open_anew(
        self: &Rc<Self>,
        instance: &Arc<InstanceRecord>,
        organization: Option<&OrganizationId>,
    ) -> Result<Box<Connection>, UpstreamError> {
        // The others were most likely closed with it.
        let others = {
            let mut pools = self.pools.borrow_mut();
            pools
                .get_mut(&instance.id.key())
                .map(|pool| mem::take(&mut pool.idle))
        };
        drop(others);
        self.wait_for(instance, organization).await
    }

    async fn open(
        self: &Rc<Self>,
        instance: &Arc<InstanceRecord>,
        organization: Option<&OrganizationId>,
        slot: Slot,
    ) -> Result<Box<Connection>, UpstreamError> {
        let transport = self
            .connector
            .connect(&instance.target, organization)
            .await?;
        Connection::open(
            transport,
            Arc::clone(instance),
            self.timeouts.keep_alive,
            slot,
        )
        .await
    }

    /// A place for a new connection, or a turn to wait for.
    fn line_up(self: &Rc<Self>, instance: &Arc<InstanceRecord>) -> Result<Line, UpstreamError> {
        let key = instance.id.key();
        let mut pools = self.pools.borrow_mut();
        let is_first = pools.is_empty();
        let pool = pools.entry(key).or_insert_with(|| Pool {
            instance: Arc::clone(instance),
            idle: Vec::new(),
            open: 0,
            waiting: VecDeque::new(),
        });
        let old = if leads_to(&pool.instance, instance) {
            Vec::new()
        } else {
            pool.instance = Arc::clone(instance);
            mem::take(&mut pool.idle)
        };
        let outcome = if pool.open < self.limits.connections_max {
            pool.open += 1;
            Ok(Line::Place(Slot {
                upstream: Rc::downgrade(self),
                instance: key,
            }))
        } else if pool.waiting.len() < self.limits.waiting_max {
            let (sender, turn) = oneshot::channel();
            pool.waiting.push_back(sender);
            Ok(Line::Turn(turn))
        } else {
            Err(UpstreamError::Busy)
        };
        drop(pools);
        drop(old);
        if is_first {
            self.sweep_regularly();
        }
        outcome
    }

    /// Takes a connection back after a call that ended as it should.
    pub(crate) fn give_back(&self, mut connection: Box<Connection>, now: BootTime) {
        if !connection.is_usable() {
            return;
        }
        connection.rest(now);
        let mut pools = self.pools.borrow_mut();
        let Some(pool) = pools.get_mut(&connection.slot().instance) else {
            return;
        };
        if !leads_to(&pool.instance, connection.instance()) {
            drop(pools);
            return;
        }
        while let Some(waiting) = pool.waiting.pop_front() {
            match waiting.send(Turn::Connection(connection)) {
                Err(Turn::Connection(back)) => connection = back,
                Ok(()) | Err(Turn::Place(_)) => return,
            }
        }
        if pool.idle.len() < self.limits.idle_connections_max {
            pool.idle.push(connection);
            return;
        }
        drop(pools);
        drop(connection);
    }

    /// Gives the place of a connection that has ended to the next call that waits, or takes it back.
    fn pass_on(&self, mut slot: Slot) {
        let mut pools = self.pools.borrow_mut();
        let Some(pool) = pools.get_mut(&slot.instance) else {
            slot.upstream = Weak::new();
            return;
        };
        while let Some(waiting) = pool.waiting.pop_front() {
            match waiting.send(Turn::Place(slot)) {
                Ok(()) | Err(Turn::Connection(_)) => return,
                Err(Turn::Place(back)) => slot = back,
            }
        }
        pool.open = pool.open.saturating_sub(1);
        // Nothing is left to pass on.
        slot.upstream = Weak::new();
    }

    /// Lets go, every few seconds and as long as this core lives, of connections that have ended or waited
    /// too long, and of what is kept for instances nobody calls.
    fn sweep_regularly(self: &Rc<Self>) {
        let upstream = Rc::downgrade(self);
        spawn_local(async move {
            let mut ticks = interval(SWEEP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(upstream) = upstream.upgrade() else {
                    return;
                };
                upstream.sweep();
                if upstream.pools.borrow().is_empty() {
                    return;
                }
            }
        });
    }

    fn sweep(&self) {
        let now = self.clock.boot_time();
        let mut ended = Vec::new();
        for pool in self.pools.borrow_mut().values_mut() {
            let idle = mem::take(&mut pool.idle);
            for mut connection in idle {
                if connection.is_stale(now) || !connection.is_usable() {
                    ended.push(connection);
                } else {
                    pool.idle.push(connection);
                }
            }
        }
        drop(ended);
        self.pools
            .borrow_mut()
            .retain(|_, pool| pool.open > 0 || !pool.waiting.is_empty());
    }
}

/// Whether a connection made for one of these is good for the other.
fn leads_to(one: &Arc<InstanceRecord>, other: &Arc<InstanceRecord>) -> bool {
    Arc::ptr_eq(one, other) || one.target == other.target
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({} instances)", self.pools.borrow().len())
    }
}
