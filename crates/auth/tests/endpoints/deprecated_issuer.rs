//! The deprecated issuer: the same tokens at another path, until a date.

use std::time::Duration;

use portcullis_core::test_util::ISSUER;

use crate::support::{FORM, OLD_TOKEN, Server, ask, right};

#[tokio::test]
async fn the_deprecated_issuer_gives_tokens_of_the_current_one() {
    let server = Server::start();
    let mut request = right(FORM);
    *request.uri_mut() = OLD_TOKEN.parse().unwrap();

    let answer = server.send(request).await;

    insta::assert_snapshot!(answer.shown(), @r#"
    200
    cache-control: no-store
    content-type: application/json
    deprecation: @1767225600
    link: <https://auth.example/oauth2/default/v1/token>; rel="successor-version"
    pragma: no-cache
    sunset: Fri, 02 Jan 2026 00:00:00 GMT

    {"token_type":"Bearer","expires_in":3600,"access_token":"[token]","scope":"anonymous"}
    "#);
    assert_eq!(answer.claims()["iss"], ISSUER);
    assert!(server.records.tokens()[0].deprecated_issuer);
}

#[tokio::test]
async fn refusals_of_the_deprecated_issuer_are_marked_too() {
    let mut request = ask("Basic eDp5", FORM);
    *request.uri_mut() = OLD_TOKEN.parse().unwrap();

    let answer = Server::start().send(request).await;

    assert_eq!(answer.verdict(), "401 invalid_client");
    assert_eq!(answer.header("deprecation"), "@1767225600");
    assert_eq!(answer.header("sunset"), "Fri, 02 Jan 2026 00:00:00 GMT");
}

#[tokio::test]
async fn the_deprecated_issuer_ends_on_its_date() {
    let server = Server::start();
    server.clock.advance(Duration::from_hours(24));
    let mut request = right(FORM);
    *request.uri_mut() = OLD_TOKEN.parse().unwrap();

    let answer = server.send(request).await;

    insta::assert_snapshot!(answer.shown(), @r#"
    410
    cache-control: no-store
    content-type: application/json
    deprecation: @1767225600
    link: <https://auth.example/oauth2/default/v1/token>; rel="successor-version"
    pragma: no-cache
    sunset: Fri, 02 Jan 2026 00:00:00 GMT

    {"error":"invalid_request","error_description":"This issuer has ended. Use https://auth.example/oauth2/default/v1/token instead."}
    "#);
    assert!(server.records.tokens().is_empty());
    assert_eq!(server.send(right(FORM)).await.verdict(), "200");
}
