//! Where a call goes, and what of it.

use portcullis_core::api::{BasePathUpstream, InstancePolicy};

use crate::support::{Call, Plan, Provider, Scene, ok};

#[test]
fn an_allowed_call_reaches_the_provider_and_its_answer_the_caller() {
    let provider = Provider::answering(
        "HTTP/1.1 201 Made\r\nContent-Type: text/plain\r\nServer: cars/1\r\nX-Own: a\r\nX-Own: b\r\nContent-Length: 5\r\n\r\nhello",
    );
    let scene = Scene::before(&provider);

    let answer = scene
        .caller()
        .ask(&scene.call("POST", "/cars/v1/vehicles").body(b"{}"));

    assert_eq!(answer.line, "HTTP/1.1 201 Made");
    assert_eq!(answer.text(), "hello");
    assert_eq!(answer.field("content-type"), Some("text/plain"));
    assert_eq!(answer.field("server"), Some("cars/1"));
    assert_eq!(answer.values("x-own"), ["a", "b"]);
    assert_eq!(answer.field("error-source"), None);
    let seen = provider.seen();
    assert_eq!(seen.line, "POST /v1/vehicles HTTP/1.1");
    assert_eq!(
        seen.field("host"),
        Some(provider.address.to_string().as_str())
    );
    assert_eq!(seen.field("subscription-id"), Some("subscription"));
    assert_eq!(seen.field("content-length"), Some("2"));
    assert_eq!(seen.text(), "{}");
}

#[test]
fn path_and_query_go_on_byte_for_byte() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    for rest in [
        "",
        "/",
        "?",
        "?a=b",
        "/vehicles/",
        "//x//",
        "/a%2fb%2F",
        "/a;b=c",
        "/%7e~%zz",
        "/%252e%252e",
        "/x?q=/../&r=%00&s=?&t={}|",
        "/{id}",
    ] {
        let answer = caller.ask(&scene.call("GET", &format!("/cars/v1{rest}")));

        assert_eq!(answer.status(), 200, "{rest}");
        assert_eq!(provider.seen().line, format!("GET /v1{rest} HTTP/1.1"));
    }
}

#[test]
fn the_base_path_is_kept_or_stripped_behind_the_targets_own_path() {
    for (base, path, sent, expected) in [
        (
            BasePathUpstream::Keep,
            "/base",
            "/cars/v1/x?y",
            "/base/v1/x?y",
        ),
        (BasePathUpstream::Strip, "/base/", "/cars/v1/x", "/base/x"),
        (BasePathUpstream::Strip, "", "/cars/v1", "/"),
        (BasePathUpstream::Strip, "", "/cars/v1?y", "/?y"),
        (BasePathUpstream::Keep, "", "/cars/v1", "/v1"),
    ] {
        let provider = Provider::answering(ok(""));
        let mut plan = Plan::to(&format!("{}{path}", provider.url()));
        plan.instance.policy = InstancePolicy {
            base_path_upstream: base,
            ..plan.instance.policy
        };
        let scene = plan.start();

        scene.caller().ask(&scene.call("GET", sent));

        assert_eq!(provider.seen().line, format!("GET {expected} HTTP/1.1"));
    }
}

#[test]
fn a_path_that_could_leave_its_base_is_refused() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    for path in [
        "/cars/v1/..",
        "/cars/v1/../admin",
        "/cars/v1/./x",
        "/cars/v1/%2e%2e/x",
        "/cars/v1/%2E%2E%2fx",
        "/cars/v1/..;/x",
        "/cars/v1/a%5cb",
        "/cars/v1/a\\b",
        "/cars/v1/%00",
    ] {
        let answer = scene.caller().ask(&scene.call("GET", path));

        assert_eq!(
            answer.refusal(),
            (400, "INVALID-REQUEST".to_owned()),
            "{path}"
        );
    }
    assert!(provider.saw_nothing());
}

#[test]
fn what_no_prefix_covers_does_not_exist() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    for path in [
        "/",
        "/cars",
        "/cars/v2",
        "/cars/v11",
        "/Cars/v1",
        "//cars/v1",
        "/%63ars/v1",
    ] {
        let answer = scene.caller().ask(&scene.call("GET", path));

        assert_eq!(
            answer.refusal(),
            (404, "API-DOES-NOT-EXIST".to_owned()),
            "{path}"
        );
    }
}

#[test]
fn every_method_is_forwarded_but_those_that_echo_or_tunnel() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY",
    ] {
        let answer = scene.caller().ask(&scene.call(method, "/cars/v1/x"));

        assert_eq!(answer.status(), 200, "{method}");
        assert_eq!(provider.seen().line, format!("{method} /v1/x HTTP/1.1"));
    }
    for method in ["TRACE", "TRACK"] {
        let answer = scene.caller().ask(&scene.call(method, "/cars/v1/x"));

        assert_eq!(answer.status(), 405, "{method}");
        assert!(
            answer
                .field("allow")
                .unwrap()
                .starts_with("GET, HEAD, POST")
        );
        assert_eq!(answer.json()["code"], "INVALID-REQUEST");
    }
    assert!(provider.saw_nothing());
}

#[test]
fn an_answer_to_head_has_its_length_and_no_body() {
    let provider = Provider::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    for _ in 0..3 {
        let answer = caller.ask(&scene.call("HEAD", "/cars/v1/x"));

        assert_eq!(
            (answer.status(), answer.field("content-length")),
            (200, Some("5"))
        );
    }
    assert_eq!(provider.connections(), 1);
}

#[test]
fn an_error_of_the_provider_passes_as_it_is_and_is_marked_as_its_own() {
    let provider = Provider::answering(
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nError-Source: gateway\r\nContent-Length: 4\r\n\r\nnone",
    );
    let scene = Scene::before(&provider);

    let answer = scene.get();

    assert_eq!((answer.status(), answer.text()), (404, "none"));
    assert_eq!(answer.field("content-type"), Some("text/html"));
    assert_eq!(answer.field("error-source"), Some("api"));
}

#[test]
fn a_target_that_leads_back_here_is_a_loop() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    let first = scene.get();
    let mark = provider.seen().field("cdn-loop").unwrap().to_owned();
    let again = scene
        .caller()
        .ask(&scene.call("GET", "/cars/v1/x").field("CDN-Loop", &mark));

    assert_eq!(first.status(), 200);
    assert_eq!(again.refusal(), (508, "ROUTING-ERROR".to_owned()));
    assert!(provider.saw_nothing());
}

#[test]
fn a_snapshot_that_is_too_old_decides_nothing() {
    let provider = Provider::answering(ok(""));
    let mut plan = Plan::to(&provider.url());
    plan.usable_for = std::time::Duration::from_secs(10);
    let scene = plan.start();
    let mut caller = scene.caller();
    assert_eq!(caller.ask(&scene.call("GET", "/cars/v1/x")).status(), 200);

    scene.clock.advance(std::time::Duration::from_secs(11));
    let answer = caller.ask(&scene.call("GET", "/cars/v1/x"));

    assert_eq!(answer.refusal(), (503, "PROCESSING-ERROR".to_owned()));
    assert_eq!(answer.field("retry-after"), Some("2"));
}

#[test]
fn an_error_says_what_is_wrong_and_what_to_do_about_it() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    let answer = scene
        .caller()
        .ask(&Call::new("GET", "/cars/v1/x").field("Request-Id", "mine\"<1>"));

    assert_eq!(answer.status(), 401);
    assert_eq!(answer.field("content-type"), Some("application/json"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.field("request-id"), Some("mine\"<1>"));
    let body = answer.json();
    assert_eq!(body["code"], "MISSING-AUTHORIZATION");
    assert_eq!(body["status"], 401);
    assert_eq!(body["requestId"], "mine\"<1>");
    assert_eq!(body["source"], "GATEWAY");
    assert_eq!(body["type"], "/docs/errors/MISSING-AUTHORIZATION");
    assert_eq!(body["message"], "The Authorization header is missing.");
    assert!(body["remedy"].as_str().unwrap().contains("token endpoint"));
    assert!(body["detail"].is_string());
}
