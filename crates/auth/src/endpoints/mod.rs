//! One file per endpoint; and what they share.

use std::{net::IpAddr, sync::Arc};

use axum::response::{IntoResponse, Response};
use portcullis_core::{
    keys::{KeyPurpose, SigningKey},
    snapshot::Snapshot,
};

use crate::{AuthState, admission::Admission, counters::Counters, error::TokenError};

pub(crate) mod authorize;
pub(crate) mod jwks;
pub(crate) mod metadata;
pub(crate) mod nowhere;
pub(crate) mod token;

/// What the handlers of one issuer path work with.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) state: AuthState,
    pub(crate) admission: Arc<Admission>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) is_deprecated: bool,
}

impl Endpoint {
    /// The facts, unless they are too old to issue a token from.
    pub(crate) fn facts(&self) -> Result<Arc<Snapshot>, TokenError> {
        let now = self.state.clock.boot_time();
        self.state
            .snapshot
            .load_usable(now)
            .ok_or(TokenError::StaleFacts)
    }

    /// Answers with an error: counted, logged, and told without what only the log may know.
    pub(crate) fn refuse(&self, error: &TokenError, from: Option<IpAddr>) -> Response {
        let wire = error.wire();
        self.counters.refused(wire.code);
        error.log(&wire, from);
        wire.into_response()
    }
}

/// The key that signs tokens for clients now.
pub(crate) fn signing_key(facts: &Snapshot) -> Result<&Arc<SigningKey>, TokenError> {
    facts
        .keys()
        .signing(KeyPurpose::Client)
        .ok_or(TokenError::NoKeyYet)
}
