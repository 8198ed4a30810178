//! `/signup`, where anybody may, and the links that prove an address: `/verify-email` of a new account,
//! `/change-email` of an existing one.

use askama::Template;
use axum::extract::Query;
use portcullis_core::people::LinkPurpose;
use portcullis_registry::people::{PeopleError, SignUpForm};

use super::{sign_in, welcome::Token};
use crate::{
    flash::Flash,
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
};

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUp {
    shell: Shell,
    form: Form,
}

/// A page with one button that uses a link up.
#[derive(Template)]
#[template(path = "use_link.html")]
struct UseLink {
    shell: Shell,
    action: &'static str,
    lead: String,
    verb: &'static str,
    token: String,
}

/// `GET /signup`.
pub(crate) async fn form(page: Page) -> Answer {
    if !page.portal().people().registration_is_open().await? {
        return Err(PeopleError::RegistrationClosed.into());
    }
    show(&page, Form::empty())
}

fn show(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = page.shell(Section::None, "Create an account");
    page.show_with(status, &SignUp { shell, form })
}

/// `POST /signup`. Says the same whether or not the address has an account.
pub(crate) async fn submit(page: Page, sent: Sent) -> Answer {
    let typed = SignUpForm {
        full_name: sent.get("full_name").to_owned(),
        email: sent.get("email").to_owned(),
        password: sent.raw("password").to_owned(),
        organization: sent.get("organization").to_owned(),
    };
    match page.portal().people().sign_up(&typed, page.visit()).await {
        Ok(()) => Ok(page.go_saying(
            "/login",
            &Flash::success("We sent a mail to your address. Follow the link in it, then sign in."),
        )),
        Err(error) => show(&page, sign_in::refused(sent.form(), &error)?),
    }
}

/// `GET /verify-email`. The link is used up by the button: mail programs follow links.
pub(crate) async fn verify_form(page: Page, Query(link): Query<Token>) -> Answer {
    let people = page.portal().people();
    let found = people
        .link(LinkPurpose::EmailVerification, &link.token)
        .await?;
    page.show(&UseLink {
        shell: page.shell(Section::None, "Confirm your address"),
        action: "/verify-email",
        lead: format!("{} is the address of your new account.", found.email),
        verb: "Confirm",
        token: link.token,
    })
}

/// `POST /verify-email`.
pub(crate) async fn verify(page: Page, sent: Sent) -> Answer {
    page.portal()
        .people()
        .verify_email(sent.get("token"), page.visit())
        .await?;
    let flash = Flash::success("Your address is confirmed. Sign in to go on.");
    Ok(page.go_saying("/login", &flash))
}

/// `GET /change-email`.
pub(crate) async fn change_form(page: Page, Query(link): Query<Token>) -> Answer {
    let people = page.portal().people();
    let found = people.link(LinkPurpose::EmailChange, &link.token).await?;
    page.show(&UseLink {
        shell: page.shell(Section::None, "Confirm your new address"),
        action: "/change-email",
        lead: format!("You will sign in with {} from now on.", found.email),
        verb: "Use this address",
        token: link.token,
    })
}

/// `POST /change-email`.
pub(crate) async fn change(page: Page, sent: Sent) -> Answer {
    let user = page
        .portal()
        .people()
        .change_email(sent.get("token"), page.visit())
        .await?;
    let flash = Flash::success(format!("Your address is {} from now on.", user.email));
    let next = if page.session().is_some() {
        "/"
    } else {
        "/login"
    };
    Ok(page.go_saying(next, &flash))
}
