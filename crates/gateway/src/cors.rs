//! Calls from pages of other origins (the Fetch standard, section 3.2): the preflight is answered here, before
//! authorization, because browsers send none with it.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN, VARY,
    },
    request::Parts,
};

use crate::{answer::ALLOWED_METHODS, response_body::ResponseBody, settings::Cors};

/// What a page may send when it does not say what it wants to send.
const ALLOWED_FIELDS: HeaderValue =
    HeaderValue::from_static("Authorization, Subscription-Id, Request-Id, Content-Type, Prefer");
/// What a page may read beyond what every page may.
const EXPOSED_FIELDS: HeaderValue = HeaderValue::from_static(
    "Request-Id, Error-Source, WWW-Authenticate, Retry-After, ETag, Location",
);
/// Seconds a browser may remember a preflight; browsers cap it themselves.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// Longest list of field names that is granted as asked for.
const REQUESTED_BYTES_MAX: usize = 1_024;

/// The answer to a preflight; `None` when the call is none, which is then authorized as every other.
pub(crate) fn preflight(cors: Cors, parts: &Parts) -> Option<Response<ResponseBody>> {
    let is_preflight = parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if cors == Cors::Off || !is_preflight {
        return None;
    }
    let mut response = Response::new(ResponseBody::whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, granted_fields(&parts.headers));
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(response)
}

/// The fields a page asks to send. All of them are granted, since what protects a call is the token, and no
/// page has that of another.
fn granted_fields(fields: &HeaderMap) -> HeaderValue {
    let is_list = |value: &&HeaderValue| {
        let legal = |b: &u8| b.is_ascii_alphanumeric() || b"-_, ".contains(b);
        (1..=REQUESTED_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(legal)
    };
    let requested = fields.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(is_list);
    requested.cloned().unwrap_or(ALLOWED_FIELDS)
}

/// Lets the page of the caller's origin read the answer. What the provider says about it is replaced, because
/// browsers refuse an answer that says it twice.
pub(crate) fn allow_reading(cors: Cors, call: &HeaderMap, answer: &mut HeaderMap) {
    if cors == Cors::Off {
        return;
    }
    let Some(origin) = call.get(ORIGIN) else {
        return;
    };
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_FIELDS);
    answer.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
    answer.append(VARY, HeaderValue::from_static("Origin"));
}
