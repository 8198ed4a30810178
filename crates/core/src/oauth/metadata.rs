//! Metadata of the authorization server: RFC 8414 section 2, and the members that `OpenID` Connect Discovery 1.0
//! section 3 makes mandatory, because libraries refuse a document without them even when all they want is a
//! token for themselves.
//!
//! Members for endpoints that do not exist are left out, not invented.

use serde::Serialize;

use super::{client_auth_method::ClientAuthMethod, grant_type::GrantType};

/// The document, its members in the order of RFC 8414.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuthorizationServerMetadata {
    /// The issuer, byte for byte as in the claim `iss`.
    pub issuer: String,
    /// Refuses everything, but has to be named.
    pub authorization_endpoint: String,
    /// Where tokens are got.
    pub token_endpoint: String,
    /// Where the JWKS is.
    pub jwks_uri: String,
    /// Scopes a client may ask for.
    pub scopes_supported: Vec<&'static str>,
    /// Response types of the authorization endpoint: `none` (OAuth 2.0 Multiple Response Type Encoding
    /// Practices section 4), since it grants nothing.
    pub response_types_supported: Vec<&'static str>,
    /// Grant types of the token endpoint.
    #[serde(serialize_with = "as_words")]
    pub grant_types_supported: Vec<GrantType>,
    /// Methods of client authentication at the token endpoint.
    pub token_endpoint_auth_methods_supported: Vec<ClientAuthMethod>,
    /// Subject identifier types; mandatory in `OpenID` Connect Discovery.
    pub subject_types_supported: Vec<&'static str>,
    /// Algorithms for ID tokens; mandatory in `OpenID` Connect Discovery, and where verifiers of our access
    /// tokens look for the algorithm.
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
}

fn as_words<S: serde::Serializer>(grants: &[GrantType], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(grants.iter().map(GrantType::as_str))
}

impl AuthorizationServerMetadata {
    /// The document of an issuer that gives tokens to clients for themselves, and nothing else.
    #[must_use]
    pub fn of_client_credentials(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: format!("{issuer}/v1/authorize"),
            token_endpoint: format!("{issuer}/v1/token"),
            jwks_uri: format!("{issuer}/v1/keys"),
            scopes_supported: vec![crate::scope::ANONYMOUS],
            response_types_supported: vec!["none"],
            grant_types_supported: vec![GrantType::ClientCredentials],
            token_endpoint_auth_methods_supported: vec![
                ClientAuthMethod::ClientSecretBasic,
                ClientAuthMethod::ClientSecretPost,
            ],
            subject_types_supported: vec!["public"],
            id_token_signing_alg_values_supported: vec!["RS256"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_that_discovery_clients_require_is_there() {
        let document = AuthorizationServerMetadata::of_client_credentials("https://a.example/i");

        let json = serde_json::to_value(document).unwrap();

        for member in [
            "issuer",
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "response_types_supported",
            "subject_types_supported",
            "id_token_signing_alg_values_supported",
        ] {
            assert!(json.get(member).is_some(), "{member}");
        }
        assert_eq!(json["issuer"], "https://a.example/i");
        assert_eq!(
            json["token_endpoint_auth_methods_supported"],
            serde_json::json!(["client_secret_basic", "client_secret_post"])
        );
    }
}
