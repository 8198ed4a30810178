//! `/forgot` and `/reset-password`: a new password by a link that is sent to the address of the account.

use askama::Template;
use axum::extract::Query;
use portcullis_core::people::LinkPurpose;

use super::{sign_in, welcome::Token};
use crate::{
    flash::Flash,
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
};

#[derive(Template)]
#[template(path = "forgot.html")]
struct Forgot {
    shell: Shell,
    form: Form,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct Reset {
    shell: Shell,
    form: Form,
    email: String,
}

/// `GET /forgot`.
pub(crate) async fn forgot_form(page: Page) -> Answer {
    show_forgot(&page, Form::empty())
}

fn show_forgot(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = page.shell(Section::None, "Forgot your password?");
    page.show_with(status, &Forgot { shell, form })
}

/// `POST /forgot`. Says the same of every address.
pub(crate) async fn forgot(page: Page, sent: Sent) -> Answer {
    let people = page.portal().people();
    match people.request_password_reset(sent.get("email"), page.visit()) {
        Ok(()) => Ok(page.go_saying(
            "/login",
            &Flash::success(
                "If there is an account with this address, a mail with a link is on its way to it. The link works \
                 for 30 minutes.",
            ),
        )),
        Err(error) => show_forgot(&page, sign_in::refused(sent.form(), &error)?),
    }
}

/// `GET /reset-password`. The link is not used up by looking: mail programs follow links.
pub(crate) async fn reset_form(page: Page, Query(link): Query<Token>) -> Answer {
    show_reset(&page, Form::with([("token", link.token)])).await
}

async fn show_reset(page: &Page, form: Form) -> Answer {
    let people = page.portal().people();
    let link = people
        .link(LinkPurpose::PasswordReset, form.value("token"))
        .await?;
    let status = form.status();
    let shell = page.shell(Section::None, "Set a new password");
    let email = link.email;
    page.show_with(status, &Reset { shell, form, email })
}

/// `POST /reset-password`.
pub(crate) async fn reset(page: Page, sent: Sent) -> Answer {
    let people = page.portal().people();
    let set = people
        .reset_password(sent.get("token"), sent.raw("password"), page.visit())
        .await;
    match set {
        Ok(_) => Ok(page.go_signed_out(
            "/login",
            &Flash::success(
                "Your password is set. Every session was ended; sign in with the new password.",
            ),
        )),
        Err(error) => show_reset(&page, sign_in::refused(sent.form(), &error)?).await,
    }
}
