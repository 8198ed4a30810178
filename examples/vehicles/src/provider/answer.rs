//! Error answers of the sample provider, all of one JSON shape, and the reading of JSON bodies.

use super::fields::Problem;
use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// Why a request got no data.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    errors: Vec<Problem>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let errors = Vec::new();
        let message = message.into();
        Self {
            status,
            code,
            message,
            errors,
        }
    }

    pub(super) fn invalid(errors: Vec<Problem>) -> Self {
        let message = "The document is not valid; 'errors' names each member.";
        Self {
            errors,
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "INVALID-DOCUMENT",
                message,
            )
        }
    }

    pub(super) fn bad_query(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID-QUERY", message)
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "INVALID-PLATFORM-TOKEN", message)
    }

    pub(super) fn not_ready(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "NOT-READY", message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            code: &'static str,
            message: String,
            status: u16,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            errors: Vec<Problem>,
        }
        let status = self.status;
        let body = Body {
            code: self.code,
            message: self.message,
            status: status.as_u16(),
            errors: self.errors,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

pub(super) fn not_found(kind: &str, id: &str) -> Failure {
    let id: String = id.chars().filter(|c| !c.is_control()).take(60).collect();
    let message = format!("There is no {kind} with the id '{id}'.");
    Failure::new(StatusCode::NOT_FOUND, "NOT-FOUND", message)
}

pub(super) fn no_such_path() -> Failure {
    let message = "There is nothing at this path; the API is at /vehicles/v1.";
    Failure::new(StatusCode::NOT_FOUND, "NOT-FOUND", message)
}

pub(super) fn no_such_method() -> Failure {
    let message = "This path does not take this method; see the Allow header.";
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD-NOT-ALLOWED",
        message,
    )
}

pub(super) fn full(kind: &str) -> Failure {
    let message = format!("This subscription has as many {kind} as the sample keeps; delete some.");
    Failure::new(StatusCode::CONFLICT, "FULL", message)
}

/// The JSON object in a request's body.
pub(super) fn json_object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Failure> {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let is_json = essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !is_json {
        let message = "Send the document as Content-Type: application/json.";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Failure::new(status, "UNSUPPORTED-MEDIA-TYPE", message));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(malformed("The body must be a JSON object.".to_owned())),
        Err(error) => Err(malformed(format!("The body is not JSON: {error}."))),
    }
}

fn malformed(message: String) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "MALFORMED-BODY", message)
}
