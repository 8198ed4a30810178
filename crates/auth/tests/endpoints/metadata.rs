//! The discovery documents.

use std::time::Duration;

use crate::support::Server;

const OPENID: &str = "/oauth2/default/.well-known/openid-configuration";

#[tokio::test]
async fn the_document_has_what_libraries_need_and_names_nothing_that_is_not_there() {
    let answer = Server::start().get(OPENID).await;

    insta::assert_snapshot!(answer.shown(), @r#"
    200
    cache-control: max-age=3600
    content-type: application/json

    {"issuer":"https://auth.example/oauth2/default","authorization_endpoint":"https://auth.example/oauth2/default/v1/authorize","token_endpoint":"https://auth.example/oauth2/default/v1/token","jwks_uri":"https://auth.example/oauth2/default/v1/keys","scopes_supported":["anonymous"],"response_types_supported":["none"],"grant_types_supported":["client_credentials"],"token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}
    "#);
}

#[tokio::test]
async fn both_documents_are_the_same_wherever_clients_look() {
    let server = Server::start();
    let document = server.get(OPENID).await.body;

    for path in [
        "/oauth2/default/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/oauth2/default",
        "/oauth2/legacy/.well-known/openid-configuration",
        "/oauth2/legacy/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/oauth2/legacy",
    ] {
        assert_eq!(server.get(path).await.body, document, "{path}");
    }
}

#[tokio::test]
async fn every_endpoint_the_document_names_answers() {
    let server = Server::start();
    let document = server.get(OPENID).await.json();

    for (member, status) in [
        ("jwks_uri", 200),
        ("authorization_endpoint", 400),
        ("token_endpoint", 405),
    ] {
        let url = document[member].as_str().unwrap();
        let path = url.strip_prefix("https://auth.example").unwrap();
        assert_eq!(server.get(path).await.status, status, "{member}");
    }
}

#[tokio::test]
async fn a_document_found_by_host_insertion_is_marked_as_deprecated_too() {
    let path = "/.well-known/oauth-authorization-server/oauth2/legacy";

    let answer = Server::start().get(path).await;

    assert_eq!(
        answer.header("link"),
        "<https://auth.example/oauth2/default/.well-known/oauth-authorization-server>; rel=\"successor-version\""
    );
}

#[tokio::test]
async fn documents_of_the_deprecated_issuer_end_with_it() {
    let server = Server::start();
    let path = "/oauth2/legacy/.well-known/openid-configuration";
    let before = server.get(path).await;

    server.clock.advance(Duration::from_hours(24));

    assert_eq!(
        before.header("link"),
        "<https://auth.example/oauth2/default/.well-known/openid-configuration>; rel=\"successor-version\""
    );
    assert_eq!(server.get(path).await.verdict(), "410 invalid_request");
}
