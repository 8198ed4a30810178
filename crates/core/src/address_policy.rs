//! Which addresses an outgoing connection may reach: the guard against requests forged through target URLs.
//! Decides on every resolved address, for the gateway's targets and for other outgoing calls alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::ids::OrganizationId;

/// A range of addresses in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is no CIDR network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a network such as 10.1.0.0/16 or fd00::/8")]
pub struct InvalidNetwork;

impl Network {
    /// Reads `address/prefix`, or an address alone.
    ///
    /// # Errors
    /// [`InvalidNetwork`].
    pub fn parse(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |p| p.parse().map_err(|_| InvalidNetwork))?;
        if prefix > longest {
            Err(InvalidNetwork)
        } else {
            Ok(Self { address, prefix })
        }
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - prefix;
                shift == 32 || (own.to_bits() >> shift) == (other.to_bits() >> shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - prefix;
                shift == 128 || (own.to_bits() >> shift) == (other.to_bits() >> shift)
            }
            _ => false,
        }
    }
}

/// An operator's grant of a range that is otherwise refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The range.
    pub network: Network,
    /// For whom; `None` means every organization.
    pub organization: Option<OrganizationId>,
}

/// What an installation allows.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    /// `outgoing.allowed_networks`.
    pub grants: Vec<Grant>,
    /// Development: loopback is allowed, but for the ports below.
    pub allow_loopback: bool,
    /// Ports of ours on this machine; never reached, whatever is granted.
    pub own_ports: Vec<u16>,
    /// Other endpoints never reached, such as the database.
    pub never: Vec<SocketAddr>,
}

/// Why an address may not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BlockedAddress {
    /// One of our listeners, or the database.
    #[error("the address belongs to this installation")]
    Own,
    /// Link-local, where cloud metadata services live.
    #[error("link-local addresses are never reached")]
    LinkLocal,
    /// Loopback, private, shared, documentation, multicast or reserved, and not granted.
    #[error("the address is not public and no operator has allowed it")]
    NotPublic,
    /// A port that other protocols than HTTP use.
    #[error("the port belongs to another protocol than HTTP")]
    Port,
}

impl AddressPolicy {
    /// Whether a connection to this address and port may be made on behalf of this organization.
    ///
    /// # Errors
    /// [`BlockedAddress`].
    pub fn check(
        &self,
        ip: IpAddr,
        port: u16,
        organization: Option<&OrganizationId>,
    ) -> Result<(), BlockedAddress> {
        let ip = embedded_v4(ip);
        if self
            .never
            .iter()
            .any(|own| embedded_v4(own.ip()) == ip && own.port() == port)
        {
            return Err(BlockedAddress::Own);
        }
        if is_local_machine(ip) && self.own_ports.contains(&port) {
            return Err(BlockedAddress::Own);
        }
        if is_link_local(ip) {
            return Err(BlockedAddress::LinkLocal);
        }
        let granted = self.grants.iter().any(|grant| {
            grant.network.contains(ip)
                && (grant.organization.is_none() || grant.organization.as_ref() == organization)
        });
        if granted || (self.allow_loopback && ip.is_loopback()) {
            return Ok(());
        }
        if !is_public(ip) {
            return Err(BlockedAddress::NotPublic);
        }
        if matches!(
            port,
            0 | 22 | 23 | 25 | 110 | 143 | 465 | 587 | 3306 | 5432 | 6379 | 11211
        ) {
            return Err(BlockedAddress::Port);
        }
        Ok(())
    }
}

/// The IPv4 address inside a mapped, translated (NAT64) or 6to4 IPv6 address.
fn embedded_v4(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    let bits = v6.to_bits();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bits wanted are the low ones"
    )]
    let v4_at = |shift: u32| IpAddr::V4(Ipv4Addr::from_bits((bits >> shift) as u32));
    match v6.segments() {
        [0x64, 0xff9b, ..] => v4_at(0),
        [0x2002, ..] => v4_at(80),
        [0, 0, 0, 0, 0, 0, ..] if bits > 1 => v4_at(0),
        _ => ip,
    }
}

fn is_local_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || is_metadata_v6(v6),
    }
}

/// The address a large cloud serves instance metadata from over IPv6.
fn is_metadata_v6(v6: Ipv6Addr) -> bool {
    v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_unspecified()
                || v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || a == 0
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19)))
        }
        // Global unicast is 2000::/3; of that, documentation and the other special blocks are not public.
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            let special = first == 0x2001 && (second < 0x200 || second == 0xdb8);
            first & 0xe000 == 0x2000 && !special && first != 0x3fff
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &AddressPolicy, ip: &str, port: u16) -> Result<(), BlockedAddress> {
        policy.check(ip.parse().unwrap(), port, None)
    }

    #[test]
    fn public_addresses_are_reached() {
        for ip in [
            "93.184.216.34",
            "1.1.1.1",
            "2606:4700::1111",
            "2a00:1450:4001::1",
        ] {
            assert_eq!(check(&AddressPolicy::default(), ip, 443), Ok(()), "{ip}");
        }
    }

    #[test]
    fn everything_that_is_not_public_is_refused() {
        for ip in [
            "127.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "::7f00:1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "100::1",
            "2001::1",
            "3fff::1",
        ] {
            assert_eq!(
                check(&AddressPolicy::default(), ip, 443),
                Err(BlockedAddress::NotPublic),
                "{ip}"
            );
        }
        for ip in [
            "169.254.169.254",
            "fe80::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
        ] {
            assert_eq!(
                check(&AddressPolicy::default(), ip, 80),
                Err(BlockedAddress::LinkLocal),
                "{ip}"
            );
        }
    }

    #[test]
    fn a_grant_opens_its_range_for_its_organization_but_never_what_is_ours() {
        let provider = OrganizationId::random();
        let policy = AddressPolicy {
            grants: vec![Grant {
                network: Network::parse("10.1.0.0/16").unwrap(),
                organization: Some(provider.clone()),
            }],
            never: vec!["10.1.0.5:5432".parse().unwrap()],
            ..AddressPolicy::default()
        };
        let other = OrganizationId::random();
        let at =
            |ip: &str, port, organization| policy.check(ip.parse().unwrap(), port, organization);

        assert_eq!(at("10.1.2.3", 8080, Some(&provider)), Ok(()));
        assert_eq!(
            at("10.2.2.3", 8080, Some(&provider)),
            Err(BlockedAddress::NotPublic)
        );
        assert_eq!(
            at("10.1.2.3", 8080, Some(&other)),
            Err(BlockedAddress::NotPublic)
        );
        assert_eq!(at("10.1.2.3", 8080, None), Err(BlockedAddress::NotPublic));
        assert_eq!(
            at("10.1.0.5", 5432, Some(&provider)),
            Err(BlockedAddress::Own)
        );
    }

    #[test]
    fn development_reaches_loopback_but_not_our_own_ports() {
        let policy = AddressPolicy {
            allow_loopback: true,
            own_ports: vec![8081],
            ..AddressPolicy::default()
        };

        assert_eq!(check(&policy, "127.0.0.1", 9000), Ok(()));
        assert_eq!(check(&policy, "::1", 9000), Ok(()));
        for ip in [
            "127.0.0.1",
            "127.5.5.5",
            "::1",
            "0.0.0.0",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(check(&policy, ip, 8081), Err(BlockedAddress::Own), "{ip}");
        }
        assert_eq!(
            check(&policy, "10.0.0.1", 9000),
            Err(BlockedAddress::NotPublic)
        );
    }

    #[test]
    fn a_network_is_read_strictly() {
        assert!(
            Network::parse("10.0.0.0/8")
                .unwrap()
                .contains("10.255.0.1".parse().unwrap())
        );
        assert!(
            Network::parse("0.0.0.0/0")
                .unwrap()
                .contains("8.8.8.8".parse().unwrap())
        );
        assert!(
            !Network::parse("fd00::/8")
                .unwrap()
                .contains("10.0.0.1".parse().unwrap())
        );
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/-1",
            "host/8",
        ] {
            assert_eq!(Network::parse(bad), Err(InvalidNetwork), "{bad}");
        }
    }
}
