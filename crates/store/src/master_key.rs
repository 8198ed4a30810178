//! The master key: seals what is secret in the database (AES-256-GCM). Reading and writing its file is not here.
//!
//! A sealed value is `version (1 byte) | id of the key (8) | nonce (12) | ciphertext | tag (16)`. The place of
//! the value (table, row and version) is authenticated with it, so a value that was moved does not open.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest, rand,
};
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// The key that seals signing keys at rest. Wiped from memory when dropped; does not print.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    id: [u8; KEY_ID_BYTES],
}

/// A value could not be sealed, or does not open with this key at this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealError;

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'a str,
    pub(crate) id: &'a str,
    pub(crate) version: i64,
}

impl Place<'_> {
    /// Lengths first, so that no two places are written alike.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.table.len() + self.id.len() + 24);
        for part in [self.table, self.id] {
            bytes.extend_from_slice(&part.len().to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes
    }
}

impl MasterKey {
    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"portcullis master key id\0");
        context.update(&bytes);
        let digest = context.finish();
        let mut id = [0; KEY_ID_BYTES];
        for (to, from) in id.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self {
            bytes: Zeroizing::new(bytes),
            id,
        }
    }

    /// A new random key.
    ///
    /// # Panics
    /// Never in practice: the generator of the crypto library ends the process itself rather than fail.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_bytes(random_bytes())
    }

    /// Names the key without telling it: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        hexadecimal(&self.id)
    }

    /// The bytes, to be written to the key file. They must not be logged.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, self.bytes.as_slice()).map_err(|_| SealError)?;
        Ok(LessSafeKey::new(key))
    }

    /// Seals a value for its place, with a random nonce.
    pub(crate) fn seal(&self, place: &Place<'_>, value: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = random_bytes::<NONCE_BYTES>();
        let mut sealed = Zeroizing::new(value.to_vec());
        let tag = self
            .cipher()?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.bytes()),
                &mut sealed,
            )
            .map_err(|_| SealError)?;
        let mut out = Vec::with_capacity(HEADER_BYTES + sealed.len() + tag.as_ref().len());
        out.push(FORMAT);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// Opens what [`MasterKey::seal`] made for this place.
    pub(crate) fn open(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (header, body) = sealed.split_at_checked(HEADER_BYTES).ok_or(SealError)?;
        let (format, header) = header.split_first().ok_or(SealError)?;
        let (id, nonce) = header.split_at_checked(KEY_ID_BYTES).ok_or(SealError)?;
        if *format != FORMAT || id != self.id {
            return Err(SealError);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut buffer = Zeroizing::new(body.to_vec());
        let length = self
            .cipher()?
            .open_in_place(nonce, Aad::from(place.bytes()), &mut buffer)
            .map_err(|_| SealError)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, [redacted])", self.id())
    }
}

/// Two lower-case digits for each byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)])
        .collect()
}

/// Random bytes of the operating system's generator.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without randomness nothing may be sealed; the library aborts before this"
    )]
    rand::fill(&mut bytes).expect("the random generator works");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place {
        table: "signing_keys",
        id: "a",
        version: 1,
    };

    #[test]
    fn what_was_sealed_opens_at_its_place_alone() {
        let key = MasterKey::generate();
        let sealed = key.seal(&PLACE, b"private").unwrap();

        assert_eq!(key.open(&PLACE, &sealed).unwrap().as_slice(), b"private");
        for other in [
            Place { id: "b", ..PLACE },
            Place {
                version: 2,
                ..PLACE
            },
            Place {
                table: "x",
                ..PLACE
            },
        ] {
            assert_eq!(key.open(&other, &sealed).unwrap_err(), SealError);
        }
    }

    #[test]
    fn one_flipped_bit_or_another_key_does_not_open() {
        let key = MasterKey::generate();
        let sealed = key.seal(&PLACE, b"private").unwrap();

        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(key.open(&PLACE, &flipped).is_err(), "byte {at}");
            assert!(key.open(&PLACE, &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(MasterKey::generate().open(&PLACE, &sealed).is_err());
    }

    #[test]
    fn a_master_key_does_not_print() {
        let key = MasterKey::from_bytes([7; 32]);

        let shown = format!("{key:?}");

        assert!(shown.contains("[redacted]"));
        assert!(!shown.contains("07, 07") && !shown.contains("0707070707070707"));
        assert_eq!(key.id(), MasterKey::from_bytes([7; 32]).id());
    }
}
