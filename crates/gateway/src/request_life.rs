//! The life of a call, from its head to its answer, one function for each step:
//!
//! `accept`, `load`, `route_match`, `bearer`, `verify`, `authorize`, `upstream_credential`, `forward`, `record`.
//!
//! Only the last steps wait. What decides is plain functions over one snapshot, and whenever something was
//! waited for, a new snapshot is loaded and the call is authorized again before its first byte leaves.

use std::{rc::Rc, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, Request, Response, request::Parts};
use portcullis_core::{
    access_token::{VerifiedToken, verify as verify_signature},
    authorize::{Call as Question, Permit, authorize},
    client::ClientOwnerKey,
    clock::{BootTime, Timestamp},
    ids::{AppId, OrganizationId},
    routes::{InstanceRecord, RouteMatch},
    snapshot::Snapshot,
};
use portcullis_listener::{Body, Peer};
use tokio::time::Instant;

use crate::{
    Gateway,
    answer::refuse,
    bearer::{Credentials, credentials},
    cors,
    error::{Fault, GatewayError, InvalidRequest},
    forward::{Lead, Unanswered, forward, limited_body},
    headers::{SUBSCRIPTION_ID, check_names, single},
    path,
    record::{Beginning, Recording},
    request_body::RequestBody,
    response_body::ResponseBody,
    simulator,
    upstream::Connection,
    verified_tokens::TokenDigest,
};

/// A call, and what it is called.
pub(crate) struct Call {
    pub(crate) gateway: Rc<Gateway>,
    pub(crate) parts: Parts,
    pub(crate) peer: Peer,
    pub(crate) request_id: HeaderValue,
    pub(crate) id: u128,
    pub(crate) at: Timestamp,
    pub(crate) begun: BootTime,
}

/// Answers a call.
pub(crate) async fn handle(gateway: Rc<Gateway>, request: Request<Body>) -> Response<ResponseBody> {
    let (parts, body) = request.into_parts();
    let call = Rc::new(accept(gateway, parts));
    let mut recording = Some(record(&call));
    let outcome = live(&call, body, &mut recording).await;
    let mut response = match outcome {
        Ok(response) => response,
        Err(error) => refuse_and_record(&call, &error, recording),
    };
    let cors = call.gateway.state.settings.cors;
    cors::allow_reading(cors, &call.parts.headers, response.headers_mut());
    response
}

async fn live(
    call: &Rc<Call>,
    body: Body,
    recording: &mut Option<Recording>,
) -> Result<Response<ResponseBody>, GatewayError> {
    if let Some(preflight) = cors::preflight(call.gateway.state.settings.cors, &call.parts) {
        return Ok(answered_here(call, preflight, recording));
    }
    check_head(call)?;
    let facts = load(call)?;
    let route = route_match(call, &facts)?;
    note(recording, |recording| {
        recording.note_instance(route.instance);
    });
    let credentials = bearer(call)?;
    if simulator::is_meant(call) {
        note(recording, Recording::note_test);
        let simulation = simulator::Simulator {
            call,
            facts: &facts,
            route: &route,
        };
        let answer = Box::pin(simulation.answer(credentials, body)).await?;
        return Ok(answered_here(call, answer, recording));
    }
    let token = verify(call, credentials, &facts)?;
    let subscription_id = subscription_id(&call.parts.headers)?;
    note(recording, |recording| {
        recording.note_app(calling_app(&facts, &token));
        if let Some(id) = subscription_id {
            recording.note_subscription(id);
        }
    });
    let question = Question {
        token: &token,
        subscription_id,
        route: &route,
    };
    let permit = authorize(&facts, &question, call.at)?;
    note(recording, |recording| {
        recording.note_buyer(buyer(&facts, &permit));
        if permit.is_test() {
            recording.note_test();
        }
    });
    let body = limited_body(&call.parts.headers, body, request_bytes_max(call, &permit))?;
    let lead = upstream_credential(call, &token, Decided { facts, permit }, None).await?;
    forward_once_or_twice(call, &token, lead, body, recording).await
}

/// Names the call and looks at the clock.
fn accept(gateway: Rc<Gateway>, parts: Parts) -> Call {
    let unknown = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let peer = parts.extensions.get().copied();
    Call {
        // The listener puts it there.
        peer: peer.unwrap_or(Peer {
            addr: unknown,
            local_addr: unknown,
            tls: false,
        }),
        request_id: gateway.identities.request_id(&parts.headers),
        id: gateway.identities.call_id(),
        at: gateway.state.clock.now(),
        begun: gateway.state.clock.boot_time(),
        gateway,
        parts,
    }
}

fn record(call: &Call) -> Recording {
    let beginning = Beginning {
        at: call.at,
        begun: call.begun,
        call_id: call.id,
        request_id: &call.request_id,
    };
    Recording::begin(Rc::clone(&call.gateway), &call.parts, &beginning)
}

/// What can be said about a call without knowing anything.
fn check_head(call: &Call) -> Result<(), GatewayError> {
    let method = &call.parts.method;
    if matches!(*method, Method::TRACE | Method::CONNECT) || method.as_str() == "TRACK" {
        return Err(InvalidRequest::Method.into());
    }
    path::check(call.parts.uri.path()).map_err(|_ambiguous| InvalidRequest::Path)?;
    check_names(&call.parts.headers)?;
    if call.gateway.introduction.has_seen(&call.parts.headers) {
        return Err(GatewayError::Loop);
    }
    Ok(())
}

/// The facts of now, unless they are of too long ago.
fn load(call: &Call) -> Result<Arc<Snapshot>, GatewayError> {
    let state = &call.gateway.state;
    state
        .snapshot
        .load_usable(state.clock.boot_time())
        .ok_or(GatewayError::Stale)
}

fn route_match<'a>(call: &'a Call, facts: &'a Snapshot) -> Result<RouteMatch<'a>, GatewayError> {
    facts
        .routes()
        .find(call.parts.uri.path())
        .ok_or(GatewayError::RouteNotFound)
}

fn bearer(call: &Call) -> Result<Credentials<'_>, GatewayError> {
    credentials(&call.parts.headers)
}

/// The token, its signature checked now or before.
pub(crate) fn verify(
    call: &Call,
    credentials: Credentials<'_>,
    facts: &Snapshot,
) -> Result<VerifiedToken, GatewayError> {
    let Credentials::Bearer(token) = credentials else {
        return Err(GatewayError::NotBearer);
    };
    let rules = &call.gateway.state.settings.rules;
    let mut verified = call.gateway.verified.borrow_mut();
    let digest = TokenDigest::of(token);
    if let Some(known) = verified.get(&digest) {
        known.recheck(facts.keys(), rules, call.at)?;
        return Ok(known);
    }
    let token = verify_signature(token, facts.keys(), rules, call.at)?;
    verified.insert(digest, token);
    Ok(token)
}

/// The one `Subscription-Id`; `None` when it is missing or empty.
fn subscription_id(fields: &HeaderMap) -> Result<Option<&str>, GatewayError> {
    let value = single(fields, &SUBSCRIPTION_ID)
        .map_err(|_repeated| InvalidRequest::SubscriptionIdRepeated)?;
    let Some(value) = value else { return Ok(None) };
    if !value.as_bytes().iter().all(u8::is_ascii_graphic) {
        return Err(InvalidRequest::SubscriptionIdMalformed.into());
    }
    Ok(value.to_str().ok().filter(|id| !id.is_empty()))
}

/// A decision, and what it was made from.
struct Decided {
    facts: Arc<Snapshot>,
    permit: Permit,
}

/// Decides again, from the facts of now.
fn decide_again(call: &Call, token: &VerifiedToken) -> Result<Decided, GatewayError> {
    let state = &call.gateway.state;
    let (facts, now) = (load(call)?, state.clock.now());
    let route = route_match(call, &facts)?;
    token.recheck(facts.keys(), &state.settings.rules, now)?;
    let subscription_id = subscription_id(&call.parts.headers)?;
    let permit = authorize(
        &facts,
        &Question {
            token,
            subscription_id,
            route: &route,
        },
        now,
    )?;
    Ok(Decided { facts, permit })
}

/// Whether an answer that has begun may go on, by newer facts.
pub(crate) fn check_still_allowed(
    call: &Call,
    token: &VerifiedToken,
    facts: &Snapshot,
) -> Result<(), GatewayError> {
    let route = route_match(call, facts)?;
    let subscription_id = subscription_id(&call.parts.headers)?;
    let question = Question {
        token,
        subscription_id,
        route: &route,
    };
    authorize(facts, &question, call.gateway.state.clock.now())?;
    Ok(())
}

/// What the provider wants to see, and a connection to show it on. Both are at hand for nearly every call.
async fn upstream_credential(
    call: &Call,
    token: &VerifiedToken,
    mut decided: Decided,
    mut connection: Option<Box<Connection>>,
) -> Result<Lead, GatewayError> {
    let Gateway {
        state, upstream, ..
    } = call.gateway.as_ref();
    let timeouts = &state.settings.timeouts;
    let deadline = Instant::now() + timeouts.outbound_token + timeouts.connect;
    loop {
        let Decided { facts, permit } = decided;
        // Not the way any more, when the target was changed while it was waited for.
        connection = connection.filter(|c| c.instance().target == permit.instance().target);
        if connection.is_none() {
            connection = upstream.take_idle(permit.instance(), call.begun);
        }
        let authorization = state.outbound.ready(&permit, &facts, state.clock.now());
        let (authorization, ready) = match (authorization, connection.take()) {
            (Some(authorization), Some(connection)) => {
                return Ok(Lead {
                    allowed_at: facts.seq(),
                    token: *token,
                    permit,
                    authorization,
                    connection,
                });
            }
            parts => parts,
        };
        let organization = provider(&facts, &permit);
        drop(facts);
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(GatewayError::NoOutboundToken);
        }
        if authorization.is_none() {
            let limit = left.min(timeouts.outbound_token);
            Box::pin(state.outbound.wait_for_signing(&permit, limit)).await;
        }
        connection = ready;
        if connection.is_none() {
            let wait = upstream.wait_for(permit.instance(), organization.as_ref());
            connection = Some(Box::pin(wait).await?);
        }
        decided = decide_again(call, token)?;
    }
}

/// Makes the call, and once more on a new connection where that cannot do anything twice.
async fn forward_once_or_twice(
    call: &Rc<Call>,
    token: &VerifiedToken,
    lead: Lead,
    body: RequestBody,
    recording: &mut Option<Recording>,
) -> Result<Response<ResponseBody>, GatewayError> {
    let instance = Arc::clone(lead.permit.instance());
    let Unanswered {
        error,
        is_repeatable,
    } = match forward(call, lead, body, recording).await {
        Ok(response) => return Ok(response),
        Err(unanswered) => unanswered,
    };
    if is_repeatable {
        Box::pin(forward_again(call, token, &instance, recording)).await
    } else {
        Err(error)
    }
}

/// The second time.
async fn forward_again(
    call: &Rc<Call>,
    token: &VerifiedToken,
    instance: &Arc<InstanceRecord>,
    recording: &mut Option<Recording>,
) -> Result<Response<ResponseBody>, GatewayError> {
    let decided = decide_again(call, token)?;
    let organization = provider(&decided.facts, &decided.permit);
    drop(decided);
    let connection = call
        .gateway
        .upstream
        .open_anew(instance, organization.as_ref())
        .await?;
    let decided = decide_again(call, token)?;
    let lead = upstream_credential(call, token, decided, Some(connection)).await?;
    let again = forward(call, lead, RequestBody::empty(), recording).await;
    again.map_err(|unanswered| unanswered.error)
}

fn answered_here(
    call: &Call,
    mut response: Response<ResponseBody>,
    recording: &mut Option<Recording>,
) -> Response<ResponseBody> {
    response
        .headers_mut()
        .insert(crate::answer::REQUEST_ID, call.request_id.clone());
    note(recording, |recording| {
        recording.note_own_answer(response.status().as_u16());
        recording.note_response_bytes(http_body::Body::size_hint(response.body()).lower());
        recording.end(call.gateway.state.clock.boot_time());
    });
    response
}

fn refuse_and_record(
    call: &Call,
    error: &GatewayError,
    recording: Option<Recording>,
) -> Response<ResponseBody> {
    let wire = error.wire();
    let (call_id, path) = (call.id, call.parts.uri.path());
    match error.fault() {
        Fault::Caller => tracing::debug!(%call_id, path, reason = wire.reason, %error, "refused"),
        Fault::Upstream => {
            tracing::info!(%call_id, path, reason = wire.reason, %error, "not answered");
        }
        Fault::Us => tracing::warn!(%call_id, path, reason = wire.reason, %error, "not decided"),
    }
    let response = refuse(&wire, &call.request_id);
    if let Some(mut recording) = recording {
        recording.note_response_bytes(http_body::Body::size_hint(response.body()).lower());
        recording.refuse(&wire);
    }
    response
}

fn note(recording: &mut Option<Recording>, note: impl FnOnce(&mut Recording)) {
    if let Some(recording) = recording {
        note(recording);
    }
}

fn request_bytes_max(call: &Call, permit: &Permit) -> u64 {
    if permit.instance().policy.streaming {
        u64::MAX
    } else {
        call.gateway.state.settings.limits.request_body_bytes_max
    }
}

/// The app a token was issued to, for the record.
fn calling_app(facts: &Snapshot, token: &VerifiedToken) -> Option<AppId> {
    match facts.client(token.client())?.owner {
        ClientOwnerKey::App(key) => facts.app(key).map(|app| app.id.clone()),
        ClientOwnerKey::Api(_) => None,
    }
}

fn buyer(facts: &Snapshot, permit: &Permit) -> Option<OrganizationId> {
    facts
        .organization(permit.buyer()?)
        .map(|organization| organization.id.clone())
}

fn provider(facts: &Snapshot, permit: &Permit) -> Option<OrganizationId> {
    facts
        .organization(permit.api().organization)
        .map(|organization| organization.id.clone())
}
