//! What the contract tests share: a world with a database of its own on either engine, and the people in it.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis_core::{
    api::{InstancePolicy, Visibility},
    catalog::{ApiDetails, Listing},
    clock::{ManualClock, Timestamp},
    environment::Environment,
    ids::{ApiId, AppId, NodeId, OrganizationId},
    organization::Organization,
    permissions::{Action, Actor, Authority, may},
    snapshot::SnapshotHandle,
    subscription::Subscription,
};
use portcullis_store::{
    Acted, CreatedApi, CreatedApp, Loaded, MasterKey, NewActivation, NewApi, NewApp, NewInstance,
    NewOrganization, NodeIdentity, OnStale, OpenError, Predecessor, Refresher, SnapshotParts,
    Store, StoreSettings, first_load,
};
use sqlx::{AnyConnection, Connection, Executor};
use tokio_util::sync::CancellationToken;

/// When the tests happen.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);
pub(crate) const LEASE: Duration = Duration::from_secs(10);
pub(crate) const STALE_MAX: Duration = Duration::from_hours(1);

/// A test on both engines: `contract!(a_sentence, |world| { .. })`.
#[macro_export]
macro_rules! contract {
    ($name:ident, |$world:ident| $body:block) => {
        mod $name {
            use super::*;

            async fn holds($world: &mut $crate::support::World) {
                $body
            }

            #[test]
            fn on_sqlite() {
                $crate::support::run(async {
                    let mut world = $crate::support::World::on_sqlite().await;
                    holds(&mut world).await;
                    world.end().await;
                });
            }

            #[test]
            fn on_postgres() {
                $crate::support::run(async {
                    let Some(mut world) = $crate::support::World::on_postgres().await else {
                        return;
                    };
                    holds(&mut world).await;
                    world.end().await;
                });
            }
        }
    };
}

/// The same, run by hand alone.
#[macro_export]
macro_rules! contract_ignored {
    ($name:ident, |$world:ident| $body:block) => {
        mod $name {
            use super::*;

            async fn holds($world: &mut $crate::support::World) {
                $body
            }

            #[test]
            #[ignore = "measures; run by hand in a release build"]
            fn on_sqlite() {
                $crate::support::run(async {
                    let mut world = $crate::support::World::on_sqlite().await;
                    holds(&mut world).await;
                    world.end().await;
                });
            }

            #[test]
            #[ignore = "measures; run by hand in a release build"]
            fn on_postgres() {
                $crate::support::run(async {
                    let Some(mut world) = $crate::support::World::on_postgres().await else {
                        return;
                    };
                    holds(&mut world).await;
                    world.end().await;
                });
            }
        }
    };
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

enum Home {
    Folder(tempfile::TempDir),
    Database { server: String, name: String },
}

/// A database of its own, and a store that has it open.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) master_key: MasterKey,
    home: Home,
}

static DATABASES: AtomicU64 = AtomicU64::new(0);

impl World {
    pub(crate) async fn on_sqlite() -> Self {
        Self::at(Home::Folder(tempfile::tempdir().unwrap())).await
    }

    /// `None` where there is no PostgreSQL to test on.
    pub(crate) async fn on_postgres() -> Option<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the test reads where its server is"
        )]
        let Ok(server) = env::var("TEST_DATABASE_URL") else {
            // Past the harness, which keeps what a passing test prints to itself.
            let test = std::thread::current();
            let name = test.name().unwrap_or_default();
            let _ = writeln!(
                io::stderr(),
                "skipped: TEST_DATABASE_URL is not set: {name}"
            );
            return None;
        };
        sqlx::any::install_default_drivers();
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("portcullis_test_{}_{number}", std::process::id());
        let mut connection = AnyConnection::connect(&server).await.unwrap();
        for text in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name}"),
        ] {
            connection
                .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text)))
                .await
                .unwrap();
        }
        Some(Self::at(Home::Database { server, name }).await)
    }

    async fn at(home: Home) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let master_key = MasterKey::generate();
        let url = url_of(&home);
        let settings = settings(&url, &clock, &master_key);
        let store = Store::open(settings).await.unwrap();
        Self {
            store,
            clock,
            master_key,
            home,
        }
    }

    pub(crate) fn url(&self) -> String {
        url_of(&self.home)
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.home, Home::Folder(_))
    }

    /// The database file.
    pub(crate) fn file(&self) -> PathBuf {
        match &self.home {
            Home::Folder(folder) => folder.path().join("p.db"),
            Home::Database { .. } => panic!("PostgreSQL has no file of ours"),
        }
    }

    pub(crate) fn settings(&self) -> StoreSettings {
        settings(&self.url(), &self.clock, &self.master_key)
    }

    /// Opens the database once more, as another node would. PostgreSQL only.
    pub(crate) async fn another_node(&self, name: &str, on_stale: OnStale) -> Store {
        let mut settings = self.settings();
        settings.node = node(name, on_stale);
        Store::open(settings).await.unwrap()
    }

    /// Closes and opens again.
    pub(crate) async fn reopen(&mut self) -> Result<(), OpenError> {
        self.store.close().await;
        self.store = Store::open(self.settings()).await?;
        Ok(())
    }

    /// A connection past the store, for what only an accident does to a database.
    pub(crate) async fn raw(&self) -> AnyConnection {
        AnyConnection::connect(&self.url()).await.unwrap()
    }

    pub(crate) async fn raw_execute(&self, text: &'static str) {
        let mut connection = self.raw().await;
        connection.execute(sqlx::raw_sql(text)).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) async fn end(self) {
        self.store.close().await;
        if let Home::Database { server, name } = &self.home {
            let mut connection = AnyConnection::connect(server).await.unwrap();
            let text = format!("DROP DATABASE {name} WITH (FORCE)");
            connection
                .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text)))
                .await
                .unwrap();
        }
    }

    /// A refresher that follows the database.
    pub(crate) async fn follower(&self) -> Follower {
        Follower::of(self.store.clone()).await
    }
}

fn url_of(home: &Home) -> String {
    match home {
        Home::Folder(folder) => format!("sqlite:{}/p.db", folder.path().display()),
        Home::Database { server, name } => {
            let (base, parameters) = server.split_once('?').unwrap_or((server, ""));
            let root = base.rsplit_once('/').unwrap().0;
            format!("{root}/{name}?{parameters}")
        }
    }
}

pub(crate) fn node(name: &str, on_stale: OnStale) -> NodeIdentity {
    static INCARNATIONS: AtomicU64 = AtomicU64::new(0);
    NodeIdentity {
        id: NodeId::parse(name).unwrap(),
        incarnation: format!("i{}", INCARNATIONS.fetch_add(1, Ordering::Relaxed)),
        roles: vec!["gateway".to_owned()],
        on_stale,
        stale_max: STALE_MAX,
        predecessor: Predecessor::Ended,
    }
}

pub(crate) fn settings(
    url: &str,
    clock: &Arc<ManualClock>,
    master_key: &MasterKey,
) -> StoreSettings {
    StoreSettings {
        url: url.to_owned(),
        listen_url: None,
        master_key: master_key.clone(),
        clock: clock.clone(),
        node: node("a", OnStale::Serve),
        lease: LEASE,
        token_lifetime: Duration::from_hours(1),
    }
}

/// A running refresher and the handle it keeps fresh.
pub(crate) struct Follower {
    pub(crate) store: Store,
    pub(crate) handle: Arc<SnapshotHandle>,
    stop: CancellationToken,
    task: tokio::task::JoinSet<()>,
}

impl Follower {
    pub(crate) async fn of(store: Store) -> Self {
        let loaded = first_load(&store, SnapshotParts::ALL).await.unwrap();
        Self::from(store, loaded)
    }

    pub(crate) fn from(store: Store, loaded: Loaded) -> Self {
        let handle = SnapshotHandle::new(loaded.snapshot, loaded.read_at, STALE_MAX);
        let stop = CancellationToken::new();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(Refresher::run(
            store.clone(),
            handle.clone(),
            SnapshotParts::ALL,
            stop.clone(),
        ));
        Self {
            store,
            handle,
            stop,
            task,
        }
    }

    /// Waits until the snapshot stands at this act's change.
    pub(crate) async fn applied<T>(&self, acted: &Acted<T>) {
        let seq = acted.seq.unwrap();
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        tokio::time::timeout(Duration::from_secs(30), async {
            while self.handle.load().seq() < seq {
                pace.tick().await;
            }
        })
        .await
        .expect("the snapshot follows");
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.task.join_next().await.is_some() {}
    }
}

pub(crate) fn operator() -> Authority {
    may(&Actor::System, Action::Operate, None).unwrap()
}

/// Somebody of this organization alone.
pub(crate) fn member(organization: &Organization) -> Authority {
    may(
        &Actor::System,
        Action::ManageOrganization,
        Some(&organization.id),
    )
    .unwrap()
}

pub(crate) async fn organization(store: &Store, name: &str) -> Organization {
    let new = NewOrganization {
        name: name.to_owned(),
        namespaces: vec![name.to_owned()],
        ..NewOrganization::default()
    };
    let acted = store.create_organization(&operator(), new, None).await;
    acted.unwrap().value
}

pub(crate) fn new_api(provider: &OrganizationId, id: &str) -> NewApi {
    NewApi {
        id: Some(ApiId::parse(id).unwrap()),
        organization_id: provider.clone(),
        name: id.to_owned(),
        description: String::new(),
        visibility: Visibility::Public,
        details: ApiDetails::default(),
        credentials: None,
    }
}

pub(crate) async fn api(store: &Store, provider: &Organization, id: &str) -> CreatedApi {
    let new = new_api(&provider.id, id);
    store
        .create_api(&operator(), new, None)
        .await
        .unwrap()
        .value
}

pub(crate) fn new_app(owner: &OrganizationId, name: &str, apis: &[&ApiId]) -> NewApp {
    NewApp {
        id: None,
        organization_id: owner.clone(),
        name: name.to_owned(),
        description: String::new(),
        website: String::new(),
        callback_url: String::new(),
        apis: apis.iter().map(|api| (*api).clone()).collect(),
        credentials: None,
    }
}

pub(crate) async fn app(
    store: &Store,
    owner: &Organization,
    name: &str,
    apis: &[&ApiId],
) -> CreatedApp {
    let new = new_app(&owner.id, name, apis);
    store
        .create_app(&operator(), new, None)
        .await
        .unwrap()
        .value
}

pub(crate) fn new_instance(api: &ApiId, namespace: &str, environment: Environment) -> NewInstance {
    NewInstance {
        api_id: api.clone(),
        environment,
        namespace: namespace.to_owned(),
        base_path: "/vehicles/v1".to_owned(),
        version: "1.0.0".to_owned(),
        target_url: "http://127.0.0.1:9".to_owned(),
        policy: InstancePolicy::default(),
        spec: None,
        simulations: Vec::new(),
        listing: Listing::default(),
        categories: Vec::new(),
    }
}

pub(crate) fn new_activation(app: &AppId, buyer: &OrganizationId) -> NewActivation {
    NewActivation {
        id: None,
        app_id: app.clone(),
        organization_id: buyer.clone(),
        ends_at: None,
    }
}

pub(crate) async fn activate(store: &Store, app: &AppId, buyer: &Organization) -> Subscription {
    let new = new_activation(app, &buyer.id);
    store.activate(&operator(), new, None).await.unwrap().value
}

/// A provider with an API in production, an owner with an app that selected it, a buyer, and a stranger.
pub(crate) struct Market {
    pub(crate) provider: Organization,
    pub(crate) owner: Organization,
    pub(crate) buyer: Organization,
    pub(crate) stranger: Organization,
    pub(crate) api: CreatedApi,
    pub(crate) app: CreatedApp,
}

pub(crate) async fn market(store: &Store) -> Market {
    let provider = organization(store, "provider").await;
    let owner = organization(store, "owner").await;
    let buyer = organization(store, "buyer").await;
    let stranger = organization(store, "stranger").await;
    let api = api(store, &provider, "v1-vehicles").await;
    let instance = new_instance(&api.api.id, "provider", Environment::Production);
    store
        .create_instance(&operator(), instance, None)
        .await
        .unwrap();
    let app = app(store, &owner, "orders", &[&api.api.id]).await;
    Market {
        provider,
        owner,
        buyer,
        stranger,
        api,
        app,
    }
}
