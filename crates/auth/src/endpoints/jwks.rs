//! `GET {issuer}/v1/keys`: the JWKS (RFC 7517 section 5), with which anybody can verify our tokens.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::Endpoint;
use crate::error::TokenError;

/// Keys are published an hour before they sign, so an hour in a cache misses none.
pub(super) const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("max-age=3600");
/// The type that every verifier takes; `application/jwk-set+json` is refused by some.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The document, or 304 when the caller has it.
///
/// It is served from facts of any age: a node that may not issue tokens any more still helps to verify them.
pub(crate) async fn jwks(State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap) -> Response {
    let facts = endpoint.state.snapshot.load();
    let keys = facts.keys();
    // An empty set would be kept for an hour by whoever asks during the first start.
    if keys.keys().is_empty() {
        return endpoint.refuse(&TokenError::NoKeyYet, None);
    }
    let Ok(etag) = HeaderValue::from_str(keys.etag()) else {
        return endpoint.refuse(&TokenError::Internal, None);
    };
    let is_known = matches_any(&headers, etag.as_bytes());
    let fields = [(header::CACHE_CONTROL, CACHE_CONTROL), (header::ETAG, etag)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    let body = Body::from(Bytes::copy_from_slice(keys.jwks().as_bytes()));
    let mut response = (fields, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// `If-None-Match` (RFC 9110 section 13.1.2): `*`, or a list with this tag, compared weakly.
fn matches_any(headers: &HeaderMap, etag: &[u8]) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
}
