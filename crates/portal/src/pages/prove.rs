//! `/prove`: once more the password, before something sensitive.

use askama::Template;
use axum::extract::Query;

use super::sign_in::{self, Next};
use crate::{
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page, safe_next},
    sent::Sent,
};

#[derive(Template)]
#[template(path = "prove.html")]
struct Prove {
    shell: Shell,
    form: Form,
}

/// `GET /prove`.
pub(crate) async fn form(page: Page, Query(next): Query<Next>) -> Answer {
    show(&page, Form::with([("next", safe_next(&next.next))]))
}

fn show(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = page.shell(Section::Account, "Prove that it is you");
    page.show_with(status, &Prove { shell, form })
}

/// `POST /prove`. The session gets a new secret; the old one opens nothing any more.
pub(crate) async fn submit(page: Page, sent: Sent) -> Answer {
    let sessions = page.portal().people().sessions();
    let password = sent.raw("password");
    match sessions
        .prove_by_password(page.who()?, password, page.visit())
        .await
    {
        Ok(cookie) => Ok(page.go_signed_in(safe_next(sent.get("next")), &cookie, None)),
        Err(error) => show(&page, sign_in::refused(sent.form(), &error)?),
    }
}
