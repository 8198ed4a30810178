//! Role registry's pages. What cannot be done here yet is said, not shown: the one page lists the addresses of
//! this installation, and each code of a problem has a page that explains it.
//!
//! Pages are plain documents without scripts; every byte comes from this crate.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, get},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use portcullis_registry::problem::Kind;

mod pages;

/// One address of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What is there: `Token server`.
    pub name: String,
    /// Where.
    pub url: String,
    /// What it is for, a whole sentence.
    pub purpose: String,
}

/// What the pages show.
#[derive(Debug, Clone, Default)]
pub struct PortalState {
    /// The addresses of this installation, in the order they are shown.
    pub addresses: Arc<[Address]>,
}

/// The pages. Answers every path that no other role of the port has, so it is merged last.
pub fn router(state: PortalState) -> Router {
    // Pages are read and nothing else, so every other method of every path has one answer.
    let read_only = |handler: MethodRouter<PortalState>| handler.fallback(method_not_allowed);
    Router::new()
        .route("/", read_only(get(front)))
        .route("/docs/errors/{code}", read_only(get(problem)))
        .route("/static/portal.css", read_only(get(style)))
        .fallback(not_found)
        .layer(middleware::map_response(secured))
        .with_state(state)
}

async fn front(State(state): State<PortalState>) -> Html<String> {
    Html(pages::front(&state.addresses))
}

async fn problem(Path(code): Path<String>) -> Response {
    match Kind::of(&code) {
        Some(kind) => Html(pages::problem(kind)).into_response(),
        None => not_found().await,
    }
}

async fn style() -> Response {
    let mut response = include_str!("portal.css").into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    response
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Html(pages::not_found())).into_response()
}

async fn method_not_allowed() -> Response {
    let page = Html(pages::method_not_allowed());
    let mut response = (StatusCode::METHOD_NOT_ALLOWED, page).into_response();
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Nothing from elsewhere is loaded, nothing is framed, nothing is sent on.
async fn secured(mut response: Response) -> Response {
    const FIELDS: [(HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in FIELDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    response
}
