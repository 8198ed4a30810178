//! Target URLs at registration: syntax, and every address behind the name.
//!
//! One forbidden address among good ones is enough to refuse. A name that does not resolve yet is taken with a
//! warning: whoever connects later looks at the address again, so nothing rests on this check alone.

mod probe;

pub use probe::TargetChecks;
pub(crate) use probe::{Outcome, Probed};

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use portcullis_core::{
    address_policy::AddressPolicy,
    ids::OrganizationId,
    target::{Target, TargetHost},
};

/// Addresses of a name that are looked at.
const ADDRESSES_MAX: usize = 16;
/// How long a name may take to resolve.
const RESOLVE_LIMIT: Duration = Duration::from_secs(3);

/// A target that may be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    /// What the provider should know although it is allowed.
    pub(crate) warnings: Vec<String>,
}

/// Checks a target URL for a provider.
///
/// # Errors
/// A clause that says what is wrong with it.
pub(crate) async fn check(
    url: &str,
    policy: &AddressPolicy,
    provider: &OrganizationId,
) -> Result<Checked, String> {
    let target = Target::parse(url).map_err(|error| error.to_string())?;
    let mut warnings = Vec::new();
    if !target.https {
        warnings.push("The target URL is http: calls travel to the provider in clear.".to_owned());
    }
    let addresses = match &target.host {
        TargetHost::Address(address) => vec![*address],
        TargetHost::Name(name) => resolved(name, target.port).await,
    };
    if addresses.is_empty() {
        warnings.push(format!(
            "The host {} does not resolve to any address now.",
            target.host
        ));
    }
    allowed(&addresses, target.port, policy, provider)?;
    Ok(Checked { warnings })
}

/// Whether every one of these addresses may be reached.
fn allowed(
    addresses: &[IpAddr],
    port: u16,
    policy: &AddressPolicy,
    provider: &OrganizationId,
) -> Result<(), String> {
    for address in addresses {
        if let Err(blocked) = policy.check(*address, port, Some(provider)) {
            return Err(format!(
                "the target leads to {address} port {port}: {blocked}; an operator can allow it with outgoing.allowed_networks"
            ));
        }
    }
    Ok(())
}

/// Every address of a name; none when it does not resolve in time.
async fn resolved(name: &str, port: u16) -> Vec<IpAddr> {
    match tokio::time::timeout(RESOLVE_LIMIT, addresses_of(name, port)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// Every address of a name. Names of this machine (RFC 6761 section 6.3) are not left to whoever answers for them.
async fn addresses_of(name: &str, port: u16) -> io::Result<Vec<IpAddr>> {
    let bare = name.trim_end_matches('.');
    if bare == "localhost" || bare.ends_with(".localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let addresses = tokio::net::lookup_host((name, port)).await?;
    Ok(addresses
        .map(|address| address.ip())
        .take(ADDRESSES_MAX)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(url: &str) -> bool {
        let provider = OrganizationId::random();
        check(url, &AddressPolicy::default(), &provider)
            .await
            .is_err()
    }

    #[tokio::test]
    async fn every_spelling_of_a_local_address_is_refused() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "0.0.0.0",
            "localhost",
            "localhost.",
            "LocalHost",
            "x.localhost",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[fe80::1%25eth0]",
            "[fc00::1]",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(refused(&format!("http://{host}/")).await, "{host}");
        }
    }

    #[tokio::test]
    async fn other_schemes_credentials_and_ports_of_other_protocols_are_refused() {
        for url in [
            "file:///etc/passwd",
            "gopher://8.8.8.8/",
            "ftp://8.8.8.8/",
            "data:text/plain,x",
            "unix:/run/x",
            "http+unix://x",
            "http://user:pass@8.8.8.8/",
            "http://8.8.8.8#@127.0.0.1/",
            "http://8.8.8.8\\@127.0.0.1/",
            "http://8.8.8.8/\t",
            "http://8.8.8.8/\r",
            "http://8.8.8.8:22/",
            "http://8.8.8.8:25/",
            "http://8.8.8.8:6379/",
        ] {
            assert!(refused(url).await, "{url}");
        }
        let long = format!("http://8.8.8.8/{}", "x".repeat(3_000));
        assert!(refused(&long).await);
    }

    #[tokio::test]
    async fn a_public_address_is_taken_and_plain_http_warned_of() {
        let provider = OrganizationId::random();
        let policy = AddressPolicy::default();

        let plain = check("http://8.8.8.8/v1", &policy, &provider).await;
        let tls = check("https://8.8.8.8/v1", &policy, &provider).await;

        assert_eq!(plain.unwrap().warnings.len(), 1);
        assert!(tls.unwrap().warnings.is_empty());
    }

    #[test]
    fn one_bad_address_among_good_ones_is_enough() {
        let provider = OrganizationId::random();
        let addresses = ["8.8.8.8", "10.0.0.1"].map(|text| text.parse().unwrap());

        let refused = allowed(&addresses, 443, &AddressPolicy::default(), &provider);

        assert!(refused.unwrap_err().contains("10.0.0.1"));
    }
}
