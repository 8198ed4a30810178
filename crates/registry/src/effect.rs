//! How far an act has come: the answer of acts that decisions depend on.
//!
//! An act answers only when every node has applied it, or after the limit with the names of those that have
//! not; so a revocation never claims more than is so. `?wait=none` does not wait.

use std::time::Duration;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use portcullis_core::change::ChangeSeq;
use portcullis_store::Acted;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::RegistryState;

/// How far a change has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Effect {
    /// The change's number: `GET /v1/changes/{seq}` tells how far it has come since.
    pub seq: i64,
    /// Nodes that decide from this database.
    pub nodes: usize,
    /// Nodes that have applied it, or have stopped deciding.
    pub confirmed: usize,
    /// Names of the others.
    pub lagging: Vec<String>,
}

impl Effect {
    fn is_complete(&self) -> bool {
        self.lagging.is_empty() && self.confirmed >= self.nodes
    }
}

/// Whether the answer waits for the nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wait {
    /// Until every node has confirmed, for at most two seconds.
    #[default]
    Nodes,
    /// Not at all.
    None,
}

/// The query of an act.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitParams {
    /// `nodes` (the default) waits until the change is in effect everywhere, for at most two seconds; `none`
    /// answers at once.
    #[serde(default)]
    #[param(inline)]
    pub(crate) wait: Wait,
}

/// Waits for a change and tells how far it came; `None` when nothing that decisions depend on changed.
pub(crate) async fn settled(
    state: &RegistryState,
    seq: Option<ChangeSeq>,
    wait: Wait,
) -> Option<Effect> {
    let limit = match wait {
        Wait::Nodes => state.settings.barrier_limit,
        Wait::None => Duration::ZERO,
    };
    Some(effect(state, seq?, limit).await)
}

/// How far a change came within the limit.
pub(crate) async fn effect(state: &RegistryState, seq: ChangeSeq, limit: Duration) -> Effect {
    let barrier = state.store.wait_for(seq, limit).await;
    Effect {
        seq: seq.get(),
        nodes: barrier.of,
        confirmed: barrier.confirmed,
        lagging: barrier.lagging.iter().map(ToString::to_string).collect(),
    }
}

/// What an act did, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done<T> {
    /// The thing as it is now.
    #[serde(flatten)]
    pub(crate) thing: T,
    /// How far the act has come; absent when no decision depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effect: Option<Effect>,
}

/// What an act leaves behind when the thing is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gone {}

/// 200 when the act is in effect everywhere, 202 when some node has not confirmed it.
pub(crate) async fn done<T: Serialize>(
    state: &RegistryState,
    acted: Acted<T>,
    wait: Wait,
) -> Response {
    let effect = settled(state, acted.seq, wait).await;
    let lagging = effect.as_ref().filter(|effect| !effect.is_complete());
    let location = lagging.map(|effect| format!("/v1/changes/{}", effect.seq));
    let status = if lagging.is_some() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let body = Done {
        thing: acted.value,
        effect,
    };
    let mut response = (status, Json(body)).into_response();
    set_location(&mut response, location.as_deref());
    response
}

/// 201 with the place of what was made. Waits as well, so that what was made can be used at once.
pub(crate) async fn created<T: Serialize>(
    state: &RegistryState,
    acted: Acted<T>,
    wait: Wait,
    location: &str,
) -> Response {
    let effect = settled(state, acted.seq, wait).await;
    let body = Done {
        thing: acted.value,
        effect,
    };
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    set_location(&mut response, Some(location));
    response
}

fn set_location(response: &mut Response, location: Option<&str>) {
    if let Some(value) = location.and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(header::LOCATION, value);
    }
}
