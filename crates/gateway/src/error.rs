//! Why a call was refused. What the caller is told about it is in `error/wire`, how an answer looks in
//! `answer`.

mod wire;

use std::time::Duration;

use portcullis_core::{access_token::VerifyError, authorize::Denial};

pub(crate) use self::wire::{Code, WireError};

/// Why a call was not forwarded, or its answer not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error("no API is registered at this path")]
    RouteNotFound,
    #[error("the request is malformed: {0}")]
    InvalidRequest(#[from] InvalidRequest),
    #[error("the call has come through this installation before")]
    Loop,
    #[error("the Authorization field is missing")]
    AuthorizationMissing,
    #[error("the Authorization field holds no bearer token")]
    NotBearer,
    #[error(transparent)]
    Token(#[from] VerifyError),
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error("the request body is too long")]
    RequestTooLarge,
    #[error("the snapshot is too old to decide from")]
    Stale,
    #[error("no outbound token could be had in time")]
    NoOutboundToken,
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    #[error("the caller went away")]
    CallerGone,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRequest {
    #[error("its path is ambiguous")]
    Path,
    #[error("its method is not allowed")]
    Method,
    #[error("a field name imitates one that the gateway sets or reads")]
    FieldImitated,
    #[error("the Authorization field is repeated")]
    AuthorizationRepeated,
    #[error("the Subscription-Id field is repeated")]
    SubscriptionIdRepeated,
    #[error("the Subscription-Id field is not visible ASCII")]
    SubscriptionIdMalformed,
    #[error("the Content-Length field is malformed")]
    ContentLength,
}

/// What went wrong between us and the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("the target's name could not be resolved")]
    Unresolved,
    #[error("the target's address is not allowed")]
    Blocked,
    #[error("the target refused the connection")]
    Refused,
    #[error("the connection was not made in time")]
    ConnectTimedOut,
    #[error("TLS with the target failed")]
    Tls,
    #[error("the target has no free connection")]
    Busy,
    #[error("the target closed the connection")]
    Reset,
    #[error("the target's answer is not valid HTTP")]
    Malformed,
    #[error("the target did not answer in time")]
    TimedOut,
    #[error("the target's answer is too long")]
    ResponseTooLarge,
}

/// Why the simulator has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SimulatorError {
    #[error("the specification has no examples")]
    NoExamples,
    #[error("no example for {method} {path}")]
    NoSuchPath { method: Box<str>, path: Box<str> },
    #[error("no example for this method")]
    NoSuchMethod,
    #[error("the credentials are wrong")]
    Unauthorized,
    #[error("too many failed authentications")]
    Throttled(Duration),
    #[error("the app has not selected this API")]
    NotSelected,
    #[error("the body is no JSON: {0}")]
    BadJson(Box<str>),
}

/// Whose fault a refusal is: what decides how loud the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Caller,
    Upstream,
    Us,
}

impl GatewayError {
    pub(crate) const fn fault(&self) -> Fault {
        match self {
            Self::Stale | Self::NoOutboundToken => Fault::Us,
            Self::Upstream(_) | Self::Loop => Fault::Upstream,
            _ => Fault::Caller,
        }
    }
}
