//! `[listeners]`: ports, TLS and public addresses.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::units::HumanDuration;

/// Ports, TLS and public addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listeners {
    /// Addresses of the token server, the management API, the subscriptions API and the portal.
    pub portal: Vec<SocketAddr>,
    /// Addresses of the gateway.
    pub gateway: Vec<SocketAddr>,
    /// Addresses of health, readiness and metrics. Not for the public.
    pub operations: Vec<SocketAddr>,
    /// The URL under which the portal port is reached from outside, without a trailing slash.
    #[schemars(with = "String")]
    pub public_url: Url,
    /// The URL under which the gateway is reached from outside, without a trailing slash.
    #[schemars(with = "String")]
    pub gateway_url: Url,
    /// PEM file with the certificate chain for the portal and gateway ports. Read again on SIGHUP. Without one
    /// the ports speak http, for a proxy in front that ends TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the private key of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_key_file: Option<PathBuf>,
    /// Most connections open at once on one port.
    pub connections_max: usize,
    /// Most connections open at once from one address on one port.
    pub connections_per_source_max: usize,
    /// How long requests in flight may go on after a stop was asked for.
    pub drain: HumanDuration,
}

#[expect(
    clippy::expect_used,
    reason = "the literals are URLs and addresses, as the test of defaults shows"
)]
impl Default for Listeners {
    fn default() -> Self {
        let local = |port: u16| vec![SocketAddr::from(([127, 0, 0, 1], port))];
        let url = |text: &str| Url::parse(text).expect("a URL");
        Self {
            portal: local(8080),
            gateway: local(8081),
            operations: local(8082),
            public_url: url("http://localhost:8080"),
            gateway_url: url("http://localhost:8081"),
            certificate_file: None,
            certificate_key_file: None,
            connections_max: 60_000,
            connections_per_source_max: 10_000,
            drain: HumanDuration::seconds(30),
        }
    }
}

impl Listeners {
    pub(super) fn check(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for address in self
            .portal
            .iter()
            .chain(&self.gateway)
            .chain(&self.operations)
        {
            if address.port() != 0 && !seen.insert(address) {
                bail!("{address} is used for two ports; give each its own");
            }
        }
        for (name, url) in [
            ("public_url", &self.public_url),
            ("gateway_url", &self.gateway_url),
        ] {
            let plain =
                url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
            if !matches!(url.scheme(), "http" | "https") || !plain {
                bail!("{name}: {url} is not an http or https URL without query and fragment");
            }
        }
        if self.certificate_file.is_some() != self.certificate_key_file.is_some() {
            bail!("certificate_file and certificate_key_file belong together: set both or none");
        }
        Ok(())
    }

    /// `public_url` without a trailing slash.
    #[must_use]
    pub fn public_base(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    /// `gateway_url` without a trailing slash.
    #[must_use]
    pub fn gateway_base(&self) -> &str {
        self.gateway_url.as_str().trim_end_matches('/')
    }
}
