//! The barrier: wait until a change is in effect everywhere, and say where it is not.
//!
//! A node's lease starts when its read was sent. A read sent after the commit sees the change; one sent before
//! it can be decided from until its lease ends. So from commit plus lease on, measured on the waiter's own
//! clock, each node has applied the change or has stopped: two machines' clocks are never compared.

use std::time::Duration;

use portcullis_core::{change::ChangeSeq, ids::NodeId};
use tokio::time::{Instant, MissedTickBehavior};

use crate::{
    act::Fault,
    nodes::{NodeRow, with_drift},
    store::{Engine, Store},
};

/// How often the node set is read while others are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How far a change has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// Nodes in the set.
    pub of: usize,
    /// Nodes that have applied it, or have stopped deciding.
    pub confirmed: usize,
    /// The others.
    pub lagging: Vec<NodeId>,
}

impl Barrier {
    /// Whether the change is in effect everywhere.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lagging.is_empty() && self.confirmed >= self.of
    }
}

impl Store {
    /// Waits until every node has applied this change or stopped deciding, for at most `limit`. When the node
    /// set cannot be read, this node alone is spoken of, and as lagging.
    pub async fn wait_for(&self, seq: ChangeSeq, limit: Duration) -> Barrier {
        match self.engine() {
            Engine::Sqlite => self.wait_here(seq, limit).await,
            Engine::Postgres => self.wait_everywhere(seq, limit).await,
        }
    }

    /// The only process is this one.
    async fn wait_here(&self, seq: ChangeSeq, limit: Duration) -> Barrier {
        let mut applied = self.applied().subscribe();
        if applied.borrow().is_none() {
            // Nothing decides from this database: a tool has it open.
            return Barrier {
                of: 0,
                confirmed: 0,
                lagging: Vec::new(),
            };
        }
        let reached = applied.wait_for(|applied| *applied >= Some(seq.get()));
        let reached = matches!(tokio::time::timeout(limit, reached).await, Ok(Ok(_)));
        Barrier {
            of: 1,
            confirmed: usize::from(reached),
            lagging: if reached {
                Vec::new()
            } else {
                vec![self.settings().node.id.clone()]
            },
        }
    }

    async fn wait_everywhere(&self, seq: ChangeSeq, limit: Duration) -> Barrier {
        let deadline = Instant::now() + limit;
        let mut pace = tokio::time::interval(LOOK_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known = Barrier {
            of: 1,
            confirmed: 0,
            lagging: vec![self.settings().node.id.clone()],
        };
        loop {
            if tokio::time::timeout_at(deadline, pace.tick())
                .await
                .is_err()
            {
                return known;
            }
            match tokio::time::timeout_at(deadline, self.look(seq)).await {
                Ok(Some(barrier)) if barrier.is_complete() => return barrier,
                Ok(Some(barrier)) => known = barrier,
                Ok(None) => {}
                Err(_) => return known,
            }
        }
    }

    /// Reads the node set, after the waiter's own commit.
    async fn look(&self, seq: ChangeSeq) -> Option<Barrier> {
        let nodes = match self.nodes_to_wait_for().await {
            Ok(nodes) => nodes,
            Err(fault) => {
                tracing::debug!(?fault, "the node set could not be read");
                return None;
            }
        };
        let lagging: Vec<NodeId> = nodes
            .iter()
            .filter(|node| !self.is_past(node, seq))
            .map(|node| node.info.id.clone())
            .collect();
        Some(Barrier {
            of: nodes.len(),
            confirmed: nodes.len() - lagging.len(),
            lagging,
        })
    }

    /// Not on the refresher's connections, and few at a time: however many wait, the others get on.
    async fn nodes_to_wait_for(&self) -> Result<Vec<NodeRow>, Fault> {
        let _turn = self.barrier_turn().await;
        let mut connection = self.reader().await?;
        self.deciding_nodes(&mut connection).await
    }

    /// Whether the node has applied the change, or can no longer decide from anything older.
    fn is_past(&self, node: &NodeRow, seq: ChangeSeq) -> bool {
        let own = &self.settings().node;
        let applied = if node.info.id == own.id && node.info.incarnation == own.incarnation {
            (*self.applied().borrow()).map(ChangeSeq::new)
        } else {
            node.info.seq
        };
        if applied >= Some(seq) {
            return true;
        }
        let since = self.clock().boot_time().since(self.known_since(seq));
        since > with_drift(node.decides_for)
    }
}
