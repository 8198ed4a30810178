//! Signing up, links that work once, invitations, and the own account.

use std::time::Duration;

use portcullis_core::{
    installation::Registration, job::Mail, organization::MemberRole, people::LinkPurpose,
    permissions::Action,
};
use portcullis_registry::people::{PeopleError, SignUpForm, sign_in::SignIn};
use portcullis_store::{ActError, InstallationPatch, NewInvitation};

use super::{PASSWORD, Town, done, fields, from, visit};
use crate::world::system;

fn form(email: &str, password: &str) -> SignUpForm {
    SignUpForm {
        full_name: "Ada Lovelace".to_owned(),
        email: email.to_owned(),
        password: password.to_owned(),
        organization: "Engines Ltd".to_owned(),
    }
}

async fn open(town: &Town) {
    let authority = system(Action::Operate);
    let store = &town.world.state.store;
    let patch = InstallationPatch {
        registration: Some(Registration::Open),
        ..InstallationPatch::default()
    };
    let updated = store.update_installation_settings(&authority, None, patch);
    updated.await.unwrap();
}

#[tokio::test]
async fn nobody_signs_up_where_it_is_closed() {
    let town = Town::new().await;

    let refused = town
        .people
        .sign_up(&form("ada@example.com", PASSWORD), &visit())
        .await;

    assert!(matches!(refused, Err(PeopleError::RegistrationClosed)));
    assert!(town.mails().await.is_empty());
}

#[tokio::test]
async fn whoever_signs_up_proves_the_address_before_signing_in() {
    let town = Town::new().await;
    open(&town).await;
    let people = &town.people;
    people
        .sign_up(&form("Ada@example.com", PASSWORD), &visit())
        .await
        .unwrap();
    let token = town.token("/verify-email").await;

    let early = people.sign_in("ada@example.com", PASSWORD, &visit()).await;
    let wrong = people
        .sign_in("ada@example.com", "a castle at dusk", &visit())
        .await;
    let verified = people.verify_email(&token, &visit()).await;
    let again = people.verify_email(&token, &visit()).await;

    assert!(matches!(early, Err(PeopleError::EmailUnverified)));
    assert!(matches!(wrong, Err(PeopleError::WrongCredentials)));
    assert_eq!(verified.unwrap().memberships[0].1, MemberRole::Owner);
    assert!(matches!(again, Err(PeopleError::LinkUseless)));
    let (_, who) = town.signed_in("ada@example.com").await;
    assert_eq!(who.organizations[0].1, "Engines Ltd");
}

#[tokio::test]
async fn a_sign_up_with_a_known_address_is_answered_alike() {
    let town = Town::new().await;
    open(&town).await;
    town.person("ada@example.com", &[]).await;
    let other = "another castle at noon";

    town.people
        .sign_up(&form("ada@example.com", other), &visit())
        .await
        .unwrap();

    let mails = town.mails().await;
    assert!(
        matches!(mails.as_slice(), [(to, Mail::AlreadyRegistered { .. })] if to == "ada@example.com")
    );
    let refused = town
        .people
        .sign_in("ada@example.com", other, &visit())
        .await;
    assert!(matches!(refused, Err(PeopleError::WrongCredentials)));
}

#[tokio::test]
async fn everything_wrong_with_a_sign_up_is_said_at_once() {
    let town = Town::new().await;
    open(&town).await;
    let bad = SignUpForm {
        full_name: " ".to_owned(),
        email: "no address".to_owned(),
        password: "password1234".to_owned(),
        organization: "a\0b".to_owned(),
    };

    let refused = town.people.sign_up(&bad, &visit()).await;

    assert_eq!(
        fields(refused),
        ["full_name", "email", "password", "organization"]
    );
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_link() {
    let town = Town::new().await;
    let people = &town.people;
    let ada = town.person("ada@example.com", &[]).await;
    let (cookie, _) = town.signed_in("ada@example.com").await;
    people
        .request_password_reset("nobody@example.com", &visit())
        .unwrap();
    assert!(town.mails().await.is_empty());
    people
        .request_password_reset("ADA@example.com", &visit())
        .unwrap();
    let token = town.token("/reset-password").await;
    let new = "a harbour before dawn";

    let shown = people
        .link(LinkPurpose::PasswordReset, &token)
        .await
        .unwrap();
    let weak = people
        .reset_password(&token, "ada lovelace", &visit())
        .await;
    let reset = people.reset_password(&token, new, &visit()).await;
    let again = people.reset_password(&token, new, &visit()).await;

    assert_eq!(shown.email, "ada@example.com");
    assert_eq!(fields(weak), ["password"]);
    assert_eq!(reset.unwrap().id, ada.id);
    assert!(matches!(again, Err(PeopleError::LinkUseless)));
    assert!(
        town.found(&cookie).await.is_none(),
        "sessions end with the password"
    );
    let old = people.sign_in("ada@example.com", PASSWORD, &visit()).await;
    assert!(matches!(old, Err(PeopleError::WrongCredentials)));
    done(people.sign_in("ada@example.com", new, &visit()).await);
    let told = town.mails().await;
    assert!(matches!(
        told.as_slice(),
        [(
            _,
            Mail::PasswordChanged {
                address: Some(_),
                ..
            }
        )]
    ));
}

#[tokio::test]
async fn resets_are_asked_for_a_few_times_and_no_more() {
    let town = Town::new().await;
    let ask = |email: &str, last: u8| {
        town.people
            .request_password_reset(email, &from([192, 0, 2, last]))
    };

    for n in 0..5 {
        ask("ada@example.com", n).unwrap();
    }

    let sixth = ask("ada@example.com", 9);
    assert!(matches!(sixth, Err(PeopleError::Throttled { .. })));
    ask("bob@example.com", 9).unwrap();
    town.world.clock.advance(Duration::from_mins(2));
    ask("ada@example.com", 9).unwrap();
    assert_eq!(fields(ask("no address", 1)), ["email"]);
}

#[tokio::test]
async fn a_person_changes_password_name_and_address() {
    let town = Town::new().await;
    let people = &town.people;
    town.person("ada@example.com", &[]).await;
    let (other, _) = town.signed_in("ada@example.com").await;
    let (cookie, who) = town.signed_in("ada@example.com").await;
    let new = "a harbour before dawn";

    let wrong = people
        .change_password(&who, ("a castle at dusk", new), &visit())
        .await;
    let weak = people
        .change_password(&who, (PASSWORD, "aaaaaaaaaaaa"), &visit())
        .await;
    people
        .change_password(&who, (PASSWORD, new), &visit())
        .await
        .unwrap();
    people
        .rename(&who, " Countess Lovelace ", &visit())
        .await
        .unwrap();

    assert_eq!(fields(wrong), ["current_password"]);
    assert_eq!(fields(weak), ["password"]);
    assert!(town.found(&other).await.is_none());
    let who = town.found(&cookie).await.unwrap();
    assert_eq!(who.user.full_name, "Countess Lovelace");
    town.mails().await;
    people
        .request_email_change(&who, "countess@example.com", &visit())
        .await
        .unwrap();
    let token = town.token("/change-email").await;
    people.change_email(&token, &visit()).await.unwrap();
    done(people.sign_in("countess@example.com", new, &visit()).await);
    town.world.clock.advance(Duration::from_mins(11));
    let later = town.found(&cookie).await.unwrap();
    let late = people
        .request_email_change(&later, "x@example.com", &visit())
        .await;
    assert!(matches!(late, Err(PeopleError::ProofNeeded)));
}

async fn invite(town: &Town, email: &str) -> String {
    let organization = town.organization("Engines Ltd").await;
    let new = NewInvitation {
        organization_id: organization.id,
        email: email.to_owned(),
        role: MemberRole::AppDeveloper,
    };
    let base = portcullis_registry::people::links::invitation_base("http://localhost:8080");
    let store = &town.world.state.store;
    let authority = system(Action::ManageMembers);
    store
        .create_invitation(&authority, new, &base)
        .await
        .unwrap();
    town.token("/accept-invite").await
}

#[tokio::test]
async fn an_invitation_makes_an_account_and_signs_in() {
    let town = Town::new().await;
    let token = invite(&town, "new@example.com").await;
    let people = &town.people;
    let shown = people.invitation(&token).await.unwrap();
    assert!(!shown.has_account && shown.organization == "Engines Ltd");

    let weak = people.join(&token, ("", "short"), &visit()).await;
    let joined = people
        .join(&token, ("New Person", PASSWORD), &visit())
        .await;

    assert_eq!(fields(weak), ["full_name", "password"]);
    let Ok(SignIn::Done(joined)) = joined else {
        panic!("{joined:?}");
    };
    let who = town.found(joined.cookie.expose()).await.unwrap();
    assert_eq!(who.organizations[0].2, MemberRole::AppDeveloper);
    let again = people.invitation(&token).await;
    assert!(matches!(again, Err(PeopleError::LinkUseless)));
}

#[tokio::test]
async fn an_invitation_is_accepted_by_its_address_alone() {
    let town = Town::new().await;
    town.person("ada@example.com", &[]).await;
    town.person("eve@example.com", &[]).await;
    let token = invite(&town, "ada@example.com").await;
    let (_, eve) = town.signed_in("eve@example.com").await;
    let (cookie, ada) = town.signed_in("ada@example.com").await;
    let people = &town.people;
    assert!(people.invitation(&token).await.unwrap().has_account);

    let of_eve = people.accept_invitation(&eve, &token, &visit()).await;
    let as_new = people.join(&token, ("Eve", PASSWORD), &visit()).await;
    people
        .accept_invitation(&ada, &token, &visit())
        .await
        .unwrap();

    let code = |error| match error {
        PeopleError::Act(ActError::Conflict { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(of_eve.unwrap_err()), "other_address");
    assert_eq!(code(as_new.unwrap_err()), "email_taken");
    assert_eq!(town.found(&cookie).await.unwrap().organizations.len(), 1);
}
