//! Why a request to the token server was refused, and what the caller is told (RFC 6749 section 5.2).
//!
//! Two audiences: `Display` is for the log and may name a client that exists; `TokenError::wire` is the only
//! text that leaves. What a caller sent is in neither, because people send secrets in the wrong place.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use portcullis_core::{keys::KeyError, oauth::error::TokenErrorCode as Code, scope::ScopeError};
use serde::Serialize;

mod texts;

/// Every way a request to the token server can fail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The method is not one of `allow`.
    #[error("the method is not one of {allow}")]
    Method {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// There is nothing at this path.
    #[error("there is nothing at this path")]
    NotFound {
        /// The token endpoint.
        token_url: String,
    },
    /// The deprecated issuer has ended.
    #[error("the deprecated issuer has ended; {successor} takes its place")]
    IssuerEnded {
        /// What takes its place.
        successor: String,
    },
    /// The authorization endpoint was asked.
    #[error("the authorization endpoint grants nothing")]
    NoAuthorizationFlow {
        /// The token endpoint.
        token_url: String,
    },
    /// The body is neither a form nor JSON.
    #[error("the body is neither a form nor JSON")]
    MediaType,
    /// The body is compressed.
    #[error("the body is compressed")]
    ContentEncoding,
    /// The body is longer than 16 KiB.
    #[error("the body is longer than 16 KiB")]
    BodyTooLarge,
    /// The body ended early.
    #[error("the body could not be read to its end")]
    BodyUnreadable,
    /// A field that may stand once stands twice.
    #[error("the header {0} stands more than once")]
    RepeatedHeader(HeaderName),
    /// Percent-encoding that is none, or bytes that are not UTF-8.
    #[error("a parameter is not percent-encoded UTF-8")]
    Encoding,
    /// The JSON body is no object.
    #[error("the JSON body is not an object")]
    NotAnObject,
    /// A member of the JSON body is not a text.
    #[error("the JSON member {0} is not a string")]
    NotAString(&'static str),
    /// More than 100 parameters.
    #[error("more than 100 parameters")]
    TooManyParameters,
    /// A parameter twice in one place.
    #[error("the parameter {0} is repeated")]
    Repeated(&'static str),
    /// A parameter with two values.
    #[error("the parameter {0} has another value in the query than in the body")]
    Conflicting(&'static str),
    /// A secret in the URL, where logs and proxies see it.
    #[error("a secret stands in the query")]
    SecretInQuery,
    /// Basic, and a secret in the body.
    #[error("credentials stand in the header and in the body")]
    TwoAuthenticationMethods,
    /// Basic, and another client in the body.
    #[error("the header names another client than the body")]
    OtherClientId,
    /// No credentials, or half of them.
    #[error("there are no client credentials")]
    NoCredentials,
    /// `Authorization` of another scheme.
    #[error("the authorization scheme is not Basic")]
    UnsupportedScheme,
    /// The value of Basic is not base64 of UTF-8 with a colon.
    #[error("the Basic credentials are not base64 of key:secret")]
    MalformedBasic,
    /// A client assertion.
    #[error("client assertions are not supported")]
    AssertionUnsupported,
    /// No client has this key. It is not named: it might be a secret in the wrong place.
    #[error("no client has this key")]
    UnknownClient,
    /// No live secret of this client was presented.
    #[error("wrong or expired secret for client {client_id}")]
    WrongSecret {
        /// The client.
        client_id: String,
    },
    /// The secret is right, but the client, its app or API, or their organization may not act.
    #[error("client {client_id}, its owner or their organization is disabled")]
    InactiveClient {
        /// The client.
        client_id: String,
    },
    /// Too many failed authentications.
    #[error("too many failed authentications")]
    Throttled {
        /// When the next failure will be explained again.
        retry_after: Duration,
    },
    /// No `grant_type`.
    #[error("the parameter grant_type is missing")]
    NoGrantType,
    /// Another grant type than ours.
    #[error("the grant type is not supported")]
    UnsupportedGrantType,
    /// The scope was refused.
    #[error("{0}")]
    Scope(ScopeError),
    /// The queue for signatures is full.
    #[error("the queue for signatures is full")]
    Busy,
    /// The first start has not made a key yet.
    #[error("there is no signing key yet")]
    NoKeyYet,
    /// The snapshot is too old to decide from.
    #[error("the snapshot is too old to issue tokens from")]
    StaleFacts,
    /// Signing failed.
    #[error("signing failed: {0}")]
    Sign(KeyError),
    /// What cannot happen.
    #[error("an answer could not be made")]
    Internal,
}

/// What the caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// The status of the answer.
    pub status: StatusCode,
    /// The member `error`.
    pub code: Code,
    /// The member `error_description`: what is wrong and what to do.
    pub description: Cow<'static, str>,
    /// `Retry-After`, rounded up to whole seconds.
    pub retry_after: Option<Duration>,
    /// `Allow`.
    pub allow: Option<&'static str>,
}

impl TokenError {
    /// What the caller is told.
    ///
    /// An unknown client, a wrong secret and an inactive client are told the same.
    #[must_use]
    pub fn wire(&self) -> WireError {
        match self {
            Self::Method { allow } => http(405, texts::METHOD).allowing(allow),
            Self::NotFound { token_url } => http(
                404,
                format!("There is nothing here. Tokens are at POST {token_url}."),
            ),
            Self::IssuerEnded { successor } => http(
                410,
                format!("This issuer has ended. Use {successor} instead."),
            ),
            Self::NoAuthorizationFlow { token_url } => wire(
                400,
                Code::UnsupportedResponseType,
                texts::no_authorization_flow(token_url),
            ),
            Self::MediaType => http(415, texts::MEDIA_TYPE),
            Self::ContentEncoding => http(415, texts::CONTENT_ENCODING),
            Self::BodyTooLarge => http(413, texts::BODY_TOO_LARGE),
            Self::BodyUnreadable => http(400, texts::BODY_UNREADABLE),
            Self::RepeatedHeader(name) => {
                http(400, format!("The header {name} stands more than once."))
            }
            Self::Encoding => http(400, texts::ENCODING),
            Self::NotAnObject => http(400, texts::NOT_AN_OBJECT),
            Self::NotAString(name) => http(400, format!("The member {name} is not a string.")),
            Self::TooManyParameters => http(400, texts::TOO_MANY_PARAMETERS),
            Self::Repeated(name) => {
                http(400, format!("The parameter {name} stands more than once."))
            }
            Self::Conflicting(name) => http(
                400,
                format!("The parameter {name} differs between the query and the body."),
            ),
            Self::SecretInQuery => http(400, texts::SECRET_IN_QUERY),
            Self::TwoAuthenticationMethods => http(400, texts::TWO_METHODS),
            Self::OtherClientId => http(400, texts::OTHER_CLIENT_ID),
            Self::NoCredentials => client(texts::NO_CREDENTIALS),
            Self::UnsupportedScheme => client(texts::UNSUPPORTED_SCHEME),
            Self::MalformedBasic => client(texts::MALFORMED_BASIC),
            Self::AssertionUnsupported => client(texts::ASSERTION),
            Self::UnknownClient | Self::WrongSecret { .. } | Self::InactiveClient { .. } => {
                client(texts::WRONG_CREDENTIALS)
            }
            Self::Throttled { retry_after } => {
                wire(429, Code::TemporarilyUnavailable, texts::THROTTLED).after(*retry_after)
            }
            Self::NoGrantType => http(400, texts::NO_GRANT_TYPE),
            Self::UnsupportedGrantType => wire(400, Code::UnsupportedGrantType, texts::GRANT_TYPE),
            Self::Scope(error) => wire(400, Code::InvalidScope, sentence(*error)),
            Self::Busy => unavailable(texts::BUSY, 1),
            Self::NoKeyYet => unavailable(texts::NO_KEY_YET, 1),
            Self::StaleFacts => unavailable(texts::STALE_FACTS, 5),
            Self::Sign(_) | Self::Internal => wire(500, Code::ServerError, texts::INTERNAL),
        }
    }

    /// Writes the log entry of this refusal. What callers do wrong is theirs to see; what we do wrong is ours.
    pub(crate) fn log(&self, wire: &WireError, from: Option<IpAddr>) {
        let (status, error) = (wire.status.as_u16(), wire.code.as_str());
        if wire.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(status, error, ?from, reason = %self, "token refused");
        } else if wire.status == StatusCode::UNAUTHORIZED {
            tracing::info!(status, error, ?from, reason = %self, "token refused");
        } else {
            tracing::debug!(status, error, ?from, reason = %self, "token refused");
        }
    }
}

fn wire(status: u16, code: Code, description: impl Into<Cow<'static, str>>) -> WireError {
    WireError {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        code,
        description: description.into(),
        retry_after: None,
        allow: None,
    }
}

/// What HTTP has a status for, and OAuth no word of its own.
fn http(status: u16, description: impl Into<Cow<'static, str>>) -> WireError {
    wire(status, Code::InvalidRequest, description)
}

fn client(description: &'static str) -> WireError {
    wire(401, Code::InvalidClient, description)
}

fn unavailable(description: &'static str, seconds: u64) -> WireError {
    wire(503, Code::TemporarilyUnavailable, description).after(Duration::from_secs(seconds))
}

/// A reason as a sentence.
fn sentence(reason: ScopeError) -> String {
    let text = reason.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first
        .into_iter()
        .chain(characters)
        .chain(std::iter::once('.'))
        .collect()
}

/// The members of RFC 6749 section 5.2.
#[derive(Serialize)]
struct Document<'a> {
    error: &'static str,
    error_description: &'a str,
}

impl WireError {
    fn after(self, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..self
        }
    }

    fn allowing(self, allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..self
        }
    }
}

impl IntoResponse for WireError {
    fn into_response(self) -> Response {
        let document = Document {
            error: self.code.as_str(),
            error_description: &self.description,
        };
        let mut response = uncached_json(serde_json::to_vec(&document).unwrap_or_default());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"portcullis\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so nothing can follow it.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

/// A JSON answer that nobody keeps (RFC 6749 section 5.1).
pub(crate) fn uncached_json(json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests;
