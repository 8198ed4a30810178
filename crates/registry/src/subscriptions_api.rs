//! The subscriptions API: what apps and APIs ask with their own access tokens (`domain.md` is its contract).
//!
//! Paths and members are those of old clients: errors are `{"code": number, "message": text}`, always JSON,
//! because clients read `message` without looking whether there is a body.

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, get},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use portcullis_core::{
    access_token::{self, VerifyError},
    app::AppState,
    client::ClientOwnerKey,
    ids::{AppId, IdKey},
    snapshot::Snapshot,
};
use portcullis_store::ActError;
use serde::Serialize;

use crate::{RegistryState, finish};

mod context;
mod list;

/// Its paths, with their answers to everything below them. `/subscriptions/{subscription_id}` itself is none of
/// them: there stands the page of a subscription.
pub(crate) fn router(state: RegistryState) -> Router<RegistryState> {
    let unknown: MethodRouter<RegistryState> = any(path_unknown);
    Router::new()
        .route("/v1/solution/subscriptions", get(list::list))
        .route("/v1/solution/{*rest}", unknown.clone())
        .route(
            "/subscriptions/{subscription_id}/context",
            get(context::context),
        )
        .route("/subscriptions/{subscription_id}/{*rest}", unknown)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(state, finished))
}

async fn finished(State(_): State<RegistryState>, request: Request, next: Next) -> Response {
    let id = finish::request_id(request.headers());
    let mut response = next.run(request).await;
    finish::complete(&mut response, id);
    response
}

async fn path_unknown() -> SubscriptionsError {
    SubscriptionsError::PathUnknown
}

async fn method_not_allowed() -> SubscriptionsError {
    SubscriptionsError::MethodNotAllowed
}

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
enum SubscriptionsError {
    #[error("no access token")]
    TokenMissing,
    #[error("the Authorization header stands twice or is no bearer token")]
    HeaderMalformed,
    #[error("{0}")]
    Token(VerifyError),
    #[error("the app is disabled or its organization is suspended")]
    CallerStopped,
    #[error("a token of an API, where one of an app is needed")]
    NotAnApp,
    #[error("the caller has nothing to do with this subscription")]
    NoRelation,
    #[error("there is no such subscription")]
    SubscriptionUnknown,
    #[error("the query cannot be read")]
    Query,
    #[error("no such path")]
    PathUnknown,
    #[error("the path does not take this method")]
    MethodNotAllowed,
    #[error("what this node knows is too old to decide from")]
    Stale,
    #[error(transparent)]
    Store(#[from] ActError),
}

impl SubscriptionsError {
    /// The status, and what to say: all that a caller sees.
    fn wire(&self) -> (StatusCode, String) {
        let said = |status, text: &str| (status, text.to_owned());
        match self {
            Self::TokenMissing => said(
                StatusCode::UNAUTHORIZED,
                "An access token is required: send Authorization: Bearer with a token of the app or API.",
            ),
            Self::HeaderMalformed => said(
                StatusCode::BAD_REQUEST,
                "Send exactly one Authorization header, of the form Bearer token.",
            ),
            Self::Token(VerifyError::Expired) => said(
                StatusCode::UNAUTHORIZED,
                "The access token has expired: get a new one.",
            ),
            // Which check a token failed is for the log, but for the two that tell the caller what to do.
            Self::Token(VerifyError::Issuer) => said(
                StatusCode::UNAUTHORIZED,
                "The access token was issued by another server: get one from this one.",
            ),
            Self::Token(_) => said(
                StatusCode::UNAUTHORIZED,
                "The access token is not valid here: get one with the credentials of the app or API.",
            ),
            Self::CallerStopped => said(
                StatusCode::FORBIDDEN,
                "The app is disabled, or its organization is suspended: ask its owner or an operator.",
            ),
            Self::NotAnApp => said(
                StatusCode::FORBIDDEN,
                "This list is for apps: send the token of an app.",
            ),
            Self::NoRelation => said(
                StatusCode::FORBIDDEN,
                "This subscription belongs to another app, and to none of your APIs.",
            ),
            Self::SubscriptionUnknown => said(
                StatusCode::NOT_FOUND,
                "There is no such subscription: check its id.",
            ),
            Self::Query => said(StatusCode::BAD_REQUEST, "The query cannot be read."),
            Self::PathUnknown => said(StatusCode::NOT_FOUND, "There is no such path."),
            Self::MethodNotAllowed => said(
                StatusCode::METHOD_NOT_ALLOWED,
                "This path is read with GET.",
            ),
            Self::Stale | Self::Store(ActError::Busy | ActError::Unavailable(_)) => said(
                StatusCode::SERVICE_UNAVAILABLE,
                "The service cannot answer at the moment: try again in a second.",
            ),
            Self::Store(_) => said(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The request could not be completed.",
            ),
        }
    }

    fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::TokenMissing => Some("Bearer realm=\"subscriptions\""),
            Self::Token(_) => Some("Bearer realm=\"subscriptions\", error=\"invalid_token\""),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct ErrorBody {
    code: u16,
    message: String,
}

impl IntoResponse for SubscriptionsError {
    fn into_response(self) -> Response {
        let (status, message) = self.wire();
        if status.is_server_error() {
            tracing::error!(error = %self, "subscriptions request failed");
        } else {
            tracing::debug!(error = %self, "subscriptions request refused");
        }
        let body = ErrorBody {
            code: status.as_u16(),
            message,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge() {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Who calls.
enum Caller {
    App(AppId),
    Api(IdKey),
}

/// The app or API whose access token this is. Only tokens signed with a `client` key pass: one that a provider
/// received from the gateway opens nothing here.
fn authenticate(state: &RegistryState, headers: &HeaderMap) -> Result<Caller, SubscriptionsError> {
    let token = presented(headers)?;
    let snapshot = state
        .snapshot
        .load_usable(state.clock.boot_time())
        .ok_or(SubscriptionsError::Stale)?;
    let now = state.clock.now();
    let rules = &state.settings.tokens;
    let verified = access_token::verify(token, snapshot.keys(), rules, now)
        .map_err(SubscriptionsError::Token)?;
    let client = snapshot
        .live_client(&verified)
        .map_err(SubscriptionsError::Token)?;
    match client.owner {
        ClientOwnerKey::App(key) => live_app(&snapshot, key).map(Caller::App),
        ClientOwnerKey::Api(key) => live_api(&snapshot, key).map(Caller::Api),
    }
}

fn live_app(snapshot: &Snapshot, key: IdKey) -> Result<AppId, SubscriptionsError> {
    snapshot
        .app(key)
        .filter(|app| app.state == AppState::Enabled)
        .filter(|app| snapshot.organization_is_active(app.organization))
        .map(|app| app.id.clone())
        .ok_or(SubscriptionsError::CallerStopped)
}

fn live_api(snapshot: &Snapshot, key: IdKey) -> Result<IdKey, SubscriptionsError> {
    snapshot
        .api(key)
        .filter(|api| snapshot.organization_is_active(api.organization))
        .map(|_| key)
        .ok_or(SubscriptionsError::CallerStopped)
}

/// The one bearer token of the `Authorization` header (RFC 6750 section 2.1).
fn presented(headers: &HeaderMap) -> Result<&str, SubscriptionsError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(SubscriptionsError::TokenMissing)?;
    if values.next().is_some() {
        return Err(SubscriptionsError::HeaderMalformed);
    }
    let text = value
        .to_str()
        .map_err(|_| SubscriptionsError::HeaderMalformed)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_start()),
        _ => Err(SubscriptionsError::TokenMissing),
    }
}
