//! `/v1/nodes`: the node set, for operators.

use axum::{Json, extract::State, response::Response};
use portcullis_core::ids::NodeId;
use portcullis_store::{Acted, NodeInfo, OnStale};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    RegistryState,
    caller::Caller,
    effect::{Done, Gone, WaitParams, done},
    error::RegistryError,
    params::{Id, Listed, Params},
    rules,
};

/// A node of the installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its name.
    pub id: String,
    /// Which process of this name.
    pub incarnation: String,
    /// Words of `auth`, `gateway`, `registry`.
    pub roles: Vec<String>,
    /// The change its snapshot stands at; `null` before its first load.
    pub seq: Option<i64>,
    /// When this process joined (RFC 3339).
    #[schema(format = DateTime)]
    pub joined_at: String,
    /// When it last reported (RFC 3339).
    #[schema(format = DateTime)]
    pub seen_at: String,
    /// What it does when it has not reached the store for longer than its lease: `serve` or `refuse`.
    pub on_stale: String,
}

impl From<&NodeInfo> for Node {
    fn from(of: &NodeInfo) -> Self {
        Self {
            id: of.id.to_string(),
            incarnation: of.incarnation.clone(),
            roles: of.roles.clone(),
            seq: of.seq.map(portcullis_core::change::ChangeSeq::get),
            joined_at: rules::instant_text(of.joined_at),
            seen_at: rules::instant_text(of.seen_at),
            on_stale: match of.on_stale {
                OnStale::Serve => "serve",
                OnStale::Refuse => "refuse",
            }
            .to_owned(),
        }
    }
}

/// The node set. Operators only.
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes",
    responses((status = 200, body = Listed<Node>)))]
pub(crate) async fn list(caller: Caller) -> Result<Json<Listed<Node>>, RegistryError> {
    let authority = caller.installation_authority()?;
    let nodes = caller.store.nodes(&authority).await?;
    Ok(Json(Listed::whole(&nodes)))
}

/// Takes a node that is known to have stopped out of the set, so that nothing waits for it. Operators only.
#[utoipa::path(post, path = "/v1/nodes/{node_id}/forget", tag = "nodes",
    params(("node_id" = String, Path), WaitParams), responses((status = 200, body = Done<Gone>)))]
pub(crate) async fn forget(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<NodeId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let acted = caller.store.forget(&authority, &id).await?;
    let acted = Acted {
        value: Gone {},
        seq: acted.seq,
    };
    Ok(done(&state, acted, wait.wait).await)
}
