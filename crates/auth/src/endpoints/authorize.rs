//! `GET {issuer}/v1/authorize`: named by the metadata because libraries refuse a document without it, and
//! grants nothing.
//!
//! It never redirects: no client has registered a redirect URI for it, and a redirect to an unregistered one
//! is an open redirector (RFC 6749 section 3.1.2.4).

use std::sync::Arc;

use axum::{extract::State, response::Response};

use super::Endpoint;
use crate::error::TokenError;

/// Refuses, and says which flow to use.
pub(crate) async fn authorize(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let token_url = endpoint.state.settings.issuer().token_url();
    endpoint.refuse(&TokenError::NoAuthorizationFlow { token_url }, None)
}
