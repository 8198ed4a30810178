//! The literal subscription `test`, answered from the examples of the specification.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis_core::{api::Simulation, test_util::SECRET};

use crate::support::{Call, Plan, Provider, Scene, ok};

fn example(method: &str, path: &str, status: u16, body: &str) -> Simulation {
    Simulation {
        method: method.to_owned(),
        path: path.to_owned(),
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    }
}

fn plan(provider: &Provider) -> Plan {
    let mut plan = Plan::to(&provider.url());
    plan.settings.simulator = true;
    plan.instance.simulations = Arc::new([
        example("GET", "/vehicles", 200, "[]"),
        example("POST", "/vehicles", 201, r#"{"id":1}"#),
        example("GET", "/vehicles/{id}", 200, r#"{"any":true}"#),
        example("GET", "/vehicles/best", 200, r#"{"best":true}"#),
        example("DELETE", "/vehicles/{id}", 204, ""),
    ]);
    plan
}

fn simulated(scene: &Scene, method: &str, path: &str) -> Call {
    scene.call(method, path).with("Subscription-Id", "test")
}

fn basic(key: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:{secret}")))
}

#[test]
fn the_example_that_fits_best_is_the_answer() {
    let provider = Provider::answering(ok(""));
    let scene = plan(&provider).start();

    for (method, path, status, body) in [
        ("GET", "/cars/v1/vehicles", 200, "[]"),
        ("GET", "/cars/v1/vehicles/?a=b", 200, "[]"),
        ("GET", "/cars/v1/vehicles/7", 200, r#"{"any":true}"#),
        ("GET", "/cars/v1/vehicles/best", 200, r#"{"best":true}"#),
        ("POST", "/cars/v1/vehicles", 201, r#"{"id":1}"#),
        ("DELETE", "/cars/v1/vehicles/7", 204, ""),
        ("HEAD", "/cars/v1/vehicles", 200, ""),
    ] {
        let answer = scene.caller().ask(&simulated(&scene, method, path));

        assert_eq!(
            (answer.status(), answer.text()),
            (status, body),
            "{method} {path}"
        );
        assert!(answer.field("request-id").is_some());
    }
    assert!(provider.saw_nothing());
    let record = scene.records.wait(7).remove(0);
    assert!(record.is_test && record.reason == "ok" && record.code.is_none());
}

#[test]
fn what_has_no_example_is_told_so() {
    let provider = Provider::answering(ok(""));
    let scene = plan(&provider).start();
    let ask = |method, path| scene.caller().ask(&simulated(&scene, method, path));

    let unknown = ask("POST", "/cars/v1/cars%3Cscript%3E");
    let wrong_method = ask("PUT", "/cars/v1/vehicles/7");

    assert_eq!(unknown.refusal(), (404, "API-DOES-NOT-EXIST".to_owned()));
    assert_eq!(
        unknown.json()["message"],
        "Cannot POST /cars/v1/cars%3Cscript%3E"
    );
    assert_eq!(wrong_method.refusal(), (405, "INVALID-REQUEST".to_owned()));
    assert_eq!(
        wrong_method.json()["message"],
        "The request could not be satisfied"
    );
    assert!(wrong_method.field("allow").is_some());
}

#[test]
fn an_api_without_examples_says_so() {
    let provider = Provider::answering(ok(""));
    let mut plan = plan(&provider);
    plan.instance.simulations = Arc::new([]);
    let scene = plan.start();

    let answer = scene
        .caller()
        .ask(&simulated(&scene, "GET", "/cars/v1/vehicles"));

    assert_eq!(answer.refusal(), (404, "API-DOES-NOT-EXIST".to_owned()));
    assert!(
        answer.json()["message"]
            .as_str()
            .unwrap()
            .contains("no examples")
    );
}

#[test]
fn switched_off_it_is_an_unknown_subscription() {
    let provider = Provider::answering(ok(""));
    let mut plan = plan(&provider);
    plan.settings.simulator = false;
    let scene = plan.start();

    let answer = scene
        .caller()
        .ask(&simulated(&scene, "GET", "/cars/v1/vehicles"));
    let with_basic = scene.caller().ask(
        &simulated(&scene, "GET", "/cars/v1/vehicles")
            .with("Authorization", &basic("app-key", SECRET)),
    );

    assert_eq!(answer.refusal(), (403, "SUBSCRIPTION-MISMATCH".to_owned()));
    assert_eq!(with_basic.refusal(), (401, "INVALID-TOKEN".to_owned()));
}

#[test]
fn only_the_exact_word_is_meant() {
    let provider = Provider::answering(ok(""));
    let scene = plan(&provider).start();

    for id in ["Test", "TEST", "test,test", "tes", "\"test\""] {
        let call = simulated(&scene, "GET", "/cars/v1/vehicles").with("Subscription-Id", id);

        assert_eq!(scene.caller().ask(&call).status(), 403, "{id}");
    }
    let twice = simulated(&scene, "GET", "/cars/v1/vehicles").field("Subscription-Id", "test");
    assert_eq!(scene.caller().ask(&twice).status(), 400);
}

#[test]
fn a_key_and_secret_open_it_and_nothing_else() {
    let provider = Provider::answering(ok(""));
    let scene = plan(&provider).start();
    let with = |authorization: &str| {
        simulated(&scene, "GET", "/cars/v1/vehicles").with("Authorization", authorization)
    };

    assert_eq!(
        scene
            .caller()
            .ask(&with(&basic("app-key", SECRET)))
            .status(),
        200
    );
    assert_eq!(
        scene
            .caller()
            .ask(&with(&basic("app-key", &format!("{SECRET}\n"))))
            .status(),
        200
    );
    let real = with(&basic("app-key", SECRET)).with("Subscription-Id", "subscription");
    assert_eq!(
        scene.caller().ask(&real).refusal(),
        (401, "INVALID-TOKEN".to_owned())
    );
    let none = with("").without("Authorization");
    assert_eq!(
        scene.caller().ask(&none).refusal(),
        (401, "MISSING-AUTHORIZATION".to_owned())
    );
    assert!(provider.saw_nothing());
}

#[test]
fn an_unknown_key_and_a_wrong_secret_get_the_same_answer_and_are_throttled() {
    let provider = Provider::answering(ok(""));
    let scene = plan(&provider).start();
    let ask = |key: &str, secret: &str| {
        let call = simulated(&scene, "GET", "/cars/v1/vehicles").field("Request-Id", "same");
        scene
            .caller()
            .ask(&call.with("Authorization", &basic(key, secret)))
    };

    let (unknown, wrong) = (ask("nobody", SECRET), ask("app-key", "wrong"));
    let mut statuses: Vec<u16> = (0..8).map(|_| ask("app-key", "wrong").status()).collect();
    statuses.dedup();

    assert_eq!(unknown.json(), wrong.json());
    assert_eq!(
        (unknown.status(), unknown.json()["message"].as_str()),
        (401, Some("Unauthorized"))
    );
    assert_eq!(statuses, [401, 429]);
    let throttled = ask("app-key", "wrong");
    assert!(throttled.field("retry-after").is_some());
    assert_eq!(ask("app-key", SECRET).status(), 200);
}

#[test]
fn an_app_that_did_not_select_the_api_is_told_to() {
    let provider = Provider::answering(ok(""));
    let mut plan = plan(&provider);
    plan.facts = plan.facts.app("window-shopper", "owner", &[]);
    let scene = plan.start();
    let token = format!("Bearer {}", scene.token("window-shopper-key"));

    for authorization in [basic("window-shopper-key", SECRET), token] {
        let call = simulated(&scene, "GET", "/cars/v1/vehicles");
        let answer = scene
            .caller()
            .ask(&call.with("Authorization", &authorization));

        assert_eq!(
            answer.refusal(),
            (403, "UNAUTHORIZED-API-ACCESS".to_owned())
        );
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("Solution has not requested access to this API."));
    }
}

#[test]
fn a_body_is_looked_at_only_when_it_says_that_it_is_json() {
    let provider = Provider::answering(ok(""));
    let scene = plan(&provider).start();
    let post = simulated(&scene, "POST", "/cars/v1/vehicles");
    let json = post
        .clone()
        .field("Content-Type", "application/json; charset=utf-8");

    for fine in [
        post.clone(),
        json.clone(),
        json.clone().body(b"{}"),
        post.body(b"{oops"),
    ] {
        assert_eq!(scene.caller().ask(&fine).status(), 201);
    }
    for (body, message) in [
        ("{\n  oops}", "Unexpected token o in JSON at position 4"),
        ("[1,2", "Unexpected end of JSON input"),
    ] {
        let answer = scene.caller().ask(&json.clone().body(body.as_bytes()));

        assert_eq!(answer.refusal(), (400, "INVALID-REQUEST".to_owned()));
        assert_eq!(answer.json()["message"], message);
    }
}
