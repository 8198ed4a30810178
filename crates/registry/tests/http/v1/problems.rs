//! The form of refusals: golden bodies, and bodies that cannot be read.

use axum::{body::Body, http::Request};
use http::header;
use serde_json::json;

use crate::world::{Answer, World};

/// The answer as it is sent, with a line for each member.
fn golden(answer: &Answer) -> String {
    let body = answer.text.replace(",\"", ",\n\"");
    format!(
        "{} {}\n{body}",
        answer.status.as_u16(),
        answer.header("content-type")
    )
}

const ID: [(&str, &str); 1] = [("request-id", "test-request")];

#[tokio::test]
async fn a_validation_problem_names_every_field() {
    let world = World::new().await;
    let body = json!({"nme": "App", "organization_id": 5});

    let answer = world
        .ask_with(&world.operator, ("POST", "/v1/apps"), Some(body), &ID)
        .await;

    insta::assert_snapshot!(golden(&answer), @r#"
    422 application/problem+json
    {"type":"http://localhost:8080/docs/errors/invalid_request",
    "title":"Some values are not allowed",
    "status":422,
    "detail":"3 values are not allowed; see errors.",
    "code":"invalid_request",
    "remedy":"Correct the members named under errors.",
    "request_id":"test-request",
    "errors":[{"field":"nme",
    "detail":"This member is unknown here; leave it out."},{"field":"name",
    "detail":"This member is required."},{"field":"organization_id",
    "detail":"Invalid type: integer `5`, expected a string."}]}
    "#);
}

#[tokio::test]
async fn a_missing_thing_says_what_to_check() {
    let world = World::new().await;
    let path = "/v1/apps/6f1e8a2c-7c55-4f0b-9b39-0c4d7d2f6a11";

    let answer = world
        .ask_with(&world.operator, ("GET", path), None, &ID)
        .await;

    insta::assert_snapshot!(golden(&answer), @r#"
    404 application/problem+json
    {"type":"http://localhost:8080/docs/errors/not_found",
    "title":"There is no such thing",
    "status":404,
    "detail":"There is no such app.",
    "code":"not_found",
    "remedy":"Check the identifier; things of organizations that you do not belong to cannot be seen.",
    "request_id":"test-request"}
    "#);
    assert_eq!(answer.header("request-id"), "test-request");
    let fixture = include_str!("../../../../../fixtures/wire/management-problem.json");
    let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
    assert_eq!(answer.json(), fixture);
}

#[tokio::test]
async fn a_missing_token_says_where_to_get_one() {
    let world = World::new().await;
    let request = Request::builder()
        .uri("/v1/me")
        .header("request-id", "test-request");

    let answer = world.send(request.body(Body::empty()).unwrap()).await;

    insta::assert_snapshot!(golden(&answer), @r#"
    401 application/problem+json
    {"type":"http://localhost:8080/docs/errors/token_missing",
    "title":"A management token is required",
    "status":401,
    "detail":"The request carries no management token.",
    "code":"token_missing",
    "remedy":"Send Authorization: Bearer pcm_...; the development server writes a token to dev.env, elsewhere an operator makes the first one for you.",
    "request_id":"test-request"}
    "#);
}

#[tokio::test]
async fn every_problem_leads_to_a_page_about_it() {
    let world = World::new().await;

    let answer = world.get(&world.operator, "/v1/nothing").await;

    assert_eq!(
        answer.json()["type"],
        "http://localhost:8080/docs/errors/path_unknown"
    );
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems_too() {
    let world = World::new().await;

    for path in ["/v1", "/v1/", "/v1/nothing", "/v1/apps/x/y/z", "/v1/apps/"] {
        assert_eq!(
            world.get(&world.operator, path).await.code(),
            "path_unknown",
            "{path}"
        );
    }
    let answer = world
        .ask_with(&world.operator, ("PUT", "/v1/apps"), None, &[])
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (405, "method_not_allowed")
    );
    let mut allowed: Vec<&str> = answer.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let world = World::new().await;
    let send = async |content_type: &'static str, body: Vec<u8>| {
        let request = Request::builder()
            .method("POST")
            .uri("/v1/organizations")
            .header(
                header::AUTHORIZATION,
                format!("Bearer {}", world.operator.token),
            )
            .header(header::CONTENT_TYPE, content_type);
        world.send(request.body(Body::from(body)).unwrap()).await
    };
    let json = "application/json; charset=utf-8";
    let deep = format!(
        "{{\"name\":{}{}}}",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    let too_large = format!("{{\"name\":\"{}\"}}", "x".repeat(1024 * 1024));

    for (content_type, body, status) in [
        (json, b"{".to_vec(), 400),
        (json, b"{\"name\":\"\xff\"}".to_vec(), 400),
        (json, deep.into_bytes(), 400),
        (json, too_large.into_bytes(), 413),
        (json, b"[]".to_vec(), 422),
        (json, b"{\"name\":\"\\ud800\"}".to_vec(), 422),
        (json, b"{\"name\":\"a\\u0000b\"}".to_vec(), 422),
        ("application/x-www-form-urlencoded", b"name=x".to_vec(), 415),
        ("text/plain", b"{\"name\":\"x\"}".to_vec(), 415),
        ("", b"{\"name\":\"x\"}".to_vec(), 415),
    ] {
        let answer = send(content_type, body).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{content_type} {}",
            answer.text
        );
        answer.code();
    }
}

#[tokio::test]
async fn a_bad_request_id_is_replaced() {
    let world = World::new().await;
    let long = "x".repeat(129);

    for bad in ["", "a b", &long] {
        let answer = world
            .ask_with(
                &world.operator,
                ("GET", "/v1/me"),
                None,
                &[("request-id", bad)],
            )
            .await;
        assert_eq!(answer.header("request-id").len(), 36, "{bad:?}");
    }
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let world = World::new().await;

    let request = Request::builder()
        .uri("/v1/openapi.json")
        .body(Body::empty());
    let answer = world.send(request.unwrap()).await;

    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.expect(200),
        serde_json::to_value(portcullis_registry::openapi()).unwrap()
    );
}
