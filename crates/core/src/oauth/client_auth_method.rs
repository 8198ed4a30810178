//! How a client proves who it is at the token endpoint: the IANA registry "OAuth Token Endpoint Authentication
//! Methods" (RFC 7591 section 4.2), as far as we know it.

use std::fmt;

use serde::{Serialize, Serializer};

/// A method of client authentication.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClientAuthMethod {
    /// `none`, RFC 7591 section 2: a public client.
    None,
    /// `client_secret_basic`, RFC 6749 section 2.3.1: HTTP Basic.
    ClientSecretBasic,
    /// `client_secret_post`, RFC 6749 section 2.3.1: parameters of the body.
    ClientSecretPost,
    /// `client_secret_jwt`, OpenID Connect Core section 9.
    ClientSecretJwt,
    /// `private_key_jwt`, RFC 7523 section 2.2.
    PrivateKeyJwt,
    /// `tls_client_auth`, RFC 8705 section 2.1.1.
    TlsClientAuth,
    /// `self_signed_tls_client_auth`, RFC 8705 section 2.2.1.
    SelfSignedTlsClientAuth,
    /// A word we do not know, as it was sent.
    Unknown(String),
}

impl ClientAuthMethod {
    /// From the wire.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "none" => Self::None,
            "client_secret_basic" => Self::ClientSecretBasic,
            "client_secret_post" => Self::ClientSecretPost,
            "client_secret_jwt" => Self::ClientSecretJwt,
            "private_key_jwt" => Self::PrivateKeyJwt,
            "tls_client_auth" => Self::TlsClientAuth,
            "self_signed_tls_client_auth" => Self::SelfSignedTlsClientAuth,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::Unknown(text) => text,
        }
    }
}

impl fmt::Display for ClientAuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ClientAuthMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_reads_back_as_it_was_written() {
        for word in [
            "none",
            "client_secret_basic",
            "client_secret_post",
            "client_secret_jwt",
            "private_key_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth",
            "something-new",
        ] {
            assert_eq!(ClientAuthMethod::parse(word).as_str(), word);
        }
    }
}
