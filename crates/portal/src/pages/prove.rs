//! `/prove`: once more the password or a code, before something sensitive.

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

/// `POST /prove`, by the password or by a code. The session gets a new secret; the old one opens nothing any
/// more.
pub(crate) async fn submit(page: Page, sent: Sent) -> Answer {
    let sessions = page.portal().people().sessions();
    let (who, visit) = (page.who()?, page.visit());
    let proved = match sent.some("code") {
        Some(code) => sessions.prove_by_code(who, code, visit).await,
        None => {
            sessions
                .prove_by_password(who, sent.raw("password"), visit)
                .await
        }
    };
    match proved {
        Ok(cookie) => Ok(page.go_signed_in(safe_next(sent.get("next")), &cookie, None)),
        Err(error) => show(&page, sign_in::refused(sent.form(), &error)?),
    }
}
