//! What callers are told: one table from reasons to the codes of the wire, with status, message and remedy, and
//! to the fine reasons that only the owner's log shows.

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use portcullis_core::{access_token::VerifyError, authorize::Denial};

use super::{GatewayError, InvalidRequest, SimulatorError, UpstreamError};

/// The codes of the wire. Which status each has is in [`GatewayError::wire`], because one code has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    ApiDoesNotExist,
    InvalidRequest,
    MissingAuthorization,
    InvalidToken,
    TokenExpired,
    TokenIssuerMismatch,
    TokenAudienceMismatch,
    UnauthorizedApiAccess,
    MissingSubscriptionId,
    SubscriptionMismatch,
    ApiSubscriptionInactive,
    SubscriberConfigurationPending,
    QuotaExceeded,
    PayloadTooBig,
    RoutingError,
    ProcessingError,
    TargetSystemUnreachable,
    TargetSystemTimedOut,
}

impl Code {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ApiDoesNotExist => "API-DOES-NOT-EXIST",
            Self::InvalidRequest => "INVALID-REQUEST",
            Self::MissingAuthorization => "MISSING-AUTHORIZATION",
            Self::InvalidToken => "INVALID-TOKEN",
            Self::TokenExpired => "TOKEN-EXPIRED",
            Self::TokenIssuerMismatch => "TOKEN-ISSUER-MISMATCH",
            Self::TokenAudienceMismatch => "TOKEN-AUDIENCE-MISMATCH",
            Self::UnauthorizedApiAccess => "UNAUTHORIZED-API-ACCESS",
            Self::MissingSubscriptionId => "MISSING-SUBSCRIPTION-ID",
            Self::SubscriptionMismatch => "SUBSCRIPTION-MISMATCH",
            Self::ApiSubscriptionInactive => "API-SUBSCRIPTION-INACTIVE",
            Self::SubscriberConfigurationPending => "SUBSCRIBER-CONFIGURATION-PENDING",
            Self::QuotaExceeded => "QUOTA-EXCEEDED",
            Self::PayloadTooBig => "PAYLOAD-TOO-BIG",
            Self::RoutingError => "ROUTING-ERROR",
            Self::ProcessingError => "PROCESSING-ERROR",
            Self::TargetSystemUnreachable => "TARGET-SYSTEM-UNREACHABLE",
            Self::TargetSystemTimedOut => "TARGET-SYSTEM-TIMED-OUT",
        }
    }
}

/// What the caller is told. `reason` is not: it goes to the log of the API's and the app's owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireError {
    pub(crate) code: Code,
    pub(crate) status: StatusCode,
    pub(crate) message: Cow<'static, str>,
    pub(crate) remedy: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) retry_after: Option<Duration>,
}

impl WireError {
    const fn new(
        code: Code,
        status: StatusCode,
        message: &'static str,
        remedy: &'static str,
        reason: &'static str,
    ) -> Self {
        let message = Cow::Borrowed(message);
        Self {
            code,
            status,
            message,
            remedy,
            reason,
            retry_after: None,
        }
    }

    fn saying(self, message: String) -> Self {
        Self {
            message: message.into(),
            ..self
        }
    }

    fn retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }
}

impl GatewayError {
    /// What the caller is told.
    pub(crate) fn wire(&self) -> WireError {
        match self {
            Self::RouteNotFound => WireError::new(
                Code::ApiDoesNotExist,
                StatusCode::NOT_FOUND,
                "No API is registered at this path.",
                "Compare the URL with the one in the API's documentation: namespace, environment suffix and base path.",
                "route_not_found",
            ),
            Self::InvalidRequest(error) => error.wire(),
            Self::Loop => WireError::new(
                Code::RoutingError,
                StatusCode::LOOP_DETECTED,
                "The target of this API leads back to this gateway.",
                "The API developer has to correct the target URL of this API.",
                "upstream_unresolved",
            ),
            Self::AuthorizationMissing => WireError::new(
                Code::MissingAuthorization,
                StatusCode::UNAUTHORIZED,
                "The Authorization header is missing.",
                "Get a token from the token endpoint and send it as 'Authorization: Bearer <token>'.",
                "token_missing",
            ),
            Self::NotBearer => WireError::new(
                Code::InvalidToken,
                StatusCode::UNAUTHORIZED,
                "The Authorization header holds no bearer token.",
                "Send the access token as 'Authorization: Bearer <token>'.",
                "token_malformed",
            ),
            Self::Token(error) => token(*error),
            Self::Denied(denial) => denied(*denial),
            Self::RequestTooLarge => WireError::new(
                Code::PayloadTooBig,
                StatusCode::PAYLOAD_TOO_LARGE,
                "The request body is longer than this API takes.",
                "Send less at once, or ask the API developer to switch this API to streaming.",
                "body_too_large",
            ),
            Self::Stale | Self::NoOutboundToken => unavailable(),
            Self::Upstream(error) => error.wire(),
            Self::Simulator(error) => error.wire(),
            Self::CallerGone => WireError::new(
                Code::InvalidRequest,
                StatusCode::BAD_REQUEST,
                "The request ended before it was complete.",
                "Send the whole request.",
                "client_closed",
            ),
        }
    }
}

/// This node cannot decide or sign at the moment. It fails closed, and another node may do better.
fn unavailable() -> WireError {
    WireError::new(
        Code::ProcessingError,
        StatusCode::SERVICE_UNAVAILABLE,
        "The gateway cannot authorize calls at the moment.",
        "Try again shortly; if it goes on, tell the operator of this gateway the request id.",
        "internal",
    )
    .retry_after(Duration::from_secs(2))
}

impl InvalidRequest {
    fn wire(self) -> WireError {
        let bad = |message, remedy, reason| {
            WireError::new(
                Code::InvalidRequest,
                StatusCode::BAD_REQUEST,
                message,
                remedy,
                reason,
            )
        };
        match self {
            Self::Path => bad(
                "The path has dot segments, a backslash or an encoded NUL.",
                "Send the path in its normal form.",
                "route_not_found",
            ),
            Self::Method => WireError::new(
                Code::InvalidRequest,
                StatusCode::METHOD_NOT_ALLOWED,
                "This method is not allowed here.",
                "Use one of the methods in the Allow header.",
                "method_not_allowed",
            ),
            Self::FieldImitated => bad(
                "A header name differs from a protected one only in punctuation.",
                "Spell the header with hyphens, or leave it out.",
                "header_invalid",
            ),
            Self::AuthorizationRepeated => bad(
                "The Authorization header is repeated.",
                "Send exactly one Authorization header.",
                "header_invalid",
            ),
            Self::SubscriptionIdRepeated => bad(
                "The Subscription-Id header is repeated.",
                "Send exactly one Subscription-Id header.",
                "header_invalid",
            ),
            Self::SubscriptionIdMalformed => bad(
                "The Subscription-Id header has characters that no identifier has.",
                "Send the Subscription-Id as it was received, without quotes or blanks.",
                "header_invalid",
            ),
            Self::ContentLength => bad(
                "The Content-Length header is malformed.",
                "Send the length of the body as one decimal number.",
                "header_invalid",
            ),
        }
    }
}

fn token(error: VerifyError) -> WireError {
    let refused = |code, message, remedy, reason| {
        WireError::new(code, StatusCode::UNAUTHORIZED, message, remedy, reason)
    };
    // One text for whatever is wrong with a token beyond what its holder can read in it: it must not tell
    // whether a client exists or which key was missed.
    let invalid = |reason| {
        refused(
            Code::InvalidToken,
            "The access token is not valid.",
            "Get a new token from the token endpoint with your API Key and API Secret.",
            reason,
        )
    };
    match error {
        VerifyError::Malformed | VerifyError::Header => invalid("token_malformed"),
        VerifyError::UnknownKey => invalid("token_unknown_key"),
        VerifyError::Signature => invalid("token_bad_signature"),
        VerifyError::NotYetValid => invalid("token_not_yet_valid"),
        VerifyError::Client => invalid("client_unknown"),
        VerifyError::Generation => invalid("token_revoked"),
        VerifyError::Issuer => refused(
            Code::TokenIssuerMismatch,
            "The access token was issued by another server.",
            "Get the token from the issuer that this gateway's documentation names.",
            "token_wrong_issuer",
        ),
        VerifyError::Audience => refused(
            Code::TokenAudienceMismatch,
            "The access token was made for another audience.",
            "Get a new token from the token endpoint with your API Key and API Secret.",
            "token_wrong_audience",
        ),
        VerifyError::Expired => refused(
            Code::TokenExpired,
            "The access token has expired.",
            "Get a new token from the token endpoint; a token says in expires_in how long it is valid.",
            "token_expired",
        ),
    }
}

fn denied(denial: Denial) -> WireError {
    let forbidden = |code, message, remedy, reason| {
        WireError::new(code, StatusCode::FORBIDDEN, message, remedy, reason)
    };
    let mismatch = |reason| {
        // One answer for all of these: it must not tell whether a subscription of somebody else exists.
        forbidden(
            Code::SubscriptionMismatch,
            "The Subscription-Id does not belong to this app and this API.",
            "Use the Subscription-Id that was issued to this app for the customer, and check that the activation includes this API.",
            reason,
        )
    };
    let inactive = |reason| {
        forbidden(
            Code::ApiSubscriptionInactive,
            "The subscription to this API is not active.",
            "Ask the customer to activate the app again, or the API developer to accept the connection.",
            reason,
        )
    };
    match denial {
        Denial::ClientUnknown => token(VerifyError::Client),
        Denial::TokenRevoked => token(VerifyError::Generation),
        Denial::AppDisabled | Denial::OwnerSuspended => WireError {
            reason: "app_disabled",
            ..token(VerifyError::Client)
        },
        Denial::ApiNotSelected | Denial::ApiNotVisible => forbidden(
            Code::UnauthorizedApiAccess,
            "This app may not call this API.",
            "Select the API in the settings of the app; if it is private, ask the API developer to share it.",
            "api_not_granted",
        ),
        Denial::ProviderSuspended => forbidden(
            Code::UnauthorizedApiAccess,
            "This API is not open at the moment.",
            "Ask the API developer when it will be.",
            "api_not_granted",
        ),
        Denial::SubscriptionMissing => WireError::new(
            Code::MissingSubscriptionId,
            StatusCode::BAD_REQUEST,
            "The Subscription-Id header is missing.",
            "Send the Subscription-Id of the customer you call for in the Subscription-Id header.",
            "subscription_missing",
        ),
        Denial::SubscriptionUnknown => mismatch("subscription_unknown"),
        Denial::SubscriptionOfAnother | Denial::WrongEnvironment | Denial::NotConnected => {
            mismatch("subscription_wrong_app")
        }
        Denial::SubscriptionPending | Denial::ConnectionPending => inactive("subscription_pending"),
        Denial::SubscriptionSuspended | Denial::BuyerSuspended => {
            inactive("subscription_suspended")
        }
        Denial::SubscriptionEnded | Denial::ConnectionEnded => inactive("subscription_cancelled"),
        Denial::ValuesIncomplete => forbidden(
            Code::SubscriberConfigurationPending,
            "This API needs values for this subscription that are not set yet.",
            "Ask the API developer to complete the configuration of this subscription.",
            "subscription_pending",
        ),
    }
}

impl UpstreamError {
    fn wire(self) -> WireError {
        const ASK: &str = "Try again later; if it goes on, tell the API developer the request id.";
        let unreachable = |status, message, reason| {
            WireError::new(Code::TargetSystemUnreachable, status, message, ASK, reason)
        };
        let down = |reason| {
            unreachable(
                StatusCode::SERVICE_UNAVAILABLE,
                "The API's server cannot be reached.",
                reason,
            )
        };
        let slow = |reason| {
            WireError::new(
                Code::TargetSystemTimedOut,
                StatusCode::GATEWAY_TIMEOUT,
                "The API's server did not answer in time.",
                ASK,
                reason,
            )
        };
        match self {
            Self::Unresolved | Self::Blocked => down("upstream_unresolved"),
            Self::Refused => down("upstream_connect"),
            Self::Tls => down("upstream_tls"),
            Self::Busy => down("upstream_unhealthy").retry_after(Duration::from_secs(1)),
            Self::Reset => unreachable(
                StatusCode::BAD_GATEWAY,
                "The API's server broke the connection off.",
                "upstream_reset",
            ),
            Self::Malformed => unreachable(
                StatusCode::BAD_GATEWAY,
                "The API's server answered with something that is not valid HTTP.",
                "upstream_reset",
            ),
            Self::ConnectTimedOut | Self::TimedOut => slow("upstream_timeout"),
            Self::ResponseTooLarge => WireError::new(
                Code::PayloadTooBig,
                StatusCode::BAD_GATEWAY,
                "The API's answer is longer than the gateway passes on.",
                "Ask for less at once, or ask the API developer to switch this API to streaming.",
                "body_too_large",
            ),
        }
    }
}

impl SimulatorError {
    fn wire(&self) -> WireError {
        let none = |message| {
            WireError::new(
                Code::ApiDoesNotExist,
                StatusCode::NOT_FOUND,
                message,
                "Call a path that has an example in the API's specification, or use a test subscription.",
                "route_not_found",
            )
        };
        match self {
            Self::NoExamples => none(
                "The simulator has no answers for this API: its specification has no examples.",
            ),
            Self::NoSuchPath { method, path } => none("").saying(format!("Cannot {method} {path}")),
            Self::NoSuchMethod => WireError::new(
                Code::InvalidRequest,
                StatusCode::METHOD_NOT_ALLOWED,
                "The request could not be satisfied",
                "Use a method that has an example for this path in the API's specification.",
                "method_not_allowed",
            ),
            Self::Unauthorized => WireError::new(
                Code::InvalidToken,
                StatusCode::UNAUTHORIZED,
                "Unauthorized",
                "Send the API Key and API Secret of the app, or a bearer token.",
                "client_secret_bad",
            ),
            Self::Throttled(wait) => WireError::new(
                Code::QuotaExceeded,
                StatusCode::TOO_MANY_REQUESTS,
                "There were too many failed authentications.",
                "Wait as long as the Retry-After header says, then send the right credentials.",
                "rate_limited",
            )
            .retry_after(*wait),
            Self::NotSelected => WireError::new(
                Code::UnauthorizedApiAccess,
                StatusCode::FORBIDDEN,
                "Solution has not requested access to this API. Please select the API from your Developer account.",
                "Select the API in the settings of the app.",
                "api_not_granted",
            ),
            Self::BadJson(message) => WireError::new(
                Code::InvalidRequest,
                StatusCode::BAD_REQUEST,
                "",
                "Send a body that is valid JSON, or none.",
                "header_invalid",
            )
            .saying(message.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
