//! A node while it is being started: one function for each thing that it starts.

use std::sync::{Arc, atomic::AtomicBool};

use anyhow::{Context, Result};
use portcullis_auth::{AuthState, Settings as AuthSettings};
use portcullis_core::{
    address_policy::AddressPolicy, clock::Clock, recorder::Recorder, snapshot::SnapshotHandle,
    throttle::Throttle,
};
use portcullis_gateway::{GatewayState, OutboundSigner, OutboundTokens, UpstreamTls};
use portcullis_listener::{Control, Limits, PerCore};
use portcullis_portal::{PortalState, Site};
use portcullis_registry::{
    RegistryState, jobs, mail::MailMode, password::Passwords, people::People, targets::TargetChecks,
};
use portcullis_store::{Refresher, SnapshotParts, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Plan, Runtimes, background, mail};
use crate::{
    config::Role,
    operations::{self, Operations},
    recorder::Rings,
    roles::{self, PortalRouters},
    tls::Certificate,
};

/// How long an act that revokes waits for every node to confirm.
const BARRIER_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);

/// A node while it is being started.
pub(super) struct Node {
    pub(super) plan: Plan,
    pub(super) store: Store,
    pub(super) installation_id: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) handle: Arc<SnapshotHandle>,
    pub(super) rings: Arc<Rings>,
    pub(super) auth: AuthSettings,
    pub(super) throttle: Arc<Throttle>,
    pub(super) passwords: Passwords,
    pub(super) listeners: Vec<(&'static str, Control)>,
    pub(super) certificate: Option<Certificate>,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) stop_ports: CancellationToken,
    pub(super) stop_background: CancellationToken,
    pub(super) ports: Vec<JoinHandle<()>>,
    pub(super) background: Vec<JoinHandle<()>>,
    /// Tasks that are waited for at a stop.
    pub(super) workers: Vec<JoinHandle<()>>,
}

impl Node {
    fn recorder(&self) -> Arc<dyn Recorder> {
        self.rings.clone()
    }

    fn limits(&self) -> Limits {
        roles::limits(&self.plan.config.listeners)
    }

    pub(super) fn spawn_background(&mut self, runtimes: &Runtimes, parts: SnapshotParts) {
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

    /// Starts the worker that sends mails.
    pub(super) fn start_mail(&mut self, runtimes: &Runtimes) -> Result<()> {
        if !self.plan.roles.contains(&Role::Registry) {
            return Ok(());
        }
        let mailer = mail::mailer(&self.plan, &self.store, &self.clock)?;
        let stop = self.stop_background.clone();
        let worker = jobs::send_email(self.store.clone(), mailer, stop.clone());
        self.workers.push(runtimes.registry().spawn(worker));
        let gauges = mail::count_jobs(self.store.clone(), self.clock.clone(), stop);
        self.background.push(runtimes.registry().spawn(gauges));
        Ok(())
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

    pub(super) fn start_gateway(&mut self, runtimes: &Runtimes) -> Result<Option<PerCore>> {
        let Some(bound) = self.plan.ports.gateway.take() else {
            return Ok(None);
        };
        let bound = bound.with_refusal_fields(&[("error-source", "gateway")]);
        self.listeners.push(("gateway", bound.control()));
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

    pub(super) fn start_portal_port(&mut self, runtimes: &Runtimes) -> Result<()> {
        let Some(bound) = self.plan.ports.portal.take() else {
            return Ok(());
        };
        self.listeners.push(("portal", bound.control()));
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
        let registry = if self.plan.roles.contains(&Role::Registry) {
            Some((self.registry_router()?, runtimes.registry().clone()))
        } else {
            None
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
            target_checks: TargetChecks::new(self.plan.extra_roots.clone()),
            mail_mode: self.plan.config.mail.mail_mode(),
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
        let site = Site {
            public_url: self.plan.config.listeners.public_base().to_owned(),
            gateway_url: self.plan.config.listeners.gateway_base().to_owned(),
            issuer: self.auth.issuer().as_str().to_owned(),
            is_development: self.plan.development.is_some(),
            captures_mail: self.plan.config.mail.mail_mode() == MailMode::Capture,
            addresses,
        };
        let people = People::new(&state);
        let portal = portcullis_portal::router(PortalState::new(&state, people, site));
        Ok(portcullis_registry::router(state).merge(portal))
    }

    pub(super) fn start_operations(
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
            listeners: self.listeners.clone().into(),
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
