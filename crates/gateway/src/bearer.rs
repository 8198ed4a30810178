//! The credentials of a call: a bearer token, from `Authorization` alone (RFC 6750 section 2.1), or, for the
//! simulator, an API Key and Secret.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};
use portcullis_core::{ids::IdKey, secret::SecretDigest};

use crate::{
    error::{GatewayError, InvalidRequest},
    headers::single,
};

/// Longest `Basic` value that is looked at, in bytes.
const BASIC_BYTES_MAX: usize = 1_024;

/// What `Authorization` holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credentials<'a> {
    /// A token, whatever it looks like.
    Bearer(&'a str),
    /// What follows `Basic`.
    Basic(&'a str),
    /// Another scheme, or no scheme at all.
    Other,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer([redacted])",
            Self::Basic(_) => "Basic([redacted])",
            Self::Other => "Other",
        })
    }
}

/// Reads the one `Authorization` field.
pub(crate) fn credentials(fields: &HeaderMap) -> Result<Credentials<'_>, GatewayError> {
    let value = single(fields, &AUTHORIZATION)
        .map_err(|_repeated| InvalidRequest::AuthorizationRepeated)?
        .ok_or(GatewayError::AuthorizationMissing)?;
    let Ok(text) = std::str::from_utf8(value.as_bytes()) else {
        return Ok(Credentials::Other);
    };
    let Some((scheme, rest)) = text.split_once(' ') else {
        return Ok(Credentials::Other);
    };
    let rest = rest.trim_start_matches(' ');
    Ok(if scheme.eq_ignore_ascii_case("bearer") {
        Credentials::Bearer(rest)
    } else if scheme.eq_ignore_ascii_case("basic") {
        Credentials::Basic(rest)
    } else {
        Credentials::Other
    })
}

/// An API Key and the digest of the Secret it came with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyAndSecret {
    pub(crate) client: IdKey,
    pub(crate) secret: SecretDigest,
}

/// Decodes what follows `Basic`. One trailing CR or LF is trimmed, as the token endpoint does, because
/// credentials are made with `echo`.
pub(crate) fn key_and_secret(basic: &str) -> Option<KeyAndSecret> {
    if basic.len() > BASIC_BYTES_MAX {
        return None;
    }
    let decoded = STANDARD.decode(basic).ok()?;
    let text = std::str::from_utf8(&decoded).ok()?;
    let text = text.strip_suffix(['\r', '\n']).unwrap_or(text);
    let (key, secret) = text.split_once(':')?;
    Some(KeyAndSecret {
        client: IdKey::of(key),
        secret: SecretDigest::of(secret.as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(values: &[&'static str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        fields
    }

    #[test]
    fn the_scheme_may_be_written_in_any_case() {
        for value in [
            "Bearer a.b.c",
            "bearer a.b.c",
            "BEARER a.b.c",
            "Bearer  a.b.c",
        ] {
            assert_eq!(
                credentials(&with(&[value])),
                Ok(Credentials::Bearer("a.b.c")),
                "{value}"
            );
        }
        assert_eq!(
            credentials(&with(&["basic eDp5"])),
            Ok(Credentials::Basic("eDp5"))
        );
    }

    #[test]
    fn what_is_no_known_scheme_is_told_from_nothing() {
        for value in ["", "Bearer", "a.b.c", "Digest x", "Bearer\u{9}a.b.c"] {
            assert_eq!(
                credentials(&with(&[value])),
                Ok(Credentials::Other),
                "{value:?}"
            );
        }
        assert_eq!(
            credentials(&with(&[])),
            Err(GatewayError::AuthorizationMissing)
        );
    }

    #[test]
    fn a_repeated_field_is_refused_even_when_equal() {
        let fields = with(&["Bearer a.b.c", "Bearer a.b.c"]);

        let refused = credentials(&fields);

        assert_eq!(refused, Err(InvalidRequest::AuthorizationRepeated.into()));
    }

    #[test]
    fn a_key_and_secret_are_read_with_the_newline_of_echo() {
        let of = |text: &str| key_and_secret(&STANDARD.encode(text));

        let found = of("key:secret\n").unwrap();

        assert_eq!(found.client, IdKey::of("key"));
        assert!(found.secret.matches(&SecretDigest::of(b"secret")));
        assert!(of("no colon").is_none());
        assert!(key_and_secret("%%%").is_none());
        assert!(key_and_secret(&STANDARD.encode("k:".to_owned() + &"s".repeat(2_000))).is_none());
    }
}
