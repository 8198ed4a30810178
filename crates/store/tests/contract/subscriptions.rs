//! Activation, its end, and what apps and APIs read of it.

use std::{sync::LazyLock, time::Duration};

use portcullis_core::{
    app::AppState,
    connection::ConnectionState,
    environment::Environment,
    ids::{AppId, ClientId, SubscriptionId},
    permissions::Authority,
    subscription::{SubscriptionEvent, SubscriptionKind, SubscriptionState},
};
use portcullis_store::{ActError, IdempotencyKey, NewActivation, PageRequest, SubscriptionFilter};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

contract!(
    an_activation_is_active_with_a_connection_to_each_api,
    |world| {
        let m = market(&world.store).await;

        let acted = world
            .store
            .activate(
                &member(&m.buyer),
                new_activation(&m.app.app.id, &m.buyer.id),
                None,
            )
            .await
            .unwrap();

        let made = &acted.value;
        assert!(acted.seq.is_some());
        assert_eq!(
            (made.kind, made.state),
            (SubscriptionKind::Real, SubscriptionState::Active)
        );
        assert_eq!(
            (made.environment, made.activated_at),
            (Environment::Production, Some(NOW))
        );
        let connections = world
            .store
            .connections(&member(&m.buyer), &made.id)
            .await
            .unwrap();
        assert_eq!(connections.len(), 1);
        assert_eq!(connections[0].api_id, m.api.api.id);
        assert_eq!(connections[0].state, ConnectionState::Active);
        assert_eq!(
            world
                .store
                .subscription(&member(&m.owner), &made.id)
                .await
                .unwrap(),
            *made
        );
    }
);

contract!(a_pair_has_one_living_subscription, |world| {
    let m = market(&world.store).await;
    let new = || new_activation(&m.app.app.id, &m.buyer.id);
    let first = activate(&world.store, &m.app.app.id, &m.buyer).await;

    let second = world.store.activate(&OPERATOR, new(), None).await;
    let end = world
        .store
        .end_subscription(&OPERATOR, &first.id, SubscriptionEvent::Cancel)
        .await;
    let after = world
        .store
        .activate(&OPERATOR, new(), None)
        .await
        .unwrap()
        .value;

    assert!(matches!(
        second,
        Err(ActError::Conflict {
            code: "already_activated",
            ..
        })
    ));
    assert!(end.is_ok());
    assert_ne!(after.id, first.id);
    let same_id = NewActivation {
        id: Some(first.id),
        organization_id: m.stranger.id,
        ..new()
    };
    let known = world.store.activate(&OPERATOR, same_id, None).await;
    assert!(matches!(
        known,
        Err(ActError::Conflict {
            code: "subscription_exists",
            ..
        })
    ));
});

contract!(an_activation_does_not_end_in_the_past, |world| {
    let m = market(&world.store).await;
    let new = NewActivation {
        ends_at: Some(NOW),
        ..new_activation(&m.app.app.id, &m.buyer.id)
    };

    let refused = world
        .store
        .activate(&OPERATOR, new, None)
        .await
        .unwrap_err();

    assert!(matches!(
        refused,
        ActError::Invalid {
            field: "ends_at",
            ..
        }
    ));
});

contract!(of_two_activations_at_once_one_wins, |world| {
    let m = market(&world.store).await;
    let start = || {
        world
            .store
            .activate(&OPERATOR, new_activation(&m.app.app.id, &m.buyer.id), None)
    };

    let (one, other) = tokio::join!(start(), start());

    let lost = [one, other]
        .into_iter()
        .filter_map(Result::err)
        .collect::<Vec<_>>();
    assert!(matches!(
        lost.as_slice(),
        [ActError::Conflict {
            code: "already_activated",
            ..
        }]
    ));
});

contract!(an_app_without_api_or_stopped_is_not_activated, |world| {
    let m = market(&world.store).await;
    let bare = app(&world.store, &m.owner, "bare", &[]).await.app.id;
    let start = async |app: &AppId| {
        let new = new_activation(app, &m.buyer.id);
        world
            .store
            .activate(&OPERATOR, new, None)
            .await
            .unwrap_err()
    };

    assert!(matches!(
        start(&bare).await,
        ActError::Conflict {
            code: "app_without_api",
            ..
        }
    ));
    world
        .store
        .set_app_state(&OPERATOR, &bare, AppState::Disabled)
        .await
        .unwrap();
    assert!(matches!(
        start(&bare).await,
        ActError::Conflict {
            code: "app_not_enabled",
            ..
        }
    ));
    world
        .store
        .set_app_state(&OPERATOR, &bare, AppState::Deleted)
        .await
        .unwrap();
    assert_eq!(start(&bare).await, ActError::NotFound("app"));
    assert_eq!(start(&AppId::random()).await, ActError::NotFound("app"));
});

contract!(
    an_activation_is_repeated_with_its_idempotency_key,
    |world| {
        let m = market(&world.store).await;
        let key = IdempotencyKey::parse("k").unwrap();
        let start = || {
            world.store.activate(
                &OPERATOR,
                new_activation(&m.app.app.id, &m.buyer.id),
                Some(&key),
            )
        };

        let first = start().await.unwrap();
        let again = start().await.unwrap();

        assert_eq!(again, first);
    }
);

contract!(
    an_end_takes_the_connections_along_and_is_repeated_without_effect,
    |world| {
        let m = market(&world.store).await;
        let subscription = activate(&world.store, &m.app.app.id, &m.buyer).await;
        let end = || {
            world
                .store
                .end_subscription(&OPERATOR, &subscription.id, SubscriptionEvent::Deactivate)
        };
        world.clock.advance(Duration::from_secs(9));

        let first = end().await.unwrap();
        organization(&world.store, "later").await;
        let again = end().await.unwrap();

        assert_eq!(again, first);
        assert_eq!(first.value.state, SubscriptionState::Deactivated);
        assert_eq!(
            first.value.deactivated_at,
            Some(NOW + Duration::from_secs(9))
        );
        let connections = world
            .store
            .connections(&OPERATOR, &subscription.id)
            .await
            .unwrap();
        assert_eq!(connections[0].state, ConnectionState::Deactivated);
    }
);

contract!(each_party_ends_in_its_own_way, |world| {
    use SubscriptionEvent as E;
    let m = market(&world.store).await;
    let subscription = activate(&world.store, &m.app.app.id, &m.buyer).await;
    let end = async |who: Authority, event| {
        world
            .store
            .end_subscription(&who, &subscription.id, event)
            .await
            .map(|a| a.value.state)
    };

    assert_eq!(
        end(member(&m.buyer), E::Cancel).await,
        Err(ActError::Forbidden)
    );
    assert_eq!(
        end(member(&m.owner), E::Deactivate).await,
        Err(ActError::Forbidden)
    );
    assert_eq!(
        end(member(&m.owner), E::Expire).await,
        Err(ActError::Forbidden)
    );
    assert!(matches!(
        end(operator(), E::Suspend).await,
        Err(ActError::Invalid { .. })
    ));
    for stranger in [&m.stranger, &m.provider] {
        let refused = end(member(stranger), E::Cancel).await;
        assert_eq!(refused, Err(ActError::NotFound("subscription")));
    }
    let unknown = world
        .store
        .end_subscription(&OPERATOR, &SubscriptionId::random(), E::Cancel)
        .await;
    assert_eq!(unknown.unwrap_err(), ActError::NotFound("subscription"));
    assert_eq!(
        end(member(&m.owner), E::Cancel).await,
        Ok(SubscriptionState::Cancelled)
    );
});

contract!(
    a_subscription_is_suspended_and_resumed_by_the_apps_owner,
    |world| {
        let m = market(&world.store).await;
        let id = activate(&world.store, &m.app.app.id, &m.buyer).await.id;
        let owner = member(&m.owner);

        let by_buyer = world
            .store
            .suspend_subscription(&member(&m.buyer), &id)
            .await;
        let suspended = world.store.suspend_subscription(&owner, &id).await.unwrap();
        let again = world.store.suspend_subscription(&owner, &id).await.unwrap();
        let resumed = world.store.resume_subscription(&owner, &id).await.unwrap();
        world
            .store
            .end_subscription(&owner, &id, SubscriptionEvent::Cancel)
            .await
            .unwrap();
        let ended = world.store.suspend_subscription(&owner, &id).await;

        assert_eq!(by_buyer.unwrap_err(), ActError::Forbidden);
        assert_eq!(suspended.value.state, SubscriptionState::Suspended);
        assert_eq!(again, suspended);
        assert_eq!(resumed.value.state, SubscriptionState::Active);
        assert!(matches!(
            ended,
            Err(ActError::Conflict {
                code: "subscription_ended",
                ..
            })
        ));
    }
);

contract!(a_test_subscription_is_not_ended_by_hand, |world| {
    let m = market(&world.store).await;
    let test = &m.app.app.test_subscription_id;

    let ended = world
        .store
        .end_subscription(&OPERATOR, test, SubscriptionEvent::Cancel)
        .await;
    let suspended = world.store.suspend_subscription(&OPERATOR, test).await;

    for refused in [ended, suspended] {
        assert!(matches!(
            refused,
            Err(ActError::Conflict {
                code: "test_subscription",
                ..
            })
        ));
    }
});

contract!(subscriptions_are_filtered_and_paged, |world| {
    let m = market(&world.store).await;
    let second = app(&world.store, &m.owner, "second", &[&m.api.api.id])
        .await
        .app;
    let one = activate(&world.store, &m.app.app.id, &m.buyer).await;
    let two = activate(&world.store, &second.id, &m.buyer).await;
    world
        .store
        .end_subscription(&OPERATOR, &two.id, SubscriptionEvent::Cancel)
        .await
        .unwrap();
    let list = async |who: Authority, filter: SubscriptionFilter| {
        let page = world
            .store
            .subscriptions(&who, filter, PageRequest::default())
            .await
            .unwrap();
        let mut ids: Vec<_> = page.items.into_iter().map(|item| item.id).collect();
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<SubscriptionId>| {
        ids.sort();
        ids
    };

    let bought = list(member(&m.buyer), SubscriptionFilter::default()).await;
    assert_eq!(bought, sorted(vec![one.id.clone(), two.id.clone()]));
    let of_app = SubscriptionFilter {
        app_id: Some(second.id.clone()),
        ..SubscriptionFilter::default()
    };
    let expected = sorted(vec![two.id.clone(), second.test_subscription_id.clone()]);
    assert_eq!(list(member(&m.owner), of_app).await, expected);
    let ended = SubscriptionFilter {
        states: vec![SubscriptionState::Cancelled],
        ..SubscriptionFilter::default()
    };
    assert_eq!(list(operator(), ended).await, [two.id]);
    let of_buyer = SubscriptionFilter {
        organization_id: Some(m.buyer.id.clone()),
        ..SubscriptionFilter::default()
    };
    assert_eq!(list(operator(), of_buyer).await.len(), 2);
    let page = world
        .store
        .subscriptions(
            &OPERATOR,
            SubscriptionFilter::default(),
            PageRequest::first(1),
        )
        .await
        .unwrap();
    assert!(page.items.len() == 1 && page.next.is_some());
});

contract!(an_app_lists_its_subscriptions_by_activation, |world| {
    let m = market(&world.store).await;
    world.clock.advance(Duration::from_secs(1));
    let bought = activate(&world.store, &m.app.app.id, &m.buyer).await;
    world.clock.advance(Duration::from_secs(1));
    let other = activate(&world.store, &m.app.app.id, &m.stranger).await;
    world
        .store
        .end_subscription(&OPERATOR, &other.id, SubscriptionEvent::Deactivate)
        .await
        .unwrap();

    let all = world
        .store
        .app_subscription_list(&m.app.app.id, None)
        .await
        .unwrap();
    let of_buyer = world
        .store
        .app_subscription_list(&m.app.app.id, Some(&m.buyer.id))
        .await
        .unwrap();

    let ids: Vec<_> = all.iter().map(|row| row.subscription_id.clone()).collect();
    assert_eq!(
        ids,
        [m.app.app.test_subscription_id, bought.id.clone(), other.id]
    );
    assert_eq!(all[0].environment, Environment::Test);
    assert_eq!(
        (all[1].org_name.as_str(), all[1].status),
        ("buyer", SubscriptionState::Active)
    );
    assert_eq!(all[2].deactivation_date, Some(NOW + Duration::from_secs(2)));
    assert_eq!(of_buyer.len(), 1);
    assert_eq!(of_buyer[0].subscription_id, bought.id);
});

contract!(the_context_names_buyer_app_owner_and_apis, |world| {
    let m = market(&world.store).await;
    let bought = activate(&world.store, &m.app.app.id, &m.buyer).await;
    let instance = world
        .store
        .instances(&OPERATOR, &m.api.api.id)
        .await
        .unwrap()
        .remove(0);

    let context = world
        .store
        .subscription_context(&bought.id)
        .await
        .unwrap()
        .unwrap();
    let test = world
        .store
        .subscription_context(&m.app.app.test_subscription_id)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(
        (context.organization, context.app),
        (m.buyer, m.app.app.clone())
    );
    assert_eq!(context.app_owner, m.owner);
    let apis: Vec<(_, ClientId)> = vec![(m.api.api.id, m.api.api.client_id)];
    assert_eq!((&context.apis, &test.apis), (&apis, &apis));
    for unknown in [SubscriptionId::random(), instance.test_subscription_id] {
        assert!(
            world
                .store
                .subscription_context(&unknown)
                .await
                .unwrap()
                .is_none()
        );
    }
});
