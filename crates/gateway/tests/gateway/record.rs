//! What is recorded of a call: one record for each, whatever became of it.

use portcullis_core::{recorder::Source, test_util::NOW};

use crate::support::{Call, Provider, Scene, ok};

#[test]
fn an_answered_call_is_recorded_with_everything_known_of_it() {
    let provider = Provider::answering(ok("hello"));
    let scene = Scene::before(&provider);

    let call = scene
        .call("POST", "/cars/v1/vehicles?secret=1")
        .field("Request-Id", "mine");
    scene.caller().ask(&call.body(b"abc"));

    let record = scene.records.only();
    assert_eq!(record.at, NOW);
    assert_eq!(
        (&*record.method, &*record.path),
        ("POST", "/cars/v1/vehicles")
    );
    assert_eq!(&*record.request_id, "mine");
    assert_eq!(record.app.as_ref().unwrap().as_str(), "app");
    assert_eq!(record.subscription_id.as_deref(), Some("subscription"));
    assert_eq!(record.buyer.as_ref().unwrap().as_str(), "buyer");
    assert_eq!(record.instance.as_ref().unwrap().api_id.as_str(), "api");
    assert_eq!(
        (record.status, record.code, record.reason),
        (200, None, "ok")
    );
    assert_eq!(record.source, Source::Api);
    assert_eq!((record.request_bytes, record.response_bytes), (3, 5));
    assert!(record.upstream_latency.is_some() && !record.is_test);
}

#[test]
fn a_refused_call_is_recorded_with_its_fine_reason() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let good = scene.call("GET", "/cars/v1/x");
    let calls = [
        (Call::new("GET", "/nowhere"), "route_not_found", 404),
        (good.clone().without("Authorization"), "token_missing", 401),
        (
            good.clone().with("Authorization", "Bearer x"),
            "token_malformed",
            401,
        ),
        (
            good.clone().without("Subscription-Id"),
            "subscription_missing",
            400,
        ),
        (
            good.clone().with("Subscription-Id", "unknown"),
            "subscription_unknown",
            403,
        ),
        (
            good.clone().with("Subscription-Id", "of-stranger"),
            "subscription_wrong_app",
            403,
        ),
        (good.clone().field("X_Real_Ip", "1"), "header_invalid", 400),
    ];

    for (call, _, status) in &calls {
        assert_eq!(scene.caller().ask(call).status(), *status);
    }

    let records = scene.records.wait(calls.len());
    for (record, (_, reason, status)) in records.iter().zip(&calls) {
        assert_eq!((record.reason, record.status), (*reason, *status));
        assert_eq!(record.source, Source::Gateway);
        assert!(record.code.is_some() && record.response_bytes > 0);
    }
    assert!(records[0].instance.is_none() && records[1].instance.is_some());
    assert!(records[2].app.is_none());
    assert_eq!(records[5].app.as_ref().unwrap().as_str(), "app");
    assert_eq!(records[5].subscription_id.as_deref(), Some("of-stranger"));
}

#[test]
fn every_call_has_a_name_of_its_own_whatever_it_calls_itself() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    for _ in 0..5 {
        caller.ask(&scene.call("GET", "/cars/v1/x").field("Request-Id", "same"));
    }

    let mut ids: Vec<u128> = scene
        .records
        .wait(5)
        .iter()
        .map(|record| record.call_id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn a_call_with_a_test_subscription_is_marked() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let call = scene
        .call("GET", "/cars/v1/x")
        .with(
            "Authorization",
            &format!("Bearer {}", scene.token("api-key")),
        )
        .with("Subscription-Id", "api-production");

    scene.caller().ask(&call);

    let record = scene.records.only();
    assert!(record.is_test && record.app.is_none() && record.buyer.is_none());
}
