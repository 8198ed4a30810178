//! `/v1/jobs`: side effects owed, such as mails, for operators. What they send never stands here.

use axum::{Json, extract::State, response::Response};
use portcullis_core::{
    ids::JobId,
    job::{Job as CoreJob, JobAttempt as CoreAttempt, JobKind, JobState},
};
use portcullis_store::{Acted, JobFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    RegistryState,
    caller::Caller,
    effect::{Done, WaitParams, created, done},
    error::RegistryError,
    params::{Id, Listed, Params, page_request},
    rules,
};

/// A side effect owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Names it, and what it sends: the `Message-ID` of a mail begins with it.
    pub id: String,
    /// `mail`.
    pub kind: String,
    /// `owed`, `claimed` (a worker is doing it), `done` or `given_up`.
    pub state: String,
    /// Which one of its kind, such as `password_reset`.
    pub topic: String,
    /// Where it goes.
    pub recipient: String,
    /// What it is about, when that has an identifier.
    pub subject_id: Option<String>,
    /// Whose act owes it; `null` for the installation itself.
    pub organization_id: Option<String>,
    /// How often it was attempted.
    pub attempts: u32,
    /// Why the last attempt failed, or the job was given up.
    pub last_error: Option<String>,
    /// From when on it is attempted again.
    #[schema(format = DateTime)]
    pub next_attempt_at: Option<String>,
    /// Until when the worker that claimed it may take.
    #[schema(format = DateTime)]
    pub lease_until: Option<String>,
    /// Which node's worker claimed it last.
    pub claimed_by: Option<String>,
    /// When it was owed.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was done or given up.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
}

impl From<&CoreJob> for Job {
    fn from(of: &CoreJob) -> Self {
        Self {
            id: of.id.to_string(),
            kind: of.kind.as_str().to_owned(),
            state: of.state.as_str().to_owned(),
            topic: of.topic.clone(),
            recipient: of.recipient.clone(),
            subject_id: of.subject_id.clone(),
            organization_id: of.organization_id.as_ref().map(ToString::to_string),
            attempts: of.attempts,
            last_error: of.last_error.clone(),
            next_attempt_at: of.next_attempt_at.map(rules::instant_text),
            lease_until: of.lease_until.map(rules::instant_text),
            claimed_by: of.claimed_by.as_ref().map(ToString::to_string),
            created_at: rules::instant_text(of.created_at),
            finished_at: of.finished_at.map(rules::instant_text),
        }
    }
}

/// One attempt at a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobAttempt {
    /// Counted from 1.
    pub number: u32,
    /// When it began.
    #[schema(format = DateTime)]
    pub at: String,
    /// Which node made it.
    pub node: String,
    /// How long it took, in milliseconds; `null` until it ended.
    pub duration_ms: Option<i64>,
    /// `running`, `done`, `failed` (it may pass the next time), `refused` (for good) or `lost` (its worker ended).
    pub result: String,
    /// Why it failed.
    pub error: Option<String>,
}

impl From<&CoreAttempt> for JobAttempt {
    fn from(of: &CoreAttempt) -> Self {
        Self {
            number: of.number,
            at: rules::instant_text(of.at),
            node: of.node.to_string(),
            duration_ms: of.duration_us.map(|us| us / 1_000),
            result: of.result.as_str().to_owned(),
            error: of.error.clone(),
        }
    }
}

/// A job and what became of each attempt at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobWithAttempts {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// The newest 100, oldest first.
    pub attempt_log: Vec<JobAttempt>,
}

/// Which jobs, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// Only of this kind: `mail`.
    kind: Option<String>,
    /// Only in this state: `owed`, `claimed`, `done` or `given_up`.
    state: Option<String>,
    /// How many entries at most; 1 to 500, 50 when left out.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Jobs, newest first. Operators only.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(ListParams),
    responses((status = 200, body = Listed<Job>)))]
pub(crate) async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<Listed<Job>>, RegistryError> {
    let authority = caller.installation_authority()?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let filter = JobFilter {
        kind: word(
            "kind",
            params.kind.as_deref(),
            JobKind::parse,
            "A kind of job is mail.",
        )?,
        state: word(
            "state",
            params.state.as_deref(),
            JobState::parse,
            "A state of a job is owed, claimed, done or given_up.",
        )?,
    };
    let page = caller.store.jobs(&authority, filter, page).await?;
    Ok(Json(Listed::of(page)))
}

fn word<T>(
    field: &str,
    given: Option<&str>,
    parse: fn(&str) -> Option<T>,
    remedy: &'static str,
) -> Result<Option<T>, RegistryError> {
    given
        .map(|text| parse(text).ok_or_else(|| RegistryError::invalid(field, remedy)))
        .transpose()
}

/// A job with what became of its attempts. Operators only.
#[utoipa::path(get, path = "/v1/jobs/{job_id}", tag = "jobs", params(("job_id" = String, Path)),
    responses((status = 200, body = JobWithAttempts)))]
pub(crate) async fn get(
    caller: Caller,
    Id(id): Id<JobId>,
) -> Result<Json<JobWithAttempts>, RegistryError> {
    let authority = caller.installation_authority()?;
    let (job, attempts) = caller.store.job(&authority, &id).await?;
    Ok(Json(JobWithAttempts {
        job: Job::from(&job),
        attempt_log: attempts.iter().map(JobAttempt::from).collect(),
    }))
}

/// Has a job attempted again at once, whether it was given up or waits for its next attempt. Operators only.
#[utoipa::path(post, path = "/v1/jobs/{job_id}/retry", tag = "jobs", params(("job_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<Job>)))]
pub(crate) async fn retry(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<JobId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let acted = caller.store.retry_job(&authority, &id).await?;
    let acted = Acted {
        value: Job::from(&acted.value),
        seq: acted.seq,
    };
    Ok(done(&state, acted, wait.wait).await)
}

/// Sends a test mail to the address of whoever asks, through the same queue as every mail. Operators only.
#[utoipa::path(post, path = "/v1/mail/test", tag = "jobs", params(WaitParams),
    responses((status = 201, body = Done<Job>)))]
pub(crate) async fn send_test_mail(
    State(state): State<RegistryState>,
    caller: Caller,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let acted = caller.store.send_test_mail(&authority).await?;
    let (job, _) = caller.store.job(&authority, &acted.value).await?;
    let location = format!("/v1/jobs/{}", job.id);
    let acted = Acted {
        value: Job::from(&job),
        seq: acted.seq,
    };
    Ok(created(&state, acted, wait.wait, &location).await)
}
