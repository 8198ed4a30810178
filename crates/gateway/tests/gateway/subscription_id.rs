//! For whom a call is: every way the `Subscription-Id` can be wrong.

use portcullis_core::{
    connection::{ConnectionRecord, ConnectionState},
    environment::Environment,
    ids::IdKey,
    subscription::{SubscriptionOf, SubscriptionRecord, SubscriptionState},
};

use crate::support::{Plan, Provider, Scene, instance, ok};

fn mismatch() -> (u16, String) {
    (403, "SUBSCRIPTION-MISMATCH".to_owned())
}

#[test]
fn a_missing_or_empty_one_is_asked_for() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let bare = scene.call("GET", "/cars/v1/x").without("Subscription-Id");

    for call in [
        bare.clone(),
        bare.clone().field("Subscription-Id", ""),
        bare.clone().field("Subscription-Id", "   "),
        bare.clone().field("Subscription-Id", "\t"),
        bare.clone().field("X-Subscription-Id", "subscription"),
        bare.clone().field("Cookie", "Subscription-Id=subscription"),
        scene
            .call("GET", "/cars/v1/x?Subscription-Id=subscription")
            .without("Subscription-Id"),
    ] {
        let answer = scene.caller().ask(&call);

        assert_eq!(
            answer.refusal(),
            (400, "MISSING-SUBSCRIPTION-ID".to_owned())
        );
    }
    assert!(provider.saw_nothing());
}

#[test]
fn one_that_comes_in_a_trailer_is_missing() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    let call = scene
        .call("POST", "/cars/v1/x")
        .without("Subscription-Id")
        .field("Transfer-Encoding", "chunked")
        .field("Trailer", "Subscription-Id");

    let mut bytes = call.bytes();
    bytes.extend_from_slice(b"1\r\nx\r\n0\r\nSubscription-Id: subscription\r\n\r\n");
    caller.write(&bytes);

    assert_eq!(
        caller.answer().refusal(),
        (400, "MISSING-SUBSCRIPTION-ID".to_owned())
    );
    assert!(provider.saw_nothing());
}

#[test]
fn a_trailer_is_not_merged_into_the_call() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    let call = scene
        .call("POST", "/cars/v1/x")
        .field("Transfer-Encoding", "chunked");

    let mut bytes = call.bytes();
    bytes.extend_from_slice(b"1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n");
    caller.write(&bytes);

    assert_eq!(caller.answer().status(), 200);
    let seen = provider.seen();
    assert_eq!((seen.text(), seen.values("x-sum").len()), ("x", 0));
}

#[test]
fn one_of_somebody_else_and_an_unknown_one_get_the_same_answer() {
    let provider = Provider::answering(ok(""));
    let mut plan = Plan::to(&provider.url());
    let elsewhere = SubscriptionRecord {
        of: SubscriptionOf::Real {
            app: IdKey::of("app"),
            organization: IdKey::of("buyer"),
        },
        state: SubscriptionState::Active,
        ends_at: None,
    };
    plan.facts
        .facts
        .subscriptions
        .push((IdKey::of("unconnected"), Some(elsewhere)));
    let scene = plan.start();

    let mut answers: Vec<String> = [
        "unknown",
        "00000000-0000-0000-0000-000000000000",
        "of-stranger",
        "unconnected",
        "app-test",
        "api-production",
        "api-dev",
        "test",
        "TEST",
    ]
    .iter()
    .map(|id| {
        let call = scene
            .call("GET", "/cars/v1/x")
            .with("Subscription-Id", id)
            .field("Request-Id", "same");
        let answer = scene.caller().ask(&call);
        assert_eq!(answer.refusal(), mismatch(), "{id}");
        let fields: Vec<_> = answer
            .fields
            .iter()
            .filter(|(name, _)| name != "date")
            .collect();
        format!("{} {fields:?} {}", answer.line, answer.text())
    })
    .collect();

    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(provider.saw_nothing());
}

#[test]
fn one_that_is_not_active_is_told_so() {
    for (subscription, connection) in [
        (SubscriptionState::Pending, ConnectionState::Active),
        (SubscriptionState::Suspended, ConnectionState::Active),
        (SubscriptionState::Cancelled, ConnectionState::Deactivated),
        (SubscriptionState::Deactivated, ConnectionState::Deactivated),
        (SubscriptionState::Rejected, ConnectionState::Rejected),
        (SubscriptionState::Expired, ConnectionState::Deactivated),
        (SubscriptionState::Active, ConnectionState::Requested),
        (SubscriptionState::Active, ConnectionState::Pending),
        (SubscriptionState::Active, ConnectionState::Rejected),
        (SubscriptionState::Active, ConnectionState::Deactivated),
    ] {
        let provider = Provider::answering(ok(""));
        let mut plan = Plan::to(&provider.url());
        let record = ConnectionRecord {
            state: connection,
            values_complete: true,
        };
        plan.facts = plan
            .facts
            .subscription_state("subscription", subscription)
            .connection("subscription", "api", record);
        let scene = plan.start();

        let expected = (403, "API-SUBSCRIPTION-INACTIVE".to_owned());
        assert_eq!(
            scene.get().refusal(),
            expected,
            "{subscription:?} {connection:?}"
        );
        assert!(provider.saw_nothing());
    }
}

#[test]
fn one_whose_values_are_missing_waits_for_them() {
    let provider = Provider::answering(ok(""));
    let mut plan = Plan::to(&provider.url());
    let record = ConnectionRecord {
        state: ConnectionState::Active,
        values_complete: false,
    };
    plan.facts = plan.facts.connection("subscription", "api", record);

    let refused = plan.start().get().refusal();

    assert_eq!(
        refused,
        (403, "SUBSCRIBER-CONFIGURATION-PENDING".to_owned())
    );
}

#[test]
fn it_opens_the_environments_it_is_for() {
    let provider = Provider::answering(ok(""));
    let mut plan = Plan::to(&provider.url());
    for (prefix, environment) in [
        ("/cars-test/v1", Environment::Test),
        ("/cars-dev/v1", Environment::Dev),
    ] {
        plan.facts = plan
            .facts
            .instance(instance(prefix, environment, &provider.url()));
    }
    let scene = plan.start();

    for (path, id, status) in [
        ("/cars/v1", "subscription", 200),
        ("/cars-test/v1", "subscription", 200),
        ("/cars-dev/v1", "subscription", 403),
        ("/cars/v1", "app-test", 403),
        ("/cars-test/v1", "app-test", 200),
        ("/cars-dev/v1", "app-test", 403),
    ] {
        let answer = scene
            .caller()
            .ask(&scene.call("GET", path).with("Subscription-Id", id));

        assert_eq!(answer.status(), status, "{path} {id}");
    }
}

#[test]
fn two_of_them_are_refused_whatever_they_are() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    for (name, value) in [
        ("Subscription-Id", "subscription"),
        ("Subscription-Id", "of-stranger"),
        ("SUBSCRIPTION-ID", "subscription"),
        ("Subscription-Id", ""),
        ("Subscription_Id", "subscription"),
    ] {
        let answer = scene
            .caller()
            .ask(&scene.call("GET", "/cars/v1/x").field(name, value));

        assert_eq!(
            answer.refusal(),
            (400, "INVALID-REQUEST".to_owned()),
            "{name}: {value}"
        );
    }
    assert!(provider.saw_nothing());
}

#[test]
fn odd_bytes_are_refused_and_never_reflected() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    for (value, status) in [
        ("subscription,subscription", 403),
        ("subscription;of-stranger", 403),
        ("subscription, of-stranger", 400),
        ("caf\u{e9}", 400),
        ("\u{ff53}\u{ff55}\u{ff42}", 400),
        ("\u{202e}noitpircsbus", 400),
        ("a\tb", 400),
        ("*", 403),
        ("' OR 1=1--", 400),
        ("'OR'1'='1", 403),
        ("%00", 403),
        ("{\"$ne\":null}", 403),
        ("${jndi:ldap://x}", 403),
        ("<script>alert(1)</script>", 403),
        (&"x".repeat(10_000), 403),
    ] {
        let call = scene
            .call("GET", "/cars/v1/x")
            .with("Subscription-Id", value);

        let answer = scene.caller().ask(&call);

        assert_eq!(answer.status(), status, "{value}");
        assert!(!answer.text().contains("<script"));
    }
    assert!(provider.saw_nothing());
}

#[test]
fn control_bytes_end_the_connection() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);

    for byte in ["\r", "\n", "\0", "\u{7f}", "\u{b}"] {
        let call = scene
            .call("GET", "/cars/v1/x")
            .with("Subscription-Id", &format!("sub{byte}scription"));
        let mut caller = scene.caller();

        let answer = caller.ask(&call);

        assert_eq!(answer.status(), 400, "{byte:?}");
        let body = answer.json();
        assert_eq!(
            (&body["code"], &body["source"]),
            (&"INVALID-REQUEST".into(), &"GATEWAY".into())
        );
        assert!(caller.is_closed());
    }
    assert!(provider.saw_nothing());
}
