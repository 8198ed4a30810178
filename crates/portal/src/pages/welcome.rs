//! `/welcome`: the first operator, by the link that was printed at the first start.

use askama::Template;
use axum::extract::Query;
use portcullis_registry::people::Setup;
use serde::Deserialize;

use super::sign_in;
use crate::{
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
};

/// The secret of a link.
#[derive(Default, Deserialize)]
pub(crate) struct Token {
    #[serde(default)]
    pub(crate) token: String,
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    shell: Shell,
    form: Form,
}

/// `GET /welcome`.
pub(crate) async fn form(page: Page, Query(link): Query<Token>) -> Answer {
    page.portal().people().check_setup_link(&link.token).await?;
    show(&page, Form::with([("token", link.token)]))
}

fn show(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = page.shell(Section::None, "Welcome");
    page.show_with(status, &Welcome { shell, form })
}

/// `POST /welcome`.
pub(crate) async fn submit(page: Page, sent: Sent) -> Answer {
    let setup = Setup {
        email: sent.get("email").to_owned(),
        full_name: sent.get("full_name").to_owned(),
        password: sent.raw("password").to_owned(),
        organization: sent.get("organization").to_owned(),
    };
    let people = page.portal().people();
    match people.set_up(sent.get("token"), &setup, page.visit()).await {
        Ok(step) => sign_in::go_on(&page, step, "/", None),
        Err(error) => show(&page, sign_in::refused(sent.form(), &error)?),
    }
}
