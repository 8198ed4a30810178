//! Grant types: the values of `grant_type` at the token endpoint (RFC 7591 section 2 lists them).

use std::fmt;

/// How a client asks for a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GrantType {
    /// `authorization_code`, RFC 6749 section 4.1.3.
    AuthorizationCode,
    /// `client_credentials`, RFC 6749 section 4.4.2: the client asks for itself.
    ClientCredentials,
    /// `refresh_token`, RFC 6749 section 6.
    RefreshToken,
    /// `password`, RFC 6749 section 4.3.2; withdrawn by RFC 9700 section 2.4.
    Password,
    /// `urn:ietf:params:oauth:grant-type:jwt-bearer`, RFC 7523 section 2.1.
    JwtBearer,
    /// `urn:ietf:params:oauth:grant-type:device_code`, RFC 8628 section 3.4.
    DeviceCode,
    /// `urn:ietf:params:oauth:grant-type:token-exchange`, RFC 8693 section 2.1.
    TokenExchange,
    /// A word we do not know, as it was sent.
    Unknown(String),
}

impl GrantType {
    /// From the wire. Compared exactly: another case or a blank makes it another word.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "authorization_code" => Self::AuthorizationCode,
            "client_credentials" => Self::ClientCredentials,
            "refresh_token" => Self::RefreshToken,
            "password" => Self::Password,
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => Self::JwtBearer,
            "urn:ietf:params:oauth:grant-type:device_code" => Self::DeviceCode,
            "urn:ietf:params:oauth:grant-type:token-exchange" => Self::TokenExchange,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::Unknown(text) => text,
        }
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_type_reads_back_as_it_was_written() {
        for word in [
            "authorization_code",
            "client_credentials",
            "refresh_token",
            "password",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "something-new",
        ] {
            assert_eq!(GrantType::parse(word).as_str(), word);
        }
    }

    #[test]
    fn another_case_or_a_blank_is_another_word() {
        for word in [
            "Client_Credentials",
            "client_credentials ",
            " client_credentials",
            "client-credentials",
        ] {
            assert!(
                matches!(GrantType::parse(word), GrantType::Unknown(_)),
                "{word:?}"
            );
        }
    }
}
