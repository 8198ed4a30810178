//! `/admin/jobs`: what the installation owes the world outside: mails, so far.

use askama::Template;
use axum::extract::{Path, Query};
use portcullis_registry::wire::{Job, JobAttempt, JobWithAttempts, Listed};
use serde::Deserialize;

use crate::{
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::filters::Filters,
    view,
};

/// Entries of a page.
const PAGE: &str = "25";

/// What a list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    state: String,
    after: String,
}

#[derive(Template)]
#[template(path = "admin/jobs.html")]
struct Jobs {
    shell: Shell,
    list: Listed<Job>,
    form: Form,
    states: Vec<Choice>,
    path: String,
    after: String,
    is_filtered: bool,
    captures_mail: bool,
}

/// `GET /admin/jobs`.
pub(crate) async fn list(page: Page, Query(asked): Query<Asked>) -> Answer {
    let filters = Filters::default().and("state", &asked.state);
    let sent = filters
        .clone()
        .and("after", &asked.after)
        .and("limit", PAGE);
    let list = page.api()?.get("/v1/jobs", &sent.query()).await?.value;
    page.show(&Jobs {
        shell: page.shell(Section::Jobs, "Jobs and mail"),
        list,
        form: Form::with([("state", asked.state)]),
        states: vec![
            Choice::new("", "Any state"),
            Choice::new("owed", "Owed"),
            Choice::new("claimed", "Being done"),
            Choice::new("done", "Done"),
            Choice::new("given_up", "Given up"),
        ],
        path: filters.path("/admin/jobs"),
        after: asked.after,
        is_filtered: !filters.are_none(),
        captures_mail: page.portal().site().captures_mail,
    })
}

/// How far a job is.
pub(crate) fn state(job: &Job) -> view::Markup {
    match job.state.as_str() {
        "owed" if job.attempts > 0 => view::status("wait", "clock", "Waits to be tried again"),
        "owed" => view::status("wait", "clock", "Owed"),
        "claimed" => view::status("neutral", "clock", "Being done"),
        "done" => view::status("good", "check", "Done"),
        _ => view::status("bad", "blocked", "Given up"),
    }
}

/// What a job is: `password_reset` as `Password reset`.
pub(crate) fn topic(job: &Job) -> String {
    let words = job.topic.replace('_', " ");
    let mut letters = words.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}

/// What became of an attempt.
pub(crate) fn result(attempt: &JobAttempt) -> view::Markup {
    match attempt.result.as_str() {
        "done" => view::status("good", "check", "Done"),
        "running" => view::status("neutral", "clock", "Under way"),
        "failed" => view::status("wait", "warning", "Failed"),
        "refused" => view::status("bad", "blocked", "Refused for good"),
        _ => view::status("wait", "warning", "Its worker ended"),
    }
}

#[derive(Template)]
#[template(path = "admin/jobs_one.html")]
struct One {
    shell: Shell,
    job: Job,
    attempts: Vec<JobAttempt>,
    may_retry: bool,
}

/// `GET /admin/jobs/{job_id}`.
pub(crate) async fn view(page: Page, Path(id): Path<String>) -> Answer {
    let path = ("/v1/jobs/{job_id}", [id.as_str()]);
    let JobWithAttempts {
        job,
        mut attempt_log,
    } = page.api()?.get(path, &[]).await?.value;
    attempt_log.reverse();
    let shell = page.shell(Section::Jobs, &topic(&job));
    page.show(&One {
        shell: shell.crumb("Jobs and mail", "/admin/jobs"),
        may_retry: matches!(job.state.as_str(), "owed" | "given_up"),
        attempts: attempt_log,
        job,
    })
}

/// `POST /admin/jobs/{job_id}/retry`.
pub(crate) async fn retry(page: Page, Path(id): Path<String>) -> Answer {
    let path = ("/v1/jobs/{job_id}/retry", [id.as_str()]);
    let here = format!("/admin/jobs/{id}");
    match page.api()?.post::<Job>(path, &()).await {
        Ok(_) => Ok(page.go_saying(&here, &Flash::success("It is tried again now."))),
        Err(error) if error.status().as_u16() == 409 => {
            let text = "It is done or being done already; nothing was changed.";
            Ok(page.go_saying(&here, &Flash::info(text)))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/jobs/test_mail`.
pub(crate) async fn send_test_mail(page: Page) -> Answer {
    let job = page.api()?.post::<Job>("/v1/mail/test", &()).await?.value;
    let text = format!(
        "A test mail to {} is on its way. What becomes of it stands here.",
        job.recipient
    );
    Ok(page.go_saying(&format!("/admin/jobs/{}", job.id), &Flash::info(text)))
}
