//! Signing out, and the organization switcher.

use axum::response::Response;
use portcullis_core::ids::OrganizationId;

use crate::{
    failure::Failure,
    flash::Flash,
    page::{Answer, Page},
    sent::Sent,
};

/// `POST /logout`. Ends the session on the server; the cookie goes as well.
pub(crate) async fn sign_out(page: Page) -> Answer {
    if let Some(session) = page.session() {
        let sessions = page.portal().people().sessions();
        sessions
            .end(&session.who, &session.who.session, page.visit())
            .await?;
    }
    Ok(page.go_signed_out("/login", &Flash::info("You are signed out.")))
}

/// `POST /switch`. The page that was open may be about a thing of the other organization, so it leads home.
pub(crate) async fn switch(page: Page, sent: Sent) -> Result<Response, Failure> {
    let who = page.who()?;
    let organization = OrganizationId::parse(sent.get("organization"));
    let organization = organization.map_err(|_| Failure::NotFound)?;
    page.portal()
        .people()
        .sessions()
        .switch(who, &organization)
        .await?;
    Ok(page.go("/"))
}
