//! Apps, the APIs they select, and their life.

use std::sync::LazyLock;

use portcullis_core::{
    api::Visibility,
    app::AppState,
    client::ClientOwner,
    connection::ConnectionState,
    ids::{ApiId, AppId, ClientId, OrganizationId},
    permissions::Authority,
    secret::Secret,
    subscription::{SubscriptionEvent, SubscriptionKind, SubscriptionState},
};
use portcullis_store::{
    ActError, ApiPatch, AppFilter, AppPatch, GivenCredentials, IdempotencyKey, PageRequest,
    SubscriptionFilter,
};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

fn selecting(apis: &[&ApiId]) -> AppPatch {
    AppPatch {
        apis: Some(apis.iter().map(|api| (*api).clone()).collect()),
        ..AppPatch::default()
    }
}

contract!(
    an_app_comes_with_client_secret_and_test_subscription,
    |world| {
        let m = market(&world.store).await;

        let app = world
            .store
            .app(&member(&m.owner), &m.app.app.id)
            .await
            .unwrap();

        assert_eq!(app, m.app.app);
        assert_eq!(app.apis, [m.api.api.id]);
        let client = world
            .store
            .client(&member(&m.owner), &app.client_id)
            .await
            .unwrap();
        assert_eq!(client.owner, ClientOwner::App(app.id.clone()));
        let secrets = world
            .store
            .secrets(&member(&m.owner), &app.client_id)
            .await
            .unwrap();
        assert_eq!(secrets, std::slice::from_ref(&m.app.secret_info));
        assert_eq!(secrets[0].hint, m.app.secret.as_ref().unwrap().hint());
        let test = world
            .store
            .subscription(&OPERATOR, &app.test_subscription_id)
            .await
            .unwrap();
        assert_eq!(
            (test.kind, test.state),
            (SubscriptionKind::AppTest, SubscriptionState::Active)
        );
        let found = world.store.app_of_client(&app.client_id).await.unwrap();
        assert_eq!(found, Some(app));
        assert_eq!(
            world
                .store
                .app_of_client(&ClientId::random())
                .await
                .unwrap(),
            None
        );
    }
);

contract!(given_credentials_are_kept, |world| {
    let own = organization(&world.store, "own").await;
    let mut new = new_app(&own.id, "orders", &[]);
    let credentials = GivenCredentials {
        client_id: ClientId::parse("imported-key").unwrap(),
        secret: Secret::from_text("0123456789abcdef".to_owned()),
    };
    new.credentials = Some(credentials.clone());

    let made = world
        .store
        .create_app(&OPERATOR, new.clone(), None)
        .await
        .unwrap()
        .value;
    let again = world.store.create_app(&OPERATOR, new, None).await;

    assert_eq!(made.app.client_id, credentials.client_id);
    assert_eq!(made.secret.unwrap().expose(), "0123456789abcdef");
    assert!(matches!(
        again,
        Err(ActError::Conflict {
            code: "client_exists",
            ..
        })
    ));
});

contract!(
    a_repeated_creation_gives_the_app_without_its_secret,
    |world| {
        let own = organization(&world.store, "own").await;
        let key = IdempotencyKey::parse("k").unwrap();
        let create = || {
            world
                .store
                .create_app(&OPERATOR, new_app(&own.id, "orders", &[]), Some(&key))
        };

        let first = create().await.unwrap();
        let again = create().await.unwrap();

        assert_eq!((again.value.app, again.seq), (first.value.app, first.seq));
        assert_eq!(again.value.secret_info, first.value.secret_info);
        assert!(first.value.secret.is_some() && again.value.secret.is_none());
    }
);

contract!(bad_fields_of_an_app_are_refused, |world| {
    let own = organization(&world.store, "own").await;
    let unknown = ApiId::parse("nothing").unwrap();

    for name in ["", " ", &"x".repeat(41)] {
        let new = new_app(&own.id, name, &[]);
        let refused = world
            .store
            .create_app(&OPERATOR, new, None)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, ActError::Invalid { field: "name", .. }),
            "{name}"
        );
    }
    let new = new_app(&own.id, "orders", &[&unknown]);
    let refused = world
        .store
        .create_app(&OPERATOR, new, None)
        .await
        .unwrap_err();
    assert!(matches!(refused, ActError::Invalid { field: "apis", .. }));
    let new = new_app(&OrganizationId::random(), "orders", &[]);
    let refused = world
        .store
        .create_app(&OPERATOR, new, None)
        .await
        .unwrap_err();
    assert_eq!(refused, ActError::NotFound("organization"));
});

contract!(
    a_private_api_is_selected_by_whom_it_is_shared_with,
    |world| {
        let m = market(&world.store).await;
        let private = ApiPatch {
            visibility: Some(Visibility::Private),
            ..ApiPatch::default()
        };
        let shared = ApiPatch {
            shared_with: Some(vec![m.buyer.id.clone()]),
            ..ApiPatch::default()
        };
        let api = &m.api.api.id;
        world
            .store
            .update_api(&OPERATOR, api, None, private)
            .await
            .unwrap();

        let before = world
            .store
            .create_app(&OPERATOR, new_app(&m.buyer.id, "one", &[api]), None)
            .await;
        world
            .store
            .update_api(&OPERATOR, api, None, shared)
            .await
            .unwrap();
        let after = world
            .store
            .create_app(&OPERATOR, new_app(&m.buyer.id, "two", &[api]), None)
            .await;
        let stranger = world
            .store
            .create_app(&OPERATOR, new_app(&m.stranger.id, "x", &[api]), None)
            .await;

        assert!(after.is_ok());
        for refused in [before, stranger] {
            let ActError::Invalid { field, detail } = refused.unwrap_err() else {
                panic!("another refusal");
            };
            assert_eq!(field, "apis");
            assert!(detail.starts_with("v1-vehicles: "), "{detail}");
        }
    }
);

contract!(connections_follow_the_selection_of_apis, |world| {
    let m = market(&world.store).await;
    let second = api(&world.store, &m.provider, "v2-vehicles").await.api.id;
    let first = &m.api.api.id;
    let subscription = activate(&world.store, &m.app.app.id, &m.buyer).await;
    let app = &m.app.app.id;

    world
        .store
        .update_app(&OPERATOR, app, None, selecting(&[first, &second]))
        .await
        .unwrap();

    let connections = world
        .store
        .connections(&OPERATOR, &subscription.id)
        .await
        .unwrap();
    let states: Vec<_> = connections
        .iter()
        .map(|c| (c.api_id.as_str(), c.state))
        .collect();
    let active = ConnectionState::Active;
    assert_eq!(states, [("v1-vehicles", active), ("v2-vehicles", active)]);
});

contract!(
    an_api_that_customers_use_is_not_removed_and_the_last_one_never,
    |world| {
        let m = market(&world.store).await;
        let (store, app) = (&world.store, &m.app.app.id);
        let second = api(store, &m.provider, "v2-vehicles").await.api.id;
        let subscription = activate(store, app, &m.buyer).await;
        let select = async |apis: &[&ApiId]| {
            let patch = selecting(apis);
            store.update_app(&OPERATOR, app, None, patch).await
        };
        let conflict = |refused: Result<_, ActError>| match refused.map(|_| ()).unwrap_err() {
            ActError::Conflict { code, detail } => (code, detail),
            other => panic!("{other:?}"),
        };

        let (in_use, says) = conflict(select(&[&second]).await);
        let (stripped, _) = conflict(select(&[]).await);
        store
            .end_subscription(&OPERATOR, &subscription.id, SubscriptionEvent::Cancel)
            .await
            .unwrap();
        let moved = select(&[&second]).await.unwrap();
        let (still, _) = conflict(select(&[]).await);

        assert_eq!(in_use, "api_in_use");
        assert!(
            says.starts_with("v1-vehicles cannot be removed while 1 subscription"),
            "{says}"
        );
        assert_eq!((stripped, still), ("app_needs_api", "app_needs_api"));
        assert_eq!(moved.value.apis, [second]);
    }
);

contract!(an_app_that_customers_use_is_not_deleted, |world| {
    let m = market(&world.store).await;
    let app = &m.app.app;
    let subscription = activate(&world.store, &app.id, &m.buyer).await;

    let refused = world
        .store
        .set_app_state(&OPERATOR, &app.id, AppState::Deleted)
        .await;
    world
        .store
        .end_subscription(&OPERATOR, &subscription.id, SubscriptionEvent::Cancel)
        .await
        .unwrap();
    let deleted = world
        .store
        .set_app_state(&OPERATOR, &app.id, AppState::Deleted)
        .await
        .unwrap();
    let again = world
        .store
        .set_app_state(&OPERATOR, &app.id, AppState::Deleted)
        .await
        .unwrap();

    assert!(matches!(
        refused,
        Err(ActError::Conflict {
            code: "app_has_subscriptions",
            ..
        })
    ));
    assert_eq!(deleted.value.state, AppState::Deleted);
    assert_eq!(again, deleted);
    let enabled = world
        .store
        .set_app_state(&OPERATOR, &app.id, AppState::Enabled)
        .await;
    assert!(matches!(
        enabled,
        Err(ActError::Conflict {
            code: "app_deleted",
            ..
        })
    ));
    let secret = world.store.create_secret(&OPERATOR, &app.client_id).await;
    assert!(matches!(
        secret,
        Err(ActError::Conflict {
            code: "client_deleted",
            ..
        })
    ));
    let test = world
        .store
        .subscription(&OPERATOR, &app.test_subscription_id)
        .await
        .unwrap();
    assert!(test.state.is_ended());
    assert_eq!(
        world.store.app_of_client(&app.client_id).await.unwrap(),
        None
    );
});

contract!(of_two_edits_of_an_app_one_is_stale, |world| {
    let m = market(&world.store).await;
    let named = |name: &str| AppPatch {
        name: Some(name.to_owned()),
        ..AppPatch::default()
    };
    let edit = |name| {
        world
            .store
            .update_app(&OPERATOR, &m.app.app.id, Some(1), named(name))
    };

    let (one, other) = tokio::join!(edit("one"), edit("other"));

    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
    let stale = [one, other].into_iter().find_map(Result::err).unwrap();
    assert_eq!(stale, ActError::Stale { current: 2 });
});

contract!(a_stranger_finds_no_app, |world| {
    let m = market(&world.store).await;
    let stranger = member(&m.stranger);

    for id in [&m.app.app.id, &AppId::random()] {
        let read = world.store.app(&stranger, id).await.map(|_| ());
        let edit = world
            .store
            .update_app(&stranger, id, None, AppPatch::default())
            .await
            .map(|_| ());
        let state = world
            .store
            .set_app_state(&stranger, id, AppState::Disabled)
            .await
            .map(|_| ());
        for refused in [read, edit, state] {
            assert_eq!(refused, Err(ActError::NotFound("app")));
        }
    }
    let theirs = new_app(&m.owner.id, "x", &[]);
    let made = world.store.create_app(&stranger, theirs, None).await;
    assert_eq!(made.unwrap_err(), ActError::NotFound("organization"));
    let listed = world
        .store
        .apps(&stranger, AppFilter::default(), PageRequest::default())
        .await
        .unwrap();
    assert!(listed.items.is_empty());
    let listed = world
        .store
        .apps(
            &stranger,
            AppFilter {
                organization_id: Some(m.owner.id.clone()),
                ..AppFilter::default()
            },
            PageRequest::default(),
        )
        .await
        .unwrap();
    assert!(listed.items.is_empty());
    let own = world
        .store
        .apps(
            &member(&m.owner),
            AppFilter::default(),
            PageRequest::default(),
        )
        .await
        .unwrap();
    assert_eq!(own.items, [m.app.app]);
    let filter = SubscriptionFilter::default();
    let none = world
        .store
        .subscriptions(&stranger, filter, PageRequest::default())
        .await
        .unwrap();
    assert!(none.items.is_empty());
});
