//! `[cluster]`: what matters when several nodes share one database.

use std::time::Duration;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::HumanDuration;

/// What a node does when it has not reached the store for longer than its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnStale {
    /// Go on from what is known, for at most `stale_max`.
    Serve,
    /// Stop at once.
    Refuse,
}

/// What matters when several nodes share one database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// The name of this node, unique in the installation and the same after a restart. Empty: the host's name.
    pub node: String,
    /// How long after its last read of the store a node counts as up to date.
    pub lease: HumanDuration,
    /// What a node does past its lease: `serve` goes on from what is known for at most `stale_max`; `refuse`
    /// stops at once, so that a revocation is never missed and an outage of the store is one of the gateway.
    pub on_stale: OnStale,
    /// How long `serve` goes on. A revocation made meanwhile is not seen, so this is a promise to customers.
    pub stale_max: HumanDuration,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            node: String::new(),
            lease: HumanDuration::seconds(10),
            on_stale: OnStale::Serve,
            stale_max: HumanDuration::seconds(24 * 3600),
        }
    }
}

impl Cluster {
    pub(super) fn check(&self) -> Result<()> {
        if self.lease.get() < Duration::from_secs(1) {
            bail!("lease is at least 1s");
        }
        if self.stale_max < self.lease {
            bail!("stale_max is at least as long as lease");
        }
        Ok(())
    }

    /// How long after a read of the store decisions may still be made.
    #[must_use]
    pub fn usable_for(&self) -> Duration {
        match self.on_stale {
            OnStale::Serve => self.stale_max.get(),
            OnStale::Refuse => self.lease.get(),
        }
    }
}
