//! Access tokens: JWTs (RFC 7519) signed with RS256, in the platform profile of `typ: JWT`.
//!
//! Verification trusts nothing a token names but its `kid`, which is looked up in memory. The order of checks
//! decides which code a caller sees: format, `alg` and `typ`, issuer, key and signature, audience, `exp`,
//! `nbf`; the generation is looked at by [`crate::snapshot::Snapshot::live_client`].

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::{
    clock::Timestamp,
    ids::{ClientId, IdKey, InstanceId},
    keys::{KeyError, KeyPurpose, KeySet, SigningKey},
    secret::random_bytes,
};

/// Longest token we look at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Tolerated difference of clocks for `nbf` and `iat`. None for `exp`.
const LEEWAY_SECONDS: i64 = 60;
/// Instants beyond the year 9999 are mistakes.
const UNIX_SECONDS_MAX: i64 = 253_402_300_799;

/// What every token endpoint and verifier of an installation agree on.
#[derive(Debug, Clone)]
pub struct TokenRules {
    issuer: String,
    issuer_key: IdKey,
    audience: String,
    audience_key: IdKey,
}

impl TokenRules {
    /// `issuer` is compared byte for byte; it has no trailing slash.
    #[must_use]
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            issuer_key: IdKey::of(issuer),
            audience: audience.to_owned(),
            audience_key: IdKey::of(audience),
        }
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The audience.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }
}

/// What a token issued to a client says.
#[derive(Debug)]
pub struct ClientTokenClaims<'a> {
    /// The client; `cid` and `sub`.
    pub client_id: &'a str,
    /// The one scope.
    pub scope: &'a str,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp` minus `iat`, whole seconds.
    pub lifetime: Duration,
    /// The client's generation.
    pub generation: u32,
}

/// What a token says that we send to a provider.
#[derive(Debug)]
pub struct OutboundTokenClaims<'a> {
    /// The API's own Client ID; `cid` and `sub`.
    pub client_id: &'a ClientId,
    /// Which instance the call is for.
    pub api_instance: &'a InstanceId,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp` minus `iat`, whole seconds.
    pub lifetime: Duration,
}

/// Members in the order of the platform's tokens.
#[derive(Serialize)]
struct Payload<'a> {
    cid: &'a str,
    jti: &'a str,
    scp: [&'a str; 1],
    sub: &'a str,
    iat: i64,
    exp: i64,
    aud: &'a str,
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", rename = "gen")]
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_use: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_instance: Option<&'a str>,
}

/// Signs a token for a client. `key` must be a `client` key.
///
/// # Errors
/// [`KeyError`] when the key cannot sign.
pub fn sign_for_client(
    rules: &TokenRules,
    key: &SigningKey,
    claims: &ClientTokenClaims<'_>,
) -> Result<String, KeyError> {
    let iat = claims.issued_at.unix_seconds();
    sign(
        key,
        &Payload {
            cid: claims.client_id,
            jti: &new_jti(),
            scp: [claims.scope],
            sub: claims.client_id,
            iat,
            exp: iat.saturating_add(seconds(claims.lifetime)),
            aud: rules.audience(),
            iss: rules.issuer(),
            generation: Some(claims.generation),
            token_use: None,
            api_instance: None,
        },
    )
}

/// Signs a token for a provider. `key` must be an `outbound` key, so that the token opens nothing of ours.
///
/// # Errors
/// [`KeyError`] when the key cannot sign.
pub fn sign_outbound(
    rules: &TokenRules,
    key: &SigningKey,
    claims: &OutboundTokenClaims<'_>,
) -> Result<String, KeyError> {
    let iat = claims.issued_at.unix_seconds();
    sign(
        key,
        &Payload {
            cid: claims.client_id.as_str(),
            jti: &new_jti(),
            scp: [crate::scope::ANONYMOUS],
            sub: claims.client_id.as_str(),
            iat,
            exp: iat.saturating_add(seconds(claims.lifetime)),
            aud: rules.audience(),
            iss: rules.issuer(),
            generation: None,
            token_use: Some("outbound"),
            api_instance: Some(claims.api_instance.as_str()),
        },
    )
}

fn seconds(lifetime: Duration) -> i64 {
    i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)
}

/// `AT.` and 32 random bytes as 43 base64url characters.
fn new_jti() -> String {
    let mut jti = String::with_capacity(46);
    jti.push_str("AT.");
    URL_SAFE_NO_PAD.encode_string(random_bytes::<32>(), &mut jti);
    jti
}

fn sign(key: &SigningKey, payload: &Payload<'_>) -> Result<String, KeyError> {
    let json = serde_json::to_vec(payload).map_err(|_| KeyError::Sign)?;
    let mut token = String::with_capacity(key.encoded_header().len() + json.len() * 4 / 3 + 350);
    token.push_str(key.encoded_header());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(&json, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
    Ok(token)
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not three canonical base64url parts of JSON with the claims we issue.
    #[error("the token is malformed")]
    Malformed,
    /// Another algorithm than RS256, another type than JWT, or header members we never send.
    #[error("the token's header is not one that this server makes")]
    Header,
    /// Issued by another server.
    #[error("the token was issued by another server")]
    Issuer,
    /// No published `client` key has this `kid`.
    #[error("the token was signed with an unknown key")]
    UnknownKey,
    /// The signature is not that key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// Made for another audience.
    #[error("the token was made for another audience")]
    Audience,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The client is gone or disabled.
    #[error("the token's client is gone or disabled")]
    Client,
    /// The client's tokens of this generation were revoked.
    #[error("the token was revoked")]
    Generation,
}

/// Proof that we signed a token for a client: made by [`verify`] alone.
///
/// Its fields are private, so this does not compile:
///
/// ```compile_fail,E0451
/// use portcullis_core::{access_token::VerifiedToken, ids::IdKey};
///
/// fn forge(id: IdKey) -> VerifiedToken {
///     VerifiedToken {
///         client: id, kid: id, issuer: id, audience: id, expires_at: i64::MAX, not_before: 0, generation: 0,
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedToken {
    client: IdKey,
    kid: IdKey,
    issuer: IdKey,
    audience: IdKey,
    expires_at: i64,
    not_before: i64,
    generation: u32,
}

impl VerifiedToken {
    /// The client it was issued to.
    #[must_use]
    pub fn client(&self) -> IdKey {
        self.client
    }

    /// The client's generation when it was issued.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Everything [`verify`] looks at but the signature: what a cached token must still pass.
    ///
    /// # Errors
    /// [`VerifyError`], in the order of [`verify`].
    pub fn recheck(
        &self,
        keys: &KeySet,
        rules: &TokenRules,
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        if self.issuer != rules.issuer_key {
            return Err(VerifyError::Issuer);
        }
        if !keys.accepts(self.kid, KeyPurpose::Client) {
            return Err(VerifyError::UnknownKey);
        }
        if self.audience != rules.audience_key {
            return Err(VerifyError::Audience);
        }
        if now.unix_seconds() >= self.expires_at {
            return Err(VerifyError::Expired);
        }
        if self.not_before > now.unix_seconds() + LEEWAY_SECONDS {
            return Err(VerifyError::NotYetValid);
        }
        Ok(())
    }
}

/// Verifies a client's token.
///
/// # Errors
/// [`VerifyError`]: the first rule that it breaks, in the order given at the top of this file.
pub fn verify(
    token: &str,
    keys: &KeySet,
    rules: &TokenRules,
    now: Timestamp,
) -> Result<VerifiedToken, VerifyError> {
    let (signed, header, payload, signature) = split(token)?;
    let kid = kid_of(&header)?;
    let claims = Claims::read(&payload)?;
    if claims.issuer != rules.issuer {
        return Err(VerifyError::Issuer);
    }
    let key = keys
        .by_kid(&kid)
        .filter(|key| key.purpose() == KeyPurpose::Client)
        .ok_or(VerifyError::UnknownKey)?;
    if !key.verifies(signed.as_bytes(), &signature) {
        return Err(VerifyError::Signature);
    }
    let verified = claims.into_verified(key)?;
    verified.recheck(keys, rules, now)?;
    Ok(verified)
}

type Parts<'a> = (&'a str, Vec<u8>, Vec<u8>, Vec<u8>);

/// The signed part, and header, payload and signature decoded.
fn split(token: &str) -> Result<Parts<'_>, VerifyError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(VerifyError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(VerifyError::Malformed)?;
    let decode = |part: &str| match URL_SAFE_NO_PAD.decode(part) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(VerifyError::Malformed),
    };
    Ok((
        signed,
        decode(header)?,
        decode(payload)?,
        decode(signature)?,
    ))
}

/// The `kid` of a header that has exactly our three members.
fn kid_of(header: &[u8]) -> Result<String, VerifyError> {
    let members: Members = serde_json::from_slice(header).map_err(|_| VerifyError::Malformed)?;
    let mut kid = None;
    let mut algorithm = None;
    for (name, value) in members.0 {
        match (name.as_str(), value) {
            ("alg", Value::String(value)) => algorithm = Some(value),
            ("typ", Value::String(value)) if value == "JWT" => {}
            ("kid", Value::String(value)) if value.len() <= 64 => kid = Some(value),
            _ => return Err(VerifyError::Header),
        }
    }
    match (algorithm.as_deref(), kid) {
        (Some("RS256"), Some(kid)) => Ok(kid),
        (Some("RS256"), None) => Err(VerifyError::UnknownKey),
        _ => Err(VerifyError::Header),
    }
}

/// The claims we look at, each of the type we issue it with.
struct Claims {
    issuer: String,
    audience: Option<String>,
    client_id: String,
    expires_at: i64,
    not_before: i64,
    generation: u32,
}

impl Claims {
    fn read(payload: &[u8]) -> Result<Self, VerifyError> {
        let members: Members =
            serde_json::from_slice(payload).map_err(|_| VerifyError::Malformed)?;
        let text = |name| members.text(name);
        let issuer = text("iss").ok_or(VerifyError::Malformed)?;
        // Another server's tokens have other claims; the issuer is the more useful thing to say about them.
        let client_id = text("cid").unwrap_or_default();
        let subject = text("sub").unwrap_or_default();
        let times = (
            members.instant("exp")?,
            members.instant("iat")?,
            members.instant("nbf")?,
        );
        Ok(Self {
            issuer,
            audience: text("aud"),
            client_id: if client_id == subject {
                client_id
            } else {
                String::new()
            },
            expires_at: times.0.unwrap_or(-1),
            not_before: times.1.unwrap_or(i64::MAX).max(times.2.unwrap_or(0)),
            generation: members.generation().unwrap_or(u32::MAX),
        })
    }

    fn into_verified(self, key: &SigningKey) -> Result<VerifiedToken, VerifyError> {
        let incomplete = self.expires_at < 0 || self.not_before == i64::MAX;
        if incomplete || self.client_id.is_empty() || self.generation == u32::MAX {
            return Err(VerifyError::Malformed);
        }
        let audience = self.audience.ok_or(VerifyError::Audience)?;
        Ok(VerifiedToken {
            client: IdKey::of(&self.client_id),
            kid: key.id().key(),
            issuer: IdKey::of(&self.issuer),
            audience: IdKey::of(&audience),
            expires_at: self.expires_at,
            not_before: self.not_before,
            generation: self.generation,
        })
    }
}

/// The members of a JSON object; two of the same name are an error, where a map would keep the last.
struct Members(Vec<(String, Value)>);

impl Members {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(member, _)| member == name)
            .map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_str().map(ToOwned::to_owned)
    }

    /// A claim of another type than a whole number in range is refused, never treated as absent.
    fn instant(&self, name: &str) -> Result<Option<i64>, VerifyError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .filter(|seconds| (0..=UNIX_SECONDS_MAX).contains(seconds))
                .map(Some)
                .ok_or(VerifyError::Malformed),
        }
    }

    fn generation(&self) -> Option<u32> {
        u32::try_from(self.get("gen")?.as_u64()?).ok()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object without repeated members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Value)> = Vec::with_capacity(10);
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.len() >= 64 || members.iter().any(|(other, _)| *other == name) {
                        return Err(serde::de::Error::custom("a member stands twice"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests;
