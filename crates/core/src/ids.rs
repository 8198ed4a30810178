//! A newtype for each identifier, and the fixed-size key under which snapshots index it.
//!
//! Identifiers are opaque text: ours are UUIDs or slugs, imported ones keep the form they came with.

use std::{borrow::Borrow, fmt, sync::Arc};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

/// Longest identifier we take, in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// An identifier was empty, too long, or held something other than visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is 1 to 128 visible ASCII characters")]
pub struct InvalidId;

fn is_valid(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes text as it came, unchanged.
            ///
            /// # Errors
            /// [`InvalidId`] when it is empty, longer than 128 bytes or not visible ASCII.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_valid(text) { Ok(Self(text.into())) } else { Err(InvalidId) }
            }

            /// The text as on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The key under which snapshots index this identifier.
            #[must_use]
            pub fn key(&self) -> IdKey {
                IdKey::of(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        id!($(#[$doc])* $name);

        impl $name {
            /// A new random identifier: a version 4 UUID in lower case.
            #[must_use]
            pub fn random() -> Self {
                Self(uuid::Uuid::new_v4().to_string().into())
            }
        }
    };
}

uuid_id!(
    /// Names an organization ("Entity Id" on old pages).
    OrganizationId
);
uuid_id!(
    /// Names a person.
    UserId
);
uuid_id!(
    /// Names an app.
    AppId
);
id!(
    /// Names an API: a slug such as `v1-vehicles`.
    ApiId
);
uuid_id!(
    /// Names one API in one environment and version.
    InstanceId
);
id!(
    /// The OAuth `client_id`: the API Key of an app, or the Client ID of an API.
    ClientId
);
uuid_id!(
    /// Names one of a client's secrets (never the secret itself).
    SecretId
);
uuid_id!(
    /// Travels in the `Subscription-Id` header.
    SubscriptionId
);
uuid_id!(
    /// Names one API within a subscription.
    ConnectionId
);
id!(
    /// The JWK thumbprint of a signing key (RFC 7638), 43 base64url characters.
    KeyId
);
id!(
    /// Names a node of the installation.
    NodeId
);
uuid_id!(
    /// Names an opaque token of the management API (never the token itself).
    ManagementTokenId
);
uuid_id!(
    /// Names a side effect owed, and what it sends.
    JobId
);

uuid_id!(
    /// Names a session of a person's browser (never its secret).
    SessionId
);
uuid_id!(
    /// Names an invitation to an organization (never its link).
    InvitationId
);
uuid_id!(
    /// Names a passkey of a person.
    PasskeyId
);

impl ClientId {
    /// A new random client identifier: 32 characters of `[A-Za-z0-9]`.
    #[must_use]
    pub fn random() -> Self {
        Self(crate::secret::random_alphanumeric(32).into())
    }
}

/// A 16-byte key for an identifier: cheap to copy, compare and hash.
///
/// A lower-case UUID is its own 16 bytes. Any other text is the first 16 bytes of its SHA-256, with the UUID
/// version set to 15, which no UUID text accepted by the first rule has; so the two kinds cannot meet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdKey([u8; 16]);

impl IdKey {
    /// The key of this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        canonical_uuid(text.as_bytes()).map_or_else(|| Self::digest(text), Self)
    }

    /// The bytes of the key.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn digest(text: &str) -> Self {
        let mut bytes = [0; 16];
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        bytes[6] |= 0xf0;
        Self(bytes)
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdKey({})", uuid::Uuid::from_bytes(self.0))
    }
}

/// The value of a lower-case hexadecimal digit; 0xff for any other byte.
const HEX: [u8; 256] = hex_values();

const fn hex_values() -> [u8; 256] {
    let mut values = [0xff; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0_u8;
    while value < 16 {
        #[expect(
            clippy::indexing_slicing,
            reason = "the compiler evaluates and checks it"
        )]
        {
            values[digits[value as usize] as usize] = value;
        }
        value += 1;
    }
    values
}

/// Where the pairs of digits of a canonical UUID stand.
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// The 16 bytes of a UUID in its canonical lower-case text; `None` for any other text, and for version 15.
/// On the way of every call, so without a branch for each digit.
fn canonical_uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut bytes = [0; 16];
    let mut invalid = 0;
    for (byte, at) in bytes.iter_mut().zip(PAIRS) {
        #[expect(
            clippy::indexing_slicing,
            reason = "every pair lies within the 36 characters"
        )]
        let (high, low) = (HEX[usize::from(text[at])], HEX[usize::from(text[at + 1])]);
        invalid |= high | low;
        *byte = high << 4 | (low & 0x0f);
    }
    let hyphens = [text[8], text[13], text[18], text[23]] == *b"----";
    (hyphens && invalid & 0xf0 == 0 && bytes[6] >> 4 != 0x0f).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_uuid_is_its_own_key() {
        let id = SubscriptionId::random();

        let key = id.key();

        assert_eq!(
            key.bytes(),
            uuid::Uuid::parse_str(id.as_str()).unwrap().as_bytes()
        );
    }

    #[test]
    fn another_spelling_of_a_uuid_is_another_key() {
        let id = "6f1e8a2c-7c55-4f0b-9b39-0c4d7d2f6a11";

        for other in [
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("{id} "),
        ] {
            assert_ne!(IdKey::of(&other), IdKey::of(id), "{other}");
        }
    }

    #[test]
    fn text_that_is_no_uuid_has_a_key_no_uuid_has() {
        let key = IdKey::of("adasdqe-wad-sdq-eqwewq");

        assert_eq!(key.bytes()[6] >> 4, 0x0f);
        let imitation = uuid::Uuid::from_bytes(*key.bytes()).to_string();
        assert_ne!(IdKey::of(&imitation), key);
    }

    #[test]
    fn an_identifier_is_visible_ascii_of_bounded_length() {
        assert!(AppId::parse("x").is_ok());
        for bad in ["", "a b", "a\nb", "é", &"x".repeat(129)] {
            assert_eq!(AppId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn a_client_id_is_32_alphanumerics() {
        let id = ClientId::random();

        assert_eq!(id.as_str().len(), 32);
        assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
