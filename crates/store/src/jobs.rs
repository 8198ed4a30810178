//! The queue of side effects owed, as their workers see it. A worker claims a job under a lease; only under that
//! lease can it write what became of it, so one that was too slow changes nothing any more.
//!
//! Every job is done at least once: what was claimed when a process ended is claimed again when the lease has.
//! Leases are compared by the wall clocks of the nodes, so clocks that differ by more than a lease repeat work;
//! they never lose it.

use std::{fmt, time::Duration};

use portcullis_core::{
    clock::Timestamp,
    ids::JobId,
    job::{AttemptResult, JobKind, JobState, Mail},
    permissions::Actor,
};
use sqlx::any::AnyRow;

use crate::{
    act::{Act, Fault, act},
    dialect,
    error::{ActError, CorruptRow},
    nodes::Predecessor,
    owed,
    row::Columns,
    store::Store,
};

/// Most bytes of what is kept of an error.
const ERROR_BYTES_MAX: usize = 4 * 1024;
/// How many finished jobs are removed at once.
const TRIMMED_AT_ONCE: i64 = 1_000;
/// How long finished jobs are kept.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Send a mail.
    Mail {
        /// The address.
        to: String,
        /// What to send.
        mail: Mail,
    },
}

/// A job that this worker may do until its lease ends. Whoever holds it holds the lease.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// Names it, and what it sends.
    pub id: JobId,
    /// What is to be done.
    pub work: Work,
    /// Which attempt this is, from 1; an operator's retry begins anew.
    pub attempt: u32,
    number: i64,
    began_at: Timestamp,
    lease_token: String,
}

impl fmt::Debug for ClaimedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimedJob({}, attempt {})", self.id, self.attempt)
    }
}

/// What follows an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Another attempt, this much later.
    RetryIn(Duration),
    /// Nothing, until an operator says so.
    GiveUp,
}

/// How many jobs of a kind are not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobBacklog {
    /// Of which kind.
    pub kind: JobKind,
    /// Owed or claimed.
    pub owed: u64,
    /// Given up.
    pub given_up: u64,
    /// When the oldest of those that are owed or claimed was owed.
    pub oldest: Option<Timestamp>,
}

/// What one step of finishing writes.
struct Outcome<'a> {
    state: JobState,
    due_at: Option<Timestamp>,
    result: AttemptResult,
    error: Option<&'a str>,
}

impl Store {
    /// Claims up to `limit` jobs of a kind that are due, longest due first. Each is this worker's until the
    /// lease ends; those whose worker's lease has ended are among them.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn claim_jobs(
        &self,
        kind: JobKind,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedJob>, ActError> {
        // Looked at first, so that a queue without work does not take the one writer.
        if !self.has_due_job(kind).await? {
            return Ok(Vec::new());
        }
        let acted = act!(self, &Actor::System, |act| {
            let now = act.now();
            let rows = sqlx::query(dialect::due_jobs(self.engine()))
                .bind(kind.as_str())
                .bind(now.as_us())
                .bind(i64::from(limit))
                .fetch_all(act.db())
                .await?;
            let mut claimed = Vec::with_capacity(rows.len());
            for row in &rows {
                claimed.extend(claim(act, row, lease).await?);
            }
            Ok(claimed)
        });
        acted.map(|acted| acted.value)
    }

    /// Makes the jobs of a kind due that an earlier process of this node had claimed, when that process has ended
    /// for certain, and gives how many: nobody waits for a lease that nobody holds. To be called before this
    /// process claims any.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn take_back_jobs(&self, kind: JobKind) -> Result<u64, ActError> {
        let node = &self.settings().node;
        if node.predecessor != Predecessor::Ended {
            return Ok(0);
        }
        let acted = act!(self, &Actor::System, |act| {
            let now = act.now().as_us();
            let taken = sqlx::query(
                "UPDATE jobs SET due_at_us = $3 WHERE kind = $1 AND state = 'claimed' AND claimed_by = $2",
            )
            .bind(kind.as_str())
            .bind(node.id.as_str())
            .bind(now)
            .execute(act.db())
            .await?;
            Ok(taken.rows_affected())
        });
        acted.map(|acted| acted.value)
    }

    async fn has_due_job(&self, kind: JobKind) -> Result<bool, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query("SELECT id FROM jobs WHERE kind = $1 AND due_at_us <= $2 LIMIT 1")
            .bind(kind.as_str())
            .bind(self.clock().now().as_us())
            .fetch_optional(&mut *connection)
            .await
            .map_err(Fault::from)?;
        Ok(row.is_some())
    }

    /// Notes that a job was done, and erases its payload. Gives whether the lease still held; when not,
    /// nothing was written.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn finish_job(&self, job: &ClaimedJob) -> Result<bool, ActError> {
        let outcome = Outcome {
            state: JobState::Done,
            due_at: None,
            result: AttemptResult::Done,
            error: None,
        };
        self.end_attempt(job, &outcome).await
    }

    /// Notes that an attempt at a job failed, and what follows. Gives whether the lease still held; when not,
    /// nothing was written.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn fail_job(
        &self,
        job: &ClaimedJob,
        error: &str,
        after: AfterFailure,
    ) -> Result<bool, ActError> {
        let error = bounded(error);
        let outcome = match after {
            AfterFailure::RetryIn(delay) => Outcome {
                state: JobState::Owed,
                due_at: Some(self.clock().now() + delay),
                result: AttemptResult::Failed,
                error: Some(&error),
            },
            AfterFailure::GiveUp => Outcome {
                state: JobState::GivenUp,
                due_at: None,
                result: AttemptResult::Refused,
                error: Some(&error),
            },
        };
        self.end_attempt(job, &outcome).await
    }

    async fn end_attempt(&self, job: &ClaimedJob, outcome: &Outcome<'_>) -> Result<bool, ActError> {
        let acted = act!(self, &Actor::System, |act| {
            let now = act.now();
            let finished = outcome.due_at.is_none().then(|| now.as_us());
            let written = sqlx::query(
                "UPDATE jobs SET state = $3, due_at_us = $4, last_error = $5, finished_at_us = $6, lease_token = NULL, \
                 payload_sealed = CASE WHEN $3 = 'done' THEN NULL ELSE payload_sealed END \
                 WHERE id = $1 AND state = 'claimed' AND lease_token = $2",
            )
            .bind(job.id.as_str())
            .bind(job.lease_token.as_str())
            .bind(outcome.state.as_str())
            .bind(outcome.due_at.map(Timestamp::as_us))
            .bind(outcome.error.map(str::to_owned))
            .bind(finished)
            .execute(act.db())
            .await?;
            if written.rows_affected() == 0 {
                return Ok(false);
            }
            let took = now.since(job.began_at).as_micros();
            sqlx::query(
                "UPDATE job_attempts SET result = $3, error = $4, duration_us = $5 WHERE job_id = $1 AND attempt = $2",
            )
            .bind(job.id.as_str())
            .bind(job.number)
            .bind(outcome.result.as_str())
            .bind(outcome.error.map(str::to_owned))
            .bind(i64::try_from(took).unwrap_or(i64::MAX))
            .execute(act.db())
            .await?;
            Ok(true)
        });
        acted.map(|acted| acted.value)
    }

    /// How many jobs of each kind are not done. No authority: a count tells nothing about anybody.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn job_backlog(&self) -> Result<Vec<JobBacklog>, ActError> {
        let mut connection = self.reader().await?;
        let rows = sqlx::query(
            "SELECT kind, state, COUNT(*) AS n, MIN(created_at_us) AS oldest FROM jobs \
             WHERE state <> 'done' GROUP BY kind, state",
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let mut backlog = JobKind::ALL.map(|kind| JobBacklog {
            kind,
            owed: 0,
            given_up: 0,
            oldest: None,
        });
        for row in &rows {
            let columns = Columns::of(row, "jobs");
            let kind = columns.word("kind", JobKind::parse)?;
            let count = columns.count("n")?;
            let Some(of_kind) = backlog.iter_mut().find(|entry| entry.kind == kind) else {
                continue;
            };
            if columns.word("state", JobState::parse)? == JobState::GivenUp {
                of_kind.given_up += count;
                continue;
            }
            of_kind.owed += count;
            let oldest = columns.instant("oldest")?;
            of_kind.oldest = Some(of_kind.oldest.map_or(oldest, |known| known.min(oldest)));
        }
        Ok(backlog.to_vec())
    }

    /// Removes jobs that were finished long ago, some at a time.
    pub(crate) async fn trim_jobs(&self, now: Timestamp) -> Result<(), ActError> {
        let until = now.as_us() - i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX);
        act!(self, &Actor::System, |act| {
            let rows = sqlx::query(
                "SELECT id FROM jobs WHERE finished_at_us < $1 ORDER BY finished_at_us LIMIT $2",
            )
            .bind(until)
            .bind(TRIMMED_AT_ONCE)
            .fetch_all(act.db())
            .await?;
            for row in &rows {
                let id = Columns::of(row, "jobs").text("id")?;
                sqlx::query("DELETE FROM job_attempts WHERE job_id = $1")
                    .bind(id)
                    .execute(act.db())
                    .await?;
                sqlx::query("DELETE FROM jobs WHERE id = $1")
                    .bind(id)
                    .execute(act.db())
                    .await?;
            }
            Ok(())
        })
        .map(|_| ())
    }
}

/// Takes one job that is due; `None` when its payload does not open, and it is given up instead.
async fn claim(act: &mut Act, row: &AnyRow, lease: Duration) -> Result<Option<ClaimedJob>, Fault> {
    let columns = Columns::of(row, "jobs");
    let now = act.now();
    let id = columns.id("id", JobId::parse)?;
    let made = columns.number("attempts")?;
    if columns.word("state", JobState::parse)? == JobState::Claimed {
        sqlx::query(
            "UPDATE job_attempts SET result = 'lost', error = $3 WHERE job_id = $1 AND attempt = $2 AND result = 'running'",
        )
        .bind(id.as_str())
        .bind(made)
        .bind("the worker ended before it told what became of this attempt")
        .execute(act.db())
        .await?;
    }
    let node = act.store().settings().node.id.clone();
    let lease_token = uuid::Uuid::new_v4().to_string();
    sqlx::query(
        "UPDATE jobs SET state = 'claimed', attempts = attempts + 1, due_at_us = $2, lease_token = $3, claimed_by = $4 \
         WHERE id = $1",
    )
    .bind(id.as_str())
    .bind((now + lease).as_us())
    .bind(lease_token.as_str())
    .bind(node.as_str())
    .execute(act.db())
    .await?;
    sqlx::query(
        "INSERT INTO job_attempts (job_id, attempt, at_us, node, result) VALUES ($1, $2, $3, $4, 'running')",
    )
    .bind(id.as_str())
    .bind(made + 1)
    .bind(now.as_us())
    .bind(node.as_str())
    .execute(act.db())
    .await?;
    match work(act, &columns) {
        Ok(work) => Ok(Some(ClaimedJob {
            attempt: u32::try_from(made + 1 - columns.number("attempts_before_retry")?)
                .unwrap_or(u32::MAX),
            id,
            work,
            number: made + 1,
            began_at: now,
            lease_token,
        })),
        Err(error) => {
            give_up_unread(act, &id, made + 1, &error).await?;
            Ok(None)
        }
    }
}

fn work(act: &Act, columns: &Columns<'_>) -> Result<Work, CorruptRow> {
    let master_key = &act.store().settings().master_key;
    match columns.word("kind", JobKind::parse)? {
        JobKind::Mail => Ok(Work::Mail {
            to: columns.owned("recipient")?,
            mail: owed::open(master_key, ("jobs", "payload_sealed"), columns)?,
        }),
    }
}

/// A payload that does not open never will: the job must not stand before the others for ever.
async fn give_up_unread(
    act: &mut Act,
    id: &JobId,
    number: i64,
    error: &CorruptRow,
) -> Result<(), Fault> {
    tracing::error!(job = %id, %error, "a job cannot be read, and is given up");
    let now = act.now().as_us();
    sqlx::query(
        "UPDATE jobs SET state = 'given_up', due_at_us = NULL, lease_token = NULL, last_error = $2, finished_at_us = $3 \
         WHERE id = $1",
    )
    .bind(id.as_str())
    .bind(error.to_string())
    .bind(now)
    .execute(act.db())
    .await?;
    sqlx::query(
        "UPDATE job_attempts SET result = 'refused', error = $3, duration_us = 0 WHERE job_id = $1 AND attempt = $2",
    )
    .bind(id.as_str())
    .bind(number)
    .bind(error.to_string())
    .execute(act.db())
    .await?;
    Ok(())
}

/// What is kept of an error's text.
fn bounded(error: &str) -> String {
    let end = error.floor_char_boundary(ERROR_BYTES_MAX);
    error
        .get(..end)
        .unwrap_or_default()
        .replace('\0', "\u{fffd}")
}
