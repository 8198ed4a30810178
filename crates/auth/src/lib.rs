//! The role `auth`: the OAuth 2.0 token server. Every URL of the role is in [`router`].
//!
//! There is no store here and nothing to wait for: a token is decided from the snapshot in memory and signed
//! on the worker that read the request. What must be so: an answer never depends on `Host` or any other header
//! but `Authorization` and those that describe the body; a secret is never logged, echoed or taken from a URL;
//! right credentials are never throttled.

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{any, get, post},
};
use portcullis_core::{
    clock::Clock, recorder::Recorder, snapshot::SnapshotHandle, throttle::Throttle,
};

use crate::{
    admission::Admission,
    counters::Counters,
    deprecated_issuer::DeprecatedIssuer,
    endpoints::{Endpoint, authorize, jwks, metadata, nowhere, token},
};

mod admission;
mod client_authentication;
mod counters;
mod deprecated_issuer;
mod endpoints;
/// Why a token was refused, and what the caller is told.
pub mod error;
mod grants;
mod parameters;
mod peer;
mod settings;

pub use peer::PeerAddr;
pub use settings::{InvalidIssuer, Issuer, IssuerAlias, Settings};

/// What the role works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuthState {
    /// The facts.
    pub snapshot: Arc<SnapshotHandle>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Takes a record of each token.
    pub recorder: Arc<dyn Recorder>,
    /// Failed authentications. Shared with whoever else takes the same credentials.
    pub throttle: Arc<Throttle>,
    /// What the role is told.
    pub settings: Arc<Settings>,
}

impl AuthState {
    /// A state with a throttle of its own, as the settings say.
    #[must_use]
    pub fn new(
        snapshot: Arc<SnapshotHandle>,
        clock: Arc<dyn Clock>,
        recorder: Arc<dyn Recorder>,
        settings: Arc<Settings>,
    ) -> Self {
        let throttle = Arc::new(Throttle::new(settings.throttle));
        Self {
            snapshot,
            clock,
            recorder,
            throttle,
            settings,
        }
    }
}

/// Every URL of the role: those of the issuer, then the same for each deprecated one.
///
/// Each call makes an admission queue of its own, for the [`Settings::workers`] threads that share the router;
/// clones of a router share its queue. There is no fallback, so the router can be merged into another.
pub fn router(state: AuthState) -> Router {
    let settings = state.settings.clone();
    let admission = Arc::new(Admission::new(settings.admission, settings.workers));
    let counters = Arc::new(Counters::register());
    let endpoint = move |is_deprecated| {
        Arc::new(Endpoint {
            state: state.clone(),
            admission: admission.clone(),
            counters: counters.clone(),
            is_deprecated,
        })
    };
    let issuer = settings.issuer();
    let mut router = routes(issuer.path(), issuer, endpoint(false));
    for alias in settings.aliases() {
        let endpoint = endpoint(true);
        let deprecated = Arc::new(DeprecatedIssuer::new(alias, issuer, endpoint.clone()));
        let mark = middleware::from_fn_with_state(deprecated, deprecated_issuer::mark);
        router = router.merge(routes(alias.path(), issuer, endpoint).layer(mark));
    }
    router
}

/// The URLs below one path. Documents name `issuer`, whatever the path.
fn routes(path: &str, issuer: &Issuer, endpoint: Arc<Endpoint>) -> Router {
    let token = || post(token::token).fallback(token::only_post);
    let document = metadata::document(issuer);
    let metadata = || get(document.clone()).fallback(nowhere::only_get);
    Router::new()
        .route(&format!("{path}/v1/token"), token())
        .route(&format!("{path}/v1/token/"), token())
        .route(path, token())
        .route(
            &format!("{path}/v1/keys"),
            get(jwks::jwks).fallback(nowhere::only_get),
        )
        .route(
            &format!("{path}/v1/authorize"),
            get(authorize::authorize).fallback(nowhere::only_get),
        )
        .route(
            &format!("{path}/.well-known/openid-configuration"),
            metadata(),
        )
        .route(
            &format!("{path}/.well-known/oauth-authorization-server"),
            metadata(),
        )
        // RFC 8414 section 3.1 puts the well-known part before the issuer's path.
        .route(
            &format!("/.well-known/oauth-authorization-server{path}"),
            metadata(),
        )
        .route(&format!("{path}/"), any(nowhere::not_found))
        .route(&format!("{path}/{{*rest}}"), any(nowhere::not_found))
        .with_state(endpoint)
}
