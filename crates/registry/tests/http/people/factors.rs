//! Codes of an authenticator app, and recovery codes.

use std::time::Duration;

use portcullis_core::{clock::Clock, job::Mail};
use portcullis_registry::people::{PeopleError, RecoveryCodes, sign_in::SignIn};
use totp_rs::{Builder, Secret};

use super::{PASSWORD, Town, done, fields, visit};

/// What an authenticator app shows now.
fn code(town: &Town, secret: &str) -> String {
    let secret = Secret::try_from_base32(secret).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    let now = u64::try_from(town.world.clock.now().unix_seconds()).unwrap();
    totp.generate(now).to_string()
}

/// Ada with an authenticator app that was turned on: its secret, and the recovery codes.
async fn turned_on(town: &Town) -> (String, RecoveryCodes) {
    town.person("ada@example.com", &[]).await;
    let (_, who) = town.signed_in("ada@example.com").await;
    let made = town.people.begin_authenticator(&who).await.unwrap();
    let secret = made.secret.to_string();
    let shown = code(town, &secret);
    let codes = town
        .people
        .turn_authenticator_on(&who, &shown, &visit())
        .await;
    (secret, codes.unwrap())
}

/// The password was right; gives what the code is sent with.
async fn begun(town: &Town) -> String {
    let sign_in = town
        .people
        .sign_in("ada@example.com", PASSWORD, &visit())
        .await;
    match sign_in {
        Ok(SignIn::SecondFactor(pending)) => pending.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_authenticator_app_is_turned_on_by_its_first_code() {
    let town = Town::new().await;
    town.person("ada@example.com", &[]).await;
    let (cookie, who) = town.signed_in("ada@example.com").await;
    let people = &town.people;
    let none = people.turn_authenticator_on(&who, "123456", &visit()).await;
    assert!(matches!(none, Err(PeopleError::Ended)));
    let made = people.begin_authenticator(&who).await.unwrap();

    let wrong = people.turn_authenticator_on(&who, "000000", &visit()).await;

    assert_eq!(fields(wrong), ["code"]);
    // As long as it is not on, a password is enough.
    town.signed_in("ada@example.com").await;
    let shown = code(&town, &made.secret);
    let codes = people
        .turn_authenticator_on(&who, &shown, &visit())
        .await
        .unwrap();
    assert_eq!(codes.0.len(), 10);
    begun(&town).await;
    let told = town.mails().await;
    assert!(matches!(
        told.as_slice(),
        [(_, Mail::SecondFactorChanged { .. })]
    ));
    town.world.clock.advance(Duration::from_mins(11));
    let later = town.found(&cookie).await.unwrap();
    let late = people.turn_authenticator_off(&later, &visit()).await;
    assert!(matches!(late, Err(PeopleError::ProofNeeded)));
}

#[tokio::test]
async fn signing_in_takes_a_code_that_nobody_has_used() {
    let town = Town::new().await;
    let (secret, _) = turned_on(&town).await;
    let used = code(&town, &secret);
    let people = &town.people;

    let replayed = people
        .finish_sign_in(&begun(&town).await, &used, &visit())
        .await;
    town.world.clock.advance(Duration::from_secs(30));
    let fresh = code(&town, &secret);
    let pending = begun(&town).await;
    let done_once = people.finish_sign_in(&pending, &fresh, &visit()).await;
    let twice = people.finish_sign_in(&pending, &fresh, &visit()).await;
    let elsewhere = people
        .finish_sign_in(&begun(&town).await, &fresh, &visit())
        .await;

    assert!(matches!(replayed, Err(PeopleError::WrongCode)));
    assert!(town.found(done(done_once).cookie.expose()).await.is_some());
    assert!(matches!(twice, Err(PeopleError::Ended)));
    assert!(matches!(elsewhere, Err(PeopleError::WrongCode)));
}

#[tokio::test]
async fn the_fifth_wrong_code_ends_the_sign_in() {
    let town = Town::new().await;
    let (secret, _) = turned_on(&town).await;
    town.world.clock.advance(Duration::from_mins(1));
    let pending = begun(&town).await;
    let people = &town.people;

    for _ in 0..4 {
        let wrong = people.finish_sign_in(&pending, "000000", &visit()).await;
        assert!(matches!(wrong, Err(PeopleError::WrongCode)));
    }
    let fifth = people.finish_sign_in(&pending, "000000", &visit()).await;

    assert!(matches!(fifth, Err(PeopleError::Ended)));
    let right = code(&town, &secret);
    let late = people.finish_sign_in(&pending, &right, &visit()).await;
    assert!(matches!(late, Err(PeopleError::Ended)));
    for nonsense in ["", "pcp_", "pcx_whatever", &"x".repeat(5000)] {
        let refused = people.finish_sign_in(nonsense, &right, &visit()).await;
        assert!(matches!(refused, Err(PeopleError::Ended)));
    }
}

#[tokio::test]
async fn a_recovery_code_works_once() {
    let town = Town::new().await;
    let (_, codes) = turned_on(&town).await;
    let people = &town.people;
    let typed = codes.0[3].to_uppercase().replace('-', " ");

    let first = people
        .finish_sign_in(&begun(&town).await, &typed, &visit())
        .await;
    let second = people
        .finish_sign_in(&begun(&town).await, &typed, &visit())
        .await;

    let done = done(first);
    assert!(matches!(second, Err(PeopleError::WrongCode)));
    let who = town.found(done.cookie.expose()).await.unwrap();
    let fresh = people.new_recovery_codes(&who, &visit()).await.unwrap();
    let old = people
        .finish_sign_in(&begun(&town).await, &codes.0[4], &visit())
        .await;
    assert!(matches!(old, Err(PeopleError::WrongCode)));
    let new = people
        .finish_sign_in(&begun(&town).await, &fresh.0[0], &visit())
        .await;
    super::done(new);
    people.turn_authenticator_off(&who, &visit()).await.unwrap();
    town.signed_in("ada@example.com").await;
}

#[tokio::test]
async fn a_code_is_a_fresh_proof() {
    let town = Town::new().await;
    let (secret, _) = turned_on(&town).await;
    town.world.clock.advance(Duration::from_mins(1));
    let shown = code(&town, &secret);
    let done = done(
        town.people
            .finish_sign_in(&begun(&town).await, &shown, &visit())
            .await,
    );
    let cookie = done.cookie.expose().to_owned();
    town.world.clock.advance(Duration::from_mins(11));
    let who = town.found(&cookie).await.unwrap();
    let sessions = town.people.sessions();

    let wrong = sessions.prove_by_code(&who, "000000", &visit()).await;
    let shown = code(&town, &secret);
    let proved = sessions.prove_by_code(&who, &shown, &visit()).await;

    assert!(matches!(wrong, Err(PeopleError::WrongCode)));
    let proved = proved.unwrap().expose().to_owned();
    assert!(town.found(&proved).await.unwrap().is_recent);
    assert!(town.found(&cookie).await.is_none());
}
