//! `/organization/invitations`: inviting people to the organization.

use askama::Template;
use axum::extract::{Path, Query};
use portcullis_registry::wire::{Gone, Invitation, Listed};
use serde_json::json;

use super::members::{Asked, roles};
use crate::{
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::{
        filters::Filters,
        tabs::{self, Tab},
    },
    sent::Sent,
};

const LIST: &str = "/v1/organizations/{organization_id}/invitations";
const ONE: &str = "/v1/organizations/{organization_id}/invitations/{invitation_id}";
const RESEND: &str = "/v1/organizations/{organization_id}/invitations/{invitation_id}/resend";
const HERE: &str = "/organization/invitations";

#[derive(Template)]
#[template(path = "organization/invitations.html")]
struct Invitations {
    shell: Shell,
    tabs: Vec<Tab>,
    invitations: Listed<Invitation>,
    after: String,
    form: Form,
    roles: Vec<Choice>,
}

async fn shown(page: &Page, after: &str, form: Form) -> Answer {
    let id = page.organization()?.to_string();
    let query = Filters::default().and("limit", "50").and("after", after);
    let invitations = page
        .api()?
        .get((LIST, [id.as_str()]), &query.query())
        .await?
        .value;
    let status = form.status();
    let invitations = Invitations {
        shell: page.shell(Section::Organization, "Invitations"),
        tabs: tabs::organization(page, HERE),
        invitations,
        after: after.to_owned(),
        form,
        roles: roles(page)?,
    };
    page.show_with(status, &invitations)
}

/// `GET /organization/invitations`.
pub(crate) async fn list(page: Page, Query(asked): Query<Asked>) -> Answer {
    shown(&page, &asked.after, Form::with([("role", "app_developer")])).await
}

/// `POST /organization/invitations`.
pub(crate) async fn invite(page: Page, sent: Sent) -> Answer {
    let id = page.organization()?.to_string();
    let input = json!({ "email": sent.get("email"), "role": sent.get("role") });
    let api = page.api()?;
    match api.post::<Invitation>((LIST, [id.as_str()]), &input).await {
        Ok(made) => {
            let text = format!("An invitation to {} is on its way.", made.value.email);
            Ok(page.go_saying(HERE, &Flash::success(text)))
        }
        Err(error) => shown(&page, "", sent.refused(error)?).await,
    }
}

/// `POST /organization/invitations/{invitation_id}/resend`.
pub(crate) async fn resend(page: Page, Path(invitation): Path<String>) -> Answer {
    let id = page.organization()?.to_string();
    let path = (RESEND, [id.as_str(), &invitation]);
    let sent = page.api()?.post::<Invitation>(path, &()).await?.value;
    let text = format!(
        "A new link is on its way to {}; the one before opens nothing any more.",
        sent.email
    );
    Ok(page.go_saying(HERE, &Flash::success(text)))
}

/// `POST /organization/invitations/{invitation_id}/revoke`.
pub(crate) async fn revoke(page: Page, Path(invitation): Path<String>) -> Answer {
    let id = page.organization()?.to_string();
    page.api()?
        .delete::<Gone>((ONE, [id.as_str(), &invitation]))
        .await?;
    let flash = Flash::success("The invitation was revoked. Its link opens nothing any more.");
    Ok(page.go_saying(HERE, &flash))
}
