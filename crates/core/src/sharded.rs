//! A map in shards that are shared between versions: changing one entry copies one shard of at most a few
//! hundred entries and the array of pointers, whatever the size of the map.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use crate::ids::IdKey;

/// Entries for each shard on average above which the number of shards is doubled. Half of 256, so that the
/// fullest shard of a large map stays near 256.
const SHARD_ENTRIES_MEAN_MAX: usize = 128;

/// Hashes keys that are already random: UUIDs and digests ([`IdKey`], and pairs of them).
#[derive(Debug, Clone, Copy, Default)]
pub struct IdHash;

/// The hasher of [`IdHash`].
#[derive(Debug, Clone, Copy, Default)]
pub struct IdHasher(u64);

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher::default()
    }
}

impl std::hash::Hasher for IdHasher {
    fn finish(&self) -> u64 {
        let folded = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        folded ^ (folded >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            // Multiplying by an odd constant carries every bit upwards; `finish` brings them down again.
            self.0 = (self.0.rotate_left(29) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    // The length that arrays put before their bytes: the same for every key.
    fn write_usize(&mut self, _: usize) {}
}

/// A map that many readers share and one writer replaces.
#[derive(Clone)]
pub struct ShardedMap<K, V, S = IdHash> {
    shards: Arc<[Arc<HashMap<K, V, S>>]>,
    len: usize,
    hash: S,
}

/// Indexed by one identifier.
pub type ById<V> = ShardedMap<IdKey, V>;

impl<K: Eq + Hash + Clone, V: Clone, S: BuildHasher + Clone + Default> Default
    for ShardedMap<K, V, S>
{
    fn default() -> Self {
        Self::from_entries(Vec::new())
    }
}

impl<K: Eq + Hash + Clone, V: Clone, S: BuildHasher + Clone + Default> ShardedMap<K, V, S> {
    /// A map of these entries; of two with the same key the later one stays.
    #[must_use]
    pub fn from_entries(entries: Vec<(K, V)>) -> Self {
        let hash = S::default();
        let count = (entries.len() / SHARD_ENTRIES_MEAN_MAX + 1).next_power_of_two();
        let mut shards: Vec<HashMap<K, V, S>> = (0..count)
            .map(|_| HashMap::with_hasher(hash.clone()))
            .collect();
        for (key, value) in entries {
            let at = shard_of(&hash, &key, count);
            if let Some(shard) = shards.get_mut(at) {
                shard.insert(key, value);
            }
        }
        let len = shards.iter().map(HashMap::len).sum();
        for shard in &mut shards {
            shard.shrink_to_fit();
        }
        Self {
            shards: shards.into_iter().map(Arc::new).collect(),
            len,
            hash,
        }
    }

    /// The value of this key.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.shards
            .get(shard_of(&self.hash, key, self.shards.len()))?
            .get(key)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every entry, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// This map with these entries set (`Some`) or removed (`None`), in order. Shards without a change are
    /// shared with this map.
    #[must_use]
    pub fn with(&self, changes: Vec<(K, Option<V>)>) -> Self {
        if changes.is_empty() {
            return self.clone();
        }
        let mut shards: Vec<Arc<HashMap<K, V, S>>> = self.shards.to_vec();
        let count = shards.len();
        for (key, value) in changes {
            let Some(shard) = shards.get_mut(shard_of(&self.hash, &key, count)) else {
                continue;
            };
            let shard = Arc::make_mut(shard);
            match value {
                Some(value) => shard.insert(key, value),
                None => shard.remove(&key),
            };
        }
        let len = shards.iter().map(|shard| shard.len()).sum::<usize>();
        if len / SHARD_ENTRIES_MEAN_MAX >= 2 * count {
            let entries = shards
                .iter()
                .flat_map(|s| s.iter().map(|(k, v)| (k.clone(), v.clone())));
            return Self::from_entries(entries.collect());
        }
        Self {
            shards: shards.into(),
            len,
            hash: self.hash.clone(),
        }
    }
}

impl<K, V, S> fmt::Debug for ShardedMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ShardedMap({} entries in {} shards)",
            self.len,
            self.shards.len()
        )
    }
}

/// Which of `count` (a power of two) shards a key belongs to. The map inside uses the top seven and the
/// lowest bits of the hash, so this takes others.
fn shard_of<Q: Hash + ?Sized, S: BuildHasher>(hash: &S, key: &Q, count: usize) -> usize {
    let bits = (hash.hash_one(key) >> 28) as usize;
    bits & (count - 1)
}

/// Indexed by text.
pub type ByText<V> = ShardedMap<Arc<str>, V, RandomStateDefault>;

/// The standard library's keyed hash, for keys that others choose. One seed for each map and its descendants.
#[derive(Debug, Clone, Default)]
pub struct RandomStateDefault(RandomState);

impl BuildHasher for RandomStateDefault {
    type Hasher = <RandomState as BuildHasher>::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> IdKey {
        IdKey::of(&format!("entity {n}"))
    }

    #[test]
    fn what_is_put_in_is_found_at_any_size() {
        for size in [0, 1, 100, 1_000, 20_000] {
            let map: ById<u32> = ShardedMap::from_entries((0..size).map(|n| (key(n), n)).collect());

            assert_eq!(map.len(), size as usize);
            assert!((0..size).all(|n| map.get(&key(n)) == Some(&n)));
            assert_eq!(map.get(&key(size)), None);
        }
    }

    #[test]
    fn a_change_leaves_the_old_version_as_it_was() {
        let old: ById<u32> = ShardedMap::from_entries((0..1_000).map(|n| (key(n), n)).collect());

        let new = old.with(vec![
            (key(5), None),
            (key(7), Some(70)),
            (key(2_000), Some(1)),
        ]);

        assert_eq!(
            (old.get(&key(5)), old.get(&key(7)), old.get(&key(2_000))),
            (Some(&5), Some(&7), None)
        );
        assert_eq!(
            (new.get(&key(5)), new.get(&key(7)), new.get(&key(2_000))),
            (None, Some(&70), Some(&1))
        );
        assert_eq!((old.len(), new.len()), (1_000, 1_000));
    }

    #[test]
    fn a_change_shares_all_shards_but_one() {
        let old: ById<u32> = ShardedMap::from_entries((0..20_000).map(|n| (key(n), n)).collect());

        let new = old.with(vec![(key(5), Some(0))]);

        let own = old
            .shards
            .iter()
            .zip(new.shards.iter())
            .filter(|(a, b)| !Arc::ptr_eq(a, b));
        assert_eq!(own.count(), 1);
    }

    #[test]
    fn shards_stay_small_while_a_map_grows_entry_by_entry() {
        let mut map: ById<u32> = ShardedMap::default();

        for n in 0..5_000 {
            map = map.with(vec![(key(n), Some(n))]);
        }

        assert!((0..5_000).all(|n| map.get(&key(n)) == Some(&n)));
        assert!(map.shards.iter().all(|shard| shard.len() <= 400), "{map:?}");
    }

    #[test]
    fn sequential_uuids_spread_over_the_shards() {
        let id = |n: u32| IdKey::of(&uuid::Uuid::from_u128(u128::from(n) << 64 | 7).to_string());
        let map: ById<u32> = ShardedMap::from_entries((0..20_000).map(|n| (id(n), n)).collect());

        let fullest = map.shards.iter().map(|shard| shard.len()).max().unwrap();

        assert!(fullest < 400, "{fullest}");
    }
}
