//! APIs and their instances.

use std::sync::LazyLock;

use portcullis_core::{
    api::{InstancePolicy, Simulation, Visibility},
    app::AppState,
    connection::ConnectionState,
    environment::Environment,
    ids::{ApiId, InstanceId, SubscriptionId},
    permissions::Authority,
    subscription::{SubscriptionKind, SubscriptionState},
};
use portcullis_store::{
    ActError, ApiFilter, ApiPatch, IdempotencyKey, InstancePatch, NewApi, NewInstance, PageRequest,
    Remains,
};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

contract!(an_api_reads_back_as_it_was_made, |world| {
    let m = market(&world.store).await;

    let api = world
        .store
        .api(&member(&m.provider), &m.api.api.id)
        .await
        .unwrap();

    assert_eq!(api, m.api.api);
    assert_eq!(
        world.store.api_of_client(&api.client_id).await.unwrap(),
        Some(api.clone())
    );
    let secrets = world
        .store
        .secrets(&member(&m.provider), &api.client_id)
        .await
        .unwrap();
    assert_eq!(secrets, [m.api.secret_info]);
});

contract!(an_api_without_identifier_is_named_after_itself, |world| {
    let own = organization(&world.store, "own").await;
    let new = || NewApi {
        id: None,
        name: "Service & Parts".to_owned(),
        ..new_api(&own.id, "x")
    };

    let first = world
        .store
        .create_api(&OPERATOR, new(), None)
        .await
        .unwrap()
        .value;
    let second = world
        .store
        .create_api(&OPERATOR, new(), None)
        .await
        .unwrap()
        .value;

    assert_eq!(first.api.id.as_str(), "service-parts");
    assert_eq!(second.api.id.as_str(), "service-parts-2");
});

contract!(an_identifier_of_an_api_is_used_once_for_ever, |world| {
    let m = market(&world.store).await;
    let key = IdempotencyKey::parse("k").unwrap();
    let new = || new_api(&m.provider.id, "v1-parts");
    let made = world
        .store
        .create_api(&OPERATOR, new(), Some(&key))
        .await
        .unwrap()
        .value;

    let again = world
        .store
        .create_api(&OPERATOR, new(), Some(&key))
        .await
        .unwrap()
        .value;
    let taken = world.store.create_api(&OPERATOR, new(), None).await;
    world
        .store
        .delete_api(&OPERATOR, &made.api.id)
        .await
        .unwrap();
    let after = world.store.create_api(&OPERATOR, new(), None).await;

    assert_eq!(again.api, made.api);
    assert!(again.secret.is_none());
    for refused in [taken, after] {
        assert!(matches!(
            refused,
            Err(ActError::Conflict {
                code: "api_exists",
                ..
            })
        ));
    }
    let slash = NewApi {
        id: Some(ApiId::parse("a/b").unwrap()),
        ..new()
    };
    let refused = world
        .store
        .create_api(&OPERATOR, slash, None)
        .await
        .unwrap_err();
    assert!(matches!(refused, ActError::Invalid { field: "id", .. }));
});

contract!(a_private_api_is_seen_by_whom_it_is_shared_with, |world| {
    let m = market(&world.store).await;
    let id = &m.api.api.id;
    let patch = ApiPatch {
        visibility: Some(Visibility::Private),
        shared_with: Some(vec![m.buyer.id.clone()]),
        ..ApiPatch::default()
    };

    let public = world.store.api(&member(&m.stranger), id).await;
    let edited = world
        .store
        .update_api(&member(&m.provider), id, Some(1), patch)
        .await
        .unwrap();

    assert!(public.is_ok());
    assert_eq!(edited.value.shared_with, std::slice::from_ref(&m.buyer.id));
    let shared = world.store.api(&member(&m.buyer), id).await.unwrap();
    assert!(shared.shared_with.is_empty(), "told to the provider alone");
    let hidden = world.store.api(&member(&m.stranger), id).await;
    assert_eq!(hidden.unwrap_err(), ActError::NotFound("API"));
    for (who, seen) in [(&m.provider, 1), (&m.buyer, 1), (&m.stranger, 0)] {
        let page = world
            .store
            .apis(&member(who), ApiFilter::default(), PageRequest::default())
            .await
            .unwrap();
        assert_eq!(page.items.len(), seen, "{}", who.name);
        let page = world
            .store
            .apis(
                &member(who),
                ApiFilter {
                    provider: Some(m.provider.id.clone()),
                    ..ApiFilter::default()
                },
                PageRequest::default(),
            )
            .await;
        assert_eq!(page.unwrap().items.len(), seen);
    }
});

contract!(
    an_edit_of_what_decisions_do_not_depend_on_makes_no_change,
    |world| {
        let m = market(&world.store).await;
        let patch = ApiPatch {
            description: Some("new".to_owned()),
            ..ApiPatch::default()
        };

        let edited = world
            .store
            .update_api(&OPERATOR, &m.api.api.id, None, patch)
            .await
            .unwrap();

        assert_eq!(edited.seq, None);
        assert_eq!(edited.value.version, 2);
    }
);

contract!(an_instance_comes_with_the_apis_test_subscription, |world| {
    let m = market(&world.store).await;
    let api = &m.api.api.id;
    let new = NewInstance {
        base_path: "/vehicles/v2".to_owned(),
        spec: Some("openapi: 3.1.0".to_owned()),
        simulations: vec![Simulation {
            method: "GET".to_owned(),
            path: "/vehicles".to_owned(),
            status: 200,
            content_type: "application/json".to_owned(),
            body: "[]".to_owned(),
        }],
        ..new_instance(api, "provider", Environment::Production)
    };

    let second = world
        .store
        .create_instance(&OPERATOR, new, None)
        .await
        .unwrap()
        .value;

    let all = world
        .store
        .instances(&member(&m.provider), api)
        .await
        .unwrap();
    assert_eq!(all.len(), 2);
    assert!(all.contains(&second));
    assert_eq!(all[0].test_subscription_id, all[1].test_subscription_id);
    assert_eq!(second.prefix(), "/provider/vehicles/v2");
    let test = world
        .store
        .subscription(&OPERATOR, &second.test_subscription_id)
        .await
        .unwrap();
    assert_eq!(
        (test.kind, test.environment),
        (SubscriptionKind::ApiTest, Environment::Production)
    );
    let connections = world.store.connections(&OPERATOR, &test.id).await.unwrap();
    assert_eq!(connections[0].state, ConnectionState::Active);
    assert_eq!(
        world.store.instance(&OPERATOR, &second.id).await.unwrap(),
        second
    );
});

contract!(a_prefix_belongs_to_one_instance, |world| {
    let m = market(&world.store).await;
    let new = || new_instance(&m.api.api.id, "provider", Environment::Production);

    let same = world.store.create_instance(&OPERATOR, new(), None).await;
    let test = NewInstance {
        environment: Environment::Test,
        ..new()
    };
    let other = world.store.create_instance(&OPERATOR, test, None).await;

    assert!(matches!(
        same,
        Err(ActError::Conflict {
            code: "base_path_taken",
            ..
        })
    ));
    assert_eq!(other.unwrap().value.prefix(), "/provider-test/vehicles/v1");
});

contract!(a_first_path_segment_belongs_to_one_organization, |world| {
    let m = market(&world.store).await;
    let theirs = api(&world.store, &m.stranger, "v1-theirs").await.api.id;
    let bare = |base_path: &str| NewInstance {
        namespace: String::new(),
        base_path: base_path.to_owned(),
        ..new_instance(&theirs, "", Environment::Production)
    };

    let foreign = new_instance(&theirs, "provider", Environment::Production);
    let namespace = world
        .store
        .create_instance(&OPERATOR, foreign, None)
        .await
        .unwrap_err();
    let root = world
        .store
        .create_instance(&OPERATOR, bare("/provider/x"), None)
        .await
        .unwrap_err();
    let suffixed = world
        .store
        .create_instance(&OPERATOR, bare("/provider-test/x"), None)
        .await
        .unwrap_err();
    let free = world
        .store
        .create_instance(&OPERATOR, bare("/elead/v1"), None)
        .await;
    let no_operator = world
        .store
        .create_instance(&plain_member(&m.stranger), bare("/y"), None)
        .await;

    assert!(
        matches!(
            namespace,
            ActError::Invalid {
                field: "namespace",
                ..
            }
        ),
        "{namespace:?}"
    );
    assert!(matches!(
        root,
        ActError::Conflict {
            code: "path_root_taken",
            ..
        }
    ));
    assert!(matches!(
        suffixed,
        ActError::Conflict {
            code: "path_root_taken",
            ..
        }
    ));
    assert_eq!(free.unwrap().value.prefix(), "/elead/v1");
    assert_eq!(no_operator.unwrap_err(), ActError::Forbidden);
    // What was taken by a path is no namespace of anybody else.
    let taken = world
        .store
        .add_namespace(&OPERATOR, &m.provider.id, "elead")
        .await;
    assert!(matches!(
        taken,
        Err(ActError::Conflict {
            code: "namespace_taken",
            ..
        })
    ));
});

/// Somebody who is no operator.
fn plain_member(organization: &portcullis_core::organization::Organization) -> Authority {
    use portcullis_core::{
        ids::UserId,
        organization::MemberRole,
        permissions::{Action, Actor, may},
    };
    let actor = Actor::User {
        id: UserId::random(),
        email: "member@example.com".to_owned(),
        is_operator: false,
        memberships: vec![(organization.id.clone(), MemberRole::Owner)],
        token: None,
    };
    may(&actor, Action::ManageApis, Some(&organization.id)).unwrap()
}

contract!(bad_fields_of_an_instance_are_refused, |world| {
    let m = market(&world.store).await;
    let good = || NewInstance {
        base_path: "/x".to_owned(),
        ..new_instance(&m.api.api.id, "provider", Environment::Dev)
    };

    for (bad, field) in [
        (
            NewInstance {
                base_path: "/../x".to_owned(),
                ..good()
            },
            "base_path",
        ),
        (
            NewInstance {
                namespace: "Provider".to_owned(),
                ..good()
            },
            "namespace",
        ),
        (
            NewInstance {
                target_url: "file:///etc".to_owned(),
                ..good()
            },
            "target_url",
        ),
        (
            NewInstance {
                version: String::new(),
                ..good()
            },
            "version",
        ),
        (
            NewInstance {
                spec: Some("x".repeat(1024 * 1024 + 1)),
                ..good()
            },
            "spec",
        ),
        (
            NewInstance {
                spec: Some("\0".to_owned()),
                ..good()
            },
            "spec",
        ),
    ] {
        let refused = world
            .store
            .create_instance(&OPERATOR, bad, None)
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, ActError::Invalid { field: f, .. } if *f == field),
            "{refused:?}"
        );
    }
});

contract!(an_instance_is_edited_but_not_moved, |world| {
    let m = market(&world.store).await;
    let before = world
        .store
        .instances(&OPERATOR, &m.api.api.id)
        .await
        .unwrap()
        .remove(0);
    let patch = InstancePatch {
        target_url: Some("https://api.example.com/base".to_owned()),
        policy: Some(InstancePolicy {
            streaming: true,
            ..InstancePolicy::default()
        }),
        spec: Some(Some("openapi: 3.1.0".to_owned())),
        ..InstancePatch::default()
    };

    let after = world
        .store
        .update_instance(&OPERATOR, &before.id, Some(1), patch)
        .await
        .unwrap();
    let stale = world
        .store
        .update_instance(&OPERATOR, &before.id, Some(1), InstancePatch::default())
        .await;
    let removed = InstancePatch {
        spec: Some(None),
        ..InstancePatch::default()
    };
    let last = world
        .store
        .update_instance(&OPERATOR, &before.id, None, removed)
        .await
        .unwrap();

    assert_eq!(after.value.prefix(), before.prefix());
    assert_eq!(after.value.target_url, "https://api.example.com/base");
    assert!(after.value.policy.streaming);
    assert_eq!(stale.unwrap_err(), ActError::Stale { current: 2 });
    assert_eq!((last.value.spec, last.value.edit_version), (None, 3));
});

contract!(
    the_test_subscription_ends_with_the_last_instance_of_its_environment,
    |world| {
        let m = market(&world.store).await;
        let instance = world
            .store
            .instances(&OPERATOR, &m.api.api.id)
            .await
            .unwrap()
            .remove(0);

        let elsewhere = new_instance(&m.api.api.id, "provider", Environment::Test);
        world
            .store
            .create_instance(&OPERATOR, elsewhere, None)
            .await
            .unwrap();
        let deleted = world
            .store
            .delete_instance(&OPERATOR, &instance.id)
            .await
            .unwrap();

        assert_eq!(deleted.value, Remains::Api);
        let test = world
            .store
            .subscription(&OPERATOR, &instance.test_subscription_id)
            .await
            .unwrap();
        assert_eq!(test.state, SubscriptionState::Cancelled);
        let gone = world.store.instance(&OPERATOR, &instance.id).await;
        assert_eq!(gone.unwrap_err(), ActError::NotFound("API instance"));
        let new = new_instance(&m.api.api.id, "provider", Environment::Production);
        let again = world
            .store
            .create_instance(&OPERATOR, new, None)
            .await
            .unwrap()
            .value;
        assert_ne!(again.test_subscription_id, instance.test_subscription_id);
    }
);

contract!(with_its_last_instance_an_api_is_gone, |world| {
    let m = market(&world.store).await;
    let id = &m.api.api.id;
    let last = world
        .store
        .instances(&OPERATOR, id)
        .await
        .unwrap()
        .remove(0);

    let deleted = world
        .store
        .delete_instance(&OPERATOR, &last.id)
        .await
        .unwrap();

    assert_eq!(deleted.value, Remains::Nothing);
    let api = world.store.api(&OPERATOR, id).await;
    assert_eq!(api.unwrap_err(), ActError::NotFound("API"));
    let app = world.store.app(&OPERATOR, &m.app.app.id).await.unwrap();
    assert_eq!(app.apis, []);
    let again = world
        .store
        .create_api(&OPERATOR, new_api(&m.provider.id, id.as_str()), None)
        .await;
    assert!(matches!(
        again,
        Err(ActError::Conflict {
            code: "api_exists",
            ..
        })
    ));
});

contract!(a_deleted_api_takes_its_connections_along, |world| {
    let m = market(&world.store).await;
    let subscription = activate(&world.store, &m.app.app.id, &m.buyer).await;

    let deleted = world
        .store
        .delete_api(&OPERATOR, &m.api.api.id)
        .await
        .unwrap();

    assert!(deleted.seq.is_some());
    let connections = world
        .store
        .connections(&OPERATOR, &subscription.id)
        .await
        .unwrap();
    assert_eq!(connections[0].state, ConnectionState::Deactivated);
    let app = world.store.app(&OPERATOR, &m.app.app.id).await.unwrap();
    assert!(app.apis.is_empty() && app.state == AppState::Enabled);
    assert_eq!(
        world
            .store
            .api_of_client(&m.api.api.client_id)
            .await
            .unwrap(),
        None
    );
    let gone = world.store.delete_api(&OPERATOR, &m.api.api.id).await;
    assert_eq!(gone.unwrap_err(), ActError::NotFound("API"));
});

contract!(a_stranger_changes_no_api, |world| {
    let m = market(&world.store).await;
    let stranger = member(&m.stranger);
    let instance = world
        .store
        .instances(&OPERATOR, &m.api.api.id)
        .await
        .unwrap()
        .remove(0);
    let new = new_instance(&m.api.api.id, "stranger", Environment::Dev);

    for id in [&m.api.api.id, &ApiId::parse("unknown").unwrap()] {
        for refused in [
            world
                .store
                .update_api(&stranger, id, None, ApiPatch::default())
                .await
                .map(|_| ()),
            world.store.delete_api(&stranger, id).await.map(|_| ()),
            world.store.instances(&stranger, id).await.map(|_| ()),
        ] {
            assert_eq!(refused, Err(ActError::NotFound("API")));
        }
    }
    let refused = world.store.create_instance(&stranger, new, None).await;
    assert_eq!(refused.unwrap_err(), ActError::NotFound("API"));
    for id in [&instance.id, &InstanceId::random()] {
        for refused in [
            world.store.instance(&stranger, id).await.map(|_| ()),
            world
                .store
                .update_instance(&stranger, id, None, InstancePatch::default())
                .await
                .map(|_| ()),
            world.store.delete_instance(&stranger, id).await.map(|_| ()),
        ] {
            assert_eq!(refused, Err(ActError::NotFound("API instance")));
        }
    }
    let unknown = SubscriptionId::random();
    assert!(world.store.subscription(&stranger, &unknown).await.is_err());
});
