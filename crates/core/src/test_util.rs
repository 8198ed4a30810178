//! Builders for tests: a snapshot from facts in three lines, an instance, a key.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test builders fail loudly"
)]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use crate::{
    access_token::{ClientTokenClaims, TokenRules, sign_for_client},
    api::{InstancePolicy, Visibility},
    app::AppState,
    change::ChangeSeq,
    client::{ClientOwner, ClientRecord, ClientState, SecretRecord},
    clock::Timestamp,
    connection::{ConnectionRecord, ConnectionState},
    environment::Environment,
    ids::{ApiId, AppId, ClientId, IdKey, InstanceId, OrganizationId, SecretId, SubscriptionId},
    keys::{KeyPurpose, KeySet, KeyState, NewKey, SigningKey},
    organization::OrganizationState,
    routes::InstanceRecord,
    secret::SecretDigest,
    snapshot::{ApiRecord, AppRecord, Facts, OrganizationRecord, Snapshot},
    subscription::{SubscriptionOf, SubscriptionRecord, SubscriptionState},
    target::Target,
};

/// When tests happen: 2026-01-01T00:00:00Z.
pub const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
/// The issuer of tests.
pub const ISSUER: &str = "https://auth.example/oauth2/default";
/// The secret of every client that [`SnapshotBuilder`] makes.
pub const SECRET: &str = "pcs_0123456789012345678901234567890123456789012ABCDEF";

/// The rules of tests.
#[must_use]
pub fn rules() -> TokenRules {
    TokenRules::new(ISSUER, "api_providers")
}

/// An instance of an API in production at this prefix, with `http://127.0.0.1:9` as target.
#[must_use]
pub fn an_instance(api: &str, prefix: &str) -> InstanceRecord {
    let api_id = ApiId::parse(api).expect("an API id");
    InstanceRecord {
        id: InstanceId::random(),
        api: api_id.key(),
        api_id,
        environment: Environment::Production,
        version: "1.0.0".to_owned(),
        prefix: prefix.into(),
        base_path: prefix.to_owned(),
        target: Target::parse("http://127.0.0.1:9").expect("a target"),
        policy: InstancePolicy::default(),
        simulations: Arc::new([]),
    }
}

/// A fresh key pair of this purpose and state.
#[must_use]
pub fn a_key(purpose: KeyPurpose, state: KeyState) -> Arc<SigningKey> {
    let new = NewKey::generate().expect("a key");
    let private = Some(new.private_der.as_slice());
    let key = SigningKey::from_der(new.id.clone(), purpose, state, &new.public_der, private);
    Arc::new(key.expect("a key"))
}

/// One current key of each purpose, the same in the whole test process: generating is slow.
#[must_use]
pub fn current_keys() -> KeySet {
    static KEYS: LazyLock<[Arc<SigningKey>; 2]> =
        LazyLock::new(|| KeyPurpose::ALL.map(|purpose| a_key(purpose, KeyState::Current)));
    KeySet::new(KEYS.to_vec())
}

/// Facts for a test, made by naming things. Ids are texts of the test's choosing.
#[derive(Debug)]
pub struct SnapshotBuilder {
    /// Facts as they will be; tests may change them.
    pub facts: Facts,
}

impl Default for SnapshotBuilder {
    fn default() -> Self {
        Self {
            facts: Facts {
                keys: Some(current_keys()),
                ..Facts::default()
            },
        }
    }
}

impl SnapshotBuilder {
    /// An app of `owner` that selected an API of `provider`, and a `buyer` that activated it: subscription
    /// `subscription`, connection active. Client ids are `{app}-key` and `{api}-key`. The API is at
    /// `/cars/v1`, `/cars-test/v1` and `/cars-dev/v1`; test subscriptions are `{app}-test` and
    /// `{api}-production`, `{api}-test`, `{api}-dev`.
    #[must_use]
    pub fn connected(app: &str, api: &str) -> Self {
        let mut builder = Self::default()
            .organization("owner")
            .organization("provider")
            .organization("buyer")
            .api(api, "provider")
            .app(app, "owner", &[api])
            .subscription("subscription", app, "buyer", &[api]);
        for environment in Environment::ALL {
            let prefix = crate::api::path_prefix("cars", environment, "/v1");
            let instance = InstanceRecord {
                environment,
                ..an_instance(api, &prefix)
            };
            builder = builder.instance(instance);
        }
        builder
    }

    /// An active organization.
    #[must_use]
    pub fn organization(mut self, id: &str) -> Self {
        let record = OrganizationRecord {
            id: OrganizationId::parse(id).expect("an id"),
            state: OrganizationState::Active,
        };
        self.facts
            .organizations
            .push((IdKey::of(id), Some(Arc::new(record))));
        self
    }

    /// A public API with its client `{id}-key` and its test subscriptions.
    #[must_use]
    pub fn api(mut self, id: &str, provider: &str) -> Self {
        let api_id = ApiId::parse(id).expect("an id");
        let client_id = ClientId::parse(&format!("{id}-key")).expect("an id");
        let record = ApiRecord {
            id: api_id.clone(),
            organization: IdKey::of(provider),
            client_id: client_id.clone(),
            visibility: Visibility::Public,
            shared_with: Vec::new(),
        };
        self.facts.apis.push((api_id.key(), Some(Arc::new(record))));
        self.facts.clients.push((
            client_id.key(),
            Some(a_client(&ClientOwner::Api(api_id.clone()))),
        ));
        for environment in Environment::ALL {
            let subscription = IdKey::of(&format!("{id}-{environment}"));
            let of = SubscriptionOf::ApiTest {
                api: api_id.key(),
                environment,
            };
            self.facts
                .subscriptions
                .push((subscription, Some(active(of))));
            self.facts
                .connections
                .push(((subscription, api_id.key()), Some(connected())));
        }
        self
    }

    /// An enabled app with its client `{id}-key` and its test subscription `{id}-test`.
    #[must_use]
    pub fn app(mut self, id: &str, owner: &str, apis: &[&str]) -> Self {
        let app_id = AppId::parse(id).expect("an id");
        let client = IdKey::of(&format!("{id}-key"));
        let mut selected: Vec<IdKey> = apis.iter().map(|api| IdKey::of(api)).collect();
        selected.sort_unstable();
        let record = AppRecord {
            id: app_id.clone(),
            organization: IdKey::of(owner),
            state: AppState::Enabled,
            selected,
        };
        self.facts.apps.push((app_id.key(), Some(Arc::new(record))));
        self.facts
            .clients
            .push((client, Some(a_client(&ClientOwner::App(app_id.clone())))));
        let of = SubscriptionOf::AppTest { app: app_id.key() };
        self.facts
            .subscriptions
            .push((IdKey::of(&format!("{id}-test")), Some(active(of))));
        self
    }

    /// A real subscription with active connections to these APIs.
    #[must_use]
    pub fn subscription(mut self, id: &str, app: &str, buyer: &str, apis: &[&str]) -> Self {
        let of = SubscriptionOf::Real {
            app: IdKey::of(app),
            organization: IdKey::of(buyer),
        };
        self.facts
            .subscriptions
            .push((IdKey::of(id), Some(active(of))));
        for api in apis {
            self.facts
                .connections
                .push(((IdKey::of(id), IdKey::of(api)), Some(connected())));
        }
        self
    }

    /// An instance.
    #[must_use]
    pub fn instance(mut self, instance: InstanceRecord) -> Self {
        self.facts
            .instances
            .push((instance.id.key(), Some(Arc::new(instance))));
        self
    }

    /// Changes a subscription's state.
    #[must_use]
    pub fn subscription_state(mut self, id: &str, state: SubscriptionState) -> Self {
        for (key, record) in &mut self.facts.subscriptions {
            if *key == IdKey::of(id)
                && let Some(record) = record
            {
                record.state = state;
            }
        }
        self
    }

    /// Changes a connection.
    #[must_use]
    pub fn connection(mut self, subscription: &str, api: &str, record: ConnectionRecord) -> Self {
        self.facts
            .connections
            .push(((IdKey::of(subscription), IdKey::of(api)), Some(record)));
        self
    }

    /// Changes a client.
    #[must_use]
    pub fn client(mut self, id: &str, change: impl FnOnce(&mut ClientRecord)) -> Self {
        let found = self
            .facts
            .clients
            .iter_mut()
            .find(|(key, _)| *key == IdKey::of(id));
        change(
            found
                .and_then(|(_, record)| record.as_mut())
                .expect("a client of this id"),
        );
        self
    }

    /// The snapshot.
    #[must_use]
    pub fn build(self) -> Snapshot {
        Snapshot::from_facts(ChangeSeq::new(1), self.facts)
    }
}

/// A token for this client, issued at [`NOW`] and valid for an hour.
#[must_use]
pub fn a_token(keys: &KeySet, client_id: &str) -> String {
    let claims = ClientTokenClaims {
        client_id,
        scope: "anonymous",
        issued_at: NOW,
        lifetime: Duration::from_hours(1),
        generation: 0,
    };
    let key = keys
        .signing(KeyPurpose::Client)
        .expect("a current client key");
    sign_for_client(&rules(), key, &claims).expect("a token")
}

/// A subscription id that nobody has.
#[must_use]
pub fn a_stranger() -> SubscriptionId {
    SubscriptionId::random()
}

fn a_client(owner: &ClientOwner) -> ClientRecord {
    ClientRecord {
        owner: owner.key(),
        state: ClientState::Enabled,
        generation: 0,
        token_lifetime: Duration::from_hours(1),
        secrets: [
            Some(SecretRecord {
                id: SecretId::random().key(),
                digest: SecretDigest::of(SECRET.as_bytes()),
                expires_at: None,
            }),
            None,
        ],
    }
}

fn active(of: SubscriptionOf) -> SubscriptionRecord {
    SubscriptionRecord {
        of,
        state: SubscriptionState::Active,
        ends_at: None,
    }
}

fn connected() -> ConnectionRecord {
    ConnectionRecord {
        state: ConnectionState::Active,
        values_complete: true,
    }
}
