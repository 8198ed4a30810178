//! `/v1/organizations/{organization_id}/invitations`: people who were asked to join and have not answered.

use axum::{Json, extract::State, response::Response};
use portcullis_core::{
    ids::{InvitationId, OrganizationId},
    organization::MemberRole,
    people::Invitation as CoreInvitation,
};
use portcullis_store::{Acted, NewInvitation};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{members::role, wire::Invitation};
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, Gone, Wait, created, done},
    error::RegistryError,
    findings::Findings,
    params::{Id, Ids, Listed, PageParams, Params, page_request},
    people::links::invitation_base,
    rules,
};

/// Invitations of an organization that were not accepted yet, oldest first.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/invitations", tag = "invitations",
    params(("organization_id" = String, Path), PageParams),
    responses((status = 200, body = Listed<Invitation>)))]
pub(crate) async fn list(
    caller: Caller,
    Id(organization): Id<OrganizationId>,
    Params(params): Params<PageParams>,
) -> Result<Json<Listed<Invitation>>, RegistryError> {
    let authority = caller.authority(&organization)?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let store = &caller.store;
    let page = store.invitations(&authority, &organization, page).await?;
    Ok(Json(Listed::of(page)))
}

/// An invitation that was not accepted yet.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/invitations/{invitation_id}",
    tag = "invitations",
    params(("organization_id" = String, Path), ("invitation_id" = String, Path)),
    responses((status = 200, body = Invitation)))]
pub(crate) async fn get(
    caller: Caller,
    Ids(organization, id): Ids<OrganizationId, InvitationId>,
) -> Result<Json<Invitation>, RegistryError> {
    let authority = caller.authority(&organization)?;
    let store = &caller.store;
    let found = store.invitation(&authority, &organization, &id).await?;
    Ok(Json(Invitation::from(&found)))
}

/// Who is invited.
#[derive(Deserialize, ToSchema)]
#[schema(as = InvitationInput)]
pub(crate) struct NewInput {
    /// Where the mail goes; the person who accepts has this sign-in name.
    email: String,
    /// `owner`, `admin`, `api_developer`, `app_developer` or `viewer`.
    role: String,
}

impl Input for NewInput {
    type Checked = (String, MemberRole);

    fn check(self, findings: &mut Findings) -> Option<(String, MemberRole)> {
        let email = findings.take("email", rules::email(&self.email));
        let role = findings.take("role", role(&self.role));
        Some((email?, role?))
    }
}

/// Invites somebody by mail. The link in it works for a week and once. Owners alone, and operators, invite owners.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/invitations", tag = "invitations",
    params(("organization_id" = String, Path)), request_body = NewInput,
    responses((status = 201, body = Done<Invitation>)))]
pub(crate) async fn create(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(organization_id): Id<OrganizationId>,
    Body((email, role)): Body<NewInput>,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&organization_id)?;
    let new = NewInvitation {
        organization_id,
        email,
        role,
    };
    let link_base = invitation_base(&state.settings.public_url);
    let store = &caller.store;
    let acted = store.create_invitation(&authority, new, &link_base).await?;
    let location = format!(
        "/v1/organizations/{}/invitations/{}",
        acted.value.organization_id, acted.value.id
    );
    Ok(created(&state, wire(&acted), Wait::None, &location).await)
}

/// Sends an invitation again, with a new link; the one sent before no longer works.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/invitations/{invitation_id}/resend",
    tag = "invitations",
    params(("organization_id" = String, Path), ("invitation_id" = String, Path)),
    responses((status = 200, body = Done<Invitation>)))]
pub(crate) async fn resend(
    State(state): State<RegistryState>,
    caller: Caller,
    Ids(organization, id): Ids<OrganizationId, InvitationId>,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&organization)?;
    let link_base = invitation_base(&state.settings.public_url);
    let acted = caller
        .store
        .resend_invitation(&authority, (&organization, &id), &link_base)
        .await?;
    Ok(done(&state, wire(&acted), Wait::None).await)
}

/// Revokes an invitation: its link no longer works.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/invitations/{invitation_id}",
    tag = "invitations",
    params(("organization_id" = String, Path), ("invitation_id" = String, Path)),
    responses((status = 200, body = Done<Gone>)))]
pub(crate) async fn revoke(
    State(state): State<RegistryState>,
    caller: Caller,
    Ids(organization, id): Ids<OrganizationId, InvitationId>,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&organization)?;
    let store = &caller.store;
    let acted = store
        .revoke_invitation(&authority, &organization, &id)
        .await?;
    let acted = Acted {
        value: Gone {},
        seq: acted.seq,
    };
    Ok(done(&state, acted, Wait::None).await)
}

fn wire(acted: &Acted<CoreInvitation>) -> Acted<Invitation> {
    Acted {
        value: Invitation::from(&acted.value),
        seq: acted.seq,
    }
}
