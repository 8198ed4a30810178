//! Generated secrets: their form, their digest, and the comparison that takes the same time whatever differs.
//!
//! Our secrets are 256 random bits, so one SHA-256 is the right digest: there is nothing to guess and a slow
//! hash would only let callers spend our CPU. Passwords of people are another matter and live elsewhere.

use std::fmt;

use aws_lc_rs::{digest, rand};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Random characters of a secret: 62^43 is a little more than 2^256.
const RANDOM_CHARACTERS: usize = 43;
/// Characters of the CRC-32 checksum: 62^6 is more than 2^32.
const CHECKSUM_CHARACTERS: usize = 6;

/// What a secret is for; its prefix lets secret scanners recognise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// An API Secret or Client Secret: `pcs_`.
    Client,
    /// A token of the management API: `pcm_`.
    ManagementToken,
    /// The cookie of a session: `pcx_`.
    Session,
    /// A link that works once: `pcl_`.
    Link,
    /// Something a person has begun and is to finish in a few minutes, such as a sign-in: `pcp_`.
    Pending,
}

impl SecretKind {
    const ALL: [Self; 5] = [
        Self::Client,
        Self::ManagementToken,
        Self::Session,
        Self::Link,
        Self::Pending,
    ];

    /// The first four characters.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Client => "pcs_",
            Self::ManagementToken => "pcm_",
            Self::Session => "pcx_",
            Self::Link => "pcl_",
            Self::Pending => "pcp_",
        }
    }
}

/// A secret in clear, as it is shown once. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A new random secret: prefix, 43 random characters, 6 characters of CRC-32 over what stands before them.
    #[must_use]
    pub fn generate(kind: SecretKind) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str(kind.prefix());
        text.push_str(&Zeroizing::new(random_alphanumeric(RANDOM_CHARACTERS)));
        let sum = checksum(&text);
        text.push_str(&sum);
        Self(text)
    }

    /// Wraps a secret that came from elsewhere: an import, or a file. Its form is kept.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself. What this returns must not be logged.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored in its place.
    #[must_use]
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(self.0.as_bytes())
    }

    /// What may be shown later to tell secrets apart: the prefix and the last four characters.
    #[must_use]
    pub fn hint(&self) -> String {
        let text = self.expose();
        let prefix = prefix_of(text).unwrap_or_default();
        let tail = if text.len() >= 16 {
            text.get(text.len() - 4..).unwrap_or_default()
        } else {
            ""
        };
        format!("{prefix}\u{2026}{tail}")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Says whether the text has one of our prefixes and a checksum that fits: what a secret scanner asks.
#[must_use]
pub fn has_valid_checksum(text: &str) -> bool {
    let expected = 4 + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS;
    let known = prefix_of(text).is_some();
    match text.split_at_checked(expected - CHECKSUM_CHARACTERS) {
        Some((body, sum)) if known && text.len() == expected => checksum(body) == sum,
        _ => false,
    }
}

/// The prefix of ours that the text begins with.
fn prefix_of(text: &str) -> Option<&'static str> {
    SecretKind::ALL
        .into_iter()
        .map(SecretKind::prefix)
        .find(|prefix| text.starts_with(prefix))
}

/// The SHA-256 of a secret. `Copy`, so that snapshots hold it inline.
#[derive(Clone, Copy)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The digest of a presented secret.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        let mut bytes = [0; 32];
        let digest = digest::digest(&digest::SHA256, secret);
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// From its stored 32 bytes; `None` when there are not 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// The 32 bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Says whether both are digests of the same secret, in a time that does not depend on the answer.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest([redacted])")
    }
}

/// Uniformly random characters of `[A-Za-z0-9]`.
pub(crate) fn random_alphanumeric(count: usize) -> String {
    let mut text = String::with_capacity(count);
    while text.len() < count {
        for byte in random_bytes::<64>() {
            // 248 is the largest multiple of 62 in a byte: larger values would favour the first letters.
            if byte < 248 && text.len() < count {
                let letter = ALPHABET
                    .get(usize::from(byte % 62))
                    .copied()
                    .unwrap_or(b'A');
                text.push(char::from(letter));
            }
        }
    }
    text
}

/// Random bytes of the operating system's generator.
///
/// # Panics
/// Never in practice: the generator of the crypto library ends the process itself rather than fail.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without randomness no secret may be made; the library aborts before this"
    )]
    rand::fill(&mut bytes).expect("the random generator works");
    bytes
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut letters = [b'A'; CHECKSUM_CHARACTERS];
    for letter in letters.iter_mut().rev() {
        *letter = ALPHABET.get((rest % 62) as usize).copied().unwrap_or(b'A');
        rest /= 62;
    }
    letters.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_secret_has_the_form_scanners_know() {
        let secret = Secret::generate(SecretKind::Client);

        let text = secret.expose();

        assert_eq!(text.len(), 4 + 43 + 6);
        assert!(text.starts_with("pcs_"));
        assert!(text[4..].bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(has_valid_checksum(text));
    }

    #[test]
    fn one_wrong_character_breaks_the_checksum() {
        let secret = Secret::generate(SecretKind::ManagementToken);

        let mut wrong = secret.expose().to_owned();
        let last_random = wrong.remove(20);
        wrong.insert(20, if last_random == 'x' { 'y' } else { 'x' });

        assert!(!has_valid_checksum(&wrong));
        assert!(!has_valid_checksum(""));
        assert!(!has_valid_checksum("pcs_short"));
    }

    #[test]
    fn only_the_same_secret_matches_its_digest() {
        let secret = Secret::generate(SecretKind::Client);
        let digest = secret.digest();

        assert!(digest.matches(&SecretDigest::of(secret.expose().as_bytes())));
        for wrong in [
            format!("{} ", secret.expose()),
            secret.expose().to_lowercase(),
            String::new(),
        ] {
            assert!(!digest.matches(&SecretDigest::of(wrong.as_bytes())));
        }
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::generate(SecretKind::Client);

        let shown = format!("{secret:?} {:?} {}", secret.digest(), secret.hint());

        assert!(!shown.contains(&secret.expose()[4..40]));
    }
}
