//! `/account/password`: a new password.

use askama::Template;

use crate::{
    flash::Flash,
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::{
        sign_in::refused,
        tabs::{self, Tab},
    },
    sent::Sent,
};

#[derive(Template)]
#[template(path = "account/password.html")]
struct Password {
    shell: Shell,
    tabs: Vec<Tab>,
    form: Form,
    has_password: bool,
    email: String,
}

async fn shown(page: &Page, form: Form) -> Answer {
    let who = page.who()?;
    let status = form.status();
    let password = Password {
        shell: page.shell(Section::Account, "Password"),
        tabs: tabs::account("/account/password"),
        form,
        has_password: super::security::factors(page).await?.password,
        email: who.user.email.clone(),
    };
    page.show_with(status, &password)
}

/// `GET /account/password`.
pub(crate) async fn show(page: Page) -> Answer {
    shown(&page, Form::empty()).await
}

/// `POST /account/password`.
pub(crate) async fn change(page: Page, sent: Sent) -> Answer {
    let passwords = (sent.raw("current_password"), sent.raw("password"));
    let people = page.portal().people();
    match people
        .change_password(page.who()?, passwords, page.visit())
        .await
    {
        Ok(()) => {
            let text = "Your password was changed. Your other sessions have ended.";
            Ok(page.go_saying("/account/password", &Flash::success(text)))
        }
        Err(error) => shown(&page, refused(sent.form(), &error)?).await,
    }
}
