//! Organizations, their namespaces, and who sees them.

use portcullis_core::organization::OrganizationState;
use portcullis_store::{
    ActError, IdempotencyKey, NewOrganization, OrganizationFilter, OrganizationPatch, PageRequest,
};

use crate::{contract, support::*};

fn named(name: &str) -> NewOrganization {
    NewOrganization {
        name: name.to_owned(),
        ..NewOrganization::default()
    }
}

contract!(an_organization_reads_back_as_it_was_made, |world| {
    let new = NewOrganization {
        name: "Super Car Dealership".to_owned(),
        address: "6701 Burnet Rd Austin TX".to_owned(),
        country_code: "US".to_owned(),
        phone_number: "(614) 555-5555".to_owned(),
        website: "https://example.com".to_owned(),
        contact_email: "ada@example.com".to_owned(),
        namespaces: vec!["super".to_owned(), "cars".to_owned()],
        ..NewOrganization::default()
    };

    let made = world
        .store
        .create_organization(&operator(), new, None)
        .await
        .unwrap();

    let read = world
        .store
        .organization(&operator(), &made.value.id)
        .await
        .unwrap();
    assert_eq!(read, made.value);
    assert_eq!(read.namespaces, ["cars", "super"]);
    assert_eq!((read.created_at, read.version), (NOW, 1));
    assert!(made.seq.is_some());
});

contract!(bad_fields_are_refused_by_name, |world| {
    for (new, field) in [
        (named(""), "name"),
        (named("a\0b"), "name"),
        (
            NewOrganization {
                country_code: "usa".to_owned(),
                ..named("x")
            },
            "country_code",
        ),
        (
            NewOrganization {
                contact_email: "nobody".to_owned(),
                ..named("x")
            },
            "contact_email",
        ),
        (
            NewOrganization {
                namespaces: vec!["x-dev".to_owned()],
                ..named("x")
            },
            "namespace",
        ),
    ] {
        let refused = world
            .store
            .create_organization(&operator(), new, None)
            .await
            .unwrap_err();

        assert!(
            matches!(&refused, ActError::Invalid { field: f, .. } if *f == field),
            "{refused:?}"
        );
    }
});

contract!(only_operators_make_organizations, |world| {
    let own = organization(&world.store, "own").await;

    let refused = world
        .store
        .create_organization(&member(&own), named("other"), None)
        .await;

    assert_eq!(refused.unwrap_err(), ActError::Forbidden);
});

contract!(a_namespace_belongs_to_one_organization, |world| {
    let first = organization(&world.store, "first").await;
    let second = organization(&world.store, "second").await;

    let taken = world
        .store
        .add_namespace(&operator(), &second.id, "first")
        .await
        .unwrap_err();
    let own = world
        .store
        .add_namespace(&operator(), &first.id, "first")
        .await
        .unwrap();
    let new = world
        .store
        .add_namespace(&operator(), &second.id, "third")
        .await
        .unwrap();

    assert!(matches!(
        taken,
        ActError::Conflict {
            code: "namespace_taken",
            ..
        }
    ));
    assert_eq!(own.value, first);
    assert_eq!(new.value.namespaces, ["second", "third"]);
});

contract!(of_two_edits_of_one_version_the_second_is_stale, |world| {
    let before = organization(&world.store, "own").await;
    let patch = |name: &str| OrganizationPatch {
        name: Some(name.to_owned()),
        ..OrganizationPatch::default()
    };
    let edit = |name| {
        world
            .store
            .update_organization(&OPERATOR, &before.id, Some(1), patch(name))
    };

    let (one, other) = tokio::join!(edit("one"), edit("other"));

    let mut results = [one, other];
    results.sort_by_key(Result::is_err);
    let [won, lost] = results;
    assert_eq!(won.unwrap().value.version, 2);
    assert_eq!(lost.unwrap_err(), ActError::Stale { current: 2 });
});

static OPERATOR: std::sync::LazyLock<portcullis_core::permissions::Authority> =
    std::sync::LazyLock::new(operator);

contract!(a_repeated_suspension_gives_the_first_change, |world| {
    let own = organization(&world.store, "own").await;
    let suspend = || {
        world
            .store
            .set_organization_state(&OPERATOR, &own.id, OrganizationState::Suspended)
    };

    let first = suspend().await.unwrap();
    organization(&world.store, "later").await;
    let again = suspend().await.unwrap();

    assert_eq!(again, first);
    assert_eq!(first.value.state, OrganizationState::Suspended);
    assert!(first.seq.is_some());
});

contract!(another_organization_is_not_found, |world| {
    let own = organization(&world.store, "own").await;
    let other = organization(&world.store, "other").await;
    let unknown = portcullis_core::ids::OrganizationId::random();

    for id in [&other.id, &unknown] {
        let read = world.store.organization(&member(&own), id).await;
        let edit = world
            .store
            .update_organization(&member(&own), id, None, OrganizationPatch::default())
            .await;
        let namespace = world.store.add_namespace(&member(&own), id, "new").await;

        assert_eq!(read.unwrap_err(), ActError::NotFound("organization"));
        assert_eq!(edit.unwrap_err(), ActError::NotFound("organization"));
        assert_eq!(namespace.unwrap_err(), ActError::NotFound("organization"));
    }
});

contract!(pages_cover_everything_once, |world| {
    for n in 0..7 {
        organization(&world.store, &format!("org{n}")).await;
        world.clock.advance(std::time::Duration::from_micros(n % 2));
    }
    let mut request = PageRequest::first(3);
    let mut names = Vec::new();

    loop {
        let page = world
            .store
            .organizations(&operator(), OrganizationFilter::default(), request.clone())
            .await
            .unwrap();
        names.extend(page.items.into_iter().map(|item| item.name));
        let Some(next) = page.next else { break };
        request.after = Some(next);
    }

    names.sort();
    let expected: Vec<String> = (0..7).map(|n| format!("org{n}")).collect();
    assert_eq!(names, expected);
});

contract!(an_idempotency_key_makes_one_thing, |world| {
    let key = IdempotencyKey::parse("k1").unwrap();

    let first = world
        .store
        .create_organization(&operator(), named("x"), Some(&key))
        .await
        .unwrap();
    let again = world
        .store
        .create_organization(&operator(), named("x"), Some(&key))
        .await
        .unwrap();
    let other = world
        .store
        .create_organization(&operator(), named("y"), Some(&key))
        .await;

    assert_eq!(again, first);
    assert!(matches!(
        other,
        Err(ActError::Conflict {
            code: "idempotency_key_reused",
            ..
        })
    ));
});

contract!(
    of_two_requests_at_once_with_one_key_both_get_the_one_thing,
    |world| {
        let key = IdempotencyKey::parse("k1").unwrap();
        let create = || {
            world
                .store
                .create_organization(&OPERATOR, named("x"), Some(&key))
        };

        let (one, other) = tokio::join!(create(), create());

        assert_eq!(one.unwrap(), other.unwrap());
    }
);

contract!(an_idempotency_key_is_forgotten_after_a_day, |world| {
    let key = IdempotencyKey::parse("k1").unwrap();
    let first = world
        .store
        .create_organization(&operator(), named("x"), Some(&key))
        .await
        .unwrap();

    world.clock.advance(std::time::Duration::from_hours(24));
    let later = world
        .store
        .create_organization(&operator(), named("x"), Some(&key))
        .await
        .unwrap();

    assert_ne!(later.value.id, first.value.id);
});
