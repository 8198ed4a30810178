//! `/v1/me`, `/v1/changes/{seq}` and the document itself.

use std::{sync::LazyLock, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, header};
use portcullis_core::{
    change::ChangeSeq,
    permissions::{Action, Actor, may},
};
use portcullis_store::UserPatch;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::Membership;
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{self, Effect},
    error::RegistryError,
    findings::Findings,
    params::{Id, IfMatch},
    rules,
};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The person.
    pub id: String,
    /// The sign-in name.
    pub email: String,
    /// Shown to people.
    pub full_name: String,
    /// Operators act on every organization.
    pub is_operator: bool,
    /// Where the person belongs.
    pub memberships: Vec<Membership>,
    /// The same, by name.
    pub organizations: Vec<MyOrganization>,
    /// What the person signs in with.
    pub factors: Factors,
    /// When the address was proved to be the person's.
    #[schema(format = DateTime)]
    pub email_verified_at: Option<String>,
    /// The token this was asked with.
    pub token_id: Option<String>,
}

/// An organization that the person belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MyOrganization {
    /// Opaque.
    pub id: String,
    /// Shown to people.
    pub name: String,
    /// `owner`, `admin`, `api_developer`, `app_developer` or `viewer`.
    pub role: String,
    /// `active` or `suspended`.
    pub state: String,
}

/// What a person signs in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Factors {
    /// A password.
    pub password: bool,
    /// An authenticator app, whose codes are asked for after the password.
    pub authenticator: bool,
    /// Recovery codes that were not used.
    pub recovery_codes: u64,
    /// Passkeys.
    pub passkeys: u64,
}

/// Who asks, with organizations and what the person signs in with.
#[utoipa::path(get, path = "/v1/me", tag = "me", responses((status = 200, body = Me)))]
pub(crate) async fn me(caller: Caller) -> Result<Json<Me>, RegistryError> {
    Ok(Json(whole(&caller).await?))
}

/// What is to be changed; members left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[schema(as = MePatch)]
pub(crate) struct PatchInput {
    /// 1 to 100 characters.
    full_name: Option<String>,
}

impl Input for PatchInput {
    type Checked = UserPatch;

    fn check(self, findings: &mut Findings) -> Option<UserPatch> {
        let name = |text: String| rules::name(&text, 100);
        Some(UserPatch {
            full_name: findings.take_some("full_name", self.full_name, name)?,
            is_operator: None,
        })
    }
}

/// Changes what others see of the person who asks. Password, address and second factors are changed on the
/// pages of the account, because that takes a fresh proof of who asks.
#[utoipa::path(patch, path = "/v1/me", tag = "me", request_body = PatchInput,
    responses((status = 200, body = Me)))]
pub(crate) async fn update(
    caller: Caller,
    (IfMatch(version), Body(patch)): (IfMatch, Body<PatchInput>),
) -> Result<Json<Me>, RegistryError> {
    let authority = caller.own_authority()?;
    let store = &caller.store;
    store
        .update_user(&authority, caller.user()?, version, patch)
        .await?;
    Ok(Json(whole(&caller).await?))
}

async fn whole(caller: &Caller) -> Result<Me, RegistryError> {
    let id = caller.user()?;
    // Whoever asks is known: what is read here is their own.
    let system = may(&Actor::System, Action::Read, None)?;
    let user = caller.store.user(&system, id).await?;
    let mut organizations = Vec::with_capacity(user.memberships.len());
    for (organization, role) in &user.memberships {
        let found = caller.store.organization(&system, organization).await?;
        organizations.push(MyOrganization {
            id: organization.to_string(),
            name: found.name,
            role: role.as_str().to_owned(),
            state: found.state.as_str().to_owned(),
        });
    }
    organizations.sort_by(|one, other| one.name.cmp(&other.name));
    let factors = caller.store.factors(id).await?;
    let shown = super::wire::User::from(&user);
    Ok(Me {
        id: shown.id,
        email: shown.email,
        full_name: shown.full_name,
        is_operator: shown.is_operator,
        memberships: shown.memberships,
        organizations,
        factors: Factors {
            password: factors.password,
            authenticator: factors.authenticator,
            recovery_codes: factors.recovery_codes,
            passkeys: factors.passkeys,
        },
        email_verified_at: shown.email_verified_at,
        token_id: caller.token().map(ToString::to_string),
    })
}

/// How far a change has come: how many nodes have applied it, and the names of the others.
#[utoipa::path(get, path = "/v1/changes/{seq}", tag = "changes",
    params(("seq" = i64, Path, description = "`effect.seq` of an act.")),
    responses((status = 200, body = Effect)))]
pub(crate) async fn change(
    State(state): State<RegistryState>,
    _caller: Caller,
    Id(seq): Id<String>,
) -> Result<Json<Effect>, RegistryError> {
    let seq: i64 = seq.parse().map_err(|_| RegistryError::NotFound("change"))?;
    if seq < 1 {
        return Err(RegistryError::NotFound("change"));
    }
    let effect = effect::effect(&state, ChangeSeq::new(seq), Duration::ZERO).await;
    Ok(Json(effect))
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "openapi", security(()),
    responses((status = 200, content_type = "application/json")))]
pub(crate) async fn openapi() -> Response {
    static DOCUMENT: LazyLock<Bytes> =
        LazyLock::new(|| crate::openapi().to_json().unwrap_or_default().into());
    let mut response = DOCUMENT.clone().into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
