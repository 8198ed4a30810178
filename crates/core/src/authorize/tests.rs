use std::time::Duration;

use super::*;
use crate::{
    access_token::verify,
    client::ClientState,
    connection::ConnectionRecord,
    test_util::{NOW, SnapshotBuilder, a_token, current_keys, rules},
};

fn connected() -> SnapshotBuilder {
    SnapshotBuilder::connected("app", "api")
}

/// Calls `/cars{suffix}/v1` with a token of this client.
fn call(
    facts: &Snapshot,
    client: &str,
    path: &str,
    subscription: Option<&str>,
) -> Result<Permit, Denial> {
    let keys = current_keys();
    let token = verify(&a_token(&keys, client), &keys, &rules(), NOW).unwrap();
    let route = facts.routes().find(path).unwrap();
    authorize(
        facts,
        &Call {
            token: &token,
            subscription_id: subscription,
            route: &route,
        },
        NOW,
    )
}

fn denied(facts: SnapshotBuilder) -> Denial {
    call(
        &facts.build(),
        "app-key",
        "/cars/v1/x",
        Some("subscription"),
    )
    .unwrap_err()
}

#[test]
fn an_app_with_a_connected_subscription_may_call() {
    let facts = connected().build();

    let permit = call(&facts, "app-key", "/cars/v1/x", Some("subscription")).unwrap();

    assert_eq!(permit.app().unwrap().as_str(), "app");
    assert_eq!(permit.subscription(), IdKey::of("subscription"));
    assert_eq!(permit.buyer(), Some(IdKey::of("buyer")));
    assert_eq!(permit.api().client_id.as_str(), "api-key");
    assert!(!permit.is_test());
}

#[test]
fn each_environment_opens_to_the_subscriptions_the_table_names() {
    let facts = connected().build();
    let allowed = [
        ("app-key", "/cars/v1", "subscription"),
        ("app-key", "/cars-test/v1", "subscription"),
        ("app-key", "/cars-test/v1", "app-test"),
        ("api-key", "/cars/v1", "api-production"),
        ("api-key", "/cars-test/v1", "api-test"),
        ("api-key", "/cars-dev/v1", "api-dev"),
    ];

    for client in ["app-key", "api-key"] {
        for path in ["/cars/v1", "/cars-test/v1", "/cars-dev/v1"] {
            for id in [
                "subscription",
                "app-test",
                "api-production",
                "api-test",
                "api-dev",
            ] {
                let passes = call(&facts, client, path, Some(id)).is_ok();
                assert_eq!(
                    passes,
                    allowed.contains(&(client, path, id)),
                    "{client} {path} {id}"
                );
            }
        }
    }
}

#[test]
fn an_app_of_the_provider_may_use_the_dev_environment() {
    let facts = connected().app("own", "provider", &["api"]).build();

    assert!(call(&facts, "own-key", "/cars-dev/v1", Some("api-dev")).is_ok());
    assert!(call(&facts, "own-key", "/cars/v1", Some("api-production")).is_err());
    assert!(call(&facts, "app-key", "/cars-dev/v1", Some("api-dev")).is_err());
}

#[test]
fn a_call_without_subscription_is_refused() {
    let facts = connected().build();

    for id in [None, Some("")] {
        let denial = call(&facts, "app-key", "/cars/v1", id).unwrap_err();
        assert_eq!(denial, Denial::SubscriptionMissing);
    }
}

#[test]
fn a_subscription_of_another_app_opens_nothing() {
    let facts = connected().app("thief", "owner", &["api"]).build();

    let denial = call(&facts, "thief-key", "/cars/v1", Some("subscription")).unwrap_err();
    let unknown = call(&facts, "thief-key", "/cars/v1", Some("nobody")).unwrap_err();

    assert_eq!(denial, Denial::SubscriptionOfAnother);
    assert_eq!(unknown, Denial::SubscriptionUnknown);
}

#[test]
fn an_api_that_was_not_selected_is_refused_before_the_subscription_is_looked_at() {
    let facts = connected().app("other", "owner", &[]).build();

    let denial = call(&facts, "other-key", "/cars/v1", None).unwrap_err();

    assert_eq!(denial, Denial::ApiNotSelected);
}

#[test]
fn another_apis_client_is_no_caller_of_this_api() {
    let facts = connected().api("second", "provider").build();

    let denial = call(&facts, "second-key", "/cars/v1", Some("second-production")).unwrap_err();

    assert_eq!(denial, Denial::ApiNotSelected);
}

#[test]
fn a_subscription_without_connection_to_this_api_is_refused() {
    let facts = connected()
        .subscription("bare", "app", "buyer", &[])
        .build();

    let denial = call(&facts, "app-key", "/cars/v1", Some("bare")).unwrap_err();

    assert_eq!(denial, Denial::NotConnected);
}

#[test]
fn a_subscription_that_is_not_active_stops_a_valid_token() {
    use SubscriptionState as S;

    for (state, denial) in [
        (S::Pending, Denial::SubscriptionPending),
        (S::Suspended, Denial::SubscriptionSuspended),
        (S::Rejected, Denial::SubscriptionEnded),
        (S::Cancelled, Denial::SubscriptionEnded),
        (S::Deactivated, Denial::SubscriptionEnded),
        (S::Expired, Denial::SubscriptionEnded),
    ] {
        assert_eq!(
            denied(connected().subscription_state("subscription", state)),
            denial
        );
    }
}

#[test]
fn a_subscription_past_its_end_is_refused_by_the_clock_alone() {
    let mut facts = connected();
    for (_, record) in &mut facts.facts.subscriptions {
        record.as_mut().unwrap().ends_at = Some(NOW);
    }

    assert_eq!(denied(facts), Denial::SubscriptionEnded);
}

#[test]
fn a_connection_that_is_not_active_stops_a_valid_token() {
    use ConnectionState as C;

    for (state, denial) in [
        (C::Requested, Denial::ConnectionPending),
        (C::Pending, Denial::ConnectionPending),
        (C::Rejected, Denial::ConnectionEnded),
        (C::Deactivated, Denial::ConnectionEnded),
    ] {
        let record = ConnectionRecord {
            state,
            values_complete: true,
        };
        assert_eq!(
            denied(connected().connection("subscription", "api", record)),
            denial
        );
    }
    let incomplete = ConnectionRecord {
        state: C::Active,
        values_complete: false,
    };
    assert_eq!(
        denied(connected().connection("subscription", "api", incomplete)),
        Denial::ValuesIncomplete
    );
}

#[test]
fn a_client_that_is_gone_disabled_or_of_a_new_generation_stops_a_valid_token() {
    let gone = {
        let mut facts = connected();
        facts.facts.clients.push((IdKey::of("app-key"), None));
        facts
            .facts
            .clients
            .retain(|(key, _)| *key != IdKey::of("app-key"));
        facts
    };

    assert_eq!(denied(gone), Denial::ClientUnknown);
    assert_eq!(
        denied(connected().client("app-key", |client| client.state = ClientState::Disabled)),
        Denial::ClientUnknown
    );
    assert_eq!(
        denied(connected().client("app-key", |client| client.generation = 1)),
        Denial::TokenRevoked
    );
}

#[test]
fn a_suspended_organization_stops_a_valid_token() {
    for (organization, denial) in [
        ("owner", Denial::OwnerSuspended),
        ("provider", Denial::ProviderSuspended),
        ("buyer", Denial::BuyerSuspended),
    ] {
        let mut facts = connected();
        facts
            .facts
            .organizations
            .retain(|(key, _)| *key != IdKey::of(organization));
        assert_eq!(denied(facts), denial);
    }
}

#[test]
fn a_private_api_opens_to_those_it_is_shared_with() {
    let private = |shared_with: Vec<IdKey>| {
        let mut facts = connected();
        for (_, api) in &mut facts.facts.apis {
            let old = api.take().unwrap();
            *api = Some(Arc::new(ApiRecord {
                id: old.id.clone(),
                organization: old.organization,
                client_id: old.client_id.clone(),
                visibility: crate::api::Visibility::Private,
                shared_with: shared_with.clone(),
            }));
        }
        facts
    };

    assert_eq!(denied(private(Vec::new())), Denial::ApiNotVisible);
    let shared = private(vec![IdKey::of("owner")]).build();
    assert!(call(&shared, "app-key", "/cars/v1", Some("subscription")).is_ok());
}

#[test]
fn an_expired_token_is_caught_before_a_decision_is_made() {
    let keys = current_keys();
    let token = verify(&a_token(&keys, "app-key"), &keys, &rules(), NOW).unwrap();

    let later = token.recheck(&keys, &rules(), NOW + Duration::from_hours(1));

    assert_eq!(later, Err(VerifyError::Expired));
}
