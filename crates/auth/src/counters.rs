//! Counters of the role, registered once: the hot path pays for an atomic addition.

use metrics::{Counter, counter, describe_counter};
use portcullis_core::oauth::error::TokenErrorCode;

/// Handles of the role's metrics. Without a recorder installed they count nothing.
pub(crate) struct Counters {
    issued: [Counter; 2],
    refused: [Counter; TokenErrorCode::ALL.len()],
}

impl Counters {
    pub(crate) fn register() -> Self {
        describe_counter!("portcullis_tokens_issued_total", "Access tokens issued.");
        describe_counter!(
            "portcullis_token_requests_refused_total",
            "Requests to the token server that were refused, by OAuth error code."
        );
        let issued = |issuer| counter!("portcullis_tokens_issued_total", "issuer" => issuer);
        Self {
            issued: ["current", "deprecated"].map(issued),
            refused: TokenErrorCode::ALL.map(|code| {
                counter!("portcullis_token_requests_refused_total", "error" => code.as_str())
            }),
        }
    }

    pub(crate) fn issued_by_current_issuer(&self) {
        let [current, _] = &self.issued;
        current.increment(1);
    }

    pub(crate) fn issued_by_deprecated_issuer(&self) {
        let [_, deprecated] = &self.issued;
        deprecated.increment(1);
    }

    pub(crate) fn refused(&self, code: TokenErrorCode) {
        let position = TokenErrorCode::ALL.iter().position(|other| *other == code);
        if let Some(counter) = position.and_then(|at| self.refused.get(at)) {
            counter.increment(1);
        }
    }
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counters")
    }
}
