//! The table from path prefixes to API instances: the longest registered prefix wins, segment by segment,
//! compared byte for byte.

use std::sync::Arc;

use crate::{
    api::{InstancePolicy, Simulation},
    environment::Environment,
    ids::{ApiId, IdKey, InstanceId},
    sharded::{ById, ByText},
    target::Target,
};

/// An API instance as the gateway sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct InstanceRecord {
    /// Which instance.
    pub id: InstanceId,
    /// The API, as snapshots index it.
    pub api: IdKey,
    /// The API.
    pub api_id: ApiId,
    /// Where it stands.
    pub environment: Environment,
    /// Spec version.
    pub version: String,
    /// Prefix of the gateway paths that belong to it, such as `/sample-test/vehicles/v1`.
    pub prefix: Arc<str>,
    /// Base path without the namespace.
    pub base_path: String,
    /// Where calls go.
    pub target: Target,
    /// What the gateway does with calls.
    pub policy: InstancePolicy,
    /// Answers for the literal test subscription.
    pub simulations: Arc<[Simulation]>,
}

/// The instance a path belongs to, and the rest of the path.
#[derive(Debug, Clone)]
pub struct RouteMatch<'a> {
    /// The instance.
    pub instance: &'a Arc<InstanceRecord>,
    /// What follows the prefix: empty, or begins with `/`. As sent.
    pub endpoint: &'a str,
}

/// Instances by prefix and by id.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    by_prefix: ByText<Arc<InstanceRecord>>,
    by_id: ById<Arc<InstanceRecord>>,
    segments_max: usize,
}

impl RouteTable {
    /// A table of these instances. Of two with one prefix, which the store does not allow, the later stays.
    #[must_use]
    pub fn new(instances: Vec<Arc<InstanceRecord>>) -> Self {
        Self::default().with(
            instances
                .into_iter()
                .map(|i| (i.id.key(), Some(i)))
                .collect(),
        )
    }

    /// This table with these instances set or removed.
    #[must_use]
    pub fn with(&self, changes: Vec<(IdKey, Option<Arc<InstanceRecord>>)>) -> Self {
        let mut prefixes = Vec::new();
        let mut segments_max = self.segments_max;
        for (id, instance) in &changes {
            if let Some(old) = self.by_id.get(id) {
                prefixes.push((old.prefix.clone(), None));
            }
            if let Some(new) = instance {
                segments_max = segments_max.max(new.prefix.matches('/').count());
                prefixes.push((new.prefix.clone(), Some(new.clone())));
            }
        }
        Self {
            by_prefix: self.by_prefix.with(prefixes),
            by_id: self.by_id.with(changes),
            segments_max,
        }
    }

    /// The instance whose prefix is the longest one `path` begins with, at a segment boundary.
    #[must_use]
    pub fn find<'a>(&'a self, path: &'a str) -> Option<RouteMatch<'a>> {
        let boundaries = path
            .bytes()
            .enumerate()
            .skip(1)
            .filter(|(_, byte)| *byte == b'/');
        let mut ends = [path.len(); 16];
        let mut count = 0;
        for (end, slot) in boundaries
            .map(|(at, _)| at)
            .take(self.segments_max)
            .zip(ends.iter_mut())
        {
            *slot = end;
            count += 1;
        }
        // The whole path is a candidate too when it has no more segments than the longest prefix.
        let candidates = ends.iter().take((count + 1).min(ends.len()));
        candidates.rev().find_map(|end| {
            let (prefix, endpoint) = path.split_at_checked(*end)?;
            let instance = self.by_prefix.get(prefix)?;
            Some(RouteMatch { instance, endpoint })
        })
    }

    /// The instance with this id.
    #[must_use]
    pub fn by_id(&self, id: IdKey) -> Option<&Arc<InstanceRecord>> {
        self.by_id.get(&id)
    }

    /// Every instance, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<InstanceRecord>> {
        self.by_id.iter().map(|(_, instance)| instance)
    }

    /// How many instances there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::an_instance;

    fn table(prefixes: &[&str]) -> RouteTable {
        RouteTable::new(
            prefixes
                .iter()
                .map(|prefix| Arc::new(an_instance("api", prefix)))
                .collect(),
        )
    }

    fn found<'a>(table: &'a RouteTable, path: &'a str) -> Option<(&'a str, &'a str)> {
        table
            .find(path)
            .map(|found| (found.instance.prefix.as_ref(), found.endpoint))
    }

    #[test]
    fn the_longest_prefix_wins_at_segment_boundaries() {
        let table = table(&[
            "/cars/v1",
            "/cars/v1/parts",
            "/cars-test/v1",
            "/sales/v1/elead",
        ]);

        assert_eq!(found(&table, "/cars/v1"), Some(("/cars/v1", "")));
        assert_eq!(found(&table, "/cars/v1/"), Some(("/cars/v1", "/")));
        assert_eq!(
            found(&table, "/cars/v1/x/y/z/1/2/3"),
            Some(("/cars/v1", "/x/y/z/1/2/3"))
        );
        assert_eq!(
            found(&table, "/cars/v1/parts"),
            Some(("/cars/v1/parts", ""))
        );
        assert_eq!(
            found(&table, "/cars/v1/parts/9"),
            Some(("/cars/v1/parts", "/9"))
        );
        assert_eq!(
            found(&table, "/cars/v1/partsx"),
            Some(("/cars/v1", "/partsx"))
        );
        assert_eq!(
            found(&table, "/cars-test/v1//a;b/%2f"),
            Some(("/cars-test/v1", "//a;b/%2f"))
        );
        assert_eq!(
            found(&table, "/sales/v1/elead/customers"),
            Some(("/sales/v1/elead", "/customers"))
        );
    }

    #[test]
    fn what_is_not_registered_is_not_found() {
        let table = table(&["/cars/v1"]);

        for path in [
            "",
            "/",
            "/cars",
            "/cars/",
            "/cars/v",
            "/cars/v11",
            "/Cars/v1",
            "//cars/v1",
            "/cars//v1",
            "/x/cars/v1",
        ] {
            assert_eq!(found(&table, path), None, "{path}");
        }
        assert_eq!(found(&RouteTable::default(), "/cars/v1"), None);
    }

    #[test]
    fn an_instance_that_moves_leaves_its_old_prefix() {
        let old = an_instance("api", "/cars/v1");
        let id = old.id.key();
        let table = RouteTable::new(vec![Arc::new(old)]);
        let moved = InstanceRecord {
            prefix: "/cars/v2".into(),
            ..an_instance("api", "/cars/v2")
        };

        let table = table.with(vec![(id, Some(Arc::new(moved)))]);
        let gone = table.with(vec![(id, None)]);

        assert_eq!(found(&table, "/cars/v1/x"), None);
        assert_eq!(found(&table, "/cars/v2/x"), Some(("/cars/v2", "/x")));
        assert_eq!(found(&gone, "/cars/v2/x"), None);
        assert!(gone.is_empty());
    }
}
