//! `/v1/me`, `/v1/changes/{seq}` and the document itself.

use std::{sync::LazyLock, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, header};
use portcullis_core::{change::ChangeSeq, permissions::Actor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::Membership;
use crate::{
    RegistryState,
    caller::Caller,
    effect::{self, Effect},
    error::RegistryError,
    params::Id,
};

/// The bearer of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The person.
    pub id: String,
    /// The sign-in name.
    pub email: String,
    /// Operators act on every organization.
    pub is_operator: bool,
    /// Where the person belongs.
    pub memberships: Vec<Membership>,
    /// The token this was asked with.
    pub token_id: Option<String>,
}

/// Who the token speaks for.
#[utoipa::path(get, path = "/v1/me", tag = "me", responses((status = 200, body = Me)))]
pub(crate) async fn me(caller: Caller) -> Result<Json<Me>, RegistryError> {
    let Actor::User { email, .. } = caller.actor() else {
        return Err(RegistryError::Internal("a token of the system"));
    };
    let memberships = caller.memberships().iter();
    Ok(Json(Me {
        id: caller.user()?.to_string(),
        email: email.clone(),
        is_operator: caller.actor().is_operator(),
        memberships: memberships
            .map(|(organization, role)| Membership {
                organization_id: organization.to_string(),
                role: role.as_str().to_owned(),
            })
            .collect(),
        token_id: caller.token().map(ToString::to_string),
    }))
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
