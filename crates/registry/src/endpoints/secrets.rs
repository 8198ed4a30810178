//! `/v1/apps/{id}/secrets` and `/v1/apis/{id}/secrets`: API Secrets and Client Secrets, and revoking tokens.

use std::time::Duration;

use axum::{Json, extract::State, response::Response};
use portcullis_core::{
    clock::Timestamp,
    ids::{ApiId, AppId, ClientId, OrganizationId, SecretId},
};
use portcullis_store::{Acted, Compromise, IdempotencyKey, Oldest, Rotation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{apis, apps, wire::Secret};
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, WaitParams, created, done},
    error::RegistryError,
    findings::Findings,
    params::{Id, Idempotency, Ids, Listed, Params},
    rules,
};

/// Whose secrets: a client, its owner, and the path below which they stand.
struct Client {
    id: ClientId,
    organization: OrganizationId,
    path: String,
}

async fn of_app(caller: &Caller, id: &AppId) -> Result<Client, RegistryError> {
    let app = apps::readable(caller, id).await?;
    Ok(Client {
        id: app.client_id,
        organization: app.organization_id,
        path: format!("/v1/apps/{id}/secrets"),
    })
}

async fn of_api(caller: &Caller, id: &ApiId) -> Result<Client, RegistryError> {
    let api = apis::provided(caller, id).await?;
    Ok(Client {
        id: api.client_id,
        organization: api.organization_id,
        path: format!("/v1/apis/{id}/secrets"),
    })
}

/// Secrets of an app, oldest first, ended ones included. Never the secrets themselves.
#[utoipa::path(get, path = "/v1/apps/{app_id}/secrets", tag = "secrets",
    params(("app_id" = String, Path)), responses((status = 200, body = Listed<Secret>)))]
pub(crate) async fn list_of_app(
    caller: Caller,
    Id(id): Id<AppId>,
) -> Result<Json<Listed<Secret>>, RegistryError> {
    list(&caller, of_app(&caller, &id).await?).await
}

/// Secrets of an API, oldest first, ended ones included. Never the secrets themselves.
#[utoipa::path(get, path = "/v1/apis/{api_id}/secrets", tag = "secrets",
    params(("api_id" = String, Path)), responses((status = 200, body = Listed<Secret>)))]
pub(crate) async fn list_of_api(
    caller: Caller,
    Id(id): Id<ApiId>,
) -> Result<Json<Listed<Secret>>, RegistryError> {
    list(&caller, of_api(&caller, &id).await?).await
}

async fn list(caller: &Caller, client: Client) -> Result<Json<Listed<Secret>>, RegistryError> {
    let authority = caller.authority(&client.organization)?;
    let secrets = caller.store.secrets(&authority, &client.id).await?;
    Ok(Json(Listed::whole(&secrets)))
}

/// A secret that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedSecret {
    /// The secret as it can be shown later.
    #[serde(flatten)]
    pub info: Secret,
    /// The secret itself, shown this once.
    pub secret: String,
}

/// Makes a second API Secret, so that the first can be ended without a gap.
#[utoipa::path(post, path = "/v1/apps/{app_id}/secrets", tag = "secrets",
    params(("app_id" = String, Path), WaitParams),
    responses((status = 201, body = Done<CreatedSecret>)))]
pub(crate) async fn create_of_app(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<AppId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    create(&state, &caller, of_app(&caller, &id).await?, &wait).await
}

/// Makes a second Client Secret, so that the first can be ended without a gap.
#[utoipa::path(post, path = "/v1/apis/{api_id}/secrets", tag = "secrets",
    params(("api_id" = String, Path), WaitParams),
    responses((status = 201, body = Done<CreatedSecret>)))]
pub(crate) async fn create_of_api(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<ApiId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    create(&state, &caller, of_api(&caller, &id).await?, &wait).await
}

async fn create(
    state: &RegistryState,
    caller: &Caller,
    client: Client,
    wait: &WaitParams,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&client.organization)?;
    let acted = caller.store.create_secret(&authority, &client.id).await?;
    let (info, secret) = acted.value;
    let body = Acted {
        value: CreatedSecret {
            info: Secret::from(&info),
            secret: secret.expose().to_owned(),
        },
        seq: acted.seq,
    };
    Ok(created(state, body, wait.wait, &client.path).await)
}

/// How a secret is rotated.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RotateInput {
    /// For how long the other secrets go on: `0s`, `1h`, `24h` (the default), `7d` or `30d`. One whose own end
    /// comes earlier keeps it.
    overlap: Option<String>,
    /// What happens when two secrets are live already: `false` (the default) refuses, `true` ends the oldest at
    /// once. With an overlap of `0s` every other secret ends at once in any case.
    #[serde(default)]
    replace_oldest: bool,
}

fn overlap(text: &str) -> Result<Duration, &'static str> {
    match text {
        "0s" => Ok(Duration::ZERO),
        "1h" => Ok(Duration::from_hours(1)),
        "24h" => Ok(Duration::from_hours(24)),
        "7d" => Ok(Duration::from_hours(7 * 24)),
        "30d" => Ok(Duration::from_hours(30 * 24)),
        _ => Err("an overlap is 0s, 1h, 24h, 7d or 30d"),
    }
}

impl Input for RotateInput {
    type Checked = Rotation;

    fn check(self, findings: &mut Findings) -> Option<Rotation> {
        let overlap = findings.take_some("overlap", self.overlap, |text| overlap(&text));
        Some(Rotation {
            overlap: overlap?.unwrap_or(Duration::from_hours(24)),
            oldest: if self.replace_oldest {
                Oldest::Replaced
            } else {
                Oldest::Kept
            },
        })
    }
}

/// What a rotation made and ended.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedSecret {
    /// The new secret as it can be shown later.
    #[serde(flatten)]
    pub info: Secret,
    /// The secret itself, shown this once; `null` when an Idempotency-Key was used again.
    pub secret: Option<String>,
    /// The others that were live, each with its end.
    pub others: Vec<Secret>,
}

/// Makes a new API Secret and sets an end to the others, in one act. Repeated with the same Idempotency-Key, it
/// makes no other.
#[utoipa::path(post, path = "/v1/apps/{app_id}/secrets/rotate", tag = "secrets",
    params(("app_id" = String, Path), WaitParams), request_body = RotateInput,
    responses((status = 201, body = Done<RotatedSecret>)))]
pub(crate) async fn rotate_of_app(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<AppId>,
    Params(wait): Params<WaitParams>,
    (Idempotency(key), Body(rotation)): (Idempotency, Body<RotateInput>),
) -> Result<Response, RegistryError> {
    let client = of_app(&caller, &id).await?;
    rotate(&state, &caller, (&client, rotation, key), &wait).await
}

/// Makes a new Client Secret and sets an end to the others, in one act. Repeated with the same Idempotency-Key,
/// it makes no other.
#[utoipa::path(post, path = "/v1/apis/{api_id}/secrets/rotate", tag = "secrets",
    params(("api_id" = String, Path), WaitParams), request_body = RotateInput,
    responses((status = 201, body = Done<RotatedSecret>)))]
pub(crate) async fn rotate_of_api(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<ApiId>,
    Params(wait): Params<WaitParams>,
    (Idempotency(key), Body(rotation)): (Idempotency, Body<RotateInput>),
) -> Result<Response, RegistryError> {
    let client = of_api(&caller, &id).await?;
    rotate(&state, &caller, (&client, rotation, key), &wait).await
}

async fn rotate(
    state: &RegistryState,
    caller: &Caller,
    (client, rotation, key): (&Client, Rotation, Option<IdempotencyKey>),
    wait: &WaitParams,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&client.organization)?;
    let acted = caller
        .store
        .rotate_secret(&authority, &client.id, rotation, key.as_ref())
        .await?;
    let made = acted.value;
    let body = Acted {
        value: RotatedSecret {
            info: Secret::from(&made.info),
            secret: made.secret.map(|secret| secret.expose().to_owned()),
            others: made.others.iter().map(Secret::from).collect(),
        },
        seq: acted.seq,
    };
    Ok(created(state, body, wait.wait, &client.path).await)
}

/// How a secret ends.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ExpireInput {
    /// From when on it is refused; left out means now.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// Somebody else may know it: ends it now, and every token issued to the client so far.
    #[serde(default)]
    compromised: bool,
}

impl Input for ExpireInput {
    type Checked = (Option<Timestamp>, Compromise);

    fn check(self, findings: &mut Findings) -> Option<(Option<Timestamp>, Compromise)> {
        if self.compromised && self.at.is_some() {
            findings.add("at", "A compromised secret ends now: leave at out.");
        }
        let compromise = if self.compromised {
            Compromise::Yes
        } else {
            Compromise::No
        };
        let at = findings.take_some("at", self.at, |text| rules::instant(&text));
        Some((at?, compromise))
    }
}

/// Ends an API Secret, now or at an instant. Planned, tokens already issued go on; compromised, they end too.
#[utoipa::path(post, path = "/v1/apps/{app_id}/secrets/{secret_id}/expire", tag = "secrets",
    params(("app_id" = String, Path), ("secret_id" = String, Path), WaitParams),
    request_body = ExpireInput, responses((status = 200, body = Done<Secret>)))]
pub(crate) async fn expire_of_app(
    State(state): State<RegistryState>,
    caller: Caller,
    Ids(id, secret): Ids<AppId, SecretId>,
    Params(wait): Params<WaitParams>,
    Body(end): Body<ExpireInput>,
) -> Result<Response, RegistryError> {
    let client = of_app(&caller, &id).await?;
    expire(&state, &caller, (&client, &secret, end), &wait).await
}

/// Ends a Client Secret, now or at an instant. Planned, tokens already issued go on; compromised, they end too.
#[utoipa::path(post, path = "/v1/apis/{api_id}/secrets/{secret_id}/expire", tag = "secrets",
    params(("api_id" = String, Path), ("secret_id" = String, Path), WaitParams),
    request_body = ExpireInput, responses((status = 200, body = Done<Secret>)))]
pub(crate) async fn expire_of_api(
    State(state): State<RegistryState>,
    caller: Caller,
    Ids(id, secret): Ids<ApiId, SecretId>,
    Params(wait): Params<WaitParams>,
    Body(end): Body<ExpireInput>,
) -> Result<Response, RegistryError> {
    let client = of_api(&caller, &id).await?;
    expire(&state, &caller, (&client, &secret, end), &wait).await
}

async fn expire(
    state: &RegistryState,
    caller: &Caller,
    (client, secret, (at, compromise)): (&Client, &SecretId, (Option<Timestamp>, Compromise)),
    wait: &WaitParams,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&client.organization)?;
    let at = at.unwrap_or_else(|| state.clock.now());
    let acted = caller
        .store
        .expire_secret(&authority, &client.id, secret, (at, compromise))
        .await?;
    let acted = Acted {
        value: Secret::from(&acted.value),
        seq: acted.seq,
    };
    Ok(done(state, acted, wait.wait).await)
}

/// The client whose tokens were revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokedTokens {
    /// The API Key or Client ID.
    pub client_id: String,
    /// Tokens of a lower generation are refused.
    pub generation: u32,
}

/// Refuses every token issued to the app so far. Its secrets go on to get new ones.
#[utoipa::path(post, path = "/v1/apps/{app_id}/revoke_tokens", tag = "secrets",
    params(("app_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<RevokedTokens>)))]
pub(crate) async fn revoke_tokens_of_app(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<AppId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    revoke_tokens(&state, &caller, of_app(&caller, &id).await?, &wait).await
}

/// Refuses every token issued to the API so far. Its secrets go on to get new ones.
#[utoipa::path(post, path = "/v1/apis/{api_id}/revoke_tokens", tag = "secrets",
    params(("api_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<RevokedTokens>)))]
pub(crate) async fn revoke_tokens_of_api(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<ApiId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    revoke_tokens(&state, &caller, of_api(&caller, &id).await?, &wait).await
}

async fn revoke_tokens(
    state: &RegistryState,
    caller: &Caller,
    client: Client,
    wait: &WaitParams,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&client.organization)?;
    let acted = caller.store.revoke_tokens(&authority, &client.id).await?;
    let acted = Acted {
        value: RevokedTokens {
            client_id: acted.value.id.to_string(),
            generation: acted.value.generation,
        },
        seq: acted.seq,
    };
    Ok(done(state, acted, wait.wait).await)
}
