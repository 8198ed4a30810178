//! What is asked for at the wrong place: every other path below the issuer, and other methods of documents.

use std::sync::Arc;

use axum::{extract::State, response::Response};

use super::Endpoint;
use crate::error::TokenError;

/// There is nothing at this path.
pub(crate) async fn not_found(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let token_url = endpoint.state.settings.issuer().token_url();
    endpoint.refuse(&TokenError::NotFound { token_url }, None)
}

/// A document can only be read.
pub(crate) async fn only_get(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let error = TokenError::Method { allow: "GET, HEAD" };
    endpoint.refuse(&error, None)
}
