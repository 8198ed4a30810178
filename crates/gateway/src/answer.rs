//! How the gateway's own answers look: JSON with the members that callers know, those of RFC 9457 beside
//! them, and the header fields every answer has.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use portcullis_listener::{Reason, Refusal};
use serde::Serialize;

use crate::{
    error::{Code, WireError},
    response_body::ResponseBody,
};

/// Names a call; the caller's, or made by us.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// On every answer that is an error: who made it.
pub(crate) const ERROR_SOURCE: HeaderName = HeaderName::from_static("error-source");
/// Methods that are forwarded.
pub(crate) const ALLOWED_METHODS: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const GATEWAY: HeaderValue = HeaderValue::from_static("gateway");
const API: HeaderValue = HeaderValue::from_static("api");

/// The body of an error.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    code: &'a str,
    message: &'a str,
    status: u16,
    request_id: &'a str,
    source: &'a str,
    remedy: &'a str,
    r#type: String,
    detail: &'a str,
}

impl<'a> Problem<'a> {
    fn new(error: &'a WireError, request_id: &'a str) -> Self {
        let code = error.code.as_str();
        Self {
            code,
            message: &error.message,
            status: error.status.as_u16(),
            request_id,
            source: "GATEWAY",
            remedy: error.remedy,
            r#type: format!("/docs/errors/{code}"),
            detail: &error.message,
        }
    }

    fn json(&self) -> String {
        // Serializing texts and a number into memory cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The answer to a call that was refused.
pub(crate) fn refuse(error: &WireError, request_id: &HeaderValue) -> Response<ResponseBody> {
    let text = request_id.to_str().unwrap_or_default();
    let body = Problem::new(error, text).json();
    let mut response = Response::new(ResponseBody::whole(Bytes::from(body)));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(REQUEST_ID, request_id.clone());
    headers.insert(ERROR_SOURCE, GATEWAY);
    if error.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, challenge(error));
    }
    if error.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, ALLOWED_METHODS);
    }
    if let Some(wait) = error.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}

/// Marks an answer of the provider's that is an error.
pub(crate) fn mark_error_of_api(status: StatusCode, headers: &mut HeaderMap) {
    if status.as_u16() >= 400 {
        headers.insert(ERROR_SOURCE, API);
    }
}

/// RFC 6750 section 3: without credentials no error is named.
fn challenge(error: &WireError) -> HeaderValue {
    if error.code == Code::MissingAuthorization {
        return HeaderValue::from_static("Bearer");
    }
    let text = format!(
        r#"Bearer error="invalid_token", error_description="{}""#,
        error.message
    );
    HeaderValue::try_from(text)
        .unwrap_or(HeaderValue::from_static(r#"Bearer error="invalid_token""#))
}

/// What the listener says, in the words of this port, when it refuses a request before the gateway sees it.
#[must_use]
pub fn refusal_body(refusal: &Refusal) -> (&'static str, String) {
    let (code, remedy, reason) = if refusal.reason() == Reason::ServiceFailed {
        let remedy = "Try again; if it goes on, tell the operator of this gateway the request id.";
        (Code::ProcessingError, remedy, "internal")
    } else {
        let remedy =
            "Send a request that follows RFC 9110 and RFC 9112 and stays within the limits.";
        (Code::InvalidRequest, remedy, "header_invalid")
    };
    let error = WireError {
        code,
        status: refusal.status(),
        message: Cow::Borrowed(refusal.message()),
        remedy,
        reason,
        retry_after: None,
    };
    let request_id = uuid::Uuid::new_v4().to_string();
    ("application/json", Problem::new(&error, &request_id).json())
}
