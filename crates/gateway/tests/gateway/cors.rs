//! Calls from pages of other origins.

use portcullis_gateway::Cors;

use crate::support::{Call, Plan, Provider, Scene, ok};

fn preflight(path: &str) -> Call {
    Call::new("OPTIONS", path)
        .field("Origin", "https://page.example")
        .field("Access-Control-Request-Method", "GET")
}

#[test]
fn a_preflight_is_answered_before_authorization() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    let answer = scene.caller().ask(
        &preflight("/cars/v1/x").field("Access-Control-Request-Headers", "authorization,x-own"),
    );

    assert_eq!((answer.status(), answer.text()), (204, ""));
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://page.example")
    );
    assert_eq!(
        answer.field("access-control-allow-headers"),
        Some("authorization,x-own")
    );
    assert!(
        answer
            .field("access-control-allow-methods")
            .unwrap()
            .contains("DELETE")
    );
    assert_eq!(answer.values("access-control-allow-credentials"), [""; 0]);
    assert_eq!(answer.field("vary"), Some("Origin"));
    assert!(provider.saw_nothing());
}

#[test]
fn a_preflight_that_asks_for_nothing_or_for_nonsense_is_granted_the_usual() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    for requested in ["", "a:b", "<x>"] {
        let call = preflight("/cars/v1/x").field("Access-Control-Request-Headers", requested);

        let answer = scene.caller().ask(&call);

        let granted = answer.field("access-control-allow-headers").unwrap();
        assert!(
            granted.starts_with("Authorization, Subscription-Id, Request-Id"),
            "{granted}"
        );
    }
}

#[test]
fn every_other_options_call_is_authorized_and_forwarded() {
    let provider = Provider::answering(ok("options"));
    let scene = Scene::before(&provider);

    let refused = scene.caller().ask(&Call::new("OPTIONS", "/cars/v1/x"));
    let forwarded = scene.caller().ask(&scene.call("OPTIONS", "/cars/v1/x"));

    assert_eq!(refused.refusal(), (401, "MISSING-AUTHORIZATION".to_owned()));
    assert_eq!(forwarded.text(), "options");
}

#[test]
fn a_page_may_read_answers_and_errors_alike() {
    let provider = Provider::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nVary: Accept\r\nContent-Length: 0\r\n\r\n",
    );
    let scene = Scene::before(&provider);
    let from_page = |call: Call| {
        scene
            .caller()
            .ask(&call.field("Origin", "https://page.example"))
    };

    let answer = from_page(scene.call("GET", "/cars/v1/x"));
    let error = from_page(Call::new("GET", "/cars/v1/x"));

    for answer in [&answer, &error] {
        assert_eq!(
            answer.field("access-control-allow-origin"),
            Some("https://page.example")
        );
        assert_eq!(answer.values("access-control-allow-credentials"), [""; 0]);
        let exposed = answer.field("access-control-expose-headers").unwrap();
        assert!(exposed.contains("Request-Id"));
    }
    assert_eq!(answer.values("vary"), ["Accept", "Origin"]);
}

#[test]
fn switched_off_the_providers_word_goes_through() {
    let provider = Provider::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://own.example\r\nContent-Length: 0\r\n\r\n",
    );
    let mut plan = Plan::to(&provider.url());
    plan.settings.cors = Cors::Off;
    let scene = plan.start();

    let refused = scene.caller().ask(&preflight("/cars/v1/x"));
    let answer = scene.caller().ask(
        &scene
            .call("GET", "/cars/v1/x")
            .field("Origin", "https://p.example"),
    );

    assert_eq!(refused.status(), 401);
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("https://own.example")
    );
}
