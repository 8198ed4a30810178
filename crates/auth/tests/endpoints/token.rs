//! `POST /v1/token`: what is granted, and how requests fail that are no proper requests.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{Method, Request};
use portcullis_core::{
    clock::Clock,
    ids::IdKey,
    keys::KeySet,
    test_util::{ISSUER, NOW, SECRET},
};
use serde_json::json;

use crate::support::{FORM, KEY, OLD_TOKEN, Server, TOKEN, basic, facts, right};

async fn verdict(request: Request<Body>) -> String {
    Server::start().send(request).await.verdict()
}

fn with_body(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(TOKEN)
        .header("authorization", basic(KEY, SECRET))
        .header("content-type", content_type)
        .body(body.into())
        .unwrap()
}

#[tokio::test]
async fn an_app_gets_a_token() {
    let server = Server::start();

    let answer = server.send(right(FORM)).await;

    insta::assert_snapshot!(answer.shown(), @r#"
    200
    cache-control: no-store
    content-type: application/json
    pragma: no-cache

    {"token_type":"Bearer","expires_in":3600,"access_token":"[token]","scope":"anonymous"}
    "#);
    let token = answer.verified(&server.snapshot.load());
    assert_eq!(token.client(), IdKey::of(KEY));
    let mut claims = answer.claims();
    assert!(claims["jti"].take().as_str().unwrap().starts_with("AT."));
    assert_eq!(
        claims,
        json!({
            "cid": KEY, "sub": KEY, "scp": ["anonymous"], "jti": null, "gen": 0,
            "iat": NOW.unix_seconds(), "exp": NOW.unix_seconds() + 3600,
            "aud": "api_providers", "iss": ISSUER,
        })
    );
}

#[tokio::test]
async fn an_api_gets_a_token_as_an_app_does() {
    let server = Server::start();

    let answer = server.ask_as("orders-api-key", SECRET).await;

    assert_eq!(answer.claims()["sub"], "orders-api-key");
}

#[tokio::test]
async fn the_token_carries_the_clients_lifetime_and_generation() {
    let facts = facts().client(KEY, |client| {
        client.token_lifetime = Duration::from_mins(10);
        client.generation = 7;
    });

    let answer = Server::with(facts.build()).ask_as(KEY, SECRET).await;

    let claims = answer.claims();
    assert_eq!(answer.json()["expires_in"], 600);
    assert_eq!(claims["exp"], NOW.unix_seconds() + 600);
    assert_eq!(claims["gen"], 7);
}

#[tokio::test]
async fn a_token_is_recorded_with_the_secret_and_the_address_it_was_got_with() {
    let server = Server::start();

    server.ask_as(KEY, SECRET).await;
    server.ask_as(KEY, "wrong").await;

    let tokens = server.records.tokens();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].client, IdKey::of(KEY));
    assert_eq!(tokens[0].at, server.clock.now());
    assert_eq!(tokens[0].from, Some("192.0.2.1".parse().unwrap()));
    assert!(!tokens[0].deprecated_issuer);
    let facts = server.snapshot.load();
    let secret = facts.client(IdKey::of(KEY)).unwrap().secrets[0].unwrap();
    assert_eq!(tokens[0].secret, secret.id);
}

#[tokio::test]
async fn the_bare_issuer_is_the_token_endpoint() {
    for path in ["/oauth2/default", "/oauth2/default/v1/token/"] {
        let mut request = right(FORM);
        *request.uri_mut() = path.parse().unwrap();

        assert_eq!(verdict(request).await, "200", "{path}");
    }
}

#[tokio::test]
async fn the_issuer_does_not_depend_on_what_the_caller_calls_us() {
    let mut request = right(FORM);
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "gopher"),
        ("forwarded", "host=evil.example"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }

    let answer = Server::start().send(request).await;

    assert_eq!(answer.claims()["iss"], ISSUER);
}

#[tokio::test]
async fn claims_in_the_body_are_ignored() {
    let form = format!("{FORM}&sub=admin&iss=https%3A%2F%2Fevil.example&aud=other&exp=9999999999");

    let answer = Server::start().send(right(&form)).await;

    let claims = answer.claims();
    assert_eq!(claims["sub"], KEY);
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["aud"], "api_providers");
    assert_eq!(claims["exp"], NOW.unix_seconds() + 3600);
}

#[tokio::test]
async fn old_scopes_give_anonymous_and_others_are_refused() {
    let ask = async |scope: &str| {
        let form = format!("grant_type=client_credentials{scope}");
        Server::start().send(right(&form)).await
    };

    for scope in [
        "&scope=roles",
        "&scope=openid",
        "&scope=openid+anonymous%20roles",
    ] {
        assert_eq!(ask(scope).await.json()["scope"], "anonymous", "{scope}");
    }
    let long = format!("&scope={}", "x".repeat(5000));
    for scope in [
        "",
        "&scope=",
        "&scope=admin",
        "&scope=anonymous+admin",
        "&scope=%22",
        "&scope=anonymous%0a",
        &long,
    ] {
        assert_eq!(ask(scope).await.verdict(), "400 invalid_scope", "{scope}");
    }
}

#[tokio::test]
async fn every_other_grant_is_refused() {
    for (grant, expected) in [
        ("", "400 invalid_request"),
        ("grant_type=", "400 invalid_request"),
        ("grant_type=password", "400 unsupported_grant_type"),
        ("grant_type=refresh_token", "400 unsupported_grant_type"),
        (
            "grant_type=authorization_code",
            "400 unsupported_grant_type",
        ),
        (
            "grant_type=Client_Credentials",
            "400 unsupported_grant_type",
        ),
        (
            "grant_type=client_credentials%20",
            "400 unsupported_grant_type",
        ),
        ("grant_type=x", "400 unsupported_grant_type"),
    ] {
        let form = format!("{grant}&scope=anonymous");
        assert_eq!(verdict(right(&form)).await, expected, "{grant}");
    }
    assert_eq!(verdict(right("")).await, "400 invalid_request");
}

#[tokio::test]
async fn a_parameter_twice_is_refused_and_once_in_each_place_has_to_agree() {
    let ask = async |query: &str, form: &str| {
        let mut request = right(form);
        *request.uri_mut() = format!("{TOKEN}?{query}").parse().unwrap();
        verdict(request).await
    };

    assert_eq!(ask(FORM, FORM).await, "200");
    assert_eq!(
        ask("scope=anonymous", "grant_type=client_credentials").await,
        "200"
    );
    for (query, form) in [
        (
            "",
            "grant_type=client_credentials&scope=anonymous&scope=anonymous",
        ),
        (
            "",
            "grant_type=client_credentials&grant_type=x&scope=anonymous",
        ),
        (
            "scope=anonymous&scope=anonymous",
            "grant_type=client_credentials",
        ),
        ("scope=roles", FORM),
    ] {
        assert_eq!(
            ask(query, form).await,
            "400 invalid_request",
            "{query} {form}"
        );
    }
}

#[tokio::test]
async fn a_secret_in_the_query_is_refused_whatever_else_is_there() {
    for query in [
        format!("client_id={KEY}&client_secret={SECRET}"),
        format!("{FORM}&client_secret={SECRET}"),
        format!("client%5Fsecret={SECRET}"),
        "client_assertion=e30.e30.".to_owned(),
    ] {
        let mut request = right(FORM);
        *request.uri_mut() = format!("{TOKEN}?{query}").parse().unwrap();

        let answer = Server::start().send(request).await;

        assert_eq!(answer.verdict(), "400 invalid_request", "{query}");
        assert!(!answer.body.contains(SECRET));
    }
}

#[tokio::test]
async fn every_method_but_post_is_refused() {
    let server = Server::start();
    for path in [
        TOKEN,
        "/oauth2/default/v1/token/",
        "/oauth2/default",
        OLD_TOKEN,
    ] {
        for method in [
            "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW",
        ] {
            let mut request = right(FORM);
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            *request.uri_mut() = path.parse().unwrap();

            let answer = server.send(request).await;

            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), "POST", "{method} {path}");
            assert!(!answer.body.contains("Basic"), "nothing is echoed");
            if method != "HEAD" {
                assert_eq!(answer.error(), "invalid_request");
            }
        }
    }
    assert!(server.records.tokens().is_empty());
}

#[tokio::test]
async fn other_paths_of_the_issuer_are_told_where_tokens_are() {
    let server = Server::start();

    let answer = server.get("/oauth2/default/v2/token").await;

    insta::assert_snapshot!(answer.shown(), @r#"
    404
    cache-control: no-store
    content-type: application/json
    pragma: no-cache

    {"error":"invalid_request","error_description":"There is nothing here. Tokens are at POST https://auth.example/oauth2/default/v1/token."}
    "#);
    for path in [
        "/oauth2/default/",
        "/oauth2/default/v1",
        "/oauth2/default/v1/",
        "/oauth2/default/v1/token/x",
        "/oauth2/default//v1/token",
        "/oauth2/default/v1%2Ftoken",
        "/oauth2/default/v1/introspect",
        "/oauth2/default/../default/v1/token",
    ] {
        let mut request = right(FORM);
        *request.uri_mut() = path.parse().unwrap();
        assert_eq!(
            server.send(request).await.verdict(),
            "404 invalid_request",
            "{path}"
        );
    }
}

#[tokio::test]
async fn only_forms_and_json_are_read() {
    for content_type in [
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/xml",
        "text/xml",
        "application/octet-stream",
        "application/jsonp",
        ";",
    ] {
        let answer = Server::start().send(with_body(content_type, FORM)).await;
        assert_eq!(answer.verdict(), "415 invalid_request", "{content_type}");
    }
    for content_type in [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded;charset=UTF-8",
        "Application/X-WWW-Form-Urlencoded ; charset=utf-8",
        "",
    ] {
        assert_eq!(
            verdict(with_body(content_type, FORM)).await,
            "200",
            "{content_type}"
        );
    }
    let json = r#"{"grant_type":"client_credentials","scope":"anonymous"}"#;
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
    ] {
        assert_eq!(
            verdict(with_body(content_type, json)).await,
            "200",
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn a_body_described_twice_or_compressed_is_refused() {
    let mut twice = right(FORM);
    twice
        .headers_mut()
        .append("content-type", "application/json".parse().unwrap());
    let mut compressed = right(FORM);
    compressed
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());

    assert_eq!(verdict(twice).await, "400 invalid_request");
    assert_eq!(verdict(compressed).await, "415 invalid_request");
}

#[tokio::test]
async fn a_request_without_a_body_has_its_parameters_in_the_query() {
    for content_type in [
        "application/x-www-form-urlencoded",
        "application/json",
        "text/plain",
    ] {
        let mut request = with_body(content_type, Body::empty());
        *request.uri_mut() = format!("{TOKEN}?{FORM}").parse().unwrap();

        assert_eq!(verdict(request).await, "200", "{content_type}");
    }
}

#[tokio::test]
async fn a_body_that_turns_out_to_be_empty_holds_no_parameters() {
    let nothing = futures_util::stream::empty::<Result<Bytes, std::io::Error>>();
    let mut request = with_body("application/json", Body::from_stream(nothing));
    *request.uri_mut() = format!("{TOKEN}?{FORM}").parse().unwrap();

    assert_eq!(verdict(request).await, "200");
}

#[tokio::test]
async fn broken_encodings_and_floods_of_parameters_are_refused() {
    let flood = "p=1&".repeat(1500);
    for form in [
        "grant_type=%zz&scope=anonymous",
        "grant_type=client_credentials&scope=%c0%af",
        "grant_type=client_credentials&scope=anonymous&x=%ff",
        "grant_type=client_credentials&scope=anonymous&%=1",
        &format!("{FORM}&{flood}"),
    ] {
        assert_eq!(verdict(right(form)).await, "400 invalid_request");
    }
    let latin = Bytes::from_static(b"grant_type=client_credentials&scope=anonymous&x=\xe9");
    assert_eq!(
        verdict(with_body("application/x-www-form-urlencoded", latin)).await,
        "400 invalid_request"
    );
}

#[tokio::test]
async fn json_that_is_no_object_of_texts_is_refused() {
    let deep = format!("{{\"x\":{}}}", "[".repeat(5000));
    for json in [
        "{",
        "[]",
        "null",
        "\"grant_type=client_credentials\"",
        r#"{"grant_type":"client_credentials","scope":["anonymous"]}"#,
        r#"{"grant_type":"client_credentials","scope":"anonymous","scope":"anonymous"}"#,
        r#"{"grant_type":7,"scope":"anonymous"}"#,
        r#"{"grant_type":"client_credentials","scope":"anonymous"} x"#,
        &deep,
    ] {
        assert_eq!(
            verdict(with_body("application/json", json.to_owned())).await,
            "400 invalid_request"
        );
    }
}

#[tokio::test]
async fn a_body_of_sixteen_kib_is_read_and_a_longer_one_is_not() {
    let padded = |bytes: usize| {
        let rest = bytes - FORM.len() - "&x=".len();
        format!("{FORM}&x={}", "y".repeat(rest))
    };

    assert_eq!(verdict(right(&padded(16 * 1024))).await, "200");
    let answer = Server::start().send(right(&padded(16 * 1024 + 1))).await;

    insta::assert_snapshot!(answer.shown(), @r#"
    413
    cache-control: no-store
    connection: close
    content-type: application/json
    pragma: no-cache

    {"error":"invalid_request","error_description":"The body is longer than 16 KiB."}
    "#);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_read_no_further_than_the_limit() {
    let read = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = read.clone();
    let chunks = futures_util::stream::repeat_with(move || {
        counter.fetch_add(1024, std::sync::atomic::Ordering::SeqCst);
        Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1024]))
    });

    let answer = verdict(with_body(
        "application/x-www-form-urlencoded",
        Body::from_stream(chunks),
    ))
    .await;

    assert_eq!(answer, "413 invalid_request");
    assert!(read.load(std::sync::atomic::Ordering::SeqCst) <= 17 * 1024);
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let pieces = FORM
        .as_bytes()
        .chunks(3)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)));
    let body = Body::from_stream(futures_util::stream::iter(pieces));

    assert_eq!(
        verdict(with_body("application/x-www-form-urlencoded", body)).await,
        "200"
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_bad_request() {
    let pieces = [
        Ok(Bytes::from_static(FORM.as_bytes())),
        Err(std::io::Error::other("gone")),
    ];
    let body = Body::from_stream(futures_util::stream::iter(pieces));

    assert_eq!(
        verdict(with_body("application/x-www-form-urlencoded", body)).await,
        "400 invalid_request"
    );
}

#[tokio::test]
async fn until_the_first_key_exists_callers_are_told_to_come_again() {
    let mut facts = facts();
    facts.facts.keys = Some(KeySet::new(vec![]));

    let answer = Server::with(facts.build()).send(right(FORM)).await;

    insta::assert_snapshot!(answer.shown(), @r#"
    503
    cache-control: no-store
    content-type: application/json
    pragma: no-cache
    retry-after: 1

    {"error":"temporarily_unavailable","error_description":"The first signing key is being made."}
    "#);
}

#[tokio::test]
async fn a_node_that_lost_its_store_too_long_ago_issues_nothing() {
    let server = Server::start();
    server.clock.advance(Duration::from_hours(49));

    let answer = server.send(right(FORM)).await;

    insta::assert_snapshot!(answer.shown(), @r#"
    503
    cache-control: no-store
    content-type: application/json
    pragma: no-cache
    retry-after: 5

    {"error":"temporarily_unavailable","error_description":"This node has lost contact with its store."}
    "#);
}
