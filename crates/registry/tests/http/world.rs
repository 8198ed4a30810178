//! An installation of one node: SQLite in a temporary folder, a refresher, the router of the role; and the people
//! who use it.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use portcullis_core::{
    access_token::{ClientTokenClaims, OutboundTokenClaims, sign_for_client, sign_outbound},
    address_policy::AddressPolicy,
    clock::{Clock, ManualClock},
    ids::{ClientId, InstanceId, NodeId, OrganizationId, UserId},
    keys::{KeyPurpose, NewKey},
    organization::MemberRole,
    permissions::{Action, Actor, Authority, may},
    snapshot::SnapshotHandle,
    test_util::{NOW, rules},
};
use portcullis_registry::{
    RegistryState, Settings, mail::MailMode, password::Passwords, router, targets::TargetChecks,
};
use portcullis_store::{
    MasterKey, NewOrganization, NewUser, NodeIdentity, OnStale, Predecessor, Refresher,
    SnapshotParts, Store, StoreSettings, first_load,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Keys are slow to make, so every test of the process has the same.
static KEYS: LazyLock<Vec<NewKey>> =
    LazyLock::new(|| (0..4).map(|_| NewKey::generate().unwrap()).collect());

/// A person with a management token.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) token: String,
    /// Where the person belongs; `None` for operators.
    pub(crate) organization: Option<OrganizationId>,
}

impl Person {
    pub(crate) fn organization(&self) -> &str {
        self.organization.as_ref().unwrap().as_str()
    }
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The `code` of a problem; panics when the answer is none.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        problem["code"].as_str().unwrap().to_owned()
    }

    /// The fields that a problem names.
    pub(crate) fn fields(&self) -> Vec<String> {
        assert_eq!(self.code(), "invalid_request");
        let errors = self.json()["errors"].as_array().unwrap().clone();
        let field = |error: &Value| error["field"].as_str().unwrap().to_owned();
        errors.iter().map(field).collect()
    }

    /// The body of an answer with this status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }
}

/// An installation.
pub(crate) struct World {
    pub(crate) state: RegistryState,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) operator: Person,
    router: Router,
    count: AtomicU64,
    stop: CancellationToken,
    _tasks: JoinSet<()>,
    _folder: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn system(action: Action) -> Authority {
    may(&Actor::System, action, None).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_mail(MailMode::Capture).await
    }

    /// The same with mail going elsewhere than into the mailbox.
    pub(crate) async fn with_mail(mail_mode: MailMode) -> Self {
        let operator = async |store: &Store| person(store, "operator@example.com", None).await;
        Self::with(mail_mode, operator).await
    }

    /// An installation that nobody operates yet; the person called operator is a viewer of something.
    pub(crate) async fn without_operator() -> Self {
        let viewer = async |store: &Store| {
            let new = NewOrganization {
                name: "Something".to_owned(),
                ..NewOrganization::default()
            };
            let operator = system(Action::Operate);
            let made = store.create_organization(&operator, new, None).await;
            let organization = made.unwrap().value.id;
            let membership = Some((organization, MemberRole::Viewer));
            person(store, "viewer@example.com", membership).await
        };
        Self::with(MailMode::Capture, viewer).await
    }

    async fn with(mail_mode: MailMode, operator: impl AsyncFnOnce(&Store) -> Person) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let store = Store::open(StoreSettings {
            url: format!("sqlite:{}", folder.path().join("test.db").display()),
            listen_url: None,
            master_key: MasterKey::generate(),
            clock: clock.clone(),
            node: NodeIdentity {
                id: NodeId::parse("node-1").unwrap(),
                incarnation: "first".to_owned(),
                roles: vec!["registry".to_owned()],
                on_stale: OnStale::Serve,
                stale_max: Duration::from_hours(1),
                predecessor: Predecessor::Unknown,
            },
            lease: Duration::from_secs(10),
            token_lifetime: Duration::from_hours(1),
        });
        let store = store.await.unwrap();
        let loaded = first_load(&store, SnapshotParts::ALL).await.unwrap();
        let usable_for = Duration::from_hours(24);
        let snapshot = SnapshotHandle::new(loaded.snapshot, loaded.read_at, usable_for);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(Refresher::run(
            store.clone(),
            snapshot.clone(),
            SnapshotParts::ALL,
            stop.clone(),
        ));
        let settings = Settings {
            public_url: "http://localhost:8080".to_owned(),
            tokens: rules(),
            address_policy: AddressPolicy::default(),
            // So long that a busy machine does not make an answer 202.
            barrier_limit: Duration::from_secs(30),
            target_checks: TargetChecks::default(),
            passwords: Passwords::default(),
            mail_mode,
        };
        let state = RegistryState {
            store,
            snapshot,
            clock: clock.clone(),
            settings: Arc::new(settings),
        };
        let operator = operator(&state.store).await;
        Self {
            router: router(state.clone()),
            state,
            clock,
            operator,
            count: AtomicU64::new(0),
            stop,
            _tasks: tasks,
            _folder: folder,
        }
    }

    /// The same with signing keys.
    pub(crate) async fn with_keys() -> Self {
        let world = Self::new().await;
        for (purpose, pair) in KeyPurpose::ALL.into_iter().zip(KEYS.chunks(2)) {
            let store = &world.state.store;
            let acted = store
                .install_first_keys(purpose, &pair[0], &pair[1])
                .await
                .unwrap();
            let seq = acted.seq.unwrap();
            assert!(
                store
                    .wait_for(seq, Duration::from_secs(30))
                    .await
                    .is_complete()
            );
        }
        world
    }

    /// The owner of a new organization with this namespace.
    pub(crate) async fn owner_of(&self, name: &str) -> Person {
        let new = NewOrganization {
            name: name.to_owned(),
            address: "1234 Some St.".to_owned(),
            country_code: "US".to_owned(),
            phone_number: "(614) 555-5555".to_owned(),
            contact_email: format!("{name}@example.com"),
            namespaces: vec![name.to_owned()],
            ..NewOrganization::default()
        };
        let authority = system(Action::Operate);
        let acted = self
            .state
            .store
            .create_organization(&authority, new, None)
            .await;
        let organization = acted.unwrap().value.id;
        self.member(&organization, MemberRole::Owner).await
    }

    /// A new member of an organization.
    pub(crate) async fn member(&self, organization: &OrganizationId, role: MemberRole) -> Person {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let email = format!("member{number}@example.com");
        let membership = Some((organization.clone(), role));
        person(&self.state.store, &email, membership).await
    }

    /// A person that was made over HTTP, with a token.
    pub(crate) async fn token_of(&self, id: &str) -> Person {
        let id = UserId::parse(id).unwrap();
        let authority = system(Action::Operate);
        let store = &self.state.store;
        let made = store
            .create_management_token(&authority, &id, "test", None)
            .await;
        let (_, token) = made.unwrap().value;
        Person {
            id,
            token: token.expose().to_owned(),
            organization: None,
        }
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A request of a person, with further header fields.
    pub(crate) async fn ask_with(
        &self,
        person: &Person,
        (method, path): (&str, &str),
        body: Option<Value>,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", person.token));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    pub(crate) async fn get(&self, person: &Person, path: &str) -> Answer {
        self.ask_with(person, ("GET", path), None, &[]).await
    }

    pub(crate) async fn post(&self, person: &Person, path: &str, body: Value) -> Answer {
        self.ask_with(person, ("POST", path), Some(body), &[]).await
    }

    pub(crate) async fn patch(&self, person: &Person, path: &str, body: Value) -> Answer {
        self.ask_with(person, ("PATCH", path), Some(body), &[])
            .await
    }

    pub(crate) async fn delete(&self, person: &Person, path: &str) -> Answer {
        self.ask_with(person, ("DELETE", path), None, &[]).await
    }

    /// An act without a body.
    pub(crate) async fn act(&self, person: &Person, path: &str) -> Answer {
        self.ask_with(person, ("POST", path), None, &[]).await
    }

    /// A public API of this provider, as it was answered.
    pub(crate) async fn api(&self, provider: &Person, id: &str) -> Value {
        let body = json!({
            "organization_id": provider.organization(),
            "id": id,
            "name": format!("API {id}"),
            "visibility": "public",
        });
        self.post(provider, "/v1/apis", body).await.expect(201)
    }

    /// An app of this developer that selected these APIs, as it was answered.
    pub(crate) async fn app(&self, developer: &Person, apis: &[&str]) -> Value {
        let body = json!({
            "organization_id": developer.organization(),
            "name": "Orders (Beta)",
            "description": "Shows orders.",
            "apis": apis,
        });
        self.post(developer, "/v1/apps", body).await.expect(201)
    }

    /// A subscription of this buyer to an app, as it was answered.
    pub(crate) async fn subscription(&self, buyer: &Person, app: &Value) -> Value {
        let path = format!("/v1/apps/{}/subscriptions", text(app, "id"));
        let body = json!({"organization_id": buyer.organization()});
        self.post(buyer, &path, body).await.expect(201)
    }

    /// A token of the token endpoint for this client.
    pub(crate) fn token(&self, client_id: &str) -> String {
        let snapshot = self.state.snapshot.load();
        let key = snapshot.keys().signing(KeyPurpose::Client).unwrap();
        let claims = ClientTokenClaims {
            client_id,
            scope: "anonymous",
            issued_at: self.clock.now(),
            lifetime: Duration::from_hours(1),
            generation: 0,
        };
        sign_for_client(&rules(), key, &claims).unwrap()
    }

    /// A token that the gateway sends to a provider.
    pub(crate) fn outbound_token(&self, client_id: &str) -> String {
        let snapshot = self.state.snapshot.load();
        let key = snapshot.keys().signing(KeyPurpose::Outbound).unwrap();
        let claims = OutboundTokenClaims {
            client_id: &ClientId::parse(client_id).unwrap(),
            api_instance: &InstanceId::random(),
            issued_at: self.clock.now(),
            lifetime: Duration::from_mins(5),
        };
        sign_outbound(&rules(), key, &claims).unwrap()
    }

    /// A request of an app or API.
    pub(crate) async fn get_with_token(&self, token: &str, path: &str) -> Answer {
        let request = Request::builder()
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

async fn person(
    store: &Store,
    email: &str,
    membership: Option<(OrganizationId, MemberRole)>,
) -> Person {
    let organization = membership.as_ref().map(|(id, _)| id.clone());
    let new = NewUser {
        id: None,
        email: email.to_owned(),
        full_name: "A Person".to_owned(),
        password_hash: None,
        is_operator: membership.is_none(),
        memberships: membership.into_iter().collect(),
    };
    let authority = system(Action::Operate);
    let id = store
        .create_user(&authority, new, None)
        .await
        .unwrap()
        .value
        .id;
    let made = store
        .create_management_token(&authority, &id, "test", None)
        .await;
    let (_, token) = made.unwrap().value;
    Person {
        id,
        token: token.expose().to_owned(),
        organization,
    }
}

/// A member of an answer that is a text.
pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member} of {value}"))
}
