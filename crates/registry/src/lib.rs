//! Role registry: organizations, apps, APIs, subscriptions; management and subscriptions APIs.
//!
//! The management API (`/v1/...`) is for people and the command line, with tokens of its own; every path and
//! what it takes stands in [`routes`]. The subscriptions API is for apps and APIs, with their access tokens.
//! What is true is decided by the store's acts; nothing here keeps state.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{MethodRouter, any},
};
use portcullis_core::{
    access_token::TokenRules, address_policy::AddressPolicy, clock::Clock, snapshot::SnapshotHandle,
};
use portcullis_store::Store;
use utoipa::openapi::OpenApi;

mod body;
/// The first signing keys.
pub mod bootstrap;
mod caller;
mod effect;
mod endpoints;
mod error;
mod findings;
mod finish;
/// The door for pages.
pub mod in_process;
/// What happens by itself.
pub mod jobs;
/// Mails to people.
pub mod mail;
mod openapi;
mod params;
/// Passwords of people.
pub mod password;
/// Services for people: sign-in, sessions, second factors, one-time links.
pub mod people;
/// Problems of the management API.
pub mod problem;
/// Every route and what it takes to use it.
pub mod routes;
mod rules;
/// Sample data of the development server.
pub mod seed;
/// Intake of API specifications.
pub mod spec;
mod subscriptions_api;
/// Target URLs of API instances.
pub mod targets;
/// Things as the management API shows them.
pub mod wire;

pub use error::{RegistryError, TokenError};

/// Largest body of most paths, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Largest body of a path that takes a specification: a text of 1 MiB grows when JSON quotes it.
const SPEC_BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// What the role needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base URL of the portal, without a trailing `/`: pages about problems are below it.
    pub public_url: String,
    /// Issuer and audience of the access tokens that the subscriptions API takes.
    pub tokens: TokenRules,
    /// Where target URLs may lead.
    pub address_policy: AddressPolicy,
    /// For how long an act waits for the nodes.
    pub barrier_limit: Duration,
    /// Where passwords are hashed.
    pub passwords: password::Passwords,
    /// How connections to targets are tested.
    pub target_checks: targets::TargetChecks,
    /// Where mails go.
    pub mail_mode: mail::MailMode,
}

/// What every handler has at hand. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RegistryState {
    /// Where facts are written.
    pub store: Store,
    /// Where decisions are made.
    pub snapshot: Arc<SnapshotHandle>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// What the role needs to know.
    pub settings: Arc<Settings>,
}

/// Every path of the role. It has no fallback of its own, so that it can be merged with the other roles of
/// the port; unknown paths below `/v1/` are answered here.
pub fn router(state: RegistryState) -> Router {
    management(state.clone()).merge(subscriptions_api::router(state.clone()).with_state(state))
}

/// The management API alone: what stands on the port, and what pages call in process.
pub(crate) fn management(state: RegistryState) -> Router {
    let (management, _) = endpoints::router().split_for_parts();
    let unknown: MethodRouter<RegistryState> = any(finish::path_unknown);
    management
        .route("/v1", unknown.clone())
        .route("/v1/", unknown.clone())
        .route("/v1/{*rest}", unknown)
        .method_not_allowed_fallback(finish::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            finish::management,
        ))
        .with_state(state)
}

/// The OpenAPI document of the management API, generated from the code.
#[must_use]
pub fn openapi() -> OpenApi {
    openapi::document()
}
