//! `/accept-invite`: joining an organization, as somebody who has an account or by making one.

use askama::Template;
use axum::extract::Query;

use super::{sign_in, welcome::Token};
use crate::{
    flash::Flash,
    form::Form,
    layout::{Section, Shell, role_word},
    page::{Answer, Page},
    sent::Sent,
};

#[derive(Template)]
#[template(path = "invitation.html")]
struct Invitation {
    shell: Shell,
    form: Form,
    organization: String,
    role: &'static str,
    email: String,
    /// Who invites, by sign-in name.
    invited_by: String,
    /// Whether the invited address has an account.
    has_account: bool,
    /// The address of whoever is signed in; empty when nobody is.
    signed_in_as: String,
    /// Back to here, for the sign-in page.
    next: String,
}

/// `GET /accept-invite`.
pub(crate) async fn form(page: Page, Query(link): Query<Token>) -> Answer {
    show(&page, Form::with([("token", link.token)])).await
}

async fn show(page: &Page, form: Form) -> Answer {
    let token = form.value("token").to_owned();
    let shown = page.portal().people().invitation(&token).await?;
    let next = format!("/accept-invite?token={}", crate::view::encoded(&token));
    let status = form.status();
    let title = format!("Join {}", shown.organization);
    page.show_with(
        status,
        &Invitation {
            shell: page.shell(Section::None, &title),
            form,
            organization: shown.organization,
            role: role_word(shown.invitation.role.as_str()),
            email: shown.invitation.email,
            invited_by: shown.invitation.invited_by,
            has_account: shown.has_account,
            signed_in_as: page
                .session()
                .map(|s| s.who.user.email.clone())
                .unwrap_or_default(),
            next: crate::view::encoded(&next),
        },
    )
}

/// `POST /accept-invite`. Whoever is signed in accepts as they are; anybody else makes the account.
pub(crate) async fn submit(page: Page, sent: Sent) -> Answer {
    let people = page.portal().people();
    let token = sent.get("token");
    let organization = people.invitation(token).await?.organization;
    let flash = Flash::success(format!("You are a member of {organization} now."));
    if let Some(session) = page.session() {
        return match people
            .accept_invitation(&session.who, token, page.visit())
            .await
        {
            Ok(_) => Ok(page.go_saying("/", &flash)),
            Err(error) => show(&page, sign_in::refused(sent.form(), &error)?).await,
        };
    }
    let typed = (sent.get("full_name"), sent.raw("password"));
    match people.join(token, typed, page.visit()).await {
        Ok(step) => sign_in::go_on(&page, step, "/", Some(&flash)),
        Err(error) => show(&page, sign_in::refused(sent.form(), &error)?).await,
    }
}
