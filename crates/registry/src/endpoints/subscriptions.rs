//! `/v1/subscriptions`, and activating an app for an organization.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use portcullis_core::{
    clock::Timestamp,
    ids::{AppId, OrganizationId, SubscriptionId},
    permissions::{Action, Authority, may},
    subscription::{Subscription as CoreSubscription, SubscriptionEvent, SubscriptionState},
};
use portcullis_store::{ActError, Acted, NewActivation, SubscriptionFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    apps::named_organization,
    wire::{Connection, Subscription},
};
use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, WaitParams, created, done},
    error::RegistryError,
    findings::Findings,
    params::{
        Id, Idempotency, Include, IncludeParams, Listed, OrderParam, Params, page_request, search,
        states, with_etag,
    },
    rules,
};

/// For whom an app is activated.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ActivationInput {
    /// The organization that activates the app.
    organization_id: String,
    /// From when on the subscription counts as expired; left out means never.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
}

impl Input for ActivationInput {
    type Checked = (OrganizationId, Option<Timestamp>);

    fn check(self, findings: &mut Findings) -> Option<(OrganizationId, Option<Timestamp>)> {
        let id = rules::organization_id(&self.organization_id);
        let id = findings.take("organization_id", id);
        let ends_at = findings.take_some("ends_at", self.ends_at, |text| rules::instant(&text));
        Some((id?, ends_at?))
    }
}

/// Activates an app for an organization. The answer's id is what the app sends as `Subscription-Id`.
#[utoipa::path(post, path = "/v1/apps/{app_id}/subscriptions", tag = "subscriptions",
    params(("app_id" = String, Path), WaitParams), request_body = ActivationInput,
    responses((status = 201, body = Done<Subscription>)))]
pub(crate) async fn activate(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(app_id): Id<AppId>,
    Params(wait): Params<WaitParams>,
    (Idempotency(key), Body((organization_id, ends_at))): (Idempotency, Body<ActivationInput>),
) -> Result<Response, RegistryError> {
    if ends_at.is_some_and(|end| end <= state.clock.now()) {
        return Err(RegistryError::invalid(
            "ends_at",
            "This instant has passed.",
        ));
    }
    let authority = caller.authority(&organization_id)?;
    let new = NewActivation {
        id: None,
        app_id,
        organization_id,
        ends_at,
    };
    let acted = caller.store.activate(&authority, new, key.as_ref()).await?;
    let location = format!("/v1/subscriptions/{}", acted.value.id);
    let version = acted.value.version;
    let response = created(&state, wire(&acted), wait.wait, &location).await;
    Ok(with_etag(response, version))
}

/// Which subscriptions, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// For whom: subscriptions this organization has, or that its apps have. May be left out by operators, and
    /// by members of one organization alone.
    organization_id: Option<String>,
    /// Of this app alone.
    app_id: Option<String>,
    /// Of this buyer alone.
    buyer_id: Option<String>,
    /// In one of these states, separated by commas: `pending`, `active`, `suspended`, `rejected`, `cancelled`,
    /// `deactivated`, `expired`.
    state: Option<String>,
    /// Whose app's or buyer's name contains this, whatever its case, or whose identifier it is.
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

/// Subscriptions that an organization or its apps have; test subscriptions too.
#[utoipa::path(get, path = "/v1/subscriptions", tag = "subscriptions", params(ListParams),
    responses((status = 200, body = Listed<Subscription>)))]
pub(crate) async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<Listed<Subscription>>, RegistryError> {
    let organization = named_organization(params.organization_id.as_deref())?;
    let authority = caller.list_authority(organization.as_ref())?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let mut findings = Findings::default();
    let app_id = params.app_id.as_deref().map(AppId::parse).transpose();
    let app_id = findings.take("app_id", app_id).flatten();
    let buyer = params.buyer_id.as_deref().map(OrganizationId::parse);
    let buyer = findings.take("buyer_id", buyer.transpose()).flatten();
    findings.refuse()?;
    let words = "pending, active, suspended, rejected, cancelled, deactivated or expired";
    let filter = SubscriptionFilter {
        app_id,
        organization_id: buyer,
        states: states(params.state.as_deref(), SubscriptionState::parse, words)?,
        search: search(params.q.as_deref())?,
        order: params.order.into(),
    };
    let page = caller.store.subscriptions(&authority, filter, page).await?;
    let summaries = match params.include {
        Some(Include::Summary) => {
            let store = &caller.store;
            store
                .subscription_summaries(&authority, &page.items)
                .await?
        }
        None => Vec::new(),
    };
    let mut listed = Listed::<Subscription>::of(page);
    for (item, summary) in listed.items.iter_mut().zip(&summaries) {
        item.summary = Some(summary.into());
    }
    Ok(Json(listed))
}

/// A subscription with its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionWithConnections {
    /// The subscription.
    #[serde(flatten)]
    pub subscription: Subscription,
    /// One for each API of the app.
    pub connections: Vec<Connection>,
}

/// A subscription with its connections, for the organization that has it and for the owner of its app.
#[utoipa::path(get, path = "/v1/subscriptions/{subscription_id}", tag = "subscriptions",
    params(("subscription_id" = String, Path), IncludeParams),
    responses((status = 200, body = SubscriptionWithConnections)))]
pub(crate) async fn get(
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Params(params): Params<IncludeParams>,
) -> Result<Response, RegistryError> {
    let (store, id) = (&caller.store, &id);
    let read = |authority| async move {
        let subscription = store.subscription(&authority, id).await?;
        let connections = store.connections(&authority, id).await?;
        let summaries = match params.include {
            Some(Include::Summary) => {
                let of = std::slice::from_ref(&subscription);
                store.subscription_summaries(&authority, of).await?
            }
            None => Vec::new(),
        };
        Ok((subscription, connections, summaries))
    };
    let (subscription, connections, summaries) = caller.find("subscription", read).await?;
    let body = SubscriptionWithConnections {
        subscription: Subscription {
            summary: summaries.first().map(Into::into),
            ..Subscription::from(&subscription)
        },
        connections: connections.iter().map(Connection::from).collect(),
    };
    Ok(with_etag(Json(body).into_response(), subscription.version))
}

/// Ends a subscription for good: deactivated by the organization that has it, cancelled by the owner of the app
/// or an operator. The very next call with it fails, whatever token it comes with.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription_id}/end", tag = "subscriptions",
    params(("subscription_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<Subscription>)))]
pub(crate) async fn end(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    let subscription = readable(&caller, &id).await?;
    let (buyer, owner) = caller.party_actions()?;
    let as_buyer = may(caller.actor(), buyer, Some(&subscription.organization_id)).ok();
    if let Some(authority) = as_buyer.filter(|_| !caller.actor().is_operator()) {
        let event = SubscriptionEvent::Deactivate;
        let ended = caller.store.end_subscription(&authority, &id, event).await;
        if !matches!(ended, Err(ActError::Forbidden)) {
            return Ok(done(&state, wire(&ended?), wait.wait).await);
        }
    }
    let (store, id) = (&caller.store, &id);
    let cancel = |authority| async move {
        let event = SubscriptionEvent::Cancel;
        store.end_subscription(&authority, id, event).await
    };
    let acted = as_owner(&caller, owner, cancel).await?;
    Ok(done(&state, wire(&acted), wait.wait).await)
}

/// Stops a subscription for the time being. The owner of the app, or an operator.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription_id}/suspend", tag = "subscriptions",
    params(("subscription_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<Subscription>)))]
pub(crate) async fn suspend(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    readable(&caller, &id).await?;
    let (_, owner) = caller.party_actions()?;
    let (store, id) = (&caller.store, &id);
    let act = |authority| async move { store.suspend_subscription(&authority, id).await };
    let acted = as_owner(&caller, owner, act).await?;
    Ok(done(&state, wire(&acted), wait.wait).await)
}

/// Lets a suspended subscription go on. The owner of the app, or an operator.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription_id}/resume", tag = "subscriptions",
    params(("subscription_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<Subscription>)))]
pub(crate) async fn resume(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    readable(&caller, &id).await?;
    let (_, owner) = caller.party_actions()?;
    let (store, id) = (&caller.store, &id);
    let act = |authority| async move { store.resume_subscription(&authority, id).await };
    let acted = as_owner(&caller, owner, act).await?;
    Ok(done(&state, wire(&acted), wait.wait).await)
}

async fn readable(caller: &Caller, id: &SubscriptionId) -> Result<CoreSubscription, RegistryError> {
    let store = &caller.store;
    let read = |authority| async move { store.subscription(&authority, id).await };
    caller.find("subscription", read).await
}

/// Acts for the first of the caller's organizations that the store lets act as the owner of the app. The caller
/// may read the subscription, so a refusal is one of role.
async fn as_owner<F>(
    caller: &Caller,
    action: Action,
    act: impl Fn(Authority) -> F + Send,
) -> Result<Acted<CoreSubscription>, RegistryError>
where
    F: Future<Output = Result<Acted<CoreSubscription>, ActError>> + Send,
{
    for authority in caller.authorities_for(action) {
        match act(authority).await {
            Err(ActError::Forbidden | ActError::NotFound(_)) => {}
            other => return Ok(other?),
        }
    }
    Err(RegistryError::Forbidden)
}

fn wire(acted: &Acted<CoreSubscription>) -> Acted<Subscription> {
    Acted {
        value: Subscription::from(&acted.value),
        seq: acted.seq,
    }
}
