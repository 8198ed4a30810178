//! From configuration to running roles: what is made in which order, and how it stops.
//!
//! Order of a start: ports are bound, so that two processes never share one; the store is opened and this node
//! is in the node set before its first load; only then does a listener answer. Order of a stop: readiness goes
//! first, then the ports drain, then the recorder hands over its totals, then the store is left.

/// Background work of a node.
mod background;
/// The mailer of a node.
mod mail;
/// A node while it is being started.
mod node;
/// The store of a node.
mod opening;
/// A way back in for whoever has the machine.
mod recovery;
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
use portcullis_auth::{Issuer, IssuerAlias, Settings as AuthSettings};
use portcullis_core::{
    clock::{Clock, Timestamp},
    snapshot::SnapshotHandle,
    throttle::Throttle,
};
use portcullis_listener::{Bound, PerCore};
use portcullis_portal::Address;
use portcullis_registry::{password::Passwords, people::setup_link};
use portcullis_store::{SnapshotParts, Store, first_load};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustls_pki_types::CertificateDer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{ServeArguments, say},
    clock::SystemClock,
    config::{self, Config, Role},
    recorder::{Drain, DrainSettings, Rings, SegmentSettings, StoreNote},
    roles,
    shutdown::{Asked, Signals},
    telemetry,
    tls::{self, Certificate},
};

use node::Node;
pub use recovery::recovery_link;
pub use runtimes::Runtimes;

/// How long a stop waits for what the workers of jobs have begun.
const WORKER_LIMIT: Duration = Duration::from_secs(10);

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
    workers: Vec<JoinHandle<()>>,
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
    let public_url = roles
        .contains(&Role::Registry)
        .then(|| config.listeners.public_base().to_owned());
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
        if let Some(public_url) = public_url {
            say_setup_link(&running.store, &public_url).await;
        }
        while signals.next().await == Asked::Reload {
            running.reload(file.as_deref());
        }
        running.stop(signals).await;
        Ok(())
    })
}

/// Without an operator nobody can sign in, so each start prints a new way to become the first one. It goes to
/// the terminal alone: the log may be kept and read by others.
async fn say_setup_link(store: &Store, public_url: &str) {
    match setup_link(store, public_url).await {
        Ok(Some(link)) => say(&format!(
            "Nobody operates this installation yet. Become its first operator within an hour:\nSet up: {link}"
        )),
        Ok(None) => {}
        Err(error) => {
            tracing::error!(%error, "the setup link cannot be made; the next start tries again");
        }
    }
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
#[expect(clippy::too_many_lines, reason = "a start, in its order")]
pub async fn start(plan: Plan, runtimes: &Runtimes) -> Result<Running> {
    let metrics = telemetry::start_metrics()?;
    raise_descriptor_limit();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let identity = opening::identity(&plan.config, &plan.roles)?;
    let store = opening::open_store(&plan.config, identity.clone(), clock.clone()).await?;
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
        workers: Vec::new(),
        listeners: Vec::new(),
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
    node.start_mail(runtimes)?;
    let notes = runtimes.registry().spawn(background::write_notes(
        node.store.clone(),
        identity,
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
        workers: node.workers,
        drain,
        notes,
        certificate: node.certificate,
        snapshot: node.handle,
        seeded,
    })
}

/// Each connection takes a descriptor, and the usual soft limit of 1,024 is for programs that may still call
/// `select`. The hard limit is the operator's word.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
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
    Drain::start(&settings, clock, notes).with_context(|| {
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
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the process or is aborted below; nothing waits for it"
        )]
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
        for mut worker in self.workers {
            // What it began is ended, so that nothing is done twice; what does not end is done again elsewhere.
            if tokio::time::timeout(WORKER_LIMIT, &mut worker)
                .await
                .is_err()
            {
                worker.abort();
            }
        }
        for task in self.background {
            task.abort();
            let _ = task.await;
        }
        self.store.close().await;
        tracing::info!(cut, "stopped");
        second.abort();
    }
}
