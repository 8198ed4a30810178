//! Checks the token with which the platform's gateway calls: that it is the platform's, and meant
//! for this API. What the call may see is decided by its `Subscription-Id`, in `tenants`.

use super::answer::Failure;
use super::keys::{Keys, NoKey};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use tokio::sync::watch;

const AUDIENCE: &str = "api_providers";
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// For clocks that differ; the gateway's tokens live five minutes.
const LEEWAY_S: u64 = 30;

/// The Client ID that the platform gave to this API: the `sub` of every token meant for it.
///
/// It may become known only after the provider is up, because registering an API asks for its URL.
#[derive(Debug, Clone)]
pub struct ExpectedClient(watch::Receiver<Option<String>>);

impl ExpectedClient {
    /// The Client ID, known from the start.
    #[must_use]
    pub fn known(client_id: impl Into<String>) -> Self {
        // The value stays readable after its sender is gone.
        Self(watch::channel(Some(client_id.into())).1)
    }

    /// The Client ID as soon as the sender has it; until then every call gets 503.
    #[must_use]
    pub fn learned(client_id: watch::Receiver<Option<String>>) -> Self {
        Self(client_id)
    }
}

pub(super) struct Verifier {
    pub(super) keys: Keys,
    pub(super) issuer: String,
    pub(super) client_id: ExpectedClient,
}

#[derive(Deserialize)]
struct PlatformClaims {
    sub: String,
    iat: u64,
}

impl Verifier {
    /// Whether this call comes from the platform and is meant for this API.
    pub(super) async fn verify(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let expected = self.client_id.0.borrow().clone();
        let expected = expected
            .ok_or_else(|| Failure::not_ready("This API does not know its Client ID yet."))?;
        let token = bearer(headers)?;
        let header = decode_header(token)
            .map_err(|_| Failure::unauthorized("The token is not a signed JWT."))?;
        if header.alg != Algorithm::RS256 {
            return Err(Failure::unauthorized("The token is not signed with RS256."));
        }
        let kid = header
            .kid
            .ok_or_else(|| Failure::unauthorized("The token names no key."))?;
        let key = self.keys.find(&kid).await.map_err(|reason| match reason {
            NoKey::Unknown => Failure::unauthorized("The token is signed with a foreign key."),
            NoKey::Unavailable => Failure::not_ready("The platform's keys cannot be had now."),
        })?;
        let claims = decode::<PlatformClaims>(token, &key, &self.validation())
            .map_err(|error| Failure::unauthorized(reason(&error)))?
            .claims;
        if claims.iat > jsonwebtoken::get_current_timestamp() + LEEWAY_S {
            return Err(Failure::unauthorized("The token is from the future."));
        }
        if claims.sub != expected {
            let message = "The token is for another API: its subject is not this API's Client ID.";
            return Err(Failure::unauthorized(message));
        }
        Ok(())
    }

    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        validation
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Failure> {
    let missing = || Failure::unauthorized("The call carries no platform token.");
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(missing());
    };
    let value = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.len() > TOKEN_BYTES_MAX {
        return Err(missing());
    }
    Ok(token.trim())
}

fn reason(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "The token has expired.",
        ErrorKind::ImmatureSignature => "The token is not valid yet.",
        ErrorKind::InvalidIssuer => "The token is from another issuer.",
        ErrorKind::InvalidAudience => "The token is for another audience.",
        ErrorKind::InvalidSignature => "The token's signature is wrong.",
        _ => "The token is not a platform token.",
    }
}
