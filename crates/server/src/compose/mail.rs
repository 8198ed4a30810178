//! The mailer of a node, the worker that sends with it, and the gauges of its queue.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use metrics::gauge;
use portcullis_core::clock::Clock;
use portcullis_registry::mail::{CaptureMailer, MailMode, Mailer, OffMailer, SmtpMailer};
use portcullis_store::Store;
use tokio_util::sync::CancellationToken;

use super::Plan;

/// How often the queue is counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// The mailer that the configuration asks for.
pub(super) fn mailer(
    plan: &Plan,
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Mailer>> {
    let config = &plan.config;
    Ok(match config.mail.mail_mode() {
        MailMode::Capture => Arc::new(CaptureMailer::new(store.clone(), clock.clone())),
        MailMode::Off => Arc::new(OffMailer),
        MailMode::Smtp => {
            let roots = plan.extra_roots.iter().map(|root| root.to_vec()).collect();
            let host = config.listeners.public_url.host_str();
            let settings = config.mail.smtp(host.unwrap_or("localhost"), roots)?;
            Arc::new(SmtpMailer::new(settings).context("the configuration of mail")?)
        }
    })
}

/// Keeps the gauges of the queue of jobs, until `stop`.
pub(super) async fn count_jobs(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut every = tokio::time::interval(COUNT_EVERY);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        match store.job_backlog().await {
            Ok(backlog) => {
                for of_kind in backlog {
                    let kind = of_kind.kind.as_str();
                    let age = of_kind.oldest.map(|oldest| clock.now().since(oldest));
                    #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
                    {
                        gauge!("portcullis_jobs_owed", "kind" => kind).set(of_kind.owed as f64);
                        gauge!("portcullis_jobs_given_up", "kind" => kind)
                            .set(of_kind.given_up as f64);
                    }
                    gauge!("portcullis_jobs_oldest_age_seconds", "kind" => kind)
                        .set(age.unwrap_or_default().as_secs_f64());
                }
            }
            Err(error) => tracing::debug!(%error, "the queue of jobs was not counted"),
        }
    }
}
