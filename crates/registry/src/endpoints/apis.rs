//! `/v1/apis`: APIs and whom they are shared with.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use portcullis_core::{
    api::{Api as CoreApi, Visibility},
    ids::{ApiId, OrganizationId},
};
use portcullis_store::{ActError, Acted, ApiPatch, NewApi};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    apps::named_organization,
    wire::{Api, Secret},
};
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, Gone, WaitParams, created, done},
    error::RegistryError,
    findings::Findings,
    params::{Id, Idempotency, Ids, IfMatch, Listed, Params, page_request, with_etag},
    rules,
};

const NAME_CHARACTERS_MAX: usize = 100;
const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;
const SHARES_MAX: usize = 1_000;

/// Which APIs, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// For whom: APIs this organization provides or may select. May be left out by operators, and by members
    /// of one organization alone.
    organization_id: Option<String>,
    /// Of this provider alone.
    provider_id: Option<String>,
    /// How many entries at most; 1 to 500, 50 when left out.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// APIs that an organization provides or may select, oldest first.
#[utoipa::path(get, path = "/v1/apis", tag = "apis", params(ListParams),
    responses((status = 200, body = Listed<Api>)))]
pub(crate) async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<Listed<Api>>, RegistryError> {
    let organization = named_organization(params.organization_id.as_deref())?;
    let provider = named_organization(params.provider_id.as_deref())?;
    let authority = caller.list_authority(organization.as_ref())?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let page = caller
        .store
        .apis(&authority, provider.as_ref(), page)
        .await?;
    Ok(Json(Listed::seen(page, |api| seen_by(&caller, api))))
}

/// The API as this caller may see it.
fn seen_by(caller: &Caller, api: &CoreApi) -> Api {
    if is_provider(caller, api) {
        Api::whole(api)
    } else {
        Api::public(api)
    }
}

fn is_provider(caller: &Caller, api: &CoreApi) -> bool {
    caller.actor().is_operator()
        || caller
            .memberships()
            .iter()
            .any(|(member_of, _)| *member_of == api.organization_id)
}

/// The API, when the caller may select or read it.
async fn readable(caller: &Caller, id: &ApiId) -> Result<CoreApi, RegistryError> {
    let store = &caller.store;
    let read = |authority| async move { store.api(&authority, id).await };
    caller.find("API", read).await
}

/// The API, when the caller belongs to its provider. What a provider keeps to itself is not found by others,
/// whether or not they may select the API.
pub(crate) async fn provided(caller: &Caller, id: &ApiId) -> Result<CoreApi, RegistryError> {
    let api = readable(caller, id).await?;
    if is_provider(caller, &api) {
        Ok(api)
    } else {
        Err(RegistryError::NotFound("API"))
    }
}

/// What an API is made of. Its environments are added as instances.
#[derive(Deserialize, ToSchema)]
#[schema(as = ApiInput)]
pub(crate) struct NewInput {
    /// The provider.
    organization_id: String,
    /// Slug of `a` to `z`, `0` to `9`, `-` and `_`; left out, one is made of the name.
    id: Option<String>,
    /// 1 to 100 characters.
    name: String,
    #[serde(default)]
    description: String,
    /// `private` (the default) or `public`.
    visibility: Option<String>,
}

fn visibility(text: &str) -> Result<Visibility, &'static str> {
    Visibility::parse(text).ok_or("visibility is public or private")
}

impl Input for NewInput {
    type Checked = NewApi;

    fn check(self, findings: &mut Findings) -> Option<NewApi> {
        let organization = rules::organization_id(&self.organization_id);
        let organization_id = findings.take("organization_id", organization);
        let id = findings.take_some("id", self.id, |text| rules::api_id(&text));
        let name = findings.take("name", rules::name(&self.name, NAME_CHARACTERS_MAX));
        let description = rules::text(&self.description, DESCRIPTION_CHARACTERS_MAX);
        let description = findings.take("description", description);
        let visible = findings.take_some("visibility", self.visibility, |text| visibility(&text));
        Some(NewApi {
            id: id?,
            organization_id: organization_id?,
            name: name?,
            description: description?,
            visibility: visible?.unwrap_or(Visibility::Private),
            credentials: None,
        })
    }
}

/// An API that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedApi {
    /// The API.
    #[serde(flatten)]
    pub api: Api,
    /// The Client Secret, shown this once; `null` when an Idempotency-Key was used again.
    pub client_secret: Option<String>,
    /// The secret as it can be shown later.
    pub secret: Secret,
}

/// Registers an API. The answer holds its Client ID, and this once its Client Secret.
#[utoipa::path(post, path = "/v1/apis", tag = "apis", params(WaitParams),
    request_body = NewInput, responses((status = 201, body = Done<CreatedApi>)))]
pub(crate) async fn create(
    State(state): State<RegistryState>,
    caller: Caller,
    Params(wait): Params<WaitParams>,
    Idempotency(key): Idempotency,
    Body(new): Body<NewInput>,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&new.organization_id)?;
    let acted = caller
        .store
        .create_api(&authority, new, key.as_ref())
        .await?;
    let made = acted.value;
    let location = format!("/v1/apis/{}", made.api.id);
    let body = Acted {
        value: CreatedApi {
            api: Api::whole(&made.api),
            client_secret: made.secret.map(|secret| secret.expose().to_owned()),
            secret: Secret::from(&made.secret_info),
        },
        seq: acted.seq,
    };
    let response = created(&state, body, wait.wait, &location).await;
    Ok(with_etag(response, made.api.version))
}

/// An API that the caller provides or may select.
#[utoipa::path(get, path = "/v1/apis/{api_id}", tag = "apis",
    params(("api_id" = String, Path)), responses((status = 200, body = Api)))]
pub(crate) async fn get(caller: Caller, Id(id): Id<ApiId>) -> Result<Response, RegistryError> {
    let api = readable(&caller, &id).await?;
    let body = Json(seen_by(&caller, &api));
    Ok(with_etag(body.into_response(), api.version))
}

/// What is to be changed; members left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[schema(as = ApiPatch)]
pub(crate) struct PatchInput {
    name: Option<String>,
    description: Option<String>,
    /// `private` or `public`. Made private, apps of organizations it is not shared with lose it at once.
    visibility: Option<String>,
    /// Organizations a private API is shared with: all of them.
    shared_with: Option<Vec<String>>,
}

impl Input for PatchInput {
    type Checked = ApiPatch;

    fn check(self, findings: &mut Findings) -> Option<ApiPatch> {
        let name = |text: String| rules::name(&text, NAME_CHARACTERS_MAX);
        let description = |text: String| rules::text(&text, DESCRIPTION_CHARACTERS_MAX);
        let name = findings.take_some("name", self.name, name);
        let description = findings.take_some("description", self.description, description);
        let visible = findings.take_some("visibility", self.visibility, |text| visibility(&text));
        let mut ids = Vec::new();
        let shared_with = self.shared_with.as_deref().unwrap_or_default();
        if findings.too_many("shared_with", shared_with, SHARES_MAX) {
            return None;
        }
        for (at, text) in shared_with.iter().enumerate() {
            let id = rules::organization_id(text);
            ids.extend(findings.take(&format!("shared_with[{at}]"), id));
        }
        ids.sort();
        ids.dedup();
        Some(ApiPatch {
            name: name?,
            description: description?,
            visibility: visible?,
            shared_with: self.shared_with.map(|_| ids),
        })
    }
}

/// Changes an API.
#[utoipa::path(patch, path = "/v1/apis/{api_id}", tag = "apis",
    params(("api_id" = String, Path), WaitParams), request_body = PatchInput,
    responses((status = 200, body = Done<Api>)))]
pub(crate) async fn update(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<ApiId>,
    Params(wait): Params<WaitParams>,
    (IfMatch(version), Body(patch)): (IfMatch, Body<PatchInput>),
) -> Result<Response, RegistryError> {
    let api = provided(&caller, &id).await?;
    let authority = caller.authority(&api.organization_id)?;
    let acted = caller
        .store
        .update_api(&authority, &id, version, patch)
        .await?;
    let version = acted.value.version;
    Ok(with_etag(
        done(&state, wire(&acted), wait.wait).await,
        version,
    ))
}

/// Deletes an API with its instances, for good: apps that use it lose it at once. Its id stays taken.
#[utoipa::path(delete, path = "/v1/apis/{api_id}", tag = "apis",
    params(("api_id" = String, Path), WaitParams), responses((status = 200, body = Done<Gone>)))]
pub(crate) async fn delete(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<ApiId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    let api = provided(&caller, &id).await?;
    let authority = caller.authority(&api.organization_id)?;
    let acted = caller.store.delete_api(&authority, &id).await?;
    let acted = Acted {
        value: Gone {},
        seq: acted.seq,
    };
    Ok(done(&state, acted, wait.wait).await)
}

/// Whom to share an API with.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ShareInput {
    organization_id: String,
}

impl Input for ShareInput {
    type Checked = OrganizationId;

    fn check(self, findings: &mut Findings) -> Option<OrganizationId> {
        let id = rules::organization_id(&self.organization_id);
        findings.take("organization_id", id)
    }
}

/// Shares a private API with an organization: its apps may select it.
#[utoipa::path(post, path = "/v1/apis/{api_id}/shares", tag = "apis",
    params(("api_id" = String, Path), WaitParams), request_body = ShareInput,
    responses((status = 200, body = Done<Api>)))]
pub(crate) async fn share(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<ApiId>,
    Params(wait): Params<WaitParams>,
    Body(organization): Body<ShareInput>,
) -> Result<Response, RegistryError> {
    let add = |shared: &mut Vec<OrganizationId>| shared.push(organization.clone());
    let acted = reshare(&caller, &id, add).await?;
    Ok(done(&state, wire(&acted), wait.wait).await)
}

/// Takes a share back: apps of that organization lose the API at once, unless it is public.
#[utoipa::path(delete, path = "/v1/apis/{api_id}/shares/{organization_id}", tag = "apis",
    params(("api_id" = String, Path), ("organization_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<Api>)))]
pub(crate) async fn unshare(
    State(state): State<RegistryState>,
    caller: Caller,
    Ids(id, organization): Ids<ApiId, OrganizationId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    let remove = |shared: &mut Vec<OrganizationId>| shared.retain(|id| *id != organization);
    let acted = reshare(&caller, &id, remove).await?;
    Ok(done(&state, wire(&acted), wait.wait).await)
}

/// Changes the list against the version it was read in, again when somebody was faster.
async fn reshare(
    caller: &Caller,
    id: &ApiId,
    change: impl Fn(&mut Vec<OrganizationId>),
) -> Result<Acted<CoreApi>, RegistryError> {
    let mut tries = 0;
    loop {
        let api = provided(caller, id).await?;
        let authority = caller.authority(&api.organization_id)?;
        let mut shared = api.shared_with;
        change(&mut shared);
        shared.sort();
        shared.dedup();
        let patch = ApiPatch {
            shared_with: Some(shared),
            ..ApiPatch::default()
        };
        let version = Some(api.version);
        match caller
            .store
            .update_api(&authority, id, version, patch)
            .await
        {
            Err(ActError::Stale { .. }) if tries < 5 => tries += 1,
            other => return Ok(other?),
        }
    }
}

fn wire(acted: &Acted<CoreApi>) -> Acted<Api> {
    Acted {
        value: Api::whole(&acted.value),
        seq: acted.seq,
    }
}
