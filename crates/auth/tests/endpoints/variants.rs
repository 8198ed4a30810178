//! Requests as real clients send them: `fixtures/wire/token-*.http`, which the tests of the SDK read too.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use portcullis_auth::Settings;
use portcullis_core::test_util::SECRET;

use crate::support::{Answer, KEY, Server, basic, facts};

/// Reads a request as it stands in a file: request line, header lines, an empty line, the body.
fn request(text: &str) -> Request<Body> {
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap().split(' ');
    let mut request = Request::builder()
        .method(words.next().unwrap())
        .uri(words.next().unwrap());
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

fn fixture(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/wire");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

async fn answer_to(name: &str) -> Answer {
    Server::start().send(request(&fixture(name))).await
}

#[tokio::test]
async fn every_way_real_clients_ask_gets_a_token() {
    for name in [
        "token-a-query-and-trailing-slash.http",
        "token-b-form.http",
        "token-c-query.http",
        "token-d-form-without-cache.http",
        "token-e-form-without-content-type.http",
        "token-f-content-type-in-another-case.http",
        "token-g-scope-first.http",
        "token-h-json-with-redirect-uri.http",
        "token-j-form-with-charset.http",
        "token-k-secret-in-body.http",
        "token-l-query-and-empty-form.http",
    ] {
        let server = Server::start();

        let answer = server.send(request(&fixture(name))).await;

        assert_eq!(answer.verdict(), "200", "{name}: {}", answer.body);
        answer.verified(&server.snapshot.load());
        let expected = fixture("token-response.json");
        let example = serde_json::from_str::<serde_json::Value>(&expected).unwrap();
        let example = example["access_token"].as_str().unwrap();
        assert_eq!(
            answer.body.replace(&answer.token(), example),
            expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_basic_value_that_is_not_encoded_is_explained_and_not_echoed() {
    let answer = answer_to("token-i-basic-not-base64.http").await;

    assert!(!answer.body.contains(SECRET));
    assert!(!answer.body.contains(KEY));
    insta::assert_snapshot!(answer.shown(), @r#"
    401
    cache-control: no-store
    content-type: application/json
    pragma: no-cache
    www-authenticate: Basic realm="portcullis"

    {"error":"invalid_client","error_description":"The Basic credentials are not base64. Join the API Key, a colon and the API Secret, and base64-encode the result: Authorization: Basic base64(key:secret)."}
    "#);
}

#[tokio::test]
async fn the_refusals_in_the_fixtures_are_ours() {
    let server = Server::start();
    let good = fixture("token-b-form.http");

    let wrong = good.replace(&basic(KEY, SECRET), &basic("x", "y"));
    let wrong = server.send(request(&wrong)).await;
    let scopeless = server
        .send(request(&good.replace("&scope=anonymous", "")))
        .await;

    assert_eq!(wrong.body, fixture("token-error-invalid-client.json"));
    assert_eq!(scopeless.body, fixture("token-error-invalid-scope.json"));
    let one_place = |mut settings: Settings| {
        settings.admission = Duration::ZERO;
        settings
    };
    let small = Server::tuned(facts().build(), one_place);
    let (first, second) = tokio::join!(small.send(request(&good)), small.send(request(&good)));
    assert_eq!(first.verdict(), "200");
    assert_eq!(second.body, fixture("token-error-busy.json"));
}
