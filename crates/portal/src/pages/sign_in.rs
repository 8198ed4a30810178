//! `/login`: email and password, then a code where the person has an authenticator app.

use askama::Template;
use axum::extract::Query;
use http::StatusCode;
use portcullis_core::secret::Secret;
use portcullis_registry::people::{
    PeopleError,
    sign_in::{NewlySignedIn, SignIn},
};
use serde::Deserialize;

use crate::{
    failure::Failure,
    flash::Flash,
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
    /// Whether anybody may sign up.
    is_open: bool,
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct SecondFactor {
    shell: Shell,
    form: Form,
    /// Names what was begun; a secret of a few minutes.
    pending: String,
}

/// `GET /login`. Whoever is signed in already goes on.
pub(crate) async fn form(page: Page, Query(next): Query<Next>) -> Answer {
    let next = safe_next(&next.next);
    if page.session().is_some() {
        return Ok(page.go(next));
    }
    show(&page, Form::with([("next", next)])).await
}

pub(super) async fn show(page: &Page, form: Form) -> Answer {
    let is_open = page.portal().people().registration_is_open().await?;
    let shell = page.shell(Section::None, "Sign in").script("passkey.js");
    let status = form.status();
    page.show_with(
        status,
        &SignInPage {
            shell,
            form,
            is_open,
        },
    )
}

/// `POST /login`.
pub(crate) async fn submit(page: Page, sent: Sent) -> Answer {
    let form = sent.form();
    let (email, password) = (sent.get("email"), sent.raw("password"));
    if email.is_empty() || password.is_empty() {
        let title = "Something is missing";
        let form = form.wrong_altogether(title, "Type your email address and your password.");
        return show(&page, form).await;
    }
    let people = page.portal().people();
    match people.sign_in(email, password, page.visit()).await {
        Ok(step) => go_on(&page, step, sent.get("next"), None),
        Err(error) => show(&page, refused(form, &error)?).await,
    }
}

/// The next step, or where the person wanted to go.
pub(super) fn go_on(page: &Page, step: SignIn, next: &str, flash: Option<&Flash>) -> Answer {
    match step {
        SignIn::Done(signed_in) => {
            let NewlySignedIn { cookie, .. } = *signed_in;
            Ok(page.go_signed_in(safe_next(next), &cookie, flash))
        }
        SignIn::SecondFactor(pending) => ask_code(page, &pending, Form::with([("next", next)])),
    }
}

fn ask_code(page: &Page, pending: &Secret, form: Form) -> Answer {
    let status = form.status();
    let code = SecondFactor {
        shell: page.shell(Section::None, "Enter your code"),
        form,
        pending: pending.expose().to_owned(),
    };
    page.show_with(status, &code)
}

/// `POST /login/code`.
pub(crate) async fn submit_code(page: Page, sent: Sent) -> Answer {
    let people = page.portal().people();
    let pending = sent.get("pending");
    let form = Form::with([("next", sent.get("next"))]);
    match people
        .finish_sign_in(pending, sent.get("code"), page.visit())
        .await
    {
        Ok(step) => go_on(&page, step, sent.get("next"), None),
        Err(error @ PeopleError::WrongCode) => {
            let pending = Secret::from_text(pending.to_owned());
            ask_code(&page, &pending, form.wrong("code", error.message()))
        }
        Err(error) => show(&page, refused(form, &error)?).await,
    }
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
