//! What the gateway is told when it starts: its rules, its limits and its clocks. Nothing here reads a file.

use std::time::Duration;

use portcullis_core::{
    access_token::TokenRules,
    address_policy::{AddressPolicy, Network},
};

/// What the gateway is told when it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Issuer and audience of the tokens that open it.
    pub rules: TokenRules,
    /// Names this installation in `CDN-Loop`, so that a target that leads back here is noticed. Letters,
    /// digits and hyphens.
    pub installation_id: String,
    /// Answers calls with `Subscription-Id: test` from the examples of the specification.
    pub simulator: bool,
    /// Which addresses targets may have.
    pub address_policy: AddressPolicy,
    /// Proxies in front of us, whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<Network>,
    /// Who may read answers from pages of other origins.
    pub cors: Cors,
    /// Times after which the gateway gives up.
    pub timeouts: Timeouts,
    /// Sizes and numbers.
    pub limits: Limits,
}

impl Settings {
    /// Settings with the defaults of the documentation: no simulator, no private targets, no trusted proxies.
    #[must_use]
    pub fn new(rules: TokenRules, installation_id: &str) -> Self {
        Self {
            rules,
            installation_id: installation_id.to_owned(),
            simulator: false,
            address_policy: AddressPolicy::default(),
            trusted_proxies: Vec::new(),
            cors: Cors::AnyOrigin,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
        }
    }
}

/// Cross-origin requests of browsers (the Fetch standard, section 3.2). Credentials are never allowed:
/// tokens travel in `Authorization`, which a page has to hold itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cors {
    /// The caller's origin is reflected; preflights are answered here.
    AnyOrigin,
    /// Nothing is added; what the provider says goes through.
    Off,
}

/// Times after which the gateway gives up on a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To resolve, connect and shake hands; also the longest wait for a free connection.
    pub connect: Duration,
    /// For the head of the answer, since the last byte of the call went out.
    pub response: Duration,
    /// Without a byte of the answer's body, or of a call's body that goes on after its answer began.
    pub idle: Duration,
    /// How long a connection is kept without a call. Providers that announce a shorter time with
    /// `Keep-Alive: timeout` are believed.
    pub keep_alive: Duration,
    /// For the first outbound token of an API.
    pub outbound_token: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            response: Duration::from_secs(55),
            idle: Duration::from_mins(1),
            keep_alive: Duration::from_secs(30),
            outbound_token: Duration::from_secs(5),
        }
    }
}

/// Sizes and numbers. Those of connections are for each instance on each core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest body of a call, unless its instance is `streaming`.
    pub request_body_bytes_max: u64,
    /// Longest body of an answer, unless its instance is `streaming`.
    pub response_body_bytes_max: u64,
    /// Connections open to one instance.
    pub connections_max: usize,
    /// Of these, kept without a call.
    pub idle_connections_max: usize,
    /// Calls that may wait for one of them.
    pub waiting_max: usize,
    /// Tokens whose signature need not be checked again, on each core.
    pub verified_tokens_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_body_bytes_max: 10 * 1024 * 1024,
            response_body_bytes_max: 10 * 1024 * 1024,
            connections_max: 512,
            idle_connections_max: 128,
            waiting_max: 1_024,
            verified_tokens_max: 8_192,
        }
    }
}
