//! Signing in with a password, and sessions.

use std::time::Duration;

use portcullis_core::{clock::Clock, organization::MemberRole, permissions::Action};
use portcullis_registry::people::{PeopleError, Setup, setup_link};
use portcullis_store::{ActError, UserState};

use super::{PASSWORD, Town, done, fields, from, visit};
use crate::world::system;

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_are_answered_alike() {
    let town = Town::new().await;
    let ada = town.person("ada@example.com", &[]).await;
    let authority = system(Action::Operate);
    let store = &town.world.state.store;
    town.person("gone@example.com", &[]).await;
    let (gone, _) = store
        .user_by_email("gone@example.com")
        .await
        .unwrap()
        .unwrap();
    store
        .set_user_state(&authority, &gone.id, UserState::Disabled)
        .await
        .unwrap();

    for (email, password) in [
        ("ada@example.com", "a castle at dusk"),
        ("nobody@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("ada@example.com", ""),
        ("", ""),
        ("ada@example.com", &"x".repeat(2000)),
    ] {
        let refused = town.people.sign_in(email, password, &visit()).await;
        assert!(
            matches!(refused, Err(PeopleError::WrongCredentials)),
            "{email}: {refused:?}"
        );
    }

    let right = town
        .people
        .sign_in(" ADA@example.com ", PASSWORD, &visit())
        .await;
    assert_eq!(done(right).user.id, ada.id);
    let audited = town.audited(&ada.id).await;
    assert_eq!(audited[0].0, "user.sign_in");
    let failures: Vec<_> = audited
        .iter()
        .filter(|(action, _)| action == "user.sign_in_failed")
        .collect();
    assert_eq!(failures.len(), 1, "once a minute: {audited:?}");
}

#[tokio::test]
async fn guessing_is_throttled_before_anything_is_hashed() {
    let town = Town::new().await;
    town.person("ada@example.com", &[]).await;
    for n in 0..10 {
        let guess = format!("guess number {n}");
        let refused = town
            .people
            .sign_in("ada@example.com", &guess, &visit())
            .await;
        assert!(matches!(refused, Err(PeopleError::WrongCredentials)));
    }

    let by_account = town
        .people
        .sign_in("ada@example.com", PASSWORD, &from([198, 51, 100, 1]))
        .await;
    let by_source = town
        .people
        .sign_in("bob@example.com", PASSWORD, &visit())
        .await;

    for refused in [by_account, by_source] {
        let Err(PeopleError::Throttled { retry_after }) = refused else {
            panic!("{refused:?}");
        };
        assert!(retry_after <= Duration::from_secs(10));
    }
    town.world.clock.advance(Duration::from_secs(10));
    let forgiven = town
        .people
        .sign_in("ada@example.com", PASSWORD, &visit())
        .await;
    done(forgiven);
}

#[tokio::test]
async fn a_session_speaks_for_the_person_as_they_are_now() {
    let town = Town::new().await;
    let own = town.organization("Own").await;
    let other = town.organization("Other").await;
    let member = [(&own, MemberRole::Owner), (&other, MemberRole::Viewer)];
    let ada = town.person("ada@example.com", &member).await;
    town.person("boss@example.com", &[(&other, MemberRole::Owner)])
        .await;
    let (cookie, who) = town.signed_in("ada@example.com").await;
    assert_eq!(who.organizations.len(), 2);
    let sessions = town.people.sessions();

    sessions.switch(&who, &other.id).await.unwrap();
    let switched = town.found(&cookie).await.unwrap();
    let authority = system(Action::ManageMembers);
    let store = &town.world.state.store;
    store
        .remove_member(&authority, &other.id, &ada.id)
        .await
        .unwrap();

    assert_eq!(switched.organization, Some(other.id.clone()));
    let removed = town.found(&cookie).await.unwrap();
    assert_eq!(removed.organization, Some(own.id.clone()));
    assert_eq!(removed.actor, removed.user.actor());
    assert_eq!(removed.user.memberships, [(own.id, MemberRole::Owner)]);
    let refused = sessions.switch(&removed, &other.id).await;
    assert!(matches!(
        refused,
        Err(PeopleError::Act(ActError::NotFound(_)))
    ));
    for altered in [
        "",
        "pcx_",
        &cookie[..cookie.len() - 1],
        &cookie.replace("pcx_", "pcm_"),
    ] {
        assert!(town.found(altered).await.is_none(), "{altered}");
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let town = Town::new().await;
    town.person("ada@example.com", &[]).await;
    town.person("eve@example.com", &[]).await;
    let (first, _) = town.signed_in("ada@example.com").await;
    let (second, who) = town.signed_in("ada@example.com").await;
    let (_, eve) = town.signed_in("eve@example.com").await;
    let sessions = town.people.sessions();
    let listed = sessions.list(&who).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed.iter().filter(|entry| entry.is_current).count(), 1);
    assert!(listed[0].session.device.contains("Firefox"));
    assert_eq!(listed[0].session.address.as_deref(), Some("192.0.2.1"));

    let foreign = sessions.end(&eve, &who.session, &visit()).await;
    let ended = sessions.end_others(&who, &visit()).await;

    assert!(matches!(
        foreign,
        Err(PeopleError::Act(ActError::NotFound(_)))
    ));
    assert_eq!(ended.unwrap(), 1);
    assert!(town.found(&first).await.is_none());
    sessions.end(&who, &who.session, &visit()).await.unwrap();
    assert!(town.found(&second).await.is_none());
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_lives_while_somebody_does() {
    let town = Town::new().await;
    town.person("ada@example.com", &[]).await;
    let (cookie, _) = town.signed_in("ada@example.com").await;

    for _ in 0..4 {
        town.world.clock.advance(Duration::from_mins(20));
        assert!(town.found(&cookie).await.is_some());
    }
    town.world.clock.advance(Duration::from_mins(30));

    assert!(town.found(&cookie).await.is_none());
}

#[tokio::test]
async fn a_fresh_proof_gives_another_cookie_and_is_forgotten_after_ten_minutes() {
    let town = Town::new().await;
    town.person("ada@example.com", &[]).await;
    let (old, _) = town.signed_in("ada@example.com").await;
    town.world.clock.advance(Duration::from_mins(11));
    let who = town.found(&old).await.unwrap();
    assert!(matches!(who.recently(), Err(PeopleError::ProofNeeded)));
    let sessions = town.people.sessions();

    let wrong = sessions
        .prove_by_password(&who, "a castle at dusk", &visit())
        .await;
    assert!(matches!(wrong, Err(PeopleError::WrongCredentials)));
    let new = sessions.prove_by_password(&who, PASSWORD, &visit()).await;

    let new = new.unwrap().expose().to_owned();
    assert!(town.found(&old).await.is_none());
    let proved = town.found(&new).await.unwrap();
    assert!(proved.recently().is_ok() && proved.session == who.session);
    assert!(town.world.clock.now() > proved.details.created_at);
}

#[tokio::test]
async fn the_setup_link_makes_the_first_operator() {
    let town = Town::new().await;
    let store = &town.world.state.store;
    // The world has an operator already: there is nothing to set up.
    assert_eq!(setup_link(store, "https://p.example").await.unwrap(), None);
    let form = Setup {
        email: "no address".to_owned(),
        full_name: String::new(),
        password: "short".to_owned(),
        organization: String::new(),
    };
    for token in ["", "pcl_x", &"x".repeat(5000)] {
        let refused = town.people.set_up(token, &form, &visit()).await;
        assert!(matches!(refused, Err(PeopleError::LinkUseless)));
    }
}

#[tokio::test]
async fn a_new_installation_is_set_up_once() {
    let world = crate::world::World::without_operator().await;
    let town = Town {
        people: portcullis_registry::people::People::new(&world.state),
        world,
    };
    let store = &town.world.state.store;
    let link = setup_link(store, "https://p.example")
        .await
        .unwrap()
        .unwrap();
    let token = link
        .strip_prefix("https://p.example/welcome?token=")
        .unwrap();
    let form = |password: &str| Setup {
        email: "Olivia@example.com".to_owned(),
        full_name: "Olivia Operator".to_owned(),
        password: password.to_owned(),
        organization: "Example Ltd".to_owned(),
    };
    town.people.check_setup_link(token).await.unwrap();

    let weak = town
        .people
        .set_up(token, &form("OliviaOperator1"), &visit())
        .await;
    let made = town.people.set_up(token, &form(PASSWORD), &visit()).await;
    let again = town.people.set_up(token, &form(PASSWORD), &visit()).await;

    assert_eq!(fields(weak), ["password"]);
    let made = done(made);
    assert!(made.user.is_operator && made.user.email == "olivia@example.com");
    let who = town.found(made.cookie.expose()).await.unwrap();
    assert_eq!(who.organizations[0].1, "Example Ltd");
    assert!(matches!(again, Err(PeopleError::LinkUseless)));
    assert_eq!(setup_link(store, "https://p.example").await.unwrap(), None);
}
