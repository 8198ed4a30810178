//! `/v1/organizations`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use portcullis_core::{
    api::check_namespace,
    ids::OrganizationId,
    organization::{Organization as CoreOrganization, OrganizationState},
    permissions::{Action, may},
};
use portcullis_store::{
    Acted, NewOrganization, Order, OrganizationFilter, OrganizationPatch, Page, PageRequest,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::wire::Organization;
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, WaitParams, created, done},
    error::RegistryError,
    findings::Findings,
    params::{
        Id, Idempotency, IfMatch, Include, Listed, OrderParam, Params, page_request, search,
        states, with_etag,
    },
    rules,
};

pub(crate) const NAME_CHARACTERS_MAX: usize = 100;
const LINE_CHARACTERS_MAX: usize = 200;
const NAMESPACES_MAX: usize = 50;

/// Which organizations, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// Whose name contains this, whatever its case, or whose identifier it is.
    q: Option<String>,
    /// In this state: `active` or `suspended`.
    state: Option<String>,
    /// `oldest` (the default) or `newest` comes first.
    #[serde(default)]
    #[param(inline)]
    order: OrderParam,
    /// `summary` adds counts of what hangs together with each.
    #[param(inline)]
    include: Option<Include>,
    /// How many entries at most; 1 to 500, 50 when left out.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Organizations of the caller; for operators every one.
#[utoipa::path(get, path = "/v1/organizations", tag = "organizations", params(ListParams),
    responses((status = 200, body = Listed<Organization>)))]
pub(crate) async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<Listed<Organization>>, RegistryError> {
    let page = page_request(params.limit, params.after.as_deref())?;
    let words = "active or suspended";
    let states = states(params.state.as_deref(), OrganizationState::parse, words)?;
    let filter = OrganizationFilter {
        state: states.into_iter().next(),
        search: search(params.q.as_deref())?,
        order: params.order.into(),
    };
    let page = found(&caller, filter, page).await?;
    let summaries = match params.include {
        Some(Include::Summary) => {
            let authority = caller.own_authority()?;
            let store = &caller.store;
            store
                .organization_summaries(&authority, &page.items)
                .await?
        }
        None => Vec::new(),
    };
    let mut listed = Listed::<Organization>::of(page);
    for (item, summary) in listed.items.iter_mut().zip(&summaries) {
        item.summary = Some(summary.into());
    }
    Ok(Json(listed))
}

/// For operators a page of all that are asked for, for others those they belong to: they are few.
async fn found(
    caller: &Caller,
    filter: OrganizationFilter,
    page: PageRequest,
) -> Result<Page<CoreOrganization>, RegistryError> {
    if caller.actor().is_operator() {
        let authority = caller.own_authority()?;
        return Ok(caller.store.organizations(&authority, filter, page).await?);
    }
    let mut items = Vec::new();
    for (id, _) in caller.memberships() {
        let authority = may(caller.actor(), Action::Read, Some(id))?;
        let one = PageRequest::first(1);
        let own = caller
            .store
            .organizations(&authority, filter.clone(), one)
            .await?;
        items.extend(own.items);
    }
    items.sort_by_key(|item| item.created_at);
    if filter.order == Order::Newest {
        items.reverse();
    }
    Ok(Page { items, next: None })
}

/// What an organization is made of.
#[derive(Deserialize, ToSchema)]
#[schema(as = OrganizationInput)]
pub(crate) struct NewInput {
    /// 1 to 100 characters.
    name: String,
    /// One line.
    #[serde(default)]
    address: String,
    /// ISO 3166-1 alpha-2, or empty.
    #[serde(default)]
    country_code: String,
    #[serde(default)]
    phone_number: String,
    #[serde(default)]
    website: String,
    #[serde(default)]
    contact_email: String,
    /// First segments of the gateway paths of its APIs.
    #[serde(default)]
    namespaces: Vec<String>,
}

impl Input for NewInput {
    type Checked = NewOrganization;

    fn check(self, findings: &mut Findings) -> Option<NewOrganization> {
        let line = |text: &str| rules::optional_line(text, LINE_CHARACTERS_MAX);
        let name = findings.take("name", rules::name(&self.name, NAME_CHARACTERS_MAX));
        let address = findings.take("address", line(&self.address));
        let country_code = findings.take("country_code", rules::country_code(&self.country_code));
        let phone_number = findings.take("phone_number", line(&self.phone_number));
        let website = findings.take("website", rules::website(&self.website));
        let email = rules::optional_email(&self.contact_email);
        let contact_email = findings.take("contact_email", email);
        if findings.too_many("namespaces", &self.namespaces, NAMESPACES_MAX) {
            return None;
        }
        for (at, namespace) in self.namespaces.iter().enumerate() {
            findings.take(&format!("namespaces[{at}]"), check_namespace(namespace));
        }
        Some(NewOrganization {
            id: None,
            name: name?,
            address: address?,
            country_code: country_code?,
            phone_number: phone_number?,
            website: website?,
            contact_email: contact_email?,
            namespaces: self.namespaces,
        })
    }
}

/// Makes an organization. Operators only.
#[utoipa::path(post, path = "/v1/organizations", tag = "organizations", params(WaitParams),
    request_body = NewInput, responses((status = 201, body = Done<Organization>)))]
pub(crate) async fn create(
    State(state): State<RegistryState>,
    caller: Caller,
    Params(wait): Params<WaitParams>,
    Idempotency(key): Idempotency,
    Body(new): Body<NewInput>,
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let acted = caller
        .store
        .create_organization(&authority, new, key.as_ref())
        .await?;
    let location = format!("/v1/organizations/{}", acted.value.id);
    let version = acted.value.version;
    let response = created(&state, wire(&acted), wait.wait, &location).await;
    Ok(with_etag(response, version))
}

/// An organization.
#[utoipa::path(get, path = "/v1/organizations/{organization_id}", tag = "organizations",
    params(("organization_id" = String, Path)), responses((status = 200, body = Organization)))]
pub(crate) async fn get(
    caller: Caller,
    Id(id): Id<OrganizationId>,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&id)?;
    let organization = caller.store.organization(&authority, &id).await?;
    let body = Json(Organization::from(&organization));
    Ok(with_etag(body.into_response(), organization.version))
}

/// What is to be changed; members left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[schema(as = OrganizationPatch)]
pub(crate) struct PatchInput {
    name: Option<String>,
    address: Option<String>,
    country_code: Option<String>,
    phone_number: Option<String>,
    website: Option<String>,
    contact_email: Option<String>,
}

impl Input for PatchInput {
    type Checked = OrganizationPatch;

    fn check(self, findings: &mut Findings) -> Option<OrganizationPatch> {
        let name = |text: String| rules::name(&text, NAME_CHARACTERS_MAX);
        let line = |text: String| rules::optional_line(&text, LINE_CHARACTERS_MAX);
        let code = |text: String| rules::country_code(&text);
        let website = |text: String| rules::website(&text);
        let email = |text: String| rules::optional_email(&text);
        let name = findings.take_some("name", self.name, name);
        let address = findings.take_some("address", self.address, line);
        let country_code = findings.take_some("country_code", self.country_code, code);
        let phone_number = findings.take_some("phone_number", self.phone_number, line);
        let website = findings.take_some("website", self.website, website);
        let contact_email = findings.take_some("contact_email", self.contact_email, email);
        Some(OrganizationPatch {
            name: name?,
            address: address?,
            country_code: country_code?,
            phone_number: phone_number?,
            website: website?,
            contact_email: contact_email?,
        })
    }
}

/// Changes an organization.
#[utoipa::path(patch, path = "/v1/organizations/{organization_id}", tag = "organizations",
    params(("organization_id" = String, Path), WaitParams), request_body = PatchInput,
    responses((status = 200, body = Done<Organization>)))]
pub(crate) async fn update(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<OrganizationId>,
    Params(wait): Params<WaitParams>,
    (IfMatch(version), Body(patch)): (IfMatch, Body<PatchInput>),
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&id)?;
    let acted = caller
        .store
        .update_organization(&authority, &id, version, patch)
        .await?;
    let version = acted.value.version;
    Ok(with_etag(
        done(&state, wire(&acted), wait.wait).await,
        version,
    ))
}

/// A namespace for an organization.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NamespaceInput {
    /// 2 to 40 characters of a to z, 0 to 9 and inner hyphens.
    namespace: String,
}

impl Input for NamespaceInput {
    type Checked = String;

    fn check(self, findings: &mut Findings) -> Option<String> {
        findings.take("namespace", check_namespace(&self.namespace))?;
        Some(self.namespace)
    }
}

/// Gives an organization a namespace: the first segment of the gateway paths of its APIs. Operators only.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/namespaces", tag = "organizations",
    params(("organization_id" = String, Path), WaitParams), request_body = NamespaceInput,
    responses((status = 200, body = Done<Organization>)))]
pub(crate) async fn add_namespace(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<OrganizationId>,
    Params(wait): Params<WaitParams>,
    Body(namespace): Body<NamespaceInput>,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(&id)?;
    let acted = caller
        .store
        .add_namespace(&authority, &id, &namespace)
        .await?;
    Ok(done(&state, wire(&acted), wait.wait).await)
}

/// Stops an organization: nothing of it is let through. Operators only.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/suspend", tag = "organizations",
    params(("organization_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<Organization>)))]
pub(crate) async fn suspend(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<OrganizationId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    set_state(&state, &caller, (&id, OrganizationState::Suspended), &wait).await
}

/// Lets a suspended organization act again. Operators only.
#[utoipa::path(post, path = "/v1/organizations/{organization_id}/resume", tag = "organizations",
    params(("organization_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<Organization>)))]
pub(crate) async fn resume(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<OrganizationId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    set_state(&state, &caller, (&id, OrganizationState::Active), &wait).await
}

async fn set_state(
    state: &RegistryState,
    caller: &Caller,
    (id, to): (&OrganizationId, OrganizationState),
    wait: &WaitParams,
) -> Result<Response, RegistryError> {
    let authority = caller.authority(id)?;
    let acted = caller
        .store
        .set_organization_state(&authority, id, to)
        .await?;
    Ok(done(state, wire(&acted), wait.wait).await)
}

fn wire(acted: &Acted<portcullis_core::organization::Organization>) -> Acted<Organization> {
    Acted {
        value: Organization::from(&acted.value),
        seq: acted.seq,
    }
}
