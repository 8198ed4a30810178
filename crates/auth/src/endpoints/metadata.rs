//! `GET {issuer}/.well-known/...`: what this token server can do (RFC 8414; `OpenID` Connect Discovery 1.0).

use axum::{
    body::{Body, Bytes},
    handler::Handler,
    response::{IntoResponse, Response},
};
use http::header;
use portcullis_core::oauth::metadata::AuthorizationServerMetadata;

use super::jwks::{CACHE_CONTROL, JSON};
use crate::settings::Issuer;

/// A handler that serves the document of this issuer, made once. Every path of the server serves the same:
/// it names the current issuer also where it is asked for below a deprecated one.
pub(crate) fn document<S>(issuer: &Issuer) -> impl Handler<((),), S>
where
    S: Clone + Send + Sync + 'static,
{
    let document = AuthorizationServerMetadata::of_client_credentials(issuer.as_str());
    let json = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    move || std::future::ready(answer(json.clone()))
}

fn answer(json: Bytes) -> Response {
    let fields = [
        (header::CONTENT_TYPE, JSON),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    (fields, Body::from(json)).into_response()
}
