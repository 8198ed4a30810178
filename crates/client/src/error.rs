//! What can go wrong, as values: refusals of the token server (RFC 6749 s.5.2) and failed calls.

use crate::refusal::ApiError;
use std::fmt;
use std::time::Duration;

/// Whether trying again can help.
///
/// ```
/// use portcullis_client::{OAuthErrorCode, RetryAdvice};
///
/// assert_eq!(OAuthErrorCode::InvalidClient.retry(), RetryAdvice::Never);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAdvice {
    /// The same request gets the same answer: something must be changed first.
    Never,
    /// Not before this much time has passed.
    After(Duration),
}

const RETRY_DEFAULT: RetryAdvice = RetryAdvice::After(Duration::from_secs(1));

/// The `error` of a token server's answer (RFC 6749 s.5.2, and s.4.1.2.1 for the two temporary
/// ones).
///
/// ```
/// use portcullis_client::OAuthErrorCode;
///
/// assert_eq!(OAuthErrorCode::from("invalid_scope"), OAuthErrorCode::InvalidScope);
/// assert_eq!(OAuthErrorCode::from("slow_down").as_str(), "slow_down");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OAuthErrorCode {
    /// `invalid_request`
    InvalidRequest,
    /// `invalid_client`: the API Key is unknown, or the API Secret wrong.
    InvalidClient,
    /// `invalid_grant`
    InvalidGrant,
    /// `unauthorized_client`
    UnauthorizedClient,
    /// `unsupported_grant_type`
    UnsupportedGrantType,
    /// `invalid_scope`
    InvalidScope,
    /// `temporarily_unavailable`
    TemporarilyUnavailable,
    /// `server_error`
    ServerError,
    /// Any other word.
    Other(String),
}

impl From<&str> for OAuthErrorCode {
    fn from(code: &str) -> Self {
        match code {
            "invalid_request" => Self::InvalidRequest,
            "invalid_client" => Self::InvalidClient,
            "invalid_grant" => Self::InvalidGrant,
            "unauthorized_client" => Self::UnauthorizedClient,
            "unsupported_grant_type" => Self::UnsupportedGrantType,
            "invalid_scope" => Self::InvalidScope,
            "temporarily_unavailable" => Self::TemporarilyUnavailable,
            "server_error" => Self::ServerError,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl OAuthErrorCode {
    /// The word on the wire.
    ///
    /// ```
    /// # use portcullis_client::OAuthErrorCode;
    /// assert_eq!(OAuthErrorCode::InvalidClient.as_str(), "invalid_client");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
            Self::Other(code) => code,
        }
    }

    /// Whether the same request can succeed later.
    ///
    /// ```
    /// # use portcullis_client::{OAuthErrorCode, RetryAdvice};
    /// assert_ne!(OAuthErrorCode::TemporarilyUnavailable.retry(), RetryAdvice::Never);
    /// ```
    #[must_use]
    pub fn retry(&self) -> RetryAdvice {
        match self {
            Self::TemporarilyUnavailable | Self::ServerError => RETRY_DEFAULT,
            _ => RetryAdvice::Never,
        }
    }

    /// What to do about it, one sentence for a person.
    ///
    /// ```
    /// # use portcullis_client::OAuthErrorCode;
    /// assert!(OAuthErrorCode::InvalidClient.remedy().contains("API Secret"));
    /// ```
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::InvalidClient => {
                "Check the API Key and the API Secret: copy both again from the app, and see that \
                 the secret has not expired."
            }
            Self::InvalidScope => "Ask for the scope 'anonymous', or for one the app was granted.",
            Self::UnauthorizedClient => "This app may not use client credentials: ask its owner.",
            Self::UnsupportedGrantType | Self::InvalidGrant | Self::InvalidRequest => {
                "Check that the issuer is the token server's own URL; the request itself was made \
                 by this library."
            }
            Self::TemporarilyUnavailable => "Wait and try again.",
            Self::ServerError => "Try again; if it persists, tell the operator the request id.",
            Self::Other(_) => "Ask the operator of the token server.",
        }
    }
}

impl fmt::Display for OAuthErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The token server answered, and said no.
///
/// ```
/// use portcullis_client::OAuthRefusal;
///
/// fn log(refusal: &OAuthRefusal) {
///     eprintln!("{} ({}): {}", refusal.code, refusal.status, refusal.description);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthRefusal {
    /// `error` of the answer.
    pub code: OAuthErrorCode,
    /// `error_description`; empty when it gave none.
    pub description: String,
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, at most five minutes.
    pub retry_after: Option<Duration>,
    /// The `Request-Id` of the answer, for questions to the operator.
    pub request_id: Option<String>,
}

/// No token: why.
///
/// ```
/// use portcullis_client::{RetryAdvice, TokenError};
///
/// fn may_retry(error: &TokenError) -> bool {
///     error.retry() != RetryAdvice::Never
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token server said no.
    #[error("the token server refused ({}): {}", .0.code, .0.description)]
    Refused(OAuthRefusal),
    /// No connection, or it broke.
    #[error("the token server {url} cannot be reached: {reason}")]
    Unreachable {
        /// The token endpoint.
        url: String,
        /// The cause, as the system tells it.
        reason: String,
    },
    /// No answer in time.
    #[error("the token server {url} did not answer in time")]
    TimedOut {
        /// The token endpoint.
        url: String,
    },
    /// It answered with something that is not a token answer: probably not a token server.
    #[error("{url} did not answer like a token server (status {status}): {reason}")]
    Malformed {
        /// The token endpoint.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What was expected and not found.
        reason: String,
    },
}

impl TokenError {
    /// Whether trying again can help, and when.
    ///
    /// ```
    /// # use portcullis_client::{RetryAdvice, TokenError};
    /// let late = TokenError::TimedOut { url: "http://localhost".into() };
    /// assert_ne!(late.retry(), RetryAdvice::Never);
    /// ```
    #[must_use]
    pub fn retry(&self) -> RetryAdvice {
        match self {
            Self::Refused(OAuthRefusal {
                retry_after: Some(delay),
                ..
            }) => RetryAdvice::After(*delay),
            Self::Refused(refusal) => refusal.code.retry(),
            Self::Unreachable { .. } | Self::TimedOut { .. } => RETRY_DEFAULT,
            Self::Malformed { .. } => RetryAdvice::Never,
        }
    }

    /// What to do about it, one sentence for a person.
    ///
    /// ```
    /// # use portcullis_client::TokenError;
    /// let late = TokenError::TimedOut { url: "http://localhost".into() };
    /// assert!(!late.remedy().is_empty());
    /// ```
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code.remedy(),
            Self::Unreachable { .. } => {
                "Check that the token server runs and that the issuer URL names its host and port."
            }
            Self::TimedOut { .. } => "Try again; if it persists, look at the token server's load.",
            Self::Malformed { .. } => {
                "Check the issuer URL: it is the token server's URL without /v1/token."
            }
        }
    }
}

/// A call that brought no answer of the API, or one that says no.
///
/// ```
/// use portcullis_client::CallError;
///
/// fn explain(error: &CallError) -> String {
///     match error {
///         CallError::Refused(refusal) => format!("{}: {}", refusal.code, refusal.remedy),
///         other => other.to_string(),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There was no token to call with.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The gateway, or the API behind it, answered with an error.
    #[error("{0}")]
    Refused(Box<ApiError>),
    /// Nothing was sent: the call itself makes no sense.
    #[error("{0}")]
    InvalidCall(String),
    /// No connection, or it broke.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// Scheme, host, port and path; never the query.
        url: String,
        /// The cause, as the system tells it.
        reason: String,
    },
    /// No whole answer in time.
    #[error("{url} did not answer in time")]
    TimedOut {
        /// Scheme, host, port and path; never the query.
        url: String,
    },
    /// The answer is too long, or is not what this endpoint answers.
    #[error("unexpected answer (status {status}): {reason}")]
    Malformed {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
}

impl CallError {
    /// Whether trying again can help, and when.
    ///
    /// ```
    /// # use portcullis_client::{CallError, RetryAdvice};
    /// let wrong = CallError::InvalidCall("no path".into());
    /// assert_eq!(wrong.retry(), RetryAdvice::Never);
    /// ```
    #[must_use]
    pub fn retry(&self) -> RetryAdvice {
        match self {
            Self::Token(error) => error.retry(),
            Self::Refused(refusal) => refusal.retry(),
            Self::Unreachable { .. } | Self::TimedOut { .. } => RETRY_DEFAULT,
            Self::InvalidCall(_) | Self::Malformed { .. } => RetryAdvice::Never,
        }
    }

    /// What to do about it, one sentence for a person.
    ///
    /// ```
    /// # use portcullis_client::CallError;
    /// let late = CallError::TimedOut { url: "http://localhost".into() };
    /// assert!(!late.remedy().is_empty());
    /// ```
    #[must_use]
    pub fn remedy(&self) -> &str {
        match self {
            Self::Token(error) => error.remedy(),
            Self::Refused(refusal) => &refusal.remedy,
            Self::InvalidCall(_) => "Correct the call; nothing was sent.",
            Self::Unreachable { .. } => {
                "Check that the gateway runs and that the API's URL names its host and port."
            }
            Self::TimedOut { .. } => "Try again if the call may be repeated.",
            Self::Malformed { .. } => "Check the URL: it should be a gateway URL of this API.",
        }
    }
}
