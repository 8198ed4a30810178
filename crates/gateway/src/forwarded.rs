//! What the gateway says about the caller: `Forwarded` (RFC 7239), `X-Forwarded-*`, `Via` (RFC 9110 section
//! 7.6.3) and `CDN-Loop` (RFC 8586). A caller's own word counts only when it is a proxy the operator listed.

use std::{cell::RefCell, fmt::Write, net::IpAddr};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{FORWARDED, HOST, VIA},
};
use portcullis_core::address_policy::Network;
use portcullis_listener::Peer;

use crate::headers::CDN_LOOP;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// We speak HTTP/1.1, under a name that says nothing of the machine.
const OWN_VIA: HeaderValue = HeaderValue::from_static("1.1 portcullis");
/// Callers whose address is kept as text: one for each value of a byte.
const KNOWN: usize = 256;

/// Says who called, and through whom.
#[derive(Debug)]
pub(crate) struct Introduction {
    installation_id: Box<str>,
    loop_marker: HeaderValue,
    trusted_proxies: Box<[Network]>,
    known: RefCell<Box<[Option<Said>]>>,
}

impl Introduction {
    /// `installation_id` becomes our entry in `CDN-Loop`; bytes that cannot stand there are left out.
    pub(crate) fn new(installation_id: &str, trusted_proxies: &[Network]) -> Self {
        let is_legal = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let id: String = installation_id.chars().filter(is_legal).collect();
        Self {
            loop_marker: HeaderValue::try_from(&id)
                .unwrap_or(HeaderValue::from_static("portcullis")),
            installation_id: id.into(),
            trusted_proxies: trusted_proxies.into(),
            known: RefCell::new(vec![None; KNOWN].into()),
        }
    }

    /// Whether the call has been here before: an entry of `CDN-Loop` is ours.
    pub(crate) fn has_seen(&self, fields: &HeaderMap) -> bool {
        fields.get_all(CDN_LOOP).iter().any(|value| {
            let mut entries = value.as_bytes().split(|byte| *byte == b',');
            entries.any(|entry| {
                let name = entry.split(|byte| *byte == b';').next().unwrap_or_default();
                name.trim_ascii() == self.installation_id.as_bytes()
            })
        })
    }

    /// Adds our fields to those that go to the provider.
    pub(crate) fn add(&self, fields: &HeaderMap, peer: &Peer, onward: &mut HeaderMap) {
        let address = peer.addr.ip().to_canonical();
        let is_trusted = self
            .trusted_proxies
            .iter()
            .any(|proxy| proxy.contains(address));
        let host = fields.get(HOST);
        let scheme = HeaderValue::from_static(if peer.tls { "https" } else { "http" });
        let said = self.of_caller(address, host, &scheme);
        let theirs = |name: &HeaderName| if is_trusted { fields.get(name) } else { None };
        let before = |name: &HeaderName| if is_trusted { list(fields, name) } else { None };

        onward.insert(
            X_FORWARDED_FOR,
            after(before(&X_FORWARDED_FOR), &said.address),
        );
        onward.insert(FORWARDED, after(before(&FORWARDED), &said.element));
        // Of these two the proxy that the caller reached first knows the truth, so its word stays.
        if let Some(host) = theirs(&X_FORWARDED_HOST).or(host) {
            onward.insert(X_FORWARDED_HOST, host.clone());
        }
        onward.insert(
            X_FORWARDED_PROTO,
            theirs(&X_FORWARDED_PROTO).cloned().unwrap_or(scheme),
        );
        onward.insert(VIA, after(before(&VIA), &OWN_VIA));
        // RFC 8586 section 2: what others have written here is never removed.
        onward.insert(CDN_LOOP, after(list(fields, &CDN_LOOP), &self.loop_marker));
    }

    /// The caller's address as fields say it; most callers make many calls.
    fn of_caller(&self, address: IpAddr, host: Option<&HeaderValue>, scheme: &HeaderValue) -> Said {
        let mut known = self.known.borrow_mut();
        let place = match address {
            IpAddr::V4(v4) => v4
                .octets()
                .iter()
                .fold(0, |sum, byte| sum ^ usize::from(*byte)),
            IpAddr::V6(v6) => v6
                .octets()
                .iter()
                .fold(0, |sum, byte| sum ^ usize::from(*byte)),
        };
        let Some(place) = known.get_mut(place) else {
            return Said::new(address, host, scheme);
        };
        let is_same = |said: &Said| {
            said.of == address && said.host.as_ref() == host && said.scheme == *scheme
        };
        match place {
            Some(said) if is_same(said) => said.clone(),
            _ => place.insert(Said::new(address, host, scheme)).clone(),
        }
    }
}

/// What is said of one caller.
#[derive(Debug, Clone)]
struct Said {
    of: IpAddr,
    host: Option<HeaderValue>,
    scheme: HeaderValue,
    /// For `X-Forwarded-For`.
    address: HeaderValue,
    /// For `Forwarded`.
    element: HeaderValue,
}

impl Said {
    fn new(address: IpAddr, host: Option<&HeaderValue>, scheme: &HeaderValue) -> Self {
        let unknown = HeaderValue::from_static("unknown");
        let element = element(address, host, scheme.to_str().unwrap_or_default());
        Self {
            of: address,
            host: host.cloned(),
            scheme: scheme.clone(),
            address: HeaderValue::try_from(address.to_string()).unwrap_or(unknown.clone()),
            element: HeaderValue::try_from(element).unwrap_or(unknown),
        }
    }
}

/// `for=192.0.2.1;host="api.example";proto=https`.
fn element(address: IpAddr, host: Option<&HeaderValue>, scheme: &str) -> String {
    let mut text = String::with_capacity(80);
    let _ = match address {
        IpAddr::V4(v4) => write!(text, "for={v4}"),
        IpAddr::V6(v6) => write!(text, "for=\"[{v6}]\""),
    };
    let host = host.and_then(|host| host.to_str().ok());
    if let Some(host) = host.filter(|host| !host.contains(['"', '\\'])) {
        let _ = write!(text, ";host=\"{host}\"");
    }
    let _ = write!(text, ";proto={scheme}");
    text
}

/// Every value of a list field as one; `None` when there is none.
fn list(fields: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = fields
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut text = values.next()?.to_owned();
    for value in values {
        text.push_str(", ");
        text.push_str(value);
    }
    Some(text)
}

/// Our own word, after those of others.
fn after(before: Option<String>, own: &HeaderValue) -> HeaderValue {
    let Some(mut text) = before.filter(|text| !text.is_empty()) else {
        return own.clone();
    };
    text.push_str(", ");
    text.push_str(own.to_str().unwrap_or_default());
    HeaderValue::try_from(text).unwrap_or_else(|_| own.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer {
            addr: format!("{address}:50000").parse().unwrap(),
            local_addr: "127.0.0.1:8081".parse().unwrap(),
            tls: true,
        }
    }

    fn introduced(
        trusted: &[&str],
        from: &str,
        lines: &[(&'static str, &'static str)],
    ) -> HeaderMap {
        let trusted: Vec<Network> = trusted
            .iter()
            .map(|text| Network::parse(text).unwrap())
            .collect();
        let mut fields = HeaderMap::new();
        fields.insert(HOST, HeaderValue::from_static("api.example:8081"));
        for (name, value) in lines {
            fields.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let mut onward = HeaderMap::new();
        Introduction::new("install-1", &trusted).add(&fields, &peer(from), &mut onward);
        onward
    }

    #[test]
    fn a_callers_own_word_about_itself_is_replaced() {
        let onward = introduced(
            &["10.0.0.0/8"],
            "192.0.2.1",
            &[
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-proto", "gopher"),
                ("x-forwarded-host", "evil.example"),
                ("forwarded", "for=127.0.0.1"),
                ("via", "1.0 fred"),
            ],
        );

        assert_eq!(onward["x-forwarded-for"], "192.0.2.1");
        assert_eq!(onward["x-forwarded-proto"], "https");
        assert_eq!(onward["x-forwarded-host"], "api.example:8081");
        assert_eq!(
            onward["forwarded"],
            r#"for=192.0.2.1;host="api.example:8081";proto=https"#
        );
        assert_eq!(onward["via"], "1.1 portcullis");
        assert_eq!(onward["cdn-loop"], "install-1");
    }

    #[test]
    fn a_listed_proxys_word_is_extended() {
        let onward = introduced(
            &["10.0.0.0/8"],
            "10.0.0.7",
            &[
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-for", "10.9.9.9"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "public.example"),
                ("forwarded", "for=192.0.2.1"),
                ("via", "1.1 front"),
            ],
        );

        assert_eq!(onward["x-forwarded-for"], "192.0.2.1, 10.9.9.9, 10.0.0.7");
        assert_eq!(onward["x-forwarded-proto"], "http");
        assert_eq!(onward["x-forwarded-host"], "public.example");
        assert_eq!(
            onward["forwarded"],
            r#"for=192.0.2.1, for=10.0.0.7;host="api.example:8081";proto=https"#
        );
        assert_eq!(onward["via"], "1.1 front, 1.1 portcullis");
    }

    #[test]
    fn an_ipv6_address_is_quoted_and_a_mapped_one_unwrapped() {
        assert_eq!(
            introduced(&[], "[2001:db8::1]", &[])["forwarded"],
            r#"for="[2001:db8::1]";host="api.example:8081";proto=https"#
        );
        assert_eq!(
            introduced(&[], "[::ffff:192.0.2.9]", &[])["x-forwarded-for"],
            "192.0.2.9"
        );
    }

    #[test]
    fn a_call_that_was_here_before_is_known_by_its_marks() {
        let introduction = Introduction::new("install-1", &[]);
        let with = |value: &'static str| {
            let mut fields = HeaderMap::new();
            fields.append(CDN_LOOP, HeaderValue::from_static(value));
            fields
        };

        assert!(introduction.has_seen(&with("install-1")));
        assert!(introduction.has_seen(&with("other, install-1; v=1")));
        assert!(!introduction.has_seen(&with("other, install-10")));
        assert!(!introduction.has_seen(&HeaderMap::new()));
        assert_eq!(
            introduced(&[], "192.0.2.1", &[("cdn-loop", "other")])["cdn-loop"],
            "other, install-1"
        );
    }
}
