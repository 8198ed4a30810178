//! The outermost layer of the management API: request id, one log line for a failure, the problem body.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    RegistryState,
    error::{Failure, RegistryError},
};

/// Names a request in answers and logs.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The caller's Request-Id, when it is visible ASCII of at most 128 characters, else a new UUID.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let mut values = headers.get_all(REQUEST_ID).iter();
    let own = values.next().filter(|value| {
        (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    match (own, values.next()) {
        (Some(own), None) => own.clone(),
        _ => HeaderValue::from_str(&uuid::Uuid::new_v4().to_string())
            .unwrap_or(HeaderValue::from_static("unknown")),
    }
}

/// Runs a request of the management API and completes its answer.
pub(crate) async fn management(
    State(state): State<RegistryState>,
    request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    if let Some(Failure(error)) = response.extensions_mut().remove::<Failure>() {
        let id_text = id.to_str().unwrap_or_default();
        log(&error, &format!("{method} {path}"), id_text);
        response = with_problem(response, &error, &state.settings.public_url, id_text);
    }
    complete(&mut response, id);
    response
}

/// What every answer of the role carries.
pub(crate) fn complete(response: &mut Response, request_id: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, request_id);
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}

/// The same status and headers, with the problem as body.
fn with_problem(
    response: Response,
    error: &RegistryError,
    docs: &str,
    request_id: &str,
) -> Response {
    let (parts, _) = response.into_parts();
    let mut answer = (parts.status, Json(error.problem(docs, request_id))).into_response();
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            answer.headers_mut().append(name, value.clone());
        }
    }
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    answer
}

/// Faults of ours as errors, refusals for whoever looks for them. Paths hold identifiers, never secrets.
fn log(error: &Arc<RegistryError>, request: &str, request_id: &str) {
    let (kind, ..) = error.wire();
    if kind.status.is_server_error() {
        tracing::error!(request, request_id, code = kind.code, %error, "management request failed");
    } else {
        tracing::debug!(request, request_id, code = kind.code, %error, "management request refused");
    }
}

/// No route below `/v1/`.
pub(crate) async fn path_unknown() -> RegistryError {
    RegistryError::PathUnknown
}

/// A route, but not of this method.
pub(crate) async fn method_not_allowed() -> RegistryError {
    RegistryError::MethodNotAllowed
}
