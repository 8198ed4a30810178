//! Error codes of the token and authorization endpoints (RFC 6749 sections 5.2 and 4.1.2.1).

use std::fmt;

/// The member `error` of an OAuth error answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenErrorCode {
    /// `invalid_request`, RFC 6749 section 5.2: a parameter is missing, repeated or malformed. Also what we
    /// answer where HTTP itself was misused (404, 405, 410, 413, 415), which the RFC has no word for.
    InvalidRequest,
    /// `invalid_client`, RFC 6749 section 5.2: the client could not be authenticated.
    InvalidClient,
    /// `invalid_grant`, RFC 6749 section 5.2: a code or refresh token is wrong, expired or another client's.
    InvalidGrant,
    /// `unauthorized_client`, RFC 6749 section 5.2: this client may not use this grant.
    UnauthorizedClient,
    /// `unsupported_grant_type`, RFC 6749 section 5.2.
    UnsupportedGrantType,
    /// `invalid_scope`, RFC 6749 section 5.2: missing, malformed, or more than was granted.
    InvalidScope,
    /// `unsupported_response_type`, RFC 6749 section 4.1.2.1, of the authorization endpoint.
    UnsupportedResponseType,
    /// `server_error`, RFC 6749 section 4.1.2.1.
    ServerError,
    /// `temporarily_unavailable`, RFC 6749 section 4.1.2.1: come again after `Retry-After`.
    TemporarilyUnavailable,
}

impl TokenErrorCode {
    /// All of them, in the order of the enum.
    pub const ALL: [Self; 9] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::UnsupportedResponseType,
        Self::ServerError,
        Self::TemporarilyUnavailable,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

impl fmt::Display for TokenErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
