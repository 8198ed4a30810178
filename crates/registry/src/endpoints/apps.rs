//! `/v1/apps`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use portcullis_core::{
    app::{APP_DESCRIPTION_CHARACTERS_MAX, APP_NAME_CHARACTERS_MAX, App as CoreApp, AppState},
    ids::{ApiId, AppId, OrganizationId},
};
use portcullis_store::{Acted, AppFilter, AppPatch, NewApp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::{App, CallsSummary, Secret, SelectedApi};
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, WaitParams, created, done},
    error::RegistryError,
    findings::Findings,
    params::{
        Id, Idempotency, IfMatch, Include, IncludeParams, Listed, OrderParam, Params, page_request,
        search, states, with_etag,
    },
    rules,
};

const HOUR_US: i64 = 3_600_000_000;
/// Most APIs of an app.
const APIS_MAX: usize = 500;

/// Which apps, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// The owner; may be left out by operators, and by members of one organization alone.
    organization_id: Option<String>,
    /// Whose name contains this, whatever its case, or whose identifier or API Key it is.
    q: Option<String>,
    /// In one of these states, separated by commas: `enabled`, `disabled`, `deleted`.
    state: Option<String>,
    /// `oldest` (the default) or `newest` comes first.
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

/// Apps of an organization; deleted ones stay in the list.
#[utoipa::path(get, path = "/v1/apps", tag = "apps", params(ListParams),
    responses((status = 200, body = Listed<App>)))]
pub(crate) async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<Listed<App>>, RegistryError> {
    let organization = named_organization(params.organization_id.as_deref())?;
    let authority = caller.list_authority(organization.as_ref())?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let words = "enabled, disabled or deleted";
    let filter = AppFilter {
        organization_id: organization,
        states: states(params.state.as_deref(), AppState::parse, words)?,
        search: search(params.q.as_deref())?,
        order: params.order.into(),
    };
    let page = caller.store.apps(&authority, filter, page).await?;
    let summaries = match params.include {
        Some(Include::Summary) => caller.store.app_summaries(&authority, &page.items).await?,
        None => Vec::new(),
    };
    let mut listed = Listed::<App>::of(page);
    for (item, summary) in listed.items.iter_mut().zip(&summaries) {
        item.summary = Some(summary.into());
    }
    Ok(Json(listed))
}

/// The organization that a filter names; text that can be no identifier names none.
pub(crate) fn named_organization(
    text: Option<&str>,
) -> Result<Option<OrganizationId>, RegistryError> {
    text.map(OrganizationId::parse)
        .transpose()
        .map_err(|_| RegistryError::NotFound("organization"))
}

/// What an app is made of.
#[derive(Deserialize, ToSchema)]
#[schema(as = AppInput)]
pub(crate) struct NewInput {
    /// The owner.
    organization_id: String,
    /// 1 to 40 characters.
    name: String,
    /// At most 256 characters.
    #[serde(default)]
    description: String,
    /// Not on localhost; may be empty.
    #[serde(default)]
    website: String,
    /// https, or http on localhost; blank for client credentials.
    #[serde(default)]
    callback_url: String,
    /// Selected APIs.
    #[serde(default)]
    apis: Vec<String>,
}

impl Input for NewInput {
    type Checked = NewApp;

    fn check(self, findings: &mut Findings) -> Option<NewApp> {
        let organization = rules::organization_id(&self.organization_id);
        let organization_id = findings.take("organization_id", organization);
        let name = findings.take("name", rules::name(&self.name, APP_NAME_CHARACTERS_MAX));
        let description = rules::text(&self.description, APP_DESCRIPTION_CHARACTERS_MAX);
        let description = findings.take("description", description);
        let website = findings.take("website", rules::website(&self.website));
        let callback = rules::callback_url(&self.callback_url);
        let callback_url = findings.take("callback_url", callback);
        let apis = api_ids(&self.apis, findings);
        Some(NewApp {
            id: None,
            organization_id: organization_id?,
            name: name?,
            description: description?,
            website: website?,
            callback_url: callback_url?,
            apis: apis?,
            credentials: None,
        })
    }
}

/// Identifiers of APIs, each once.
fn api_ids(texts: &[String], findings: &mut Findings) -> Option<Vec<ApiId>> {
    if findings.too_many("apis", texts, APIS_MAX) {
        return None;
    }
    let parse = |(at, text): (usize, &String)| {
        let id = ApiId::parse(text);
        findings.take(&format!("apis[{at}]"), id)
    };
    let ids: Vec<Option<ApiId>> = texts.iter().enumerate().map(parse).collect();
    let mut ids = ids.into_iter().collect::<Option<Vec<ApiId>>>()?;
    ids.sort();
    ids.dedup();
    Some(ids)
}

/// An app that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedApp {
    /// The app.
    #[serde(flatten)]
    pub app: App,
    /// The API Secret, shown this once; `null` when an Idempotency-Key was used again.
    pub api_secret: Option<String>,
    /// The secret as it can be shown later.
    pub secret: Secret,
}

/// Registers an app. The answer holds its API Key, and this once its API Secret.
#[utoipa::path(post, path = "/v1/apps", tag = "apps", params(WaitParams),
    request_body = NewInput, responses((status = 201, body = Done<CreatedApp>)))]
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
        .create_app(&authority, new, key.as_ref())
        .await?;
    let made = acted.value;
    let location = format!("/v1/apps/{}", made.app.id);
    let body = Acted {
        value: CreatedApp {
            app: App::from(&made.app),
            api_secret: made.secret.map(|secret| secret.expose().to_owned()),
            secret: Secret::from(&made.secret_info),
        },
        seq: acted.seq,
    };
    let response = created(&state, body, wait.wait, &location).await;
    Ok(with_etag(response, made.app.version))
}

/// The app, when the caller may read it.
pub(crate) async fn readable(caller: &Caller, id: &AppId) -> Result<CoreApp, RegistryError> {
    let store = &caller.store;
    let read = |authority| async move { store.app(&authority, id).await };
    caller.find("app", read).await
}

/// An app.
#[utoipa::path(get, path = "/v1/apps/{app_id}", tag = "apps",
    params(("app_id" = String, Path), IncludeParams), responses((status = 200, body = App)))]
pub(crate) async fn get(
    caller: Caller,
    Id(id): Id<AppId>,
    Params(params): Params<IncludeParams>,
) -> Result<Response, RegistryError> {
    let app = readable(&caller, &id).await?;
    let version = app.version;
    let mut body = App::from(&app);
    if params.include == Some(Include::Summary) {
        let authority = caller.authority(&app.organization_id)?;
        let summaries = caller.store.app_summaries(&authority, &[app]).await?;
        body.summary = summaries.first().map(Into::into);
    }
    Ok(with_etag(Json(body).into_response(), version))
}

/// The APIs that an app selected, by name, each with its provider and the gateway paths of its instances.
#[utoipa::path(get, path = "/v1/apps/{app_id}/apis", tag = "apps",
    params(("app_id" = String, Path)), responses((status = 200, body = Listed<SelectedApi>)))]
pub(crate) async fn apis(
    caller: Caller,
    Id(id): Id<AppId>,
) -> Result<Json<Listed<SelectedApi>>, RegistryError> {
    let (store, id) = (&caller.store, &id);
    let read = |authority| async move { store.selected_apis(&authority, id).await };
    let selected = caller.find("app", read).await?;
    Ok(Json(Listed::whole(&selected)))
}

/// When the gateway first and last saw a call of an app, and how many there were in the last 24 hours. Calls it
/// refused count, once it knew the app.
#[utoipa::path(get, path = "/v1/apps/{app_id}/calls_summary", tag = "apps",
    params(("app_id" = String, Path)), responses((status = 200, body = CallsSummary)))]
pub(crate) async fn calls_summary(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<AppId>,
) -> Result<Json<CallsSummary>, RegistryError> {
    let hour = state.clock.now().as_us().div_euclid(HOUR_US);
    let (store, id) = (&caller.store, &id);
    let read = |authority| async move { store.calls_summary(&authority, id, hour - 23).await };
    let summary = caller.find("app", read).await?;
    Ok(Json(CallsSummary::from(&summary)))
}

/// What is to be changed; members left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[schema(as = AppPatch)]
pub(crate) struct PatchInput {
    name: Option<String>,
    description: Option<String>,
    website: Option<String>,
    callback_url: Option<String>,
    /// Selected APIs, all of them. One that is added is connected in every living subscription; none is taken
    /// away while a customer's subscription lives, and never the last.
    apis: Option<Vec<String>>,
}

impl Input for PatchInput {
    type Checked = AppPatch;

    fn check(self, findings: &mut Findings) -> Option<AppPatch> {
        let name = |text: String| rules::name(&text, APP_NAME_CHARACTERS_MAX);
        let description = |text: String| rules::text(&text, APP_DESCRIPTION_CHARACTERS_MAX);
        let website = |text: String| rules::website(&text);
        let callback = |text: String| rules::callback_url(&text);
        let name = findings.take_some("name", self.name, name);
        let description = findings.take_some("description", self.description, description);
        let website = findings.take_some("website", self.website, website);
        let callback_url = findings.take_some("callback_url", self.callback_url, callback);
        let apis = match self.apis {
            Some(apis) => api_ids(&apis, findings).map(Some),
            None => Some(None),
        };
        Some(AppPatch {
            name: name?,
            description: description?,
            website: website?,
            callback_url: callback_url?,
            apis: apis?,
        })
    }
}

/// Changes an app, and which APIs it selects.
#[utoipa::path(patch, path = "/v1/apps/{app_id}", tag = "apps",
    params(("app_id" = String, Path), WaitParams), request_body = PatchInput,
    responses((status = 200, body = Done<App>)))]
pub(crate) async fn update(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<AppId>,
    Params(wait): Params<WaitParams>,
    (IfMatch(version), Body(patch)): (IfMatch, Body<PatchInput>),
) -> Result<Response, RegistryError> {
    let app = readable(&caller, &id).await?;
    let authority = caller.authority(&app.organization_id)?;
    let acted = caller
        .store
        .update_app(&authority, &id, version, patch)
        .await?;
    let version = acted.value.version;
    Ok(with_etag(
        done(&state, wire(&acted), wait.wait).await,
        version,
    ))
}

/// Lets a disabled app act again.
#[utoipa::path(post, path = "/v1/apps/{app_id}/enable", tag = "apps",
    params(("app_id" = String, Path), WaitParams), responses((status = 200, body = Done<App>)))]
pub(crate) async fn enable(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<AppId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    set_state(&state, &caller, (&id, AppState::Enabled), &wait).await
}

/// Stops an app for the time being: it gets no token, and tokens it has open nothing.
#[utoipa::path(post, path = "/v1/apps/{app_id}/disable", tag = "apps",
    params(("app_id" = String, Path), WaitParams), responses((status = 200, body = Done<App>)))]
pub(crate) async fn disable(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<AppId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    set_state(&state, &caller, (&id, AppState::Disabled), &wait).await
}

/// Deletes an app that no customer uses any more. Its history stays.
#[utoipa::path(delete, path = "/v1/apps/{app_id}", tag = "apps",
    params(("app_id" = String, Path), WaitParams), responses((status = 200, body = Done<App>)))]
pub(crate) async fn delete(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<AppId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    set_state(&state, &caller, (&id, AppState::Deleted), &wait).await
}

async fn set_state(
    state: &RegistryState,
    caller: &Caller,
    (id, to): (&AppId, AppState),
    wait: &WaitParams,
) -> Result<Response, RegistryError> {
    let app = readable(caller, id).await?;
    let authority = caller.authority(&app.organization_id)?;
    let acted = caller.store.set_app_state(&authority, id, to).await?;
    Ok(done(state, wire(&acted), wait.wait).await)
}

fn wire(acted: &Acted<CoreApp>) -> Acted<App> {
    Acted {
        value: App::from(&acted.value),
        seq: acted.seq,
    }
}
