//! `/v1/apis`: APIs and whom they are shared with.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use portcullis_core::{
    api::{Api as CoreApi, Visibility},
    catalog::{ApiDetails, CATEGORIES_MAX, CATEGORY_CHARACTERS_MAX},
    ids::{ApiId, OrganizationId},
};
use portcullis_store::{ActError, Acted, ApiFilter, ApiPatch, NewApi};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    apps::named_organization,
    wire::{Api, ApiUser, Secret},
};
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, Gone, WaitParams, created, done},
    error::RegistryError,
    findings::{Findings, sentence},
    params::{
        Id, Idempotency, Ids, IfMatch, Include, IncludeParams, Listed, OrderParam, PageParams,
        Params, page_request, search, with_etag,
    },
    rules,
};

const NAME_CHARACTERS_MAX: usize = 100;
const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;
const LINE_CHARACTERS_MAX: usize = 200;
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
    /// `public` or `private` ones alone.
    visibility: Option<String>,
    /// Filed under this.
    category: Option<String>,
    /// Whose name contains this, whatever its case, or whose identifier or (of one's own) Client ID it is.
    q: Option<String>,
    /// In which order: `oldest` (the default) or `newest` comes first.
    #[serde(default)]
    #[param(inline)]
    order: OrderParam,
    /// `summary` adds names and counts of what hangs together with each.
    #[param(inline)]
    include: Option<Include>,
    /// How many entries at most; 1 to 500, 50 when left out.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// APIs that an organization provides or may select.
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
    let seen = params.visibility.as_deref().map(visibility).transpose();
    let seen = seen.map_err(|reason| RegistryError::invalid("visibility", sentence(reason)))?;
    let filter = ApiFilter {
        provider,
        visibility: seen,
        category: named_category(params.category)?,
        search: search(params.q.as_deref())?,
        order: params.order.into(),
    };
    let page = caller.store.apis(&authority, filter, page).await?;
    let summaries = match params.include {
        Some(Include::Summary) => caller.store.api_summaries(&authority, &page.items).await?,
        None => Vec::new(),
    };
    let mut listed = Listed::seen(page, |api| seen_by(&caller, api));
    for (item, summary) in listed.items.iter_mut().zip(&summaries) {
        item.summary = Some(summary.into());
    }
    Ok(Json(listed))
}

/// The category that a filter names. One that nothing can be filed under is refused.
pub(crate) fn named_category(text: Option<String>) -> Result<Option<String>, RegistryError> {
    let line = text.map(|text| rules::optional_line(&text, CATEGORY_CHARACTERS_MAX));
    let line = line.transpose();
    let line = line.map_err(|reason| RegistryError::invalid("category", sentence(&reason)))?;
    Ok(line.filter(|line| !line.is_empty()))
}

/// The API as this caller may see it.
fn seen_by(caller: &Caller, api: &CoreApi) -> Api {
    if is_provider(caller, api) {
        Api::whole(api)
    } else {
        Api::public(api)
    }
}

pub(crate) fn is_provider(caller: &Caller, api: &CoreApi) -> bool {
    caller.actor().is_operator()
        || caller
            .memberships()
            .iter()
            .any(|(member_of, _)| *member_of == api.organization_id)
}

/// The API, when the caller may select or read it.
pub(crate) async fn readable(caller: &Caller, id: &ApiId) -> Result<CoreApi, RegistryError> {
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
    /// At most ten; left out, the tags of its first specification.
    #[serde(default)]
    categories: Vec<String>,
    /// Whom to write to, or empty.
    #[serde(default)]
    support_email: String,
    /// Whom to call, or empty.
    #[serde(default)]
    support_phone: String,
    /// A URL, or empty.
    #[serde(default)]
    support_website: String,
    /// A URL, or empty.
    #[serde(default)]
    documentation_url: String,
}

/// Categories, each once.
fn categories(texts: &[String], findings: &mut Findings) -> Option<Vec<String>> {
    if findings.too_many("categories", texts, CATEGORIES_MAX) {
        return None;
    }
    let check = |(at, text): (usize, &String)| {
        let category = rules::name(text, CATEGORY_CHARACTERS_MAX);
        findings.take(&format!("categories[{at}]"), category)
    };
    let checked: Vec<Option<String>> = texts.iter().enumerate().map(check).collect();
    let mut categories = checked.into_iter().collect::<Option<Vec<String>>>()?;
    categories.sort();
    categories.dedup();
    Some(categories)
}

fn phone(text: &str) -> Result<String, String> {
    rules::optional_line(text, LINE_CHARACTERS_MAX)
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
        let email = rules::optional_email(&self.support_email);
        let support_email = findings.take("support_email", email);
        let support_phone = findings.take("support_phone", phone(&self.support_phone));
        let website = rules::website(&self.support_website);
        let support_website = findings.take("support_website", website);
        let documentation = rules::website(&self.documentation_url);
        let documentation_url = findings.take("documentation_url", documentation);
        let categories = categories(&self.categories, findings);
        Some(NewApi {
            id: id?,
            organization_id: organization_id?,
            name: name?,
            description: description?,
            visibility: visible?.unwrap_or(Visibility::Private),
            details: ApiDetails {
                categories: categories?,
                support_email: support_email?,
                support_phone: support_phone?,
                support_website: support_website?,
                documentation_url: documentation_url?,
            },
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
    params(("api_id" = String, Path), IncludeParams), responses((status = 200, body = Api)))]
pub(crate) async fn get(
    caller: Caller,
    Id(id): Id<ApiId>,
    Params(params): Params<IncludeParams>,
) -> Result<Response, RegistryError> {
    let (store, id) = (&caller.store, &id);
    let read = |authority| async move {
        let api = store.api(&authority, id).await?;
        let summaries = match params.include {
            Some(Include::Summary) => {
                let of = std::slice::from_ref(&api);
                store.api_summaries(&authority, of).await?
            }
            None => Vec::new(),
        };
        Ok((api, summaries))
    };
    let (api, summaries) = caller.find("API", read).await?;
    let mut body = seen_by(&caller, &api);
    body.summary = summaries.first().map(Into::into);
    Ok(with_etag(Json(body).into_response(), api.version))
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
    /// At most ten: all of them.
    categories: Option<Vec<String>>,
    support_email: Option<String>,
    support_phone: Option<String>,
    support_website: Option<String>,
    documentation_url: Option<String>,
}

impl Input for PatchInput {
    type Checked = ApiPatch;

    fn check(self, findings: &mut Findings) -> Option<ApiPatch> {
        let name = |text: String| rules::name(&text, NAME_CHARACTERS_MAX);
        let description = |text: String| rules::text(&text, DESCRIPTION_CHARACTERS_MAX);
        let name = findings.take_some("name", self.name, name);
        let description = findings.take_some("description", self.description, description);
        let visible = findings.take_some("visibility", self.visibility, |text| visibility(&text));
        let email = |text: String| rules::optional_email(&text);
        let support_email = findings.take_some("support_email", self.support_email, email);
        let line = |text: String| phone(&text);
        let support_phone = findings.take_some("support_phone", self.support_phone, line);
        let url = |text: String| rules::website(&text);
        let support_website = findings.take_some("support_website", self.support_website, url);
        let documentation = findings.take_some("documentation_url", self.documentation_url, url);
        let categories = match self.categories {
            Some(texts) => categories(&texts, findings).map(Some),
            None => Some(None),
        };
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
            categories: categories?,
            support_email: support_email?,
            support_phone: support_phone?,
            support_website: support_website?,
            documentation_url: documentation?,
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

/// The apps that selected an API, oldest first. For its provider alone.
#[utoipa::path(get, path = "/v1/apis/{api_id}/apps", tag = "apis",
    params(("api_id" = String, Path), PageParams), responses((status = 200, body = Listed<ApiUser>)))]
pub(crate) async fn apps(
    caller: Caller,
    Id(id): Id<ApiId>,
    Params(params): Params<PageParams>,
) -> Result<Json<Listed<ApiUser>>, RegistryError> {
    let api = provided(&caller, &id).await?;
    let authority = caller.authority(&api.organization_id)?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let page = caller.store.api_users(&authority, &id, page).await?;
    Ok(Json(Listed::of(page)))
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
