//! `[auth]`: the token server.

use anyhow::{Result, bail};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::units::HumanDuration;

/// The token server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// The issuer, byte for byte as it stands in tokens. Empty: `{listeners.public_url}/oauth2/default`.
    pub issuer: String,
    /// The audience of tokens.
    pub audience: String,
    /// How long a token is valid.
    pub token_lifetime: HumanDuration,
    /// Issuers that old clients still use. They answer with tokens of the current issuer until their end.
    pub deprecated_issuers: Vec<DeprecatedIssuer>,
}

/// An issuer that old clients still use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeprecatedIssuer {
    /// Its path on the portal port, such as `/oauth2/legacy`.
    pub path: String,
    /// Since when it has been deprecated.
    #[schemars(with = "String")]
    pub deprecated_at: Timestamp,
    /// From when on it refuses and names the current issuer.
    #[schemars(with = "String")]
    pub ends_at: Timestamp,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: "api_providers".to_owned(),
            token_lifetime: HumanDuration::seconds(3600),
            deprecated_issuers: Vec::new(),
        }
    }
}

impl Auth {
    pub(super) fn check(&self) -> Result<()> {
        if !self.issuer.is_empty() {
            check_issuer(&self.issuer)?;
        }
        if self.audience.is_empty() || !self.audience.bytes().all(|b| b.is_ascii_graphic()) {
            bail!("audience is visible ASCII text");
        }
        if !(60..=86_400).contains(&self.token_lifetime.get().as_secs()) {
            bail!("token_lifetime is between 1m and 24h");
        }
        for deprecated in &self.deprecated_issuers {
            if !is_plain_path(&deprecated.path) {
                bail!(
                    "deprecated_issuers: path is one such as /oauth2/legacy, without a trailing slash"
                );
            }
            if deprecated.ends_at <= deprecated.deprecated_at {
                bail!("deprecated_issuers: ends_at lies after deprecated_at");
            }
        }
        Ok(())
    }

    /// The issuer, given the public URL without a trailing slash.
    #[must_use]
    pub fn effective_issuer(&self, public_base: &str) -> String {
        if self.issuer.is_empty() {
            format!("{public_base}/oauth2/default")
        } else {
            self.issuer.clone()
        }
    }
}

fn check_issuer(issuer: &str) -> Result<()> {
    let Ok(url) = Url::parse(issuer) else {
        bail!("issuer is no URL")
    };
    if issuer.contains(['?', '#', '@']) {
        bail!("issuer has no query, fragment or user");
    }
    if url.as_str() != issuer || !is_plain_path(url.path()) {
        bail!(
            "issuer is written in its normal form with a path such as /oauth2/default and no trailing slash"
        );
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        _ => bail!("issuer begins with https:// (http:// is for loopback alone)"),
    }
}

fn is_plain_path(path: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && part.bytes().all(legal))
    })
}
