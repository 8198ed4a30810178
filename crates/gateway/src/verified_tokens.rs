//! Tokens whose signature was found right, so that it need not be checked on every call. One table for each
//! core, of a fixed size; it never answers "is this allowed".
//!
//! The key is the full SHA-256 of the token: an altered copy of a token that was just accepted is another
//! token. Only verified tokens enter, and a client has at most 64 places, so that nobody without credentials
//! can fill the table and nobody with them can empty it for others.

use std::{collections::HashMap, fmt};

use aws_lc_rs::digest;
use portcullis_core::{access_token::VerifiedToken, ids::IdKey, sharded::IdHash};

/// Places a token may be put in.
const WAYS: usize = 8;
/// Places one client may have.
const PLACES_OF_CLIENT_MAX: usize = 64;

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        let digest = digest::digest(&digest::SHA256, token.as_bytes());
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// A digest is as good as random, so any part of it is a hash.
    fn set_of(&self, sets: usize) -> usize {
        let [a, b, c, d, ..] = self.0;
        u32::from_le_bytes([a, b, c, d]) as usize % sets.max(1)
    }
}

struct Place {
    digest: TokenDigest,
    token: VerifiedToken,
    used: u64,
}

/// A fixed number of verified tokens.
pub(crate) struct VerifiedTokens {
    sets: Box<[[Option<Place>; WAYS]]>,
    /// For each client the digests of its tokens, the longest there first.
    of_client: HashMap<IdKey, Vec<TokenDigest>, IdHash>,
    turn: u64,
}

impl VerifiedTokens {
    /// An empty table of `places`, rounded up to a multiple of eight.
    pub(crate) fn new(places: usize) -> Self {
        let sets = places.div_ceil(WAYS).max(1);
        Self {
            sets: (0..sets).map(|_| [const { None }; WAYS]).collect(),
            of_client: HashMap::default(),
            turn: 0,
        }
    }

    /// The token with this digest, when its signature was checked before.
    pub(crate) fn get(&mut self, digest: &TokenDigest) -> Option<VerifiedToken> {
        self.turn += 1;
        let turn = self.turn;
        let place = self
            .set_mut(digest)?
            .iter_mut()
            .flatten()
            .find(|place| place.digest == *digest)?;
        place.used = turn;
        Some(place.token)
    }

    /// Remembers a token that was just verified, in the place of one not used for long.
    pub(crate) fn insert(&mut self, digest: TokenDigest, token: VerifiedToken) {
        self.turn += 1;
        let client = token.client();
        if let Some(oldest) = self.oldest_of_full(client) {
            self.remove(&oldest);
        }
        let place = Place {
            digest,
            token,
            used: self.turn,
        };
        let Some(set) = self.set_mut(&digest) else {
            return;
        };
        let free = set
            .iter_mut()
            .min_by_key(|place| place.as_ref().map_or(0, |place| place.used));
        let displaced = free.and_then(|free| free.replace(place));
        if let Some(displaced) = displaced {
            self.forget(displaced.token.client(), &displaced.digest);
        }
        self.of_client.entry(client).or_default().push(digest);
    }

    fn oldest_of_full(&self, client: IdKey) -> Option<TokenDigest> {
        let tokens = self.of_client.get(&client)?;
        (tokens.len() >= PLACES_OF_CLIENT_MAX).then(|| tokens.first().copied())?
    }

    fn remove(&mut self, digest: &TokenDigest) {
        let Some(set) = self.set_mut(digest) else {
            return;
        };
        let of_digest = |place: &Option<Place>| place.as_ref().is_some_and(|p| p.digest == *digest);
        let removed = set
            .iter_mut()
            .find(|place| of_digest(place))
            .and_then(Option::take);
        if let Some(removed) = removed {
            self.forget(removed.token.client(), digest);
        }
    }

    fn forget(&mut self, client: IdKey, digest: &TokenDigest) {
        if let Some(tokens) = self.of_client.get_mut(&client) {
            tokens.retain(|other| other != digest);
            if tokens.is_empty() {
                self.of_client.remove(&client);
            }
        }
    }

    fn set_mut(&mut self, digest: &TokenDigest) -> Option<&mut [Option<Place>; WAYS]> {
        let set = digest.set_of(self.sets.len());
        self.sets.get_mut(set)
    }
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedTokens({} clients)", self.of_client.len())
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{
        access_token::verify,
        test_util::{NOW, a_token, current_keys, rules},
    };

    use super::*;

    fn verified(client: &str) -> (TokenDigest, VerifiedToken) {
        let keys = current_keys();
        let token = a_token(&keys, client);
        (
            TokenDigest::of(&token),
            verify(&token, &keys, &rules(), NOW).unwrap(),
        )
    }

    fn digest(n: u32) -> TokenDigest {
        TokenDigest::of(&n.to_string())
    }

    fn occupied(tokens: &VerifiedTokens) -> usize {
        tokens.sets.iter().flatten().flatten().count()
    }

    #[test]
    fn a_token_is_found_by_its_digest_alone() {
        let (digest, token) = verified("app-key");
        let mut tokens = VerifiedTokens::new(64);

        tokens.insert(digest, token);

        assert_eq!(tokens.get(&digest), Some(token));
        assert_eq!(tokens.get(&TokenDigest::of("another")), None);
    }

    #[test]
    fn a_client_has_at_most_64_places() {
        let (_, greedy) = verified("greedy-key");
        let (modest_digest, modest) = verified("modest-key");
        let mut tokens = VerifiedTokens::new(4_096);
        tokens.insert(modest_digest, modest);

        for n in 0..2_000 {
            tokens.insert(digest(n), greedy);
        }

        assert_eq!(occupied(&tokens), PLACES_OF_CLIENT_MAX + 1);
        assert_eq!(tokens.get(&modest_digest), Some(modest));
        assert_eq!(tokens.get(&digest(1_999)), Some(greedy));
        assert_eq!(tokens.get(&digest(0)), None);
    }

    #[test]
    fn the_table_never_grows_and_forgets_what_it_displaces() {
        let some = verified("app-key").1;
        let mut tokens = VerifiedTokens::new(16);

        for n in 0..1_000 {
            tokens.insert(digest(n), some);
        }

        let known: usize = tokens.of_client.values().map(Vec::len).sum();
        assert!(occupied(&tokens) <= 16);
        assert_eq!(known, occupied(&tokens));
    }

    #[test]
    fn of_those_in_the_way_the_one_not_used_for_longest_goes() {
        let some = verified("app-key").1;
        let mut tokens = VerifiedTokens::new(WAYS);
        for n in 0..8 {
            tokens.insert(digest(n), some);
        }
        let _ = tokens.get(&digest(0));

        tokens.insert(digest(8), some);

        assert!(tokens.get(&digest(0)).is_some());
        assert!(tokens.get(&digest(1)).is_none());
    }
}
