//! `/v1/users`: people, for operators.

use axum::{Json, extract::State, response::Response};
use portcullis_core::{
    ids::{OrganizationId, UserId},
    organization::MemberRole,
};
use portcullis_store::{Acted, NewUser};
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::User;
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, WaitParams, created},
    error::RegistryError,
    findings::Findings,
    params::{Id, Idempotency, Listed, PageParams, Params, page_request},
    password::Password,
    rules,
};

/// Most organizations of a person.
const MEMBERSHIPS_MAX: usize = 100;

/// People, oldest first. Operators only.
#[utoipa::path(get, path = "/v1/users", tag = "users", params(PageParams),
    responses((status = 200, body = Listed<User>)))]
pub(crate) async fn list(
    caller: Caller,
    Params(params): Params<PageParams>,
) -> Result<Json<Listed<User>>, RegistryError> {
    let authority = caller.installation_authority()?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let page = caller.store.users(&authority, "", page).await?;
    Ok(Json(Listed::of(page)))
}

/// A person. Operators only.
#[utoipa::path(get, path = "/v1/users/{user_id}", tag = "users",
    params(("user_id" = String, Path)), responses((status = 200, body = User)))]
pub(crate) async fn get(caller: Caller, Id(id): Id<UserId>) -> Result<Json<User>, RegistryError> {
    let authority = caller.installation_authority()?;
    let user = caller.store.user(&authority, &id).await?;
    Ok(Json(User::from(&user)))
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
