//! Every refusal as callers see it.

use super::*;

fn every_error() -> Vec<TokenError> {
    let url = || "https://auth.example/oauth2/default/v1/token".to_owned();
    let client_id = || "a-client".to_owned();
    vec![
        TokenError::Method { allow: "POST" },
        TokenError::NotFound { token_url: url() },
        TokenError::IssuerEnded { successor: url() },
        TokenError::NoAuthorizationFlow { token_url: url() },
        TokenError::MediaType,
        TokenError::ContentEncoding,
        TokenError::BodyTooLarge,
        TokenError::BodyUnreadable,
        TokenError::RepeatedHeader(header::AUTHORIZATION),
        TokenError::Encoding,
        TokenError::NotAnObject,
        TokenError::NotAString("scope"),
        TokenError::TooManyParameters,
        TokenError::Repeated("scope"),
        TokenError::Conflicting("scope"),
        TokenError::SecretInQuery,
        TokenError::TwoAuthenticationMethods,
        TokenError::OtherClientId,
        TokenError::NoCredentials,
        TokenError::UnsupportedScheme,
        TokenError::MalformedBasic,
        TokenError::AssertionUnsupported,
        TokenError::UnknownClient,
        TokenError::WrongSecret {
            client_id: client_id(),
        },
        TokenError::InactiveClient {
            client_id: client_id(),
        },
        TokenError::Throttled {
            retry_after: Duration::from_millis(1100),
        },
        TokenError::NoGrantType,
        TokenError::UnsupportedGrantType,
        TokenError::Scope(ScopeError::Missing),
        TokenError::Scope(ScopeError::Malformed),
        TokenError::Scope(ScopeError::NotGranted),
        TokenError::Busy,
        TokenError::NoKeyYet,
        TokenError::StaleFacts,
        TokenError::Sign(KeyError::Sign),
        TokenError::Internal,
    ]
}

#[test]
fn every_refusal_says_what_to_do() {
    let shown: Vec<String> = every_error()
        .iter()
        .map(|error| {
            let wire = error.wire();
            let retry = wire
                .retry_after
                .map_or(String::new(), |d| format!(" [{d:?}]"));
            format!(
                "{} {}{retry}: {}",
                wire.status.as_u16(),
                wire.code,
                wire.description
            )
        })
        .collect();

    insta::assert_snapshot!(shown.join("\n"), @r"
    405 invalid_request: Use another method; the header Allow lists which.
    404 invalid_request: There is nothing here. Tokens are at POST https://auth.example/oauth2/default/v1/token.
    410 invalid_request: This issuer has ended. Use https://auth.example/oauth2/default/v1/token instead.
    400 unsupported_response_type: Use the client credentials flow: POST https://auth.example/oauth2/default/v1/token with grant_type=client_credentials.
    415 invalid_request: Send the parameters as application/x-www-form-urlencoded.
    415 invalid_request: Send the body without Content-Encoding.
    413 invalid_request: The body is longer than 16 KiB.
    400 invalid_request: The body could not be read to its end.
    400 invalid_request: The header authorization stands more than once.
    400 invalid_request: A parameter is not percent-encoded UTF-8.
    400 invalid_request: The JSON body is not an object.
    400 invalid_request: The member scope is not a string.
    400 invalid_request: There are more than 100 parameters.
    400 invalid_request: The parameter scope stands more than once.
    400 invalid_request: The parameter scope differs between the query and the body.
    400 invalid_request: A secret in a URL ends up in logs. Send it in the header Authorization or in the body, and replace this one.
    400 invalid_request: Send the credentials either in the header Authorization or in the body, not in both.
    400 invalid_request: The parameter client_id names another client than the header Authorization.
    401 invalid_client: Send the API Key and the API Secret as HTTP Basic credentials.
    401 invalid_client: The authorization scheme is not supported. Send the API Key and the API Secret as HTTP Basic credentials.
    401 invalid_client: The Basic credentials are not base64. Join the API Key, a colon and the API Secret, and base64-encode the result: Authorization: Basic base64(key:secret).
    401 invalid_client: Client assertions are not supported. Send the API Key and the API Secret as HTTP Basic credentials.
    401 invalid_client: The client credentials were not accepted. Check the API Key and the API Secret, that the app is enabled, and that the secret has not expired.
    401 invalid_client: The client credentials were not accepted. Check the API Key and the API Secret, that the app is enabled, and that the secret has not expired.
    401 invalid_client: The client credentials were not accepted. Check the API Key and the API Secret, that the app is enabled, and that the secret has not expired.
    429 temporarily_unavailable [1.1s]: Too many requests with credentials that were not accepted. Right ones are accepted at any time.
    400 invalid_request: The parameter grant_type is missing. Send grant_type=client_credentials.
    400 unsupported_grant_type: This grant type is not supported. Send grant_type=client_credentials.
    400 invalid_scope: The parameter scope is missing; send scope=anonymous.
    400 invalid_scope: The parameter scope is not a list of words separated by single spaces; send scope=anonymous.
    400 invalid_scope: The scope holds a word that this client was not granted; send scope=anonymous.
    503 temporarily_unavailable [1s]: Too many tokens are being signed.
    503 temporarily_unavailable [1s]: The first signing key is being made.
    503 temporarily_unavailable [5s]: This node has lost contact with its store.
    500 server_error: The answer could not be made. The log of the server says why.
    500 server_error: The answer could not be made. The log of the server says why.
    ");
}

#[test]
fn descriptions_keep_to_the_characters_of_the_standard() {
    for error in every_error() {
        let description = error.wire().description;
        let legal = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);

        assert!(description.bytes().all(legal), "{description}");
    }
}

#[test]
fn waits_are_rounded_up_to_whole_seconds() {
    let response = TokenError::Throttled {
        retry_after: Duration::from_millis(1100),
    }
    .wire()
    .into_response();

    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
}
