//! `/v1/keys`: signing keys, for operators. Private halves never stand here.

use axum::{Json, extract::State, response::Response};
use portcullis_core::keys::{KeyPurpose, NewKey};
use portcullis_store::{Acted, Force, KeyInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, WaitParams, done},
    error::RegistryError,
    findings::Findings,
    params::{Listed, Params},
    rules,
};

/// A signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// The `kid`.
    pub id: String,
    /// `client`: what the token endpoint issues; `outbound`: what we send to providers.
    pub purpose: String,
    /// `next` (published, not yet signing), `current` (signing) or `retired` (still published).
    pub state: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Until when a retired key stays published.
    #[schema(format = DateTime)]
    pub published_until: Option<String>,
}

impl From<&KeyInfo> for Key {
    fn from(of: &KeyInfo) -> Self {
        Self {
            id: of.id.to_string(),
            purpose: of.purpose.as_str().to_owned(),
            state: of.state.as_str().to_owned(),
            created_at: rules::instant_text(of.created_at),
            published_until: of.published_until.map(rules::instant_text),
        }
    }
}

/// Every key, by purpose and age. Operators only.
#[utoipa::path(get, path = "/v1/keys", tag = "keys",
    responses((status = 200, body = Listed<Key>)))]
pub(crate) async fn list(caller: Caller) -> Result<Json<Listed<Key>>, RegistryError> {
    let authority = caller.installation_authority()?;
    let keys = caller.store.signing_keys(&authority).await?;
    Ok(Json(Listed::whole(&keys)))
}

/// Which keys to rotate.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RotateInput {
    /// `client` or `outbound`.
    purpose: String,
    /// Promotes the next key although not every verifier can have seen it.
    #[serde(default)]
    force: bool,
}

impl Input for RotateInput {
    type Checked = (KeyPurpose, Force);

    fn check(self, findings: &mut Findings) -> Option<(KeyPurpose, Force)> {
        let purpose = KeyPurpose::parse(&self.purpose).ok_or("a purpose is client or outbound");
        let purpose = findings.take("purpose", purpose);
        let force = if self.force { Force::Yes } else { Force::No };
        Some((purpose?, force))
    }
}

/// Promotes the next key and publishes a new one behind it. Operators only.
#[utoipa::path(post, path = "/v1/keys/rotate", tag = "keys", params(WaitParams),
    request_body = RotateInput, responses((status = 200, body = Done<Key>)))]
pub(crate) async fn rotate(
    State(state): State<RegistryState>,
    caller: Caller,
    Params(wait): Params<WaitParams>,
    Body((purpose, force)): Body<RotateInput>,
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let new = tokio::task::spawn_blocking(NewKey::generate).await;
    let new = new
        .ok()
        .and_then(Result::ok)
        .ok_or(RegistryError::Internal("a key could not be generated"))?;
    let when = (force, state.clock.now());
    let acted = caller
        .store
        .rotate_key(&authority, purpose, &new, when)
        .await?;
    let acted = Acted {
        value: Key::from(&acted.value),
        seq: acted.seq,
    };
    Ok(done(&state, acted, wait.wait).await)
}
