//! Logs and metrics of this process.

use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{
    EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::config::telemetry::{LogFormat, Telemetry};

/// Upper bounds of the latency histogram, in seconds.
const LATENCY_BUCKETS: [f64; 14] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging to standard error. A second call in one process, as tests make, changes nothing.
///
/// # Errors
/// When `telemetry.log` is no filter.
pub fn start_logging(settings: &Telemetry) -> Result<()> {
    let (filter, handle) = reload::Layer::new(filter_of(settings)?);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    let started = match settings.log_format {
        LogFormat::Pretty => registry.with(layer.compact()).try_init().is_ok(),
        LogFormat::Json => registry
            .with(layer.json().flatten_event(true))
            .try_init()
            .is_ok(),
    };
    if started {
        let _ = FILTER.set(handle);
    }
    Ok(())
}

/// Changes what is logged, on SIGHUP.
///
/// # Errors
/// When `telemetry.log` is no filter.
pub fn reload_filter(settings: &Telemetry) -> Result<()> {
    let filter = filter_of(settings)?;
    match FILTER.get() {
        Some(handle) => handle
            .reload(filter)
            .map_err(|error| anyhow!("telemetry.log: {error}")),
        None => Ok(()),
    }
}

fn filter_of(settings: &Telemetry) -> Result<EnvFilter> {
    EnvFilter::try_new(&settings.log)
        .with_context(|| format!("telemetry.log: {:?} is no filter", settings.log))
}

/// Installs the recorder of metrics and returns what renders them. One for each process.
///
/// # Errors
/// When a recorder of another kind is installed already.
pub fn start_metrics() -> Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("the recorder of metrics cannot be installed")?;
    Ok(HANDLE.get_or_init(|| handle).clone())
}
