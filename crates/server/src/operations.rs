//! The operations port: `/healthz` (the process runs), `/readyz` (it may be sent traffic), `/metrics`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use metrics::{counter, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use portcullis_core::{clock::Clock, keys::KeyPurpose, snapshot::SnapshotHandle};
use portcullis_listener::{Control, CoreHealth, Event, Reason};
use serde_json::json;

/// A core that has not ticked for this long makes the node unready.
const TICK_AGE_READY_MAX: Duration = Duration::from_secs(2);
/// A core that has not ticked for this long ends the process: something holds it for ever.
const TICK_AGE_MAX: Duration = Duration::from_secs(10);

/// What the port reports on.
#[derive(Clone)]
pub struct Operations {
    /// The knowledge of this node.
    pub snapshot: Arc<SnapshotHandle>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// The gateway's cores, where this node has them.
    pub cores: Option<CoreHealth>,
    /// Past this age of its knowledge the node is not ready.
    pub lease: Duration,
    /// The ports of this node, by name.
    pub listeners: Arc<[(&'static str, Control)]>,
    /// Set once a stop was asked for.
    pub stopping: Arc<AtomicBool>,
}

/// The URLs of the port.
pub fn router(operations: Operations) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "the operations port has /healthz, /readyz and /metrics\n",
            )
        })
        .with_state(operations)
}

async fn ready(State(operations): State<Operations>) -> impl IntoResponse {
    let age = operations.snapshot.age(operations.clock.boot_time());
    let tick_age = operations
        .cores
        .as_ref()
        .map(CoreHealth::oldest_tick_age)
        .unwrap_or_default();
    let stopping = operations.stopping.load(Ordering::Acquire);
    let fresh = age <= operations.lease;
    let ticking = tick_age <= TICK_AGE_READY_MAX;
    let ready = fresh && ticking && !stopping;
    let snapshot = operations.snapshot.load();
    let body = json!({
        "ready": ready,
        "checks": {
            "store": if fresh { "ok" } else { "not reached within the lease" },
            "cores": if ticking { "ok" } else { "a core is stuck" },
            "stopping": stopping,
        },
        "snapshot_seq": snapshot.seq().get(),
        "snapshot_age_ms": u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        "signing_key": snapshot.keys().signing(KeyPurpose::Client).is_some(),
    });
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body))
}

async fn render(State(operations): State<Operations>) -> impl IntoResponse {
    let snapshot = operations.snapshot.load();
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
    {
        gauge!("portcullis_snapshot_seq").set(snapshot.seq().get() as f64);
        for (index, entries) in snapshot.sizes() {
            gauge!("portcullis_snapshot_entries", "index" => index).set(entries as f64);
        }
    }
    let age = operations.snapshot.age(operations.clock.boot_time());
    gauge!("portcullis_snapshot_age_seconds").set(age.as_secs_f64());
    for (port, control) in operations.listeners.iter() {
        count_port(port, control);
    }
    operations.metrics.run_upkeep();
    (
        [("content-type", "text/plain; version=0.0.4")],
        operations.metrics.render(),
    )
}

/// Copies the counters of a port, which are kept without labels and locks, into the metrics.
fn count_port(port: &'static str, control: &Control) {
    let counters = control.counters();
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
    gauge!("portcullis_connections_open", "port" => port).set(counters.open() as f64);
    for event in Event::ALL {
        counter!("portcullis_connection_events_total", "port" => port, "event" => event.name())
            .absolute(counters.get(*event));
    }
    for reason in Reason::ALL {
        counter!("portcullis_refusals_total", "port" => port, "reason" => reason.name())
            .absolute(counters.refused(*reason));
    }
}

/// Ends the process when a core stands still for ever: a supervisor starts it again, which a stuck core
/// would wait for in vain.
pub async fn watch_cores(cores: CoreHealth) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        let age = cores.oldest_tick_age();
        if age > TICK_AGE_MAX {
            tracing::error!(
                age_ms = age.as_millis(),
                "a gateway core is stuck; ending the process"
            );
            std::process::exit(70);
        }
    }
}
