//! `/v1/organizations/{organization_id}/members`: who belongs to an organization, and as what.

use axum::{Json, extract::State, response::Response};
use portcullis_core::{
    ids::{OrganizationId, UserId},
    organization::MemberRole,
};
use portcullis_store::Acted;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::Member;
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, Gone, Wait, done},
    error::RegistryError,
    findings::Findings,
    params::{Id, Ids, Listed, PageParams, Params, page_request},
};

/// Members of an organization, the oldest account first.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/members", tag = "members",
    params(("organization_id" = String, Path), PageParams),
    responses((status = 200, body = Listed<Member>)))]
pub(crate) async fn list(
    caller: Caller,
    Id(organization): Id<OrganizationId>,
    Params(params): Params<PageParams>,
) -> Result<Json<Listed<Member>>, RegistryError> {
    let authority = caller.authority(&organization)?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let store = &caller.store;
    let page = store.members(&authority, &organization, page).await?;
    Ok(Json(Listed::of(page)))
}

/// A member of an organization.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}/members/{user_id}", tag = "members",
    params(("organization_id" = String, Path), ("user_id" = String, Path)),
    responses((status = 200, body = Member)))]
pub(crate) async fn get(
    caller: Caller,
    Ids(organization, user): Ids<OrganizationId, UserId>,
) -> Result<Json<Member>, RegistryError> {
    let authority = caller.authority(&organization)?;
    let store = &caller.store;
    let member = store.member(&authority, &organization, &user).await?;
    Ok(Json(Member::from(&member)))
}

/// A role of a member.
#[derive(Deserialize, ToSchema)]
#[schema(as = MemberPatch)]
pub(crate) struct RoleInput {
    /// `owner`, `admin`, `api_developer`, `app_developer` or `viewer`.
    role: String,
}

impl Input for RoleInput {
    type Checked = MemberRole;

    fn check(self, findings: &mut Findings) -> Option<MemberRole> {
        findings.take("role", role(&self.role))
    }
}

/// A role by its name.
pub(super) fn role(text: &str) -> Result<MemberRole, &'static str> {
    MemberRole::parse(text).ok_or("a role is owner, admin, api_developer, app_developer or viewer")
}

/// Gives a member another role. Owners alone, and operators, give or end ownership; the last owner stays one.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}/members/{user_id}", tag = "members",
    params(("organization_id" = String, Path), ("user_id" = String, Path)), request_body = RoleInput,
    responses((status = 200, body = Done<Member>)))]
pub(crate) async fn set_role(
    State(state): State<RegistryState>,
    caller: Caller,
    Ids(organization, user): Ids<OrganizationId, UserId>,
    Body(role): Body<RoleInput>,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&organization)?;
    let acted = caller
        .store
        .set_member_role(&authority, &organization, &user, role)
        .await?;
    let acted = Acted {
        value: Member::from(&acted.value),
        seq: acted.seq,
    };
    Ok(done(&state, acted, Wait::None).await)
}

/// Removes a member, who loses access at once. A person may always leave; the last owner cannot.
#[utoipa::path(delete, path = "/v1/organizations/{organization_id}/members/{user_id}", tag = "members",
    params(("organization_id" = String, Path), ("user_id" = String, Path)),
    responses((status = 200, body = Done<Gone>)))]
pub(crate) async fn remove(
    State(state): State<RegistryState>,
    caller: Caller,
    Ids(organization, user): Ids<OrganizationId, UserId>,
) -> Result<Response, RegistryError> {
    let authority = caller.member_authority(&organization, &user)?;
    let store = &caller.store;
    let acted = store
        .remove_member(&authority, &organization, &user)
        .await?;
    let acted = Acted {
        value: Gone {},
        seq: acted.seq,
    };
    Ok(done(&state, acted, Wait::None).await)
}
