//! `/v1/users`: people, for operators.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use portcullis_core::{
    ids::{OrganizationId, UserId},
    organization::{MemberRole, User as CoreUser},
    people::LinkPurpose,
};
use portcullis_store::{Acted, NewUser, UserPatch, UserState};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::wire::User;
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, Gone, Wait, WaitParams, created, done},
    error::RegistryError,
    findings::Findings,
    params::{Id, Idempotency, IfMatch, Listed, Params, page_request, search, with_etag},
    password::Password,
    people::links,
    rules,
};

/// Most organizations of a person.
const MEMBERSHIPS_MAX: usize = 100;

/// Which people, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// Whose name or address contains this, whatever its case.
    q: Option<String>,
    /// How many entries at most; 1 to 500, 50 when left out.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// People, oldest first. Operators only.
#[utoipa::path(get, path = "/v1/users", tag = "users", params(ListParams),
    responses((status = 200, body = Listed<User>)))]
pub(crate) async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<Listed<User>>, RegistryError> {
    let authority = caller.installation_authority()?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let search = search(params.q.as_deref())?.unwrap_or_default();
    let page = caller.store.users(&authority, &search, page).await?;
    Ok(Json(Listed::of(page)))
}

/// A person. Operators only.
#[utoipa::path(get, path = "/v1/users/{user_id}", tag = "users",
    params(("user_id" = String, Path)), responses((status = 200, body = User)))]
pub(crate) async fn get(caller: Caller, Id(id): Id<UserId>) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let user = caller.store.user(&authority, &id).await?;
    let body = Json(User::from(&user));
    Ok(with_etag(body.into_response(), user.version))
}

/// What is to be changed; members left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[schema(as = UserPatch)]
pub(crate) struct PatchInput {
    /// 1 to 100 characters.
    full_name: Option<String>,
    /// Operators act on every organization. The last one stays one.
    is_operator: Option<bool>,
}

impl Input for PatchInput {
    type Checked = UserPatch;

    fn check(self, findings: &mut Findings) -> Option<UserPatch> {
        let name = |text: String| rules::name(&text, 100);
        Some(UserPatch {
            full_name: findings.take_some("full_name", self.full_name, name)?,
            is_operator: self.is_operator,
        })
    }
}

/// Changes a person. Operators only.
#[utoipa::path(patch, path = "/v1/users/{user_id}", tag = "users",
    params(("user_id" = String, Path)), request_body = PatchInput,
    responses((status = 200, body = Done<User>)))]
pub(crate) async fn update(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<UserId>,
    (IfMatch(version), Body(patch)): (IfMatch, Body<PatchInput>),
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let acted = caller
        .store
        .update_user(&authority, &id, version, patch)
        .await?;
    shown(&state, &acted).await
}

/// Disables a person: ends their sessions, and neither password, passkey nor token opens anything. Operators only.
#[utoipa::path(post, path = "/v1/users/{user_id}/disable", tag = "users",
    params(("user_id" = String, Path)), responses((status = 200, body = Done<User>)))]
pub(crate) async fn disable(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<UserId>,
) -> Result<Response, RegistryError> {
    set_state(&state, &caller, (&id, UserState::Disabled)).await
}

/// Lets a disabled person sign in again. Operators only.
#[utoipa::path(post, path = "/v1/users/{user_id}/enable", tag = "users",
    params(("user_id" = String, Path)), responses((status = 200, body = Done<User>)))]
pub(crate) async fn enable(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<UserId>,
) -> Result<Response, RegistryError> {
    set_state(&state, &caller, (&id, UserState::Enabled)).await
}

async fn set_state(
    state: &RegistryState,
    caller: &Caller,
    (id, to): (&UserId, UserState),
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let acted = caller.store.set_user_state(&authority, id, to).await?;
    shown(state, &acted).await
}

/// Sends a person a mail with a link that sets a new password, for half an hour and once. Operators only.
#[utoipa::path(post, path = "/v1/users/{user_id}/send_password_reset", tag = "users",
    params(("user_id" = String, Path)), responses((status = 200, body = Done<Gone>)))]
pub(crate) async fn send_password_reset(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<UserId>,
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let link_base = links::base(&state.settings.public_url, LinkPurpose::PasswordReset);
    let acted = caller
        .store
        .send_password_reset(&authority, &id, &link_base)
        .await?;
    let acted = Acted {
        value: Gone {},
        seq: acted.seq,
    };
    Ok(done(&state, acted, Wait::None).await)
}

async fn shown(state: &RegistryState, acted: &Acted<CoreUser>) -> Result<Response, RegistryError> {
    let version = acted.value.version;
    let acted = Acted {
        value: User::from(&acted.value),
        seq: acted.seq,
    };
    Ok(with_etag(done(state, acted, Wait::None).await, version))
}

/// Where a person belongs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MembershipInput {
    organization_id: String,
    /// `owner`, `admin`, `api_developer`, `app_developer` or `viewer`.
    role: String,
}

/// What a person is made of.
#[derive(Deserialize, ToSchema)]
#[schema(as = UserInput)]
pub(crate) struct NewInput {
    /// The sign-in name.
    email: String,
    full_name: String,
    /// At least 12 characters; without one the person cannot sign in with a password.
    #[schema(format = Password)]
    password: Option<String>,
    /// Operators act on every organization.
    #[serde(default)]
    is_operator: bool,
    #[serde(default)]
    memberships: Vec<MembershipInput>,
}

/// A person to be made, and the password in clear.
pub(crate) struct CheckedUser {
    new: NewUser,
    password: Option<Password>,
}

impl Input for NewInput {
    type Checked = CheckedUser;

    fn check(self, findings: &mut Findings) -> Option<CheckedUser> {
        let email = findings.take("email", rules::email(&self.email));
        let full_name = findings.take("full_name", rules::name(&self.full_name, 100));
        let own = [self.email.as_str(), self.full_name.as_str()];
        let password = findings.take_some("password", self.password, |text| {
            Password::chosen(&text, &own)
        });
        if findings.too_many("memberships", &self.memberships, MEMBERSHIPS_MAX) {
            return None;
        }
        let mut memberships: Vec<(OrganizationId, MemberRole)> = Vec::new();
        for (at, membership) in self.memberships.iter().enumerate() {
            let id = rules::organization_id(&membership.organization_id);
            let id = findings.take(&format!("memberships[{at}].organization_id"), id);
            let role = MemberRole::parse(&membership.role)
                .ok_or("a role is owner, admin, api_developer, app_developer or viewer");
            let role = findings.take(&format!("memberships[{at}].role"), role);
            memberships.extend(id.zip(role));
        }
        Some(CheckedUser {
            new: NewUser {
                id: None,
                email: email?,
                full_name: full_name?,
                password_hash: None,
                is_operator: self.is_operator,
                memberships,
            },
            password: password?,
        })
    }
}

/// Makes a person. Operators only.
#[utoipa::path(post, path = "/v1/users", tag = "users", params(WaitParams),
    request_body = NewInput, responses((status = 201, body = Done<User>)))]
pub(crate) async fn create(
    State(state): State<RegistryState>,
    caller: Caller,
    Params(wait): Params<WaitParams>,
    Idempotency(key): Idempotency,
    Body(checked): Body<NewInput>,
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let CheckedUser { mut new, password } = checked;
    if let Some(password) = password {
        let hash = state.settings.passwords.hash(password).await;
        new.password_hash = Some(hash.map_err(|_| RegistryError::TooManyPasswords)?);
    }
    let acted = caller
        .store
        .create_user(&authority, new, key.as_ref())
        .await?;
    let location = format!("/v1/users/{}", acted.value.id);
    let acted = Acted {
        value: User::from(&acted.value),
        seq: acted.seq,
    };
    Ok(created(&state, acted, wait.wait, &location).await)
}
