//! `[outgoing]`: calls that the installation itself makes, to providers and their hooks.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use portcullis_core::{
    address_policy::{Grant, Network},
    ids::OrganizationId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Calls that the installation itself makes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Outgoing {
    /// Ranges of private addresses that target URLs may point into. Loopback, link-local and this
    /// installation's own addresses are never reached through `0.0.0.0/0` and the like by accident: name them.
    pub allowed_networks: Vec<AllowedNetwork>,
    /// PEM file with certificate authorities to trust beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_roots_file: Option<PathBuf>,
}

/// A range of private addresses that target URLs may point into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedNetwork {
    /// Such as `10.1.0.0/16`.
    pub network: String,
    /// The organization it is for; without one it is for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

impl Outgoing {
    /// `allowed_networks`, read.
    ///
    /// # Errors
    /// When one of them is no network, or its organization no identifier.
    pub fn grants(&self) -> Result<Vec<Grant>> {
        self.allowed_networks
            .iter()
            .map(|allowed| {
                let network = Network::parse(&allowed.network).map_err(|e| {
                    anyhow!("outgoing.allowed_networks: {:?}: {e}", allowed.network)
                })?;
                let organization = allowed
                    .organization
                    .as_deref()
                    .map(OrganizationId::parse)
                    .transpose()
                    .map_err(|e| anyhow!("outgoing.allowed_networks: {e}"))?;
                Ok(Grant {
                    network,
                    organization,
                })
            })
            .collect()
    }
}
