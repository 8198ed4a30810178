//! `/login`: email and password.

use askama::Template;
use axum::extract::Query;
use http::StatusCode;
use portcullis_registry::people::{
    PeopleError,
    sign_in::{NewlySignedIn, SignIn},
};
use serde::Deserialize;

use crate::{
    failure::Failure,
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page, safe_next},
    sent::Sent,
};

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    pub(super) next: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    shell: Shell,
    form: Form,
}

/// `GET /login`. Whoever is signed in already goes on.
pub(crate) async fn form(page: Page, Query(next): Query<Next>) -> Answer {
    let next = safe_next(&next.next);
    if page.session().is_some() {
        return Ok(page.go(next));
    }
    show(&page, Form::with([("next", next)]))
}

fn show(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = page.shell(Section::None, "Sign in");
    page.show_with(status, &SignInPage { shell, form })
}

/// `POST /login`.
pub(crate) async fn submit(page: Page, sent: Sent) -> Answer {
    let form = sent.form();
    let (email, password) = (sent.get("email"), sent.raw("password"));
    if email.is_empty() || password.is_empty() {
        let form = form.wrong_altogether(
            "Something is missing",
            "Type your email address and your password.",
        );
        return show(&page, form);
    }
    let signed_in = page
        .portal()
        .people()
        .sign_in(email, password, page.visit())
        .await;
    match signed_in {
        Ok(step) => go_on(&page, step, sent.get("next")),
        Err(error) => show(&page, refused(form, &error)?),
    }
}

/// The next step, or home.
pub(crate) fn go_on(page: &Page, step: SignIn, next: &str) -> Answer {
    #[expect(irrefutable_let_patterns, reason = "another step is about to come")]
    let SignIn::Done(signed_in) = step else {
        return Err(Failure::Internal(
            "an unknown step of signing in".to_owned(),
        ));
    };
    let NewlySignedIn { cookie, .. } = *signed_in;
    Ok(page.go_signed_in(safe_next(next), &cookie, None))
}

/// The form with what the service said; its other failures are pages.
pub(crate) fn refused(form: Form, error: &PeopleError) -> Result<Form, Failure> {
    let mut form = form;
    for wrong in error.fields() {
        form = form.wrong(&wrong.field, &wrong.detail);
    }
    if !error.fields().is_empty() {
        return Ok(form);
    }
    match error.status() {
        status @ (StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::FORBIDDEN
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::GONE
        | StatusCode::CONFLICT) => Ok(form
            .wrong_altogether("That did not work", error.message())
            .with_status(status)),
        status => Err(Failure::People(status, error.message())),
    }
}
