//! Sends the mails that are owed, several at once, so that a slow or refused one holds up nobody.
//!
//! A mail is sent at least once: a process that ends after the server took it and before that was recorded sends it
//! again when the lease has ended, with the same `Message-ID`.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use portcullis_core::job::JobKind;
use portcullis_store::{ActError, AfterFailure, ClaimedJob, Store, Work};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::mail::{MailError, Mailer, compose};

/// How many mails are under way at once.
const AT_ONCE: usize = 8;
/// Longer than one mail may take, with the recording of what became of it.
const LEASE: Duration = Duration::from_mins(2);
/// How often the queue is looked at for what other nodes owe and what is due again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often recording is tried while the store does not answer; all of it is over before the lease is.
const RECORD_ATTEMPTS: u32 = 60;
/// How long after each attempt that failed the next one follows. After the last of them the mail is given up.
const DELAYS: [Duration; 7] = [
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(3),
    Duration::from_hours(8),
    Duration::from_hours(12),
];

/// Sends mails until `stop`, and then finishes those under way.
pub async fn send_email(store: Store, mailer: Arc<dyn Mailer>, stop: CancellationToken) {
    let (store, mailer) = (&store, mailer.as_ref());
    if let Err(error) = store.take_back_jobs(JobKind::Mail).await {
        tracing::warn!(%error, "mails of the process before wait for the end of their leases");
    }
    let mut owed = store.jobs_owed();
    let mut under_way = FuturesUnordered::new();
    while !stop.is_cancelled() {
        owed.mark_unchanged();
        let free = AT_ONCE.saturating_sub(under_way.len());
        let claimed = claim(store, free).await;
        under_way.extend(claimed.into_iter().map(|job| send(store, mailer, job)));
        let is_full = under_way.len() >= AT_ONCE;
        tokio::select! {
            Some(()) = under_way.next() => {}
            _ = timeout(LOOK_EVERY, owed.changed()), if !is_full => {}
            () = stop.cancelled() => {}
        }
    }
    while under_way.next().await.is_some() {}
}

async fn claim(store: &Store, free: usize) -> Vec<ClaimedJob> {
    if free == 0 {
        return Vec::new();
    }
    let limit = u32::try_from(free).unwrap_or(u32::MAX);
    match store.claim_jobs(JobKind::Mail, LEASE, limit).await {
        Ok(claimed) => claimed,
        Err(error) => {
            tracing::warn!(%error, "the queue of mails was not read; it is tried again");
            Vec::new()
        }
    }
}

/// Makes one attempt and records what became of it.
async fn send(store: &Store, mailer: &dyn Mailer, job: ClaimedJob) {
    let sent = match attempt(store, mailer, &job).await {
        // Nothing was sent: the job is found again when its lease has ended.
        Err(error) => {
            tracing::warn!(job = %job.id, %error, "a mail waits for the store");
            return;
        }
        Ok(sent) => sent,
    };
    match sent {
        Ok(()) => record(&job, || store.finish_job(&job)).await,
        Err(error) => {
            let after = after(&error, job.attempt);
            if after == AfterFailure::GiveUp {
                tracing::warn!(job = %job.id, attempt = job.attempt, "a mail was given up; its job says why");
            }
            let reason = error.to_string();
            record(&job, || store.fail_job(&job, &reason, after)).await;
        }
    }
}

async fn attempt(
    store: &Store,
    mailer: &dyn Mailer,
    job: &ClaimedJob,
) -> Result<Result<(), MailError>, ActError> {
    if usize::try_from(job.attempt).unwrap_or(usize::MAX) > DELAYS.len() + 1 {
        let reason = "every attempt ended together with its process".to_owned();
        return Ok(Err(MailError::Refused(reason)));
    }
    let settings = store.installation_settings().await?;
    let Work::Mail { to, mail } = &job.work;
    Ok(match compose(&job.id, to, mail, &settings) {
        Ok(letter) => mailer.send(&letter).await,
        Err(error) => Err(error),
    })
}

/// What follows the attempt of this number.
fn after(error: &MailError, attempt: u32) -> AfterFailure {
    let past = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    match (error, DELAYS.get(past)) {
        (MailError::Failed(_), Some(delay)) => AfterFailure::RetryIn(*delay),
        (MailError::Failed(_), None) | (MailError::Refused(_), _) => AfterFailure::GiveUp,
    }
}

/// Records a result, again while the store does not answer: a mail whose delivery is not recorded is sent again.
async fn record<F>(job: &ClaimedJob, write: impl Fn() -> F + Send)
where
    F: Future<Output = Result<bool, ActError>> + Send,
{
    let mut pace = interval(Duration::from_secs(1));
    for _ in 0..RECORD_ATTEMPTS {
        pace.tick().await;
        match write().await {
            Ok(true) => return,
            Ok(false) => {
                tracing::warn!(job = %job.id, "the lease of a mail ended before its result was recorded");
                return;
            }
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "what became of a mail is not recorded yet");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_tried_again_later_and_later_and_refusals_never() {
        let failed = MailError::Failed(String::new());
        let refused = MailError::Refused(String::new());

        let delays: Vec<_> = (1..=9).map(|attempt| after(&failed, attempt)).collect();

        assert_eq!(delays[0], AfterFailure::RetryIn(Duration::from_secs(30)));
        assert_eq!(delays[6], AfterFailure::RetryIn(Duration::from_hours(12)));
        assert_eq!(delays[7..], [AfterFailure::GiveUp, AfterFailure::GiveUp]);
        assert_eq!(after(&refused, 1), AfterFailure::GiveUp);
    }
}
