//! What happens by itself: retired keys leave the key set, subscriptions end by their date, mails are sent.
//!
//! Decisions do not wait for these jobs: the gateway looks at the clock itself. They make the stored state
//! follow. Any number of nodes may run them at once; each act is repeatable.

use std::{sync::Arc, time::Duration};

use portcullis_core::{clock::Clock, subscription::SubscriptionEvent};
use portcullis_store::{ActError, Store};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::bootstrap::system_authority;

mod send_email;

pub use send_email::send_email;

const KEYS_EVERY: Duration = Duration::from_mins(1);
const SUBSCRIPTIONS_EVERY: Duration = Duration::from_secs(30);

/// Removes retired keys whose last token has ended, every minute until `stop`.
pub async fn retire_finished_keys(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let (store, clock) = (&store, &clock);
    repeat(KEYS_EVERY, &stop, || async move {
        match store.retire_finished_keys(clock.now()).await {
            Ok(acted) if acted.value > 0 => {
                tracing::info!(keys = acted.value, "retired signing keys removed");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "removing retired keys failed; it is tried again"),
        }
    })
    .await;
}

/// Ends subscriptions whose date has passed, every 30 seconds until `stop`.
pub async fn expire_subscriptions(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let (store, clock) = (&store, &clock);
    repeat(SUBSCRIPTIONS_EVERY, &stop, || async move {
        match expire_due(store, clock.as_ref()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "subscriptions ended by their date"),
            Err(error) => {
                tracing::warn!(%error, "ending due subscriptions failed; it is tried again");
            }
        }
    })
    .await;
}

/// Runs `work` now and then each period, until `stop`.
async fn repeat<F>(period: Duration, stop: &CancellationToken, work: impl Fn() -> F + Send)
where
    F: Future<Output = ()> + Send,
{
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // An act that began is finished: it is one transaction, and stopping waits for it.
        work().await;
    }
}

/// Ends what is due now; gives how many.
///
/// # Errors
/// [`ActError`], with what was ended before it ended.
pub async fn expire_due(store: &Store, clock: &dyn Clock) -> Result<u64, ActError> {
    let authority = system_authority().ok_or(ActError::Forbidden)?;
    let mut ended = 0;
    loop {
        let due = store.subscriptions_due(&authority, clock.now()).await?;
        let before = ended;
        for id in due {
            let event = SubscriptionEvent::Expire;
            match store.end_subscription(&authority, &id, event).await {
                Ok(_) => ended += 1,
                // Somebody ended or deleted it in the meantime.
                Err(ActError::NotFound(_) | ActError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if ended == before {
            return Ok(ended);
        }
    }
}
