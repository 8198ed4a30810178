//! Signing keys and the key set (RFC 7517): what a key may sign, where it stands in its life, and the JWKS.
//!
//! A key's life: `next` (published, not yet signing), `current` (signing), `retired` (published until the last
//! token it signed has ended), then gone. `client` keys sign what the token endpoint issues, `outbound` keys
//! what we send to providers; our own endpoints accept `client` keys alone.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest,
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{
        KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::ids::{IdKey, KeyId};

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// What the token endpoint issues.
    Client,
    /// What we send to providers.
    Outbound,
}

impl KeyPurpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Client, Self::Outbound];

    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Outbound => "outbound",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
    }
}

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, not yet signing.
    Next,
    /// Signing.
    Current,
    /// No longer signing, published until the last token it signed has ended.
    Retired,
}

impl KeyState {
    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "next" => Some(Self::Next),
            "current" => Some(Self::Current),
            "retired" => Some(Self::Retired),
            _ => None,
        }
    }
}

/// A key could not be made, read or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Generation failed.
    #[error("an RSA key could not be generated")]
    Generate,
    /// The bytes are no RSA key of 2048 to 8192 bits.
    #[error("the bytes are not an RSA key of at least 2048 bits")]
    Malformed,
    /// The signature could not be made.
    #[error("signing failed")]
    Sign,
    /// This node does not hold the private half.
    #[error("this node does not hold the private half of the key")]
    NoPrivateHalf,
}

/// A new RSA-2048 key as it is stored: the private half is to be sealed before it is written.
pub struct NewKey {
    /// Thumbprint (RFC 7638).
    pub id: KeyId,
    /// PKCS#8 DER of the key pair.
    pub private_der: Zeroizing<Vec<u8>>,
    /// PKCS#1 DER of the public key.
    pub public_der: Vec<u8>,
}

impl NewKey {
    /// Generates a key. Takes tens to hundreds of milliseconds of CPU: never on a core that serves calls.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate() -> Result<Self, KeyError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generate)?;
        let der = pair.as_der().map_err(|_| KeyError::Generate)?;
        let public_der = pair.public_key().as_ref().to_vec();
        let (modulus, exponent) = components(&pair);
        Ok(Self {
            id: thumbprint(&modulus, &exponent),
            private_der: Zeroizing::new(der.as_ref().to_vec()),
            public_der,
        })
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({}, [redacted])", self.id)
    }
}

/// A key ready to verify and, where this node holds its private half, to sign. Parsed once, when loaded.
pub struct SigningKey {
    id: KeyId,
    key: IdKey,
    purpose: KeyPurpose,
    state: KeyState,
    private: Option<RsaKeyPair>,
    public: ParsedPublicKey,
    modulus: String,
    exponent: String,
    header: String,
}

impl SigningKey {
    /// Reads a stored key. `private_der` is absent on nodes that do not sign with this purpose.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when the bytes are no RSA key, or the halves do not belong together.
    pub fn from_der(
        id: KeyId,
        purpose: KeyPurpose,
        state: KeyState,
        public_der: &[u8],
        private_der: Option<&[u8]>,
    ) -> Result<Self, KeyError> {
        let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_der)
            .map_err(|_| KeyError::Malformed)?;
        let private = private_der
            .map(|der| RsaKeyPair::from_pkcs8(der).map_err(|_| KeyError::Malformed))
            .transpose()?;
        if private
            .as_ref()
            .is_some_and(|pair| pair.public_key().as_ref() != public_der)
        {
            return Err(KeyError::Malformed);
        }
        let (modulus, exponent) = der_components(public_der).ok_or(KeyError::Malformed)?;
        if thumbprint(&modulus, &exponent) != id {
            return Err(KeyError::Malformed);
        }
        let header =
            URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{id}"}}"#));
        Ok(Self {
            key: id.key(),
            id,
            purpose,
            state,
            private,
            public,
            modulus,
            exponent,
            header,
        })
    }

    /// The `kid`.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// What it signs.
    #[must_use]
    pub fn purpose(&self) -> KeyPurpose {
        self.purpose
    }

    /// Where it stands in its life.
    #[must_use]
    pub fn state(&self) -> KeyState {
        self.state
    }

    /// The JOSE header of every token this key signs, base64url.
    pub(crate) fn encoded_header(&self) -> &str {
        &self.header
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over `message`.
    ///
    /// # Errors
    /// [`KeyError::NoPrivateHalf`] or [`KeyError::Sign`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let pair = self.private.as_ref().ok_or(KeyError::NoPrivateHalf)?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message,
            &mut signature,
        )
        .map_err(|_| KeyError::Sign)?;
        Ok(signature)
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SigningKey({}, {:?}, {:?})",
            self.id, self.purpose, self.state
        )
    }
}

/// Every key that is published, and the JWKS document made of them.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Vec<Arc<SigningKey>>,
    jwks: Arc<str>,
    etag: Arc<str>,
}

impl Default for KeySet {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl KeySet {
    /// The set of these keys.
    #[must_use]
    pub fn new(mut keys: Vec<Arc<SigningKey>>) -> Self {
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        let members: Vec<String> = keys.iter().map(|key| jwk(key)).collect();
        let jwks = format!(r#"{{"keys":[{}]}}"#, members.join(","));
        let digest = digest::digest(&digest::SHA256, jwks.as_bytes());
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest));
        Self {
            keys,
            jwks: jwks.into(),
            etag: etag.into(),
        }
    }

    /// The key that signs now for this purpose; `None` until the first one exists.
    #[must_use]
    pub fn signing(&self, purpose: KeyPurpose) -> Option<&Arc<SigningKey>> {
        self.keys
            .iter()
            .find(|key| key.purpose == purpose && key.state == KeyState::Current)
    }

    /// The published key with this `kid`, of any purpose.
    #[must_use]
    pub fn by_kid(&self, kid: &str) -> Option<&Arc<SigningKey>> {
        self.keys.iter().find(|key| key.id.as_str() == kid)
    }

    /// Whether a key with this `kid` and purpose is still published.
    #[must_use]
    pub fn accepts(&self, kid: IdKey, purpose: KeyPurpose) -> bool {
        self.keys
            .iter()
            .any(|key| key.purpose == purpose && key.key == kid)
    }

    /// Every published key, sorted by id.
    #[must_use]
    pub fn keys(&self) -> &[Arc<SigningKey>] {
        &self.keys
    }

    /// The JWKS document (RFC 7517 section 5).
    #[must_use]
    pub fn jwks(&self) -> &Arc<str> {
        &self.jwks
    }

    /// Its `ETag`, quoted.
    #[must_use]
    pub fn etag(&self) -> &Arc<str> {
        &self.etag
    }
}

fn jwk(key: &SigningKey) -> String {
    format!(
        r#"{{"kty":"RSA","use":"sig","alg":"RS256","kid":"{}","n":"{}","e":"{}"}}"#,
        key.id, key.modulus, key.exponent
    )
}

/// The identifier of an RSA public key in PKCS#1 DER: its thumbprint (RFC 7638). `None` when it is no such key.
#[must_use]
pub fn thumbprint_of_der(public_der: &[u8]) -> Option<KeyId> {
    der_components(public_der).map(|(modulus, exponent)| thumbprint(&modulus, &exponent))
}

/// RFC 7638: SHA-256 over the required members in lexicographic order.
fn thumbprint(modulus: &str, exponent: &str) -> KeyId {
    let canonical = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
    let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
    #[expect(
        clippy::expect_used,
        reason = "43 base64url characters are always a valid identifier"
    )]
    KeyId::parse(&URL_SAFE_NO_PAD.encode(digest)).expect("base64url text is visible ASCII")
}

fn components(pair: &RsaKeyPair) -> (String, String) {
    let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    (
        URL_SAFE_NO_PAD.encode(public.n),
        URL_SAFE_NO_PAD.encode(public.e),
    )
}

/// Modulus and exponent of a PKCS#1 `RSAPublicKey` (RFC 8017 appendix A.1.1), base64url without leading zeros.
fn der_components(der: &[u8]) -> Option<(String, String)> {
    let (body, rest) = der_value(der, 0x30)?;
    if !rest.is_empty() {
        return None;
    }
    let (modulus, body) = der_value(body, 0x02)?;
    let (exponent, body) = der_value(body, 0x02)?;
    let text = |bytes: &[u8]| {
        let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
        URL_SAFE_NO_PAD.encode(bytes.get(start..).unwrap_or_default())
    };
    body.is_empty().then(|| (text(modulus), text(exponent)))
}

/// The value of the first DER element, which must have this tag, and what follows it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    let (&length, mut rest) = rest.split_first()?;
    if first != tag {
        return None;
    }
    let mut size = usize::from(length);
    if length & 0x80 != 0 {
        let (digits, after) = rest.split_at_checked(usize::from(length & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        size = digits
            .iter()
            .fold(0, |size, digit| size << 8 | usize::from(*digit));
        rest = after;
    }
    rest.split_at_checked(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(purpose: KeyPurpose, state: KeyState) -> Arc<SigningKey> {
        let new = NewKey::generate().unwrap();
        let private = Some(new.private_der.as_slice());
        Arc::new(
            SigningKey::from_der(new.id.clone(), purpose, state, &new.public_der, private).unwrap(),
        )
    }

    #[test]
    fn a_stored_key_signs_and_verifies() {
        let key = key(KeyPurpose::Client, KeyState::Current);

        let signature = key.sign(b"message").unwrap();

        assert_eq!(signature.len(), 256);
        assert!(key.verifies(b"message", &signature));
        assert!(!key.verifies(b"massage", &signature));
    }

    #[test]
    fn halves_of_two_keys_are_refused() {
        let (one, other) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());

        let mixed = SigningKey::from_der(
            one.id.clone(),
            KeyPurpose::Client,
            KeyState::Next,
            &one.public_der,
            Some(&other.private_der),
        );
        let misnamed = SigningKey::from_der(
            other.id,
            KeyPurpose::Client,
            KeyState::Next,
            &one.public_der,
            None,
        );

        assert_eq!(mixed.unwrap_err(), KeyError::Malformed);
        assert_eq!(misnamed.unwrap_err(), KeyError::Malformed);
    }

    #[test]
    fn the_jwks_has_the_members_verifiers_need_and_nothing_private() {
        let key = key(KeyPurpose::Client, KeyState::Next);
        let set = KeySet::new(vec![key.clone()]);

        let jwks: serde_json::Value = serde_json::from_str(set.jwks()).unwrap();

        let members: Vec<&String> = jwks["keys"][0].as_object().unwrap().keys().collect();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!(jwks["keys"][0]["kid"], key.id().as_str());
        assert_eq!(jwks["keys"][0]["e"], "AQAB");
    }

    #[test]
    fn the_set_signs_with_the_current_key_of_the_purpose() {
        let (next, current) = (
            key(KeyPurpose::Client, KeyState::Next),
            key(KeyPurpose::Client, KeyState::Current),
        );
        let set = KeySet::new(vec![next.clone(), current.clone()]);

        assert_eq!(set.signing(KeyPurpose::Client).unwrap().id(), current.id());
        assert!(set.signing(KeyPurpose::Outbound).is_none());
        assert!(set.accepts(next.id().key(), KeyPurpose::Client));
        assert!(!set.accepts(next.id().key(), KeyPurpose::Outbound));
    }
}
