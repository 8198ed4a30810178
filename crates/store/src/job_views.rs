//! The queue of side effects owed, as operators see it.

use portcullis_core::{
    ids::{JobId, NodeId, OrganizationId},
    job::{AttemptResult, Job, JobAttempt, JobKind, JobState},
    permissions::Authority,
};
use serde_json::json;
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, Note, act, operators_only},
    error::{ActError, CorruptRow},
    page::{Page, PageRequest},
    row::Columns,
    store::{Acted, Store},
};

/// Which jobs are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this kind.
    pub kind: Option<JobKind>,
    /// In this state.
    pub state: Option<JobState>,
}

impl Store {
    /// Jobs, newest first. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`.
    pub async fn jobs(
        &self,
        authority: &Authority,
        filter: JobFilter,
        page: PageRequest,
    ) -> Result<Page<Job>, ActError> {
        operators_only(authority)?;
        let mut connection = self.reader().await?;
        let (instant, id) = page.start_descending();
        let rows = sqlx::query(
            "SELECT id, kind, state, topic, recipient, subject_id, organization_id, attempts, last_error, due_at_us, \
             claimed_by, created_at_us, finished_at_us FROM jobs \
             WHERE ($1 = '' OR kind = $1) AND ($2 = '' OR state = $2) AND (created_at_us, id) < ($3, $4) \
             ORDER BY created_at_us DESC, id DESC LIMIT $5",
        )
        .bind(filter.kind.map_or("", JobKind::as_str))
        .bind(filter.state.map_or("", JobState::as_str))
        .bind(instant)
        .bind(id)
        .bind(page.rows())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let items = rows
            .iter()
            .map(|row| of_row(&Columns::of(row, "jobs")))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, &page, |job| {
            (job.created_at, job.id.to_string())
        }))
    }

    /// A job, with its newest 100 attempts, oldest first. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `NotFound`.
    pub async fn job(
        &self,
        authority: &Authority,
        id: &JobId,
    ) -> Result<(Job, Vec<JobAttempt>), ActError> {
        operators_only(authority)?;
        let mut connection = self.reader().await?;
        let job = find(&mut connection, id).await?;
        let rows = sqlx::query(
            "SELECT job_id, attempt, at_us, node, duration_us, result, error FROM job_attempts WHERE job_id = $1 \
             ORDER BY attempt DESC LIMIT 100",
        )
        .bind(id.as_str())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let attempts = rows
            .iter()
            .rev()
            .map(|row| attempt_of_row(&Columns::of(row, "job_attempts")))
            .collect::<Result<Vec<_>, _>>()?;
        Ok((job, attempts))
    }

    /// Makes a job that was given up owed again, or one that waits for its next attempt due at once; either way
    /// its attempts are counted anew. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `NotFound`, `Conflict` (`job_done`, `job_claimed`).
    pub async fn retry_job(
        &self,
        authority: &Authority,
        id: &JobId,
    ) -> Result<Acted<Job>, ActError> {
        operators_only(authority)?;
        act!(self, authority.actor(), |act| {
            let before = lock(act, id).await?;
            match before.state {
                JobState::Done => {
                    let detail = "this job was done, and what it sent is erased";
                    return Err(ActError::conflict("job_done", detail).into());
                }
                JobState::Claimed => {
                    let detail =
                        "this job is being attempted at this moment; look at what becomes of it";
                    return Err(ActError::conflict("job_claimed", detail).into());
                }
                JobState::Owed | JobState::GivenUp => {}
            }
            let now = act.now().as_us();
            sqlx::query(
                "UPDATE jobs SET state = 'owed', due_at_us = $2, finished_at_us = NULL, attempts_before_retry = attempts \
                 WHERE id = $1",
            )
            .bind(id.as_str())
            .bind(now)
            .execute(act.db())
            .await?;
            act.owes();
            act.note(&Note {
                action: "job.retry",
                kind: "job",
                id: id.as_str(),
                organization: before.organization_id.as_ref(),
                detail: json!({ "before": before.state.as_str(), "after": JobState::Owed.as_str() }),
            });
            find(act.db(), id).await
        })
    }
}

async fn lock(act: &mut Act, id: &JobId) -> Result<Job, Fault> {
    sqlx::query("UPDATE jobs SET state = state WHERE id = $1")
        .bind(id.as_str())
        .execute(act.db())
        .await?;
    find(act.db(), id).await
}

async fn find(connection: &mut AnyConnection, id: &JobId) -> Result<Job, Fault> {
    let row = sqlx::query(
        "SELECT id, kind, state, topic, recipient, subject_id, organization_id, attempts, last_error, due_at_us, \
         claimed_by, created_at_us, finished_at_us FROM jobs WHERE id = $1",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
    .await?
    .ok_or(Fault::Act(ActError::NotFound("job")))?;
    Ok(of_row(&Columns::of(&row, "jobs"))?)
}

fn of_row(columns: &Columns<'_>) -> Result<Job, CorruptRow> {
    let state = columns.word("state", JobState::parse)?;
    let due_at = columns.optional_instant("due_at_us")?;
    let attempts = columns.count("attempts")?;
    Ok(Job {
        id: columns.id("id", JobId::parse)?,
        kind: columns.word("kind", JobKind::parse)?,
        state,
        topic: columns.owned("topic")?,
        recipient: columns.owned("recipient")?,
        subject_id: columns.optional_text("subject_id")?.map(str::to_owned),
        organization_id: columns.optional_id("organization_id", OrganizationId::parse)?,
        attempts: u32::try_from(attempts).map_err(|_| columns.corrupt("attempts"))?,
        last_error: columns.optional_text("last_error")?.map(str::to_owned),
        next_attempt_at: due_at.filter(|_| state == JobState::Owed),
        lease_until: due_at.filter(|_| state == JobState::Claimed),
        claimed_by: columns.optional_id("claimed_by", NodeId::parse)?,
        created_at: columns.instant("created_at_us")?,
        finished_at: columns.optional_instant("finished_at_us")?,
    })
}

fn attempt_of_row(columns: &Columns<'_>) -> Result<JobAttempt, CorruptRow> {
    let number = columns.count("attempt")?;
    Ok(JobAttempt {
        number: u32::try_from(number).map_err(|_| columns.corrupt("attempt"))?,
        at: columns.instant("at_us")?,
        node: columns.id("node", NodeId::parse)?,
        duration_us: columns.optional_number("duration_us")?,
        result: columns.word("result", AttemptResult::parse)?,
        error: columns.optional_text("error")?.map(str::to_owned),
    })
}
