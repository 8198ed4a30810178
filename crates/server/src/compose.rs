//! From configuration to running roles: what is made in which order, and how it stops.
//!
//! Order of a start: ports are bound, so that two processes never share one; the store is opened and this node
//! is in the node set before its first load; only then does a listener answer. Order of a stop: readiness goes
//! first, then the ports drain, then the recorder hands over its totals, then the store is left.

/// Background work of a node.
mod background;
/// The threads of a node.
mod runtimes;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use portcullis_auth::{AuthState, Issuer, IssuerAlias, Settings as AuthSettings};
use portcullis_core::{
    address_policy::AddressPolicy,
    clock::{Clock, Timestamp},
    ids::NodeId,
    recorder::Recorder,
    snapshot::SnapshotHandle,
    throttle::Throttle,
};
use portcullis_gateway::{GatewayState, OutboundSigner, OutboundTokens, UpstreamTls};
use portcullis_listener::{Bound, Limits, PerCore};
use portcullis_portal::{Address, PortalState};
use portcullis_registry::{RegistryState, password::Passwords};
use portcullis_store::{
    NodeIdentity, OnStale, Predecessor, Refresher, SnapshotParts, Store, StoreSettings, first_load,
};
use rustls_pki_types::CertificateDer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::ServeArguments,
    clock::SystemClock,
    config::{self, Config, Role, cluster},
    master_key,
    operations::{self, Operations},
    recorder::{Drain, DrainSettings, Rings, SegmentSettings, StoreNote},
    roles::{self, PortalRouters},
    shutdown::{Asked, Signals},
    telemetry,
    tls::{self, Certificate},
};

pub use runtimes::Runtimes;

/// How long an act that revokes waits for every node to confirm.
const BARRIER_LIMIT: Duration = Duration::from_secs(2);

/// Everything a node is made from. `dev` and `serve` fill it differently.
pub struct Plan {
    /// The settings.
    pub config: Config,
    /// What the node does.
    pub roles: BTreeSet<Role>,
    /// The ports, bound already.
    pub ports: Ports,
    /// The certificate of the portal and gateway ports.
    pub certificate: Option<Certificate>,
    /// Further certificate authorities for connections to providers.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Whether this is a development server, and what it needs beside a production one.
    pub development: Option<Development>,
}

/// The bound ports of a node.
pub struct Ports {
    /// Token server, APIs, portal.
    pub portal: Option<Bound>,
    /// The gateway.
    pub gateway: Option<Bound>,
    /// Health, readiness, metrics.
    pub operations: Option<Bound>,
}

/// What a development server has beside a production one.
pub struct Development {
    /// Sample data, written before the first load.
    pub seed: portcullis_registry::seed::Seed,
    /// Ports of ours that targets may not point to.
    pub own_ports: Vec<u16>,
    /// Further addresses for the plain page at `/`.
    pub addresses: Vec<Address>,
}

/// A running node.
pub struct Running {
    store: Store,
    stopping: Arc<AtomicBool>,
    stop_ports: CancellationToken,
    stop_background: CancellationToken,
    ports: Vec<JoinHandle<()>>,
    gateway: Option<PerCore>,
    background: Vec<JoinHandle<()>>,
    drain: Drain,
    notes: JoinHandle<()>,
    certificate: Option<Certificate>,
    /// The knowledge of the node.
    pub snapshot: Arc<SnapshotHandle>,
    /// What the sample data became, on a development server.
    pub seeded: Option<portcullis_registry::seed::Seeded>,
}

/// Runs `portcullis serve`.
///
/// # Errors
/// One message that names what is wrong and what to do.
pub fn serve(arguments: &ServeArguments) -> Result<()> {
    let config = Config::load(arguments.config.as_deref(), &config::environment())?;
    telemetry::start_logging(&config.telemetry)?;
    let roles: BTreeSet<Role> = arguments.roles.iter().copied().collect();
    let certificate = match (
        &config.listeners.certificate_file,
        &config.listeners.certificate_key_file,
    ) {
        (Some(chain), Some(key)) => {
            Some(Certificate::load(chain, key).context("listeners.certificate_file")?)
        }
        _ => None,
    };
    let extra_roots = match &config.outgoing.extra_roots_file {
        Some(file) => tls::read_roots(file).context("outgoing.extra_roots_file")?,
        None => Vec::new(),
    };
    let ports = bind_ports(&config, &roles, certificate.as_ref())?;
    let runtimes = Runtimes::start()?;
    let file = arguments.config.clone();
    let plan = Plan {
        config,
        roles,
        ports,
        certificate,
        extra_roots,
        development: None,
    };
    runtimes.control().block_on(async {
        let mut signals = Signals::listen()?;
        let running = start(plan, &runtimes).await?;
        tracing::info!("ready");
        while signals.next().await == Asked::Reload {
            running.reload(file.as_deref());
        }
        running.stop(signals).await;
        Ok(())
    })
}

fn bind_ports(
    config: &Config,
    roles: &BTreeSet<Role>,
    certificate: Option<&Certificate>,
) -> Result<Ports> {
    let listeners = &config.listeners;
    let bind = |name, addresses: &Vec<_>, certificate| {
        roles::bind(&roles::listener_settings(
            name,
            addresses.clone(),
            roles::limits(listeners),
            certificate,
        ))
    };
    let portal = roles.contains(&Role::Auth) || roles.contains(&Role::Registry);
    Ok(Ports {
        portal: portal
            .then(|| bind("portal", &listeners.portal, certificate))
            .transpose()?,
        gateway: roles
            .contains(&Role::Gateway)
            .then(|| bind("gateway", &listeners.gateway, certificate))
            .transpose()?,
        operations: Some(bind("operations", &listeners.operations, None)?),
    })
}

/// Starts a node. Everything answers when this returns, but for the token endpoint while the first signing
/// key is being made.
///
/// # Errors
/// One message that names what is wrong and what to do.
pub async fn start(plan: Plan, runtimes: &Runtimes) -> Result<Running> {
    let metrics = telemetry::start_metrics()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_store(&plan, clock.clone()).await?;
    let passwords = Passwords::default();
    let seeded = match &plan.development {
        Some(development) => Some(
            portcullis_registry::seed::seed(&store, &passwords, &development.seed)
                .await
                .context("the sample data cannot be written")?,
        ),
        None => None,
    };
    let parts = snapshot_parts(&plan);
    let loaded = first_load(&store, parts)
        .await
        .context("the store cannot be read")?;
    let handle = SnapshotHandle::new(
        loaded.snapshot,
        loaded.read_at,
        plan.config.cluster.usable_for(),
    );
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let (rings, drain) = start_recorder(&plan.config, clock.clone(), sender)?;
    let stop_background = CancellationToken::new();
    let auth = auth_settings(&plan.config)?;
    let mut node = Node {
        stopping: Arc::new(AtomicBool::new(false)),
        stop_ports: CancellationToken::new(),
        installation_id: store.installation_id(),
        certificate: plan.certificate.clone(),
        background: Vec::new(),
        ports: Vec::new(),
        throttle: Arc::new(Throttle::new(auth.throttle)),
        auth,
        passwords,
        store,
        clock,
        handle,
        rings,
        stop_background,
        plan,
    };
    node.spawn_background(runtimes, parts);
    let notes = runtimes.registry().spawn(background::write_notes(
        node.store.clone(),
        node.identity()?,
        receiver,
    ));
    let gateway = node.start_gateway(runtimes)?;
    node.start_portal_port(runtimes)?;
    node.start_operations(runtimes, metrics, gateway.as_ref());
    Ok(Running {
        store: node.store,
        stopping: node.stopping,
        stop_ports: node.stop_ports,
        stop_background: node.stop_background,
        ports: node.ports,
        gateway,
        background: node.background,
        drain,
        notes,
        certificate: node.certificate,
        snapshot: node.handle,
        seeded,
    })
}

async fn open_store(plan: &Plan, clock: Arc<dyn Clock>) -> Result<Store> {
    let config = &plan.config;
    let url = config.store.effective_url()?;
    prepare_folder(&url)?;
    let master_key = master_key::load_or_create(&config.keys.master_key_file)?;
    let settings = StoreSettings {
        url,
        listen_url: config.store.listen_url.clone(),
        master_key: master_key.key.clone(),
        clock,
        node: identity(config, &plan.roles)?,
        lease: config.cluster.lease.get(),
        token_lifetime: config.auth.token_lifetime.get(),
    };
    let opened = Store::open(settings).await;
    if opened.is_err() {
        master_key.take_back();
    }
    Ok(opened?)
}

/// Makes the folder of an embedded database, open to its owner alone.
fn prepare_folder(url: &str) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let Some(path) = url.strip_prefix("sqlite:") else {
        return Ok(());
    };
    let path = path
        .trim_start_matches("//")
        .split('?')
        .next()
        .unwrap_or_default();
    match std::path::Path::new(path).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("store.url: the folder {} cannot be made", folder.display())),
        _ => Ok(()),
    }
}

fn identity(config: &Config, roles: &BTreeSet<Role>) -> Result<NodeIdentity> {
    let name = if config.cluster.node.is_empty() {
        std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "node".to_owned())
    } else {
        config.cluster.node.clone()
    };
    let embedded = config.store.url.starts_with("sqlite:") && config.store.url_file.is_none();
    Ok(NodeIdentity {
        id: NodeId::parse(name.trim()).context("cluster.node")?,
        incarnation: uuid::Uuid::new_v4().to_string(),
        roles: roles.iter().map(ToString::to_string).collect(),
        on_stale: match config.cluster.on_stale {
            cluster::OnStale::Serve => OnStale::Serve,
            cluster::OnStale::Refuse => OnStale::Refuse,
        },
        stale_max: config.cluster.stale_max.get(),
        // An embedded database is held by a lock, so whoever had this name before has ended.
        predecessor: if embedded {
            Predecessor::Ended
        } else {
            Predecessor::Unknown
        },
    })
}

fn snapshot_parts(plan: &Plan) -> SnapshotParts {
    let issues_tokens = plan.roles.contains(&Role::Auth);
    SnapshotParts {
        secret_digests: issues_tokens,
        private_client_keys: issues_tokens,
        private_outbound_keys: plan.roles.contains(&Role::Gateway)
            || plan.roles.contains(&Role::Registry),
    }
}

fn start_recorder(
    config: &Config,
    clock: Arc<dyn Clock>,
    notes: tokio::sync::mpsc::UnboundedSender<StoreNote>,
) -> Result<(Arc<Rings>, Drain)> {
    let telemetry = &config.telemetry;
    let settings = DrainSettings {
        rings: Runtimes::gateway_cores(config),
        segments: SegmentSettings {
            total_bytes_max: telemetry.request_records_max.get(),
            age_max: telemetry.request_records_age_max.get(),
        },
        folder: telemetry.request_records.clone(),
    };
    Drain::start(settings, clock, notes).with_context(|| {
        format!(
            "telemetry.request_records: {} cannot be used",
            telemetry.request_records.display()
        )
    })
}

fn auth_settings(config: &Config) -> Result<AuthSettings> {
    let issuer = config.auth.effective_issuer(config.listeners.public_base());
    let issuer = Issuer::parse(&issuer).context("auth.issuer")?;
    let mut settings = AuthSettings::new(issuer, &config.auth.audience);
    settings.workers = Runtimes::token_workers();
    for deprecated in &config.auth.deprecated_issuers {
        let at = |instant: jiff::Timestamp| Timestamp::from_unix_seconds(instant.as_second());
        let (since, end) = (at(deprecated.deprecated_at), at(deprecated.ends_at));
        let alias =
            IssuerAlias::new(&deprecated.path, since, end).context("auth.deprecated_issuers")?;
        settings = settings
            .with_alias(alias)
            .context("auth.deprecated_issuers")?;
    }
    Ok(settings)
}

/// A node while it is being started.
struct Node {
    plan: Plan,
    store: Store,
    installation_id: String,
    clock: Arc<dyn Clock>,
    handle: Arc<SnapshotHandle>,
    rings: Arc<Rings>,
    auth: AuthSettings,
    throttle: Arc<Throttle>,
    passwords: Passwords,
    certificate: Option<Certificate>,
    stopping: Arc<AtomicBool>,
    stop_ports: CancellationToken,
    stop_background: CancellationToken,
    ports: Vec<JoinHandle<()>>,
    background: Vec<JoinHandle<()>>,
}

impl Node {
    fn identity(&self) -> Result<NodeIdentity> {
        identity(&self.plan.config, &self.plan.roles)
    }

    fn recorder(&self) -> Arc<dyn Recorder> {
        self.rings.clone()
    }

    fn limits(&self) -> Limits {
        roles::limits(&self.plan.config.listeners)
    }

    fn spawn_background(&mut self, runtimes: &Runtimes, parts: SnapshotParts) {
        let stop = self.stop_background.clone();
        self.background
            .push(runtimes.control().spawn(Refresher::run(
                self.store.clone(),
                self.handle.clone(),
                parts,
                stop.clone(),
            )));
        if self.plan.roles.contains(&Role::Registry) || self.plan.roles.contains(&Role::Auth) {
            self.background.push(
                runtimes
                    .registry()
                    .spawn(background::first_keys(self.store.clone())),
            );
        }
        if self.plan.roles.contains(&Role::Registry) {
            let (store, clock) = (self.store.clone(), self.clock.clone());
            self.background.push(
                runtimes
                    .registry()
                    .spawn(background::jobs(store, clock, stop)),
            );
        }
    }

    fn address_policy(&self) -> Result<AddressPolicy> {
        let development = self.plan.development.as_ref();
        let listeners = &self.plan.config.listeners;
        let ports = listeners
            .portal
            .iter()
            .chain(&listeners.gateway)
            .chain(&listeners.operations);
        let own_ports = match development {
            Some(development) => development.own_ports.clone(),
            None => ports.map(std::net::SocketAddr::port).collect(),
        };
        Ok(AddressPolicy {
            grants: self.plan.config.outgoing.grants()?,
            allow_loopback: development.is_some(),
            own_ports,
            never: background::database_addresses(&self.plan.config.store.effective_url()?),
        })
    }

    fn start_gateway(&mut self, runtimes: &Runtimes) -> Result<Option<PerCore>> {
        let Some(bound) = self.plan.ports.gateway.take() else {
            return Ok(None);
        };
        let config = &self.plan.config;
        let mut settings =
            portcullis_gateway::Settings::new(self.auth.rules().clone(), &self.installation_id);
        settings.simulator = config.gateway.simulator;
        settings.address_policy = self.address_policy()?;
        settings.trusted_proxies = config.gateway.networks()?;
        settings.timeouts.connect = config.gateway.connect_timeout.get();
        settings.timeouts.response = config.gateway.response_timeout.get();
        settings.timeouts.idle = config.gateway.idle_timeout.get();
        settings.limits.request_body_bytes_max = config.gateway.body_max.get();
        settings.limits.response_body_bytes_max = config.gateway.body_max.get();
        let outbound = OutboundTokens::new();
        let signer = OutboundSigner::new(
            outbound.clone(),
            self.handle.clone(),
            self.clock.clone(),
            settings.rules.clone(),
        );
        self.background.push(
            runtimes
                .registry()
                .spawn(signer.run(self.stop_background.clone())),
        );
        let state = GatewayState {
            snapshot: self.handle.clone(),
            clock: self.clock.clone(),
            recorder: self.recorder(),
            outbound,
            throttle: self.throttle.clone(),
            tls: UpstreamTls::new(self.plan.extra_roots.clone())
                .context("outgoing.extra_roots_file")?,
            settings,
        };
        let listener = roles::listener_settings(
            "gateway",
            Vec::new(),
            self.limits(),
            self.certificate.as_ref(),
        );
        let cores = Runtimes::gateway_cores(config);
        let per_core = portcullis_gateway::serve(
            Arc::new(state),
            bound,
            listener,
            cores,
            self.stop_ports.clone(),
        )
        .context("the gateway's cores cannot be started")?;
        self.background.push(
            runtimes
                .control()
                .spawn(operations::watch_cores(per_core.core_health())),
        );
        Ok(Some(per_core))
    }

    fn start_portal_port(&mut self, runtimes: &Runtimes) -> Result<()> {
        let Some(bound) = self.plan.ports.portal.take() else {
            return Ok(());
        };
        let state = AuthState {
            snapshot: self.handle.clone(),
            clock: self.clock.clone(),
            recorder: self.recorder(),
            throttle: self.throttle.clone(),
            settings: Arc::new(self.auth.clone()),
        };
        let auth_paths = roles::auth_paths(&state);
        let auth = self
            .plan
            .roles
            .contains(&Role::Auth)
            .then(|| portcullis_auth::router(state));
        let registry = match self.plan.roles.contains(&Role::Registry) {
            true => Some((self.registry_router()?, runtimes.registry().clone())),
            false => None,
        };
        let listener = roles::listener_settings(
            "portal",
            Vec::new(),
            self.limits(),
            self.certificate.as_ref(),
        );
        let routers = PortalRouters {
            auth,
            auth_paths,
            registry,
        };
        let served = roles::serve_portal_port(bound, listener, routers, self.stop_ports.clone());
        self.ports.push(runtimes.tokens().spawn(served));
        Ok(())
    }

    fn registry_router(&self) -> Result<axum::Router> {
        let settings = portcullis_registry::Settings {
            tokens: self.auth.rules().clone(),
            address_policy: self.address_policy()?,
            public_url: self.plan.config.listeners.public_base().to_owned(),
            barrier_limit: BARRIER_LIMIT,
            passwords: self.passwords.clone(),
        };
        let state = RegistryState {
            store: self.store.clone(),
            snapshot: self.handle.clone(),
            clock: self.clock.clone(),
            settings: Arc::new(settings),
        };
        let mut addresses = background::addresses(&self.plan.config, self.auth.issuer().as_str());
        if let Some(development) = &self.plan.development {
            addresses.extend(development.addresses.iter().cloned());
        }
        let portal = portcullis_portal::router(PortalState {
            addresses: addresses.into(),
        });
        Ok(portcullis_registry::router(state).merge(portal))
    }

    fn start_operations(
        &mut self,
        runtimes: &Runtimes,
        metrics: metrics_exporter_prometheus::PrometheusHandle,
        gateway: Option<&PerCore>,
    ) {
        let Some(bound) = self.plan.ports.operations.take() else {
            return;
        };
        let router = operations::router(Operations {
            snapshot: self.handle.clone(),
            clock: self.clock.clone(),
            metrics,
            cores: gateway.map(PerCore::core_health),
            lease: self.plan.config.cluster.lease.get(),
            stopping: self.stopping.clone(),
        });
        // A development server with --tls speaks it on all of its ports.
        let certificate = self
            .plan
            .development
            .as_ref()
            .and(self.certificate.as_ref());
        let listener =
            roles::listener_settings("operations", Vec::new(), self.limits(), certificate);
        let served = roles::serve_router(bound, listener, router, self.stop_ports.clone());
        self.ports.push(runtimes.control().spawn(served));
    }
}

impl Running {
    /// Reads again what can change while running.
    pub fn reload(&self, file: Option<&std::path::Path>) {
        match self.try_reload(file) {
            Ok(()) => tracing::info!("reloaded"),
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "not reloaded; nothing changed"
            ),
        }
    }

    fn try_reload(&self, file: Option<&std::path::Path>) -> Result<()> {
        let config = Config::load(file, &config::environment())?;
        telemetry::reload_filter(&config.telemetry)?;
        if let Some(gateway) = &self.gateway {
            gateway
                .control()
                .set_limits(roles::limits(&config.listeners));
        }
        match &self.certificate {
            Some(certificate) => certificate.reload(),
            None => Ok(()),
        }
    }

    /// Stops cleanly; a second signal ends the process at once.
    pub async fn stop(self, signals: Signals) {
        let second = tokio::task::spawn(signals.second());
        self.stopping.store(true, Ordering::Release);
        tracing::info!("stopping");
        self.stop_ports.cancel();
        let mut cut = 0;
        if let Some(gateway) = self.gateway {
            cut += gateway.drained().await.cut;
        }
        for port in self.ports {
            let _ = port.await;
        }
        // Blocks for as long as it takes to write a few files; nothing else needs this thread now.
        let drain = self.drain;
        let _ = tokio::task::spawn_blocking(move || drain.stop()).await;
        let _ = self.notes.await;
        self.stop_background.cancel();
        for task in self.background {
            task.abort();
            let _ = task.await;
        }
        self.store.close().await;
        tracing::info!(cut, "stopped");
        second.abort();
    }
}
