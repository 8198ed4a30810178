//! The facts decisions are made from: immutable, at one `ChangeSeq`, indexed for lookup; and the handle
//! through which they are replaced.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

use crate::{
    access_token::{VerifiedToken, VerifyError},
    api::Visibility,
    app::AppState,
    change::ChangeSeq,
    client::{ClientRecord, ClientState},
    clock::BootTime,
    connection::ConnectionRecord,
    ids::{ApiId, AppId, ClientId, IdKey, OrganizationId},
    keys::KeySet,
    organization::OrganizationState,
    routes::{InstanceRecord, RouteTable},
    sharded::{ById, ShardedMap},
    subscription::SubscriptionRecord,
};

/// An app as decisions see it.
#[derive(Debug, PartialEq, Eq)]
pub struct AppRecord {
    /// Which app.
    pub id: AppId,
    /// The owner.
    pub organization: IdKey,
    /// Whether it may act.
    pub state: AppState,
    /// Selected APIs, sorted.
    pub selected: Vec<IdKey>,
}

/// An API as decisions see it.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiRecord {
    /// Which API.
    pub id: ApiId,
    /// The provider.
    pub organization: IdKey,
    /// The API's own Client ID.
    pub client_id: ClientId,
    /// Who may select it.
    pub visibility: Visibility,
    /// Organizations a private API is shared with, sorted.
    pub shared_with: Vec<IdKey>,
}

impl ApiRecord {
    /// Whether an app of this organization may select and call it.
    #[must_use]
    pub fn is_visible_to(&self, organization: IdKey) -> bool {
        self.visibility == Visibility::Public
            || self.organization == organization
            || self.shared_with.binary_search(&organization).is_ok()
    }
}

/// An organization as decisions see it.
#[derive(Debug, PartialEq, Eq)]
pub struct OrganizationRecord {
    /// Which organization.
    pub id: OrganizationId,
    /// Whether it may act.
    pub state: OrganizationState,
}

/// Facts that were read: everything for a first load, what changed for a refresh. `None` removes.
#[derive(Debug, Default)]
pub struct Facts {
    /// Organizations.
    pub organizations: Vec<(IdKey, Option<Arc<OrganizationRecord>>)>,
    /// Apps; a deleted one is removed.
    pub apps: Vec<(IdKey, Option<Arc<AppRecord>>)>,
    /// APIs.
    pub apis: Vec<(IdKey, Option<Arc<ApiRecord>>)>,
    /// Clients by `client_id`.
    pub clients: Vec<(IdKey, Option<ClientRecord>)>,
    /// Subscriptions.
    pub subscriptions: Vec<(IdKey, Option<SubscriptionRecord>)>,
    /// Connections by subscription and API.
    pub connections: Vec<((IdKey, IdKey), Option<ConnectionRecord>)>,
    /// API instances by id.
    pub instances: Vec<(IdKey, Option<Arc<InstanceRecord>>)>,
    /// Every signing key, when any of them changed.
    pub keys: Option<KeySet>,
}

/// Immutable facts at one point of the change log.
#[derive(Debug, Default)]
pub struct Snapshot {
    seq: ChangeSeq,
    organizations: ById<Arc<OrganizationRecord>>,
    apps: ById<Arc<AppRecord>>,
    apis: ById<Arc<ApiRecord>>,
    clients: ById<ClientRecord>,
    subscriptions: ById<SubscriptionRecord>,
    connections: ShardedMap<(IdKey, IdKey), ConnectionRecord>,
    routes: RouteTable,
    keys: Arc<KeySet>,
}

fn present<K, V>(entries: Vec<(K, Option<V>)>) -> Vec<(K, V)> {
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

impl Snapshot {
    /// A snapshot of everything.
    #[must_use]
    pub fn from_facts(seq: ChangeSeq, facts: Facts) -> Self {
        Self {
            seq,
            organizations: ShardedMap::from_entries(present(facts.organizations)),
            apps: ShardedMap::from_entries(present(facts.apps)),
            apis: ShardedMap::from_entries(present(facts.apis)),
            clients: ShardedMap::from_entries(present(facts.clients)),
            subscriptions: ShardedMap::from_entries(present(facts.subscriptions)),
            connections: ShardedMap::from_entries(present(facts.connections)),
            routes: RouteTable::default().with(facts.instances),
            keys: Arc::new(facts.keys.unwrap_or_default()),
        }
    }

    /// This snapshot with what changed since, at the number it was read at. All else is shared.
    #[must_use]
    pub fn with(&self, seq: ChangeSeq, changed: Facts) -> Self {
        Self {
            seq,
            organizations: self.organizations.with(changed.organizations),
            apps: self.apps.with(changed.apps),
            apis: self.apis.with(changed.apis),
            clients: self.clients.with(changed.clients),
            subscriptions: self.subscriptions.with(changed.subscriptions),
            connections: self.connections.with(changed.connections),
            routes: self.routes.with(changed.instances),
            keys: changed.keys.map_or_else(|| self.keys.clone(), Arc::new),
        }
    }

    /// The change it stands at.
    #[must_use]
    pub fn seq(&self) -> ChangeSeq {
        self.seq
    }

    /// Whether the organization is known and may act.
    #[must_use]
    pub fn organization_is_active(&self, id: IdKey) -> bool {
        self.organizations
            .get(&id)
            .is_some_and(|o| o.state == OrganizationState::Active)
    }

    /// The organization with this key.
    #[must_use]
    pub fn organization(&self, id: IdKey) -> Option<&Arc<OrganizationRecord>> {
        self.organizations.get(&id)
    }

    /// The app with this key.
    #[must_use]
    pub fn app(&self, id: IdKey) -> Option<&Arc<AppRecord>> {
        self.apps.get(&id)
    }

    /// The API with this key.
    #[must_use]
    pub fn api(&self, id: IdKey) -> Option<&Arc<ApiRecord>> {
        self.apis.get(&id)
    }

    /// The client with this key.
    #[must_use]
    pub fn client(&self, id: IdKey) -> Option<&ClientRecord> {
        self.clients.get(&id)
    }

    /// The subscription with this key.
    #[must_use]
    pub fn subscription(&self, id: IdKey) -> Option<&SubscriptionRecord> {
        self.subscriptions.get(&id)
    }

    /// The connection of this subscription to this API.
    #[must_use]
    pub fn connection(&self, subscription: IdKey, api: IdKey) -> Option<&ConnectionRecord> {
        self.connections.get(&(subscription, api))
    }

    /// The path prefixes of the gateway.
    #[must_use]
    pub fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// The signing keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeySet> {
        &self.keys
    }

    /// The client a verified token speaks for, when it may still act: the last check of every token.
    ///
    /// # Errors
    /// [`VerifyError::Client`] or [`VerifyError::Generation`].
    pub fn live_client(&self, token: &VerifiedToken) -> Result<&ClientRecord, VerifyError> {
        let client = self
            .clients
            .get(&token.client())
            .filter(|client| client.state == ClientState::Enabled)
            .ok_or(VerifyError::Client)?;
        if token.generation() < client.generation {
            return Err(VerifyError::Generation);
        }
        Ok(client)
    }

    /// How many entries each index has: name and count, for metrics.
    #[must_use]
    pub fn sizes(&self) -> [(&'static str, usize); 7] {
        [
            ("organizations", self.organizations.len()),
            ("apps", self.apps.len()),
            ("apis", self.apis.len()),
            ("clients", self.clients.len()),
            ("subscriptions", self.subscriptions.len()),
            ("connections", self.connections.len()),
            ("instances", self.routes.len()),
        ]
    }
}

/// The one mutable cell on the hot path: the current snapshot, and how old the knowledge is.
pub struct SnapshotHandle {
    current: ArcSwap<Snapshot>,
    confirmed_at_us: AtomicU64,
    usable_for: Duration,
}

impl SnapshotHandle {
    /// `read_at` is when the read that made `first` was sent; `usable_for` is how long after such an instant
    /// decisions may still be made (`on_stale`: the lease to refuse, `stale_max` to serve).
    #[must_use]
    pub fn new(first: Arc<Snapshot>, read_at: BootTime, usable_for: Duration) -> Arc<Self> {
        let handle = Self {
            current: ArcSwap::new(first),
            confirmed_at_us: AtomicU64::new(0),
            usable_for,
        };
        handle.confirm(read_at);
        Arc::new(handle)
    }

    /// The current snapshot, however old. Once for each request; pass `&Snapshot` down.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The current snapshot, unless it is too old to decide from.
    #[must_use]
    pub fn load_usable(&self, now: BootTime) -> Option<Arc<Snapshot>> {
        (self.age(now) <= self.usable_for).then(|| self.load())
    }

    /// How long ago the last successful read was sent.
    #[must_use]
    pub fn age(&self, now: BootTime) -> Duration {
        now.since(BootTime::from_us(
            self.confirmed_at_us.load(Ordering::Acquire),
        ))
    }

    /// Replaces the snapshot and returns the old one: whoever replaces waits until it is the only owner
    /// before it drops it, so that no core that serves calls pays for freeing it.
    #[must_use]
    pub fn replace(&self, next: Arc<Snapshot>, read_at: BootTime) -> Arc<Snapshot> {
        let old = self.current.swap(next);
        self.confirm(read_at);
        old
    }

    /// Notes that a read sent at `read_at` found nothing new.
    pub fn confirm(&self, read_at: BootTime) {
        let us = u64::try_from(read_at.since(BootTime::from_us(0)).as_micros()).unwrap_or(u64::MAX);
        self.confirmed_at_us.fetch_max(us, Ordering::AcqRel);
    }
}

impl fmt::Debug for SnapshotHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotHandle(at {})", self.current.load().seq())
    }
}
