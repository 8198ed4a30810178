//! Tokens and calls, as an app makes them.

use std::fs;

use crate::{
    ACCESS_TOKEN, SECRET,
    run::Run,
    server::{Server, gateway},
};

#[test]
fn a_token_is_had_as_an_app_has_it() {
    let server = gateway(200, &[], "{}");
    let run = Run::app(&server);

    let quiet = run.run("token -q");
    let json = run.run("token --output json");

    assert_eq!(quiet.stdout, format!("{ACCESS_TOKEN}\n"), "{quiet:?}");
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(told["access_token"], ACCESS_TOKEN);
    assert_eq!(told["token_type"], "Bearer");
    let request = server.received().swap_remove(0);
    assert_eq!(request.target, "/oauth2/default/v1/token");
    assert!(
        request
            .header("authorization")
            .is_some_and(|value| value.starts_with("Basic "))
    );
}

#[test]
fn a_secret_can_come_from_standard_input() {
    let server = gateway(200, &[], "{}");
    let mut run = Run::app(&server);
    run.environment.retain(|(name, _)| name != "API_SECRET");

    let given = run.run_with_input("token -q --secret-stdin", "pcs_piped\n");
    let empty = run.run_with_input("token -q --secret-stdin", "\n");

    assert_eq!(given.code, 0, "{given:?}");
    assert_eq!(empty.code, 2, "{empty:?}");
}

#[test]
fn a_wrong_secret_is_not_authenticated() {
    let server = Server::answering(
        401,
        r#"{"error":"invalid_client","error_description":"unknown client"}"#,
    );

    let outcome = Run::app(&server).run("token");

    assert_eq!(outcome.code, 3, "{outcome:?}");
    assert_eq!(outcome.stdout, "");
    assert!(
        outcome.stderr.starts_with("error[invalid_client]: "),
        "{outcome:?}"
    );
    assert!(!outcome.stderr.contains(SECRET));
}

#[test]
fn a_call_shows_both_papers_and_prints_the_body() {
    let server = gateway(200, &[("Request-Id", "r-1")], r#"{"items":[]}"#);

    let outcome =
        Run::app(&server).run("call /sample/vehicles/v1/vehicles?make=Aurora -H X-Trace:1 -v");

    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(outcome.stdout, r#"{"items":[]}"#);
    let request = server.received().swap_remove(1);
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/sample/vehicles/v1/vehicles?make=Aurora")
    );
    assert_eq!(
        request.header("authorization"),
        Some(format!("Bearer {ACCESS_TOKEN}").as_str())
    );
    assert_eq!(
        request.header("subscription-id"),
        Some("6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e")
    );
    assert_eq!(request.header("x-trace"), Some("1"));
    assert!(request.header("request-id").is_some());
    assert!(outcome.stderr.contains("< request-id: r-1"), "{outcome:?}");
    assert!(
        !outcome.stderr.contains(ACCESS_TOKEN) && !outcome.stderr.contains(SECRET),
        "{outcome:?}"
    );
}

#[test]
fn a_call_with_a_body_is_a_post_of_json() {
    let server = gateway(201, &[], "");
    let run = Run::app(&server);
    fs::write(
        run.folder.path().join("vehicle.json"),
        r#"{"make":"Aurora"}"#,
    )
    .unwrap();

    let outcome = run.run("call /sample/vehicles -d @vehicle.json --subscription test");

    assert_eq!(outcome.code, 0, "{outcome:?}");
    let request = server.received().swap_remove(1);
    assert_eq!(request.method, "POST");
    assert_eq!(request.body, r#"{"make":"Aurora"}"#);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("subscription-id"), Some("test"));
}

#[test]
fn a_refusal_of_the_gateway_says_what_to_do() {
    let server = gateway(
        403,
        &[("Request-Id", "r-1"), ("Error-Source", "gateway")],
        r#"{"code":"SUBSCRIPTION-MISMATCH","message":"Not this app's","status":403,"requestId":"r-1","remedy":"Use yours"}"#,
    );

    let outcome = Run::app(&server).run("call /sample/vehicles");

    assert_eq!(outcome.code, 4, "{outcome:?}");
    assert_eq!(outcome.stdout, "");
    assert_eq!(
        outcome.stderr,
        "error[SUBSCRIPTION-MISMATCH]: Not this app's\n  fix: Use yours\n  request id: r-1\n"
    );
}

#[test]
fn an_error_of_the_api_itself_is_told_apart_from_one_of_the_gateway() {
    let server = gateway(
        500,
        &[("Error-Source", "api"), ("Request-Id", "r-1")],
        "out of vehicles",
    );

    let outcome = Run::app(&server).run("call /sample/vehicles");

    assert_eq!(outcome.code, 9, "{outcome:?}");
    assert_eq!(outcome.stdout, "");
    assert!(
        outcome.stderr.starts_with("error[TARGET-RESPONSE]: "),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("out of vehicles"), "{outcome:?}");
}

#[test]
fn a_call_does_not_carry_the_token_to_another_host() {
    let server = gateway(200, &[], "{}");
    let stranger = Server::answering(200, "{}");

    let outcome = Run::app(&server).run(&format!("call {}/sample", stranger.url));

    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(server.received().is_empty() && stranger.received().is_empty());
}

#[test]
fn the_port_of_the_example_app_is_checked_before_anything_starts() {
    let outcome = Run::new().with("PORT", "http").run("example-app");

    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(outcome.stderr.contains("PORT is not a port"), "{outcome:?}");
}
