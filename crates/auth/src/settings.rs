//! What the role is told. Nothing here reads a file.

use std::{fmt, time::Duration};

use portcullis_core::{access_token::TokenRules, clock::Timestamp, throttle::ThrottleSettings};

/// An issuer or the path of a deprecated one cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIssuer {
    /// Not `http://` or `https://` and an authority.
    #[error(
        "the issuer is not an absolute http or https URL such as https://auth.example/oauth2/default"
    )]
    Url,
    /// No path, a trailing slash, or segments of other characters than URLs have unescaped.
    #[error(
        "the path of an issuer begins with /, does not end in /, and its segments are of A to Z, a to z, 0 to 9, '-', '.', '_' and '~'; /oauth2/default is a good one"
    )]
    Path,
    /// A deprecated issuer's path lies at, above or below another issuer's.
    #[error("the path {0} of a deprecated issuer overlaps with the path of another issuer")]
    Overlap(String),
}

/// The issuer: its text is what tokens carry in `iss`, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    url: String,
    origin_bytes: usize,
}

impl Issuer {
    /// Takes a URL as it was configured; nothing is normalised.
    ///
    /// # Errors
    /// [`InvalidIssuer::Url`] or [`InvalidIssuer::Path`].
    pub fn parse(url: &str) -> Result<Self, InvalidIssuer> {
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))
            .ok_or(InvalidIssuer::Url)?;
        let authority_bytes = rest.find('/').ok_or(InvalidIssuer::Path)?;
        let (authority, path) = rest.split_at(authority_bytes);
        let legal = http::uri::Authority::try_from(authority).is_ok() && !authority.contains('@');
        if !legal {
            return Err(InvalidIssuer::Url);
        }
        check_path(path)?;
        Ok(Self {
            url: url.to_owned(),
            origin_bytes: url.len() - path.len(),
        })
    }

    /// The URL, as it was configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Its path, such as `/oauth2/default`: begins with a slash and does not end in one.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.get(self.origin_bytes..).unwrap_or_default()
    }

    /// The URL of its token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/v1/token", self.url)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

fn check_path(path: &str) -> Result<(), InvalidIssuer> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let fine = |segment: &str| {
        let reserved = matches!(segment, "" | "." | ".." | ".well-known");
        !reserved && segment.bytes().all(legal)
    };
    let segments = path.strip_prefix('/').ok_or(InvalidIssuer::Path)?;
    if segments.split('/').all(fine) {
        Ok(())
    } else {
        Err(InvalidIssuer::Path)
    }
}

/// A deprecated issuer: another path at which the same tokens can be got until a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerAlias {
    path: String,
    deprecated_at: Timestamp,
    ends_at: Timestamp,
}

impl IssuerAlias {
    /// An alias at `path`, such as `/oauth2/legacy`. From `ends_at` on it refuses everything.
    ///
    /// # Errors
    /// [`InvalidIssuer::Path`].
    pub fn new(
        path: &str,
        deprecated_at: Timestamp,
        ends_at: Timestamp,
    ) -> Result<Self, InvalidIssuer> {
        check_path(path)?;
        Ok(Self {
            path: path.to_owned(),
            deprecated_at,
            ends_at,
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Since when it is deprecated.
    #[must_use]
    pub fn deprecated_at(&self) -> Timestamp {
        self.deprecated_at
    }

    /// From when on it refuses everything.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.ends_at
    }
}

/// What the role is told. The lifetime of tokens is not here: each client has its own.
#[derive(Debug, Clone)]
pub struct Settings {
    issuer: Issuer,
    rules: TokenRules,
    aliases: Vec<IssuerAlias>,
    /// How many failed authentications are explained.
    pub throttle: ThrottleSettings,
    /// How much signing may be queued for the workers; beyond it callers are told to come again.
    pub admission: Duration,
    /// How many threads share a router. One, where each has a router of its own.
    pub workers: usize,
}

impl Settings {
    /// Settings of this issuer, with defaults for the rest: no aliases, 50 ms of queue, one worker.
    #[must_use]
    pub fn new(issuer: Issuer, audience: &str) -> Self {
        Self {
            rules: TokenRules::new(issuer.as_str(), audience),
            issuer,
            aliases: Vec::new(),
            throttle: ThrottleSettings::default(),
            admission: Duration::from_millis(50),
            workers: 1,
        }
    }

    /// Adds a deprecated issuer.
    ///
    /// # Errors
    /// [`InvalidIssuer::Overlap`].
    pub fn with_alias(mut self, alias: IssuerAlias) -> Result<Self, InvalidIssuer> {
        let taken = self.aliases.iter().map(IssuerAlias::path);
        if taken
            .chain([self.issuer.path()])
            .any(|path| overlap(path, &alias.path))
        {
            return Err(InvalidIssuer::Overlap(alias.path));
        }
        self.aliases.push(alias);
        Ok(self)
    }

    /// The current issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Issuer and audience of every token.
    #[must_use]
    pub fn rules(&self) -> &TokenRules {
        &self.rules
    }

    /// The deprecated issuers.
    #[must_use]
    pub fn aliases(&self) -> &[IssuerAlias] {
        &self.aliases
    }
}

/// Whether one path is the other or lies below it.
fn overlap(one: &str, other: &str) -> bool {
    let below = |low: &str, high: &str| {
        low.strip_prefix(high)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below(one, other) || below(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(path: &str) -> IssuerAlias {
        let at = Timestamp::from_unix_seconds(0);
        IssuerAlias::new(path, at, at + Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn an_issuer_keeps_its_text_and_knows_its_path() {
        let issuer = Issuer::parse("http://LOCALHOST:8080/oauth2/default").unwrap();

        assert_eq!(issuer.as_str(), "http://LOCALHOST:8080/oauth2/default");
        assert_eq!(issuer.path(), "/oauth2/default");
        assert_eq!(Issuer::parse("https://[::1]:8080/a").unwrap().path(), "/a");
    }

    #[test]
    fn what_is_no_issuer_is_refused() {
        for url in [
            "",
            "auth.example/oauth2",
            "ftp://auth.example/oauth2",
            "https:///oauth2",
            "https://user@auth.example/oauth2",
            "https://auth example/oauth2",
        ] {
            assert_eq!(Issuer::parse(url), Err(InvalidIssuer::Url), "{url}");
        }
        for url in [
            "https://auth.example",
            "https://auth.example/",
            "https://auth.example/oauth2/",
            "https://auth.example//oauth2",
            "https://auth.example/oauth2?x=1",
            "https://auth.example/oauth2#x",
            "https://auth.example/{path}",
            "https://auth.example/a/../b",
            "https://auth.example/.well-known/a",
        ] {
            assert_eq!(Issuer::parse(url), Err(InvalidIssuer::Path), "{url}");
        }
    }

    #[test]
    fn a_deprecated_issuer_has_a_path_of_its_own() {
        let settings = || {
            let issuer = Issuer::parse("https://auth.example/oauth2/default").unwrap();
            Settings::new(issuer, "api_providers")
                .with_alias(alias("/oauth2/legacy"))
                .unwrap()
        };

        for path in [
            "/oauth2/default",
            "/oauth2",
            "/oauth2/default/v1",
            "/oauth2/legacy",
        ] {
            let added = settings().with_alias(alias(path));
            assert_eq!(
                added.unwrap_err(),
                InvalidIssuer::Overlap(path.to_owned()),
                "{path}"
            );
        }
        assert!(settings().with_alias(alias("/oauth2/default2")).is_ok());
    }
}
