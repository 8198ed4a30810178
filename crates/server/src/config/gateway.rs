//! `[gateway]`: the gateway.

use anyhow::{Result, bail};
use portcullis_core::address_policy::Network;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{ByteSize, HumanDuration};

/// The gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// Number of cores that serve calls. Without it: one for each processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// How long connecting to a provider may take.
    pub connect_timeout: HumanDuration,
    /// How long a provider may take until the head of its answer.
    pub response_timeout: HumanDuration,
    /// How long a provider's body may stand still.
    pub idle_timeout: HumanDuration,
    /// Largest body in each direction, unless an API instance is set to stream.
    pub body_max: ByteSize,
    /// Answers calls with the literal `Subscription-Id: test` from the examples of the API's specification.
    pub simulator: bool,
    /// Proxies in front, such as `10.0.0.0/8`: only behind them X-Forwarded-For and Forwarded of a caller are
    /// believed and extended.
    pub trusted_proxies: Vec<String>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            workers: None,
            connect_timeout: HumanDuration::seconds(5),
            response_timeout: HumanDuration::seconds(55),
            idle_timeout: HumanDuration::seconds(60),
            body_max: ByteSize::mebibytes(10),
            simulator: false,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Gateway {
    pub(super) fn check(&self) -> Result<()> {
        if self
            .workers
            .is_some_and(|workers| !(1..=1024).contains(&workers))
        {
            bail!("workers is between 1 and 1024");
        }
        self.networks().map(drop)
    }

    /// `trusted_proxies`, read.
    ///
    /// # Errors
    /// When one of them is no network.
    pub fn networks(&self) -> Result<Vec<Network>> {
        self.trusted_proxies
            .iter()
            .map(|text| {
                Network::parse(text).map_err(|e| anyhow::anyhow!("trusted_proxies: {text:?}: {e}"))
            })
            .collect()
    }
}
