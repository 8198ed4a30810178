//! People, their memberships, and their tokens.

use std::{sync::LazyLock, time::Duration};

use portcullis_core::{
    ids::UserId,
    organization::{MemberRole, Organization, User},
    permissions::{Action, Actor, Authority, may},
    secret::{Secret, SecretDigest, SecretKind},
};
use portcullis_store::{ActError, NewUser, PageRequest, Store};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

fn new_user(email: &str, memberships: &[(&Organization, MemberRole)]) -> NewUser {
    NewUser {
        id: None,
        email: email.to_owned(),
        full_name: "Ada Lovelace".to_owned(),
        password_hash: Some("$argon2id$v=19$...".to_owned()),
        is_operator: false,
        memberships: memberships
            .iter()
            .map(|(organization, role)| (organization.id.clone(), *role))
            .collect(),
    }
}

async fn person(store: &Store, email: &str, of: &[(&Organization, MemberRole)]) -> User {
    let acted = store
        .create_user(&OPERATOR, new_user(email, of), None)
        .await;
    acted.unwrap().value
}

fn themselves(user: &User) -> Authority {
    let actor = Actor::User {
        id: user.id.clone(),
        email: user.email.clone(),
        is_operator: user.is_operator,
        memberships: user.memberships.clone(),
        token: None,
    };
    may(&actor, Action::Read, Some(&user.memberships[0].0)).unwrap()
}

contract!(a_person_is_found_by_mail_in_any_case, |world| {
    let own = organization(&world.store, "own").await;
    let ada = person(
        &world.store,
        "Ada@Example.com",
        &[(&own, MemberRole::Owner)],
    )
    .await;

    let (found, hash) = world
        .store
        .user_by_email("ADA@example.COM")
        .await
        .unwrap()
        .unwrap();

    assert_eq!(found, ada);
    assert_eq!(found.email, "ada@example.com");
    assert_eq!(found.memberships, [(own.id, MemberRole::Owner)]);
    assert_eq!(hash.as_deref(), Some("$argon2id$v=19$..."));
    assert_eq!(
        world.store.user_by_email("bob@example.com").await.unwrap(),
        None
    );
});

contract!(a_mail_address_belongs_to_one_person, |world| {
    let ada = person(&world.store, "ada@example.com", &[]).await;
    let same_id = NewUser {
        id: Some(ada.id),
        ..new_user("bob@example.com", &[])
    };

    let taken = world
        .store
        .create_user(&OPERATOR, new_user("ADA@example.com", &[]), None)
        .await;
    let known = world.store.create_user(&OPERATOR, same_id, None).await;

    assert!(matches!(
        taken,
        Err(ActError::Conflict {
            code: "email_taken",
            ..
        })
    ));
    assert!(matches!(
        known,
        Err(ActError::Conflict {
            code: "user_exists",
            ..
        })
    ));
});

contract!(
    a_person_is_seen_within_shared_organizations_alone,
    |world| {
        let own = organization(&world.store, "own").await;
        let other = organization(&world.store, "other").await;
        let ada = person(
            &world.store,
            "a@x.org",
            &[(&own, MemberRole::Viewer), (&other, MemberRole::Owner)],
        )
        .await;
        let bob = person(&world.store, "b@x.org", &[(&other, MemberRole::Viewer)]).await;

        let seen = world
            .store
            .users(&member(&own), "", PageRequest::default())
            .await
            .unwrap();
        let hidden = world.store.user(&member(&own), &bob.id).await;

        assert_eq!(seen.items.len(), 1);
        assert_eq!(seen.items[0].id, ada.id);
        assert_eq!(seen.items[0].memberships, [(own.id, MemberRole::Viewer)]);
        assert_eq!(hidden.unwrap_err(), ActError::NotFound("user"));
        let everybody = world
            .store
            .users(&OPERATOR, "", PageRequest::default())
            .await
            .unwrap();
        assert_eq!(everybody.items.len(), 2);
    }
);

contract!(
    a_password_is_replaced_by_its_owner_or_an_operator,
    |world| {
        let own = organization(&world.store, "own").await;
        let ada = person(&world.store, "a@x.org", &[(&own, MemberRole::Viewer)]).await;
        let bob = person(&world.store, "b@x.org", &[(&own, MemberRole::Owner)]).await;

        let by_other = world
            .store
            .set_password_hash(&themselves(&bob), &ada.id, "h1")
            .await;
        world
            .store
            .set_password_hash(&themselves(&ada), &ada.id, "h2")
            .await
            .unwrap();
        let unknown = world
            .store
            .set_password_hash(&OPERATOR, &UserId::random(), "h3")
            .await;

        assert_eq!(by_other.unwrap_err(), ActError::NotFound("user"));
        assert_eq!(unknown.unwrap_err(), ActError::NotFound("user"));
        let (_, hash) = world.store.user_by_email("a@x.org").await.unwrap().unwrap();
        assert_eq!(hash.as_deref(), Some("h2"));
    }
);

contract!(
    a_management_token_speaks_for_its_person_until_its_end,
    |world| {
        let own = organization(&world.store, "own").await;
        let ada = person(&world.store, "a@x.org", &[(&own, MemberRole::Admin)]).await;
        let end = NOW + Duration::from_mins(1);

        let (id, token) = world
            .store
            .create_management_token(&themselves(&ada), &ada.id, "laptop", Some(end))
            .await
            .unwrap()
            .value;

        let actor = world
            .store
            .actor_by_management_token(&token.digest(), NOW)
            .await
            .unwrap()
            .unwrap();
        let Actor::User {
            id: user,
            memberships,
            token: came_with,
            ..
        } = actor
        else {
            panic!("a person");
        };
        assert_eq!(
            (user, memberships, came_with),
            (ada.id.clone(), ada.memberships.clone(), Some(id))
        );
        assert!(
            world
                .store
                .actor_by_management_token(&token.digest(), end)
                .await
                .unwrap()
                .is_none()
        );
        let unknown = SecretDigest::of(b"pcm_nobody");
        assert!(
            world
                .store
                .actor_by_management_token(&unknown, NOW)
                .await
                .unwrap()
                .is_none()
        );
        let listed = world
            .store
            .management_tokens(&themselves(&ada), &ada.id)
            .await
            .unwrap();
        assert_eq!(
            (listed[0].name.as_str(), listed[0].expires_at),
            ("laptop", Some(end))
        );
        assert_eq!(listed[0].hint, token.hint());
    }
);

contract!(a_token_is_deleted_by_its_person_alone, |world| {
    let own = organization(&world.store, "own").await;
    let ada = person(&world.store, "a@x.org", &[(&own, MemberRole::Admin)]).await;
    let bob = person(&world.store, "b@x.org", &[(&own, MemberRole::Owner)]).await;
    let created = world
        .store
        .create_management_token(&themselves(&ada), &ada.id, "t", None)
        .await;
    let (id, token) = created.unwrap().value;

    let by_other = world
        .store
        .delete_management_token(&themselves(&bob), &id)
        .await;
    let for_other = world
        .store
        .create_management_token(&themselves(&bob), &ada.id, "t", None)
        .await;

    assert_eq!(
        by_other.unwrap_err(),
        ActError::NotFound("management token")
    );
    assert_eq!(for_other.unwrap_err(), ActError::NotFound("user"));
    assert!(
        world
            .store
            .actor_by_management_token(&token.digest(), NOW)
            .await
            .unwrap()
            .is_some()
    );
    world
        .store
        .delete_management_token(&themselves(&ada), &id)
        .await
        .unwrap();
    assert!(
        world
            .store
            .actor_by_management_token(&token.digest(), NOW)
            .await
            .unwrap()
            .is_none()
    );
});

contract!(
    an_imported_token_is_the_same_after_a_second_import,
    |world| {
        let ada = person(&world.store, "a@x.org", &[]).await;
        let bob = person(&world.store, "b@x.org", &[]).await;
        let token = Secret::generate(SecretKind::ManagementToken);

        let first = world
            .store
            .import_management_token(&OPERATOR, &ada.id, &token)
            .await
            .unwrap();
        let again = world
            .store
            .import_management_token(&OPERATOR, &ada.id, &token)
            .await
            .unwrap();
        let of_bob = world
            .store
            .import_management_token(&OPERATOR, &bob.id, &token)
            .await;

        assert_eq!(again.value, first.value);
        assert!(matches!(
            of_bob,
            Err(ActError::Conflict {
                code: "token_taken",
                ..
            })
        ));
    }
);
