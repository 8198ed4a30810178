//! `GET /v1/keys`.

use axum::body::Body;
use http::Request;
use portcullis_core::keys::KeySet;

use crate::support::{Server, facts};

const KEYS: &str = "/oauth2/default/v1/keys";

fn known(etag: &str) -> Request<Body> {
    Request::get(KEYS)
        .header("if-none-match", etag)
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn the_keys_are_published_with_what_verifiers_need() {
    let server = Server::start();

    let answer = server.get(KEYS).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "max-age=3600");
    assert_eq!(
        answer.header("etag"),
        &**server.snapshot.load().keys().etag()
    );
    assert_eq!(answer.body, **server.snapshot.load().keys().jwks());
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2, "client and outbound keys");
    for key in keys {
        let members: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
    }
}

#[tokio::test]
async fn whoever_has_the_keys_is_not_sent_them_again() {
    let server = Server::start();
    let etag = server.get(KEYS).await.header("etag").to_owned();

    for value in [
        etag.clone(),
        format!("W/{etag}"),
        format!("\"other\", {etag}"),
        "*".to_owned(),
    ] {
        let answer = server.send(known(&value)).await;

        assert_eq!(answer.status, 304, "{value}");
        assert_eq!(answer.header("etag"), etag);
        assert_eq!(answer.header("cache-control"), "max-age=3600");
        assert!(answer.body.is_empty());
    }
    assert_eq!(server.send(known("\"other\"")).await.status, 200);
}

#[tokio::test]
async fn head_is_answered_without_the_document() {
    let server = Server::start();

    let head = server
        .send(Request::head(KEYS).body(Body::empty()).unwrap())
        .await;

    let get = server.get(KEYS).await;
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    assert_eq!(head.headers, get.headers);
}

#[tokio::test]
async fn an_empty_set_is_never_published() {
    let mut facts = facts();
    facts.facts.keys = Some(KeySet::new(vec![]));

    let answer = Server::with(facts.build()).get(KEYS).await;

    assert_eq!(answer.verdict(), "503 temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_keys_can_only_be_read() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = Request::builder()
            .method(method)
            .uri(KEYS)
            .body(Body::empty())
            .unwrap();

        let answer = Server::start().send(request).await;

        assert_eq!(answer.verdict(), "405 invalid_request");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
}

#[tokio::test]
async fn the_deprecated_issuer_publishes_the_same_keys() {
    let server = Server::start();

    let old = server.get("/oauth2/legacy/v1/keys").await;

    assert_eq!(old.body, server.get(KEYS).await.body);
    assert_eq!(
        old.header("link"),
        "<https://auth.example/oauth2/default/v1/keys>; rel=\"successor-version\""
    );
}
