//! What ends takes effect on the very next call, on connections that are open and with tokens that are valid.

use std::sync::Arc;

use portcullis_core::{
    app::AppState,
    client::ClientState,
    connection::{ConnectionRecord, ConnectionState},
    ids::{AppId, IdKey, OrganizationId},
    keys::KeySet,
    organization::OrganizationState,
    snapshot::{AppRecord, Facts, OrganizationRecord},
    subscription::SubscriptionState,
};

use crate::support::{Plan, Provider, Scene, ok};

/// What the second call on a connection is answered when this changed after the first.
fn after(change: impl FnOnce(&Scene) -> Facts) -> (u16, String) {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    let call = scene.call("GET", "/cars/v1/x");
    assert_eq!(caller.ask(&call).status(), 200);
    provider.seen();

    scene.change(change(&scene));
    let refused = caller.ask(&call).refusal();

    assert!(provider.saw_nothing());
    refused
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn an_ended_subscription_stops_the_next_call() {
    let refusal = after(|scene| {
        let key = IdKey::of("subscription");
        let mut record = *scene.snapshot.load().subscription(key).unwrap();
        record.state = SubscriptionState::Cancelled;
        Facts {
            subscriptions: vec![(key, Some(record))],
            ..Facts::default()
        }
    });

    assert_eq!(refusal, refused(403, "API-SUBSCRIPTION-INACTIVE"));
}

#[test]
fn a_subscription_past_its_end_stops_by_the_clock_alone() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let key = IdKey::of("subscription");
    let mut record = *scene.snapshot.load().subscription(key).unwrap();
    record.ends_at = Some(portcullis_core::test_util::NOW + std::time::Duration::from_mins(1));
    scene.change(Facts {
        subscriptions: vec![(key, Some(record))],
        ..Facts::default()
    });
    let mut caller = scene.caller();
    let call = scene.call("GET", "/cars/v1/x");
    assert_eq!(caller.ask(&call).status(), 200);

    scene.clock.advance(std::time::Duration::from_mins(1));

    assert_eq!(
        caller.ask(&call).refusal(),
        refused(403, "API-SUBSCRIPTION-INACTIVE")
    );
}

#[test]
fn an_ended_connection_stops_the_next_call() {
    let refusal = after(|_| {
        let record = ConnectionRecord {
            state: ConnectionState::Deactivated,
            values_complete: true,
        };
        let key = (IdKey::of("subscription"), IdKey::of("api"));
        Facts {
            connections: vec![(key, Some(record))],
            ..Facts::default()
        }
    });

    assert_eq!(refusal, refused(403, "API-SUBSCRIPTION-INACTIVE"));
}

#[test]
fn a_client_that_is_disabled_deleted_or_compromised_stops() {
    for change in ["disabled", "deleted", "compromised"] {
        let refusal = after(|scene| {
            let key = IdKey::of("app-key");
            let mut record = *scene.snapshot.load().client(key).unwrap();
            match change {
                "disabled" => record.state = ClientState::Disabled,
                "compromised" => record.generation = 1,
                _ => {}
            }
            let record = (change != "deleted").then_some(record);
            Facts {
                clients: vec![(key, record)],
                ..Facts::default()
            }
        });

        assert_eq!(refusal, refused(401, "INVALID-TOKEN"), "{change}");
    }
}

#[test]
fn an_app_that_is_disabled_or_drops_the_api_stops() {
    let app = |state, selected| {
        let record = AppRecord {
            id: AppId::parse("app").unwrap(),
            organization: IdKey::of("owner"),
            state,
            selected,
        };
        Facts {
            apps: vec![(IdKey::of("app"), Some(Arc::new(record)))],
            ..Facts::default()
        }
    };

    let disabled = after(|_| app(AppState::Disabled, vec![IdKey::of("api")]));
    let unselected = after(|_| app(AppState::Enabled, Vec::new()));

    assert_eq!(disabled, refused(401, "INVALID-TOKEN"));
    assert_eq!(unselected, refused(403, "UNAUTHORIZED-API-ACCESS"));
}

#[test]
fn a_suspended_organization_stops_whatever_part_it_plays() {
    for (name, expected) in [
        ("owner", refused(401, "INVALID-TOKEN")),
        ("provider", refused(403, "UNAUTHORIZED-API-ACCESS")),
        ("buyer", refused(403, "API-SUBSCRIPTION-INACTIVE")),
    ] {
        let refusal = after(|_| {
            let id = OrganizationId::parse(name).unwrap();
            let record = OrganizationRecord {
                id,
                state: OrganizationState::Suspended,
            };
            let organizations = vec![(IdKey::of(name), Some(Arc::new(record)))];
            Facts {
                organizations,
                ..Facts::default()
            }
        });

        assert_eq!(refusal, expected, "{name}");
    }
}

#[test]
fn a_withdrawn_key_stops_tokens_that_were_verified_before() {
    let refusal = after(|_| Facts {
        keys: Some(KeySet::default()),
        ..Facts::default()
    });

    assert_eq!(refusal, refused(401, "INVALID-TOKEN"));
}

#[test]
fn a_removed_instance_stops_the_next_call() {
    let refusal = after(|scene| {
        let facts = scene.snapshot.load();
        let route = facts.routes().find("/cars/v1").unwrap();
        Facts {
            instances: vec![(route.instance.id.key(), None)],
            ..Facts::default()
        }
    });

    assert_eq!(refusal, refused(404, "API-DOES-NOT-EXIST"));
}

#[test]
fn a_call_that_waited_is_authorized_again_before_its_first_byte() {
    let provider = Provider::new(|mut served| {
        served.request();
        served.connection.is_closed();
    });
    let mut plan = Plan::to(&provider.url());
    plan.settings.limits.connections_max = 1;
    let scene = plan.start();
    let mut first = scene.caller();
    first.write(&scene.call("GET", "/cars/v1/1").bytes());
    assert_eq!(provider.seen().line, "GET /v1/1 HTTP/1.1");
    let mut second = scene.caller();
    second.write(&scene.call("GET", "/cars/v1/2").bytes());
    // A third call that is answered shows that the second one has come as far as the queue.
    let third = scene.call("GET", "/cars/v1/3").without("Authorization");
    assert_eq!(scene.caller().ask(&third).status(), 401);

    let key = IdKey::of("subscription");
    let mut record = *scene.snapshot.load().subscription(key).unwrap();
    record.state = SubscriptionState::Cancelled;
    scene.change(Facts {
        subscriptions: vec![(key, Some(record))],
        ..Facts::default()
    });
    first.reset();

    assert_eq!(
        second.answer().refusal(),
        refused(403, "API-SUBSCRIPTION-INACTIVE")
    );
    assert!(provider.saw_nothing());
}

#[test]
fn an_answer_that_is_still_going_on_is_cut_and_one_of_another_subscription_is_not() {
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let provider = Provider::new(move |mut served| {
        served.request();
        served.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
        may_go_on.lock().unwrap().recv().unwrap();
        served.write("3\r\ntwo\r\n0\r\n\r\n");
        served.connection.is_closed();
    });
    let mut plan = Plan::to(&provider.url());
    plan.facts = plan
        .facts
        .organization("other")
        .subscription("other", "app", "other", &["api"]);
    let scene = plan.start();
    let (mut ended, mut other) = (scene.caller(), scene.caller());
    let call = scene.call("GET", "/cars/v1/x");
    for (caller, id) in [(&mut ended, "subscription"), (&mut other, "other")] {
        caller.write(&call.clone().with("Subscription-Id", id).bytes());
        assert_eq!(caller.head().unwrap().status(), 200);
        assert_eq!(caller.chunk(), b"one");
    }

    let key = IdKey::of("subscription");
    let mut record = *scene.snapshot.load().subscription(key).unwrap();
    record.state = SubscriptionState::Cancelled;
    scene.change(Facts {
        subscriptions: vec![(key, Some(record))],
        ..Facts::default()
    });
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();

    assert!(ended.is_closed());
    assert_eq!(other.chunk(), b"two");
    let records = scene.records.wait(2);
    let mut reasons: Vec<_> = records
        .iter()
        .map(|record| (record.status, record.reason))
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [(200, "ok"), (200, "subscription_cancelled")]);
}
