//! Sessions, links that work once, signing up, who is disabled, second factors, passkeys.

use std::{net::IpAddr, sync::LazyLock, time::Duration};

use portcullis_core::{
    clock::Clock,
    ids::UserId,
    job::{JobKind, Mail},
    organization::{MemberRole, Organization, User},
    people::{LinkPurpose, PENDING_LIFETIME, PendingPurpose, SESSION_IDLE, SESSION_LIFETIME},
    permissions::Authority,
    secret::{Secret, SecretDigest, SecretKind},
};
use portcullis_store::{
    ActContext, ActError, AuditFilter, FirstOperator, NewPasskey, NewSession, NewUser, PageRequest,
    PasskeyUse, SignUp, Store, UsedFactor, UserPatch, UserState, Work,
};
use serde_json::json;

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

const BASE: &str = "https://p.example/x?token=";

pub(crate) async fn person(store: &Store, email: &str, of: &[(&Organization, MemberRole)]) -> User {
    let new = NewUser {
        id: None,
        email: email.to_owned(),
        full_name: "Ada Lovelace".to_owned(),
        password_hash: Some("$argon2id$v=19$...".to_owned()),
        is_operator: false,
        memberships: of
            .iter()
            .map(|(organization, role)| (organization.id.clone(), *role))
            .collect(),
    };
    store.create_user(&OPERATOR, new, None).await.unwrap().value
}

async fn an_operator(store: &Store, email: &str) -> User {
    let user = person(store, email, &[]).await;
    let patch = UserPatch {
        is_operator: Some(true),
        ..UserPatch::default()
    };
    let made = store.update_user(&OPERATOR, &user.id, None, patch).await;
    made.unwrap().value
}

pub(crate) async fn session(store: &Store, user: &User) -> Secret {
    let new = NewSession {
        device: "Firefox".to_owned(),
        proof: "password",
    };
    store.create_session(user, new).await.unwrap().value.1
}

/// Every mail that is owed, with its address.
pub(crate) async fn mails(store: &Store) -> Vec<(String, Mail)> {
    let lease = Duration::from_mins(1);
    let claimed = store.claim_jobs(JobKind::Mail, lease, 100).await.unwrap();
    for job in &claimed {
        assert!(store.finish_job(job).await.unwrap());
    }
    let mail = |work| match work {
        Work::Mail { to, mail } => (to, mail),
    };
    claimed.into_iter().map(|job| mail(job.work)).collect()
}

/// The secret of a link in a mail.
pub(crate) fn secret_of(mail: &Mail) -> SecretDigest {
    let (Mail::EmailVerification { link, .. }
    | Mail::PasswordReset { link, .. }
    | Mail::Invitation { link, .. }) = mail
    else {
        panic!("{mail:?} has no link");
    };
    SecretDigest::of(link.strip_prefix(BASE).unwrap().as_bytes())
}

pub(crate) fn code<T: std::fmt::Debug>(refused: Result<T, ActError>) -> &'static str {
    match refused {
        Err(ActError::Conflict { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

async fn actions(store: &Store) -> Vec<String> {
    let entries = store
        .audit_entries(&OPERATOR, AuditFilter::default(), PageRequest::first(500))
        .await
        .unwrap();
    entries
        .items
        .into_iter()
        .map(|entry| entry.action)
        .collect()
}

contract!(a_session_opens_until_it_is_idle_too_long, |world| {
    let own = organization(&world.store, "own").await;
    let ada = person(&world.store, "ada@x.org", &[(&own, MemberRole::Viewer)]).await;
    let from = ActContext {
        address: Some(IpAddr::from([192, 0, 2, 1])),
    };
    let cookie = session(&world.store.within(from), &ada).await;
    let find = async || {
        let now = world.clock.now();
        world.store.session(&cookie.digest(), now).await.unwrap()
    };

    let found = find().await.unwrap();
    world.clock.advance(Duration::from_mins(29));
    world
        .store
        .touch_session(&found.session.id, world.clock.now())
        .await
        .unwrap();
    world.clock.advance(Duration::from_mins(29));

    assert_eq!(found.user, ada);
    assert_eq!(found.session.address.as_deref(), Some("192.0.2.1"));
    assert_eq!(
        found.organizations,
        [(own.id, "own".to_owned(), MemberRole::Viewer)]
    );
    assert!(find().await.is_some());
    world.clock.advance(SESSION_IDLE);
    assert!(find().await.is_none());
    let stranger = Secret::generate(SecretKind::Session);
    let none = world.store.session(&stranger.digest(), NOW).await.unwrap();
    assert!(none.is_none());
});

contract!(a_session_does_not_live_longer_than_twelve_hours, |world| {
    let ada = person(&world.store, "ada@x.org", &[]).await;
    let cookie = session(&world.store, &ada).await;
    let id = world.store.sessions(&ada.id, NOW).await.unwrap()[0]
        .id
        .clone();
    let last = NOW + Duration::from_secs(SESSION_LIFETIME.as_secs() - 1);

    world.store.touch_session(&id, last).await.unwrap();

    let found = world.store.session(&cookie.digest(), last).await.unwrap();
    assert!(found.is_some());
    let end = NOW + SESSION_LIFETIME;
    let found = world.store.session(&cookie.digest(), end).await.unwrap();
    assert!(found.is_none());
    world.store.maintain(end).await.unwrap();
    assert!(world.store.sessions(&ada.id, NOW).await.unwrap().is_empty());
});

contract!(a_session_is_ended_by_its_person_alone, |world| {
    let ada = person(&world.store, "ada@x.org", &[]).await;
    let bob = person(&world.store, "bob@x.org", &[]).await;
    let (first, second) = (
        session(&world.store, &ada).await,
        session(&world.store, &ada).await,
    );
    let found = world.store.session(&first.digest(), NOW).await.unwrap();
    let first_id = found.unwrap().session.id;

    let of_bob = world.store.end_session(&bob, &first_id).await;
    let others = world.store.end_other_sessions(&ada, &first_id).await;

    assert_eq!(of_bob, Err(ActError::NotFound("session")));
    assert_eq!(others.unwrap().value, 1);
    let found = world.store.session(&second.digest(), NOW).await.unwrap();
    assert!(found.is_none());
    world.store.end_session(&ada, &first_id).await.unwrap();
    let found = world.store.session(&first.digest(), NOW).await.unwrap();
    assert!(found.is_none());
    assert!(
        actions(&world.store)
            .await
            .contains(&"user.end_session".to_owned())
    );
});

contract!(a_renewed_session_has_another_secret, |world| {
    let ada = person(&world.store, "ada@x.org", &[]).await;
    let old = session(&world.store, &ada).await;
    let found = world.store.session(&old.digest(), NOW).await.unwrap();
    let id = found.unwrap().session.id;
    world.clock.advance(Duration::from_mins(15));
    let now = world.clock.now();

    let new = world.store.renew_session(&ada, &id, "password").await;

    let new = new.unwrap().value;
    assert!(
        world
            .store
            .session(&old.digest(), now)
            .await
            .unwrap()
            .is_none()
    );
    let found = world.store.session(&new.digest(), now).await.unwrap();
    let found = found.unwrap().session;
    assert!(found.id == id && found.is_recent(now) && found.created_at == NOW);
});

contract!(the_switcher_takes_organizations_of_the_person, |world| {
    let own = organization(&world.store, "own").await;
    let other = organization(&world.store, "other").await;
    let ada = person(&world.store, "ada@x.org", &[(&own, MemberRole::Viewer)]).await;
    let boss = an_operator(&world.store, "boss@x.org").await;
    let cookie = session(&world.store, &ada).await;
    let of_boss = session(&world.store, &boss).await;
    let find = async |cookie: &Secret| {
        let found = world.store.session(&cookie.digest(), NOW).await.unwrap();
        found.unwrap().session
    };
    let (id, boss_id) = (find(&cookie).await.id, find(&of_boss).await.id);

    let refused = world.store.choose_organization(&ada, &id, &other.id).await;
    world
        .store
        .choose_organization(&ada, &id, &own.id)
        .await
        .unwrap();
    world
        .store
        .choose_organization(&boss, &boss_id, &other.id)
        .await
        .unwrap();

    assert_eq!(refused, Err(ActError::NotFound("organization")));
    assert_eq!(find(&cookie).await.organization_id, Some(own.id));
    assert_eq!(find(&of_boss).await.organization_id, Some(other.id));
});

contract!(a_disabled_person_opens_nothing, |world| {
    let boss = an_operator(&world.store, "boss@x.org").await;
    let ada = person(&world.store, "ada@x.org", &[]).await;
    let cookie = session(&world.store, &ada).await;
    let token = world
        .store
        .create_management_token(&OPERATOR, &ada.id, "t", None)
        .await
        .unwrap()
        .value
        .1;
    let opens = async || {
        let session = world.store.session(&cookie.digest(), NOW).await.unwrap();
        let digest = token.digest();
        let token = world.store.actor_by_management_token(&digest, NOW).await;
        (session.is_some(), token.unwrap().is_some())
    };
    assert_eq!(opens().await, (true, true));

    let disable = world
        .store
        .set_user_state(&OPERATOR, &ada.id, UserState::Disabled)
        .await;

    assert!(disable.unwrap().value.disabled_at.is_some());
    assert_eq!(opens().await, (false, false));
    let new = NewSession {
        device: String::new(),
        proof: "password",
    };
    let refused = world.store.create_session(&ada, new).await;
    assert_eq!(refused.unwrap_err(), ActError::NotFound("user"));
    assert!(
        !world
            .store
            .request_password_reset("ada@x.org", BASE)
            .await
            .unwrap()
    );
    world
        .store
        .set_user_state(&OPERATOR, &ada.id, UserState::Enabled)
        .await
        .unwrap();
    assert_eq!(opens().await, (false, true), "an ended session stays ended");
    let last = world
        .store
        .set_user_state(&OPERATOR, &boss.id, UserState::Disabled)
        .await;
    assert_eq!(code(last), "last_operator");
});

contract!(the_last_operator_stays_one, |world| {
    let boss = an_operator(&world.store, "boss@x.org").await;
    let second = an_operator(&world.store, "second@x.org").await;
    let flag = |is_operator| UserPatch {
        is_operator: Some(is_operator),
        ..UserPatch::default()
    };
    let update = async |user: &User, patch: UserPatch| {
        world
            .store
            .update_user(&OPERATOR, &user.id, None, patch)
            .await
    };

    update(&boss, flag(false)).await.unwrap();
    let last = update(&second, flag(false)).await;

    assert_eq!(code(last), "last_operator");
    let stale = world
        .store
        .update_user(&OPERATOR, &second.id, Some(99), flag(true))
        .await;
    assert!(matches!(stale, Err(ActError::Stale { .. })));
});

contract!(of_two_uses_of_one_link_one_wins, |world| {
    let ada = person(&world.store, "ada@x.org", &[]).await;
    let cookie = session(&world.store, &ada).await;
    assert!(
        world
            .store
            .request_password_reset("ADA@x.org", BASE)
            .await
            .unwrap()
    );
    assert!(
        world
            .store
            .request_password_reset("ada@x.org", BASE)
            .await
            .unwrap()
    );
    assert!(
        !world
            .store
            .request_password_reset("eve@x.org", BASE)
            .await
            .unwrap()
    );
    let mails = mails(&world.store).await;
    assert_eq!(mails.len(), 2);
    let (link, other) = (secret_of(&mails[0].1), secret_of(&mails[1].1));
    let shown = world.store.link(LinkPurpose::PasswordReset, &link, NOW);
    assert_eq!(shown.await.unwrap().unwrap().email, "ada@x.org");
    let wrong = world.store.link(LinkPurpose::EmailChange, &link, NOW).await;
    assert_eq!(wrong.unwrap(), None);

    let (first, second) = tokio::join!(
        world.store.reset_password(&link, "$first"),
        world.store.reset_password(&link, "$second"),
    );

    assert!(first.is_ok() != second.is_ok());
    let winner = if first.is_ok() { "$first" } else { "$second" };
    let loser = if first.is_ok() { second } else { first };
    assert_eq!(code(loser), "link_used");
    let (_, hash) = world
        .store
        .user_by_email("ada@x.org")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(hash.as_deref(), Some(winner));
    // The sessions and the other link ended with the old password; a notice is owed.
    let found = world.store.session(&cookie.digest(), NOW).await.unwrap();
    assert!(found.is_none());
    assert_eq!(
        code(world.store.reset_password(&other, "$x").await),
        "link_used"
    );
    let told = self::mails(&world.store).await;
    assert!(matches!(told[0].1, Mail::PasswordChanged { .. }) && told.len() == 1);
});

contract!(a_link_past_its_end_is_useless, |world| {
    person(&world.store, "ada@x.org", &[]).await;
    let link = world.store.make_recovery_link("ada@x.org").await.unwrap();
    let link = link.unwrap().digest();
    assert!(
        world
            .store
            .make_recovery_link("eve@x.org")
            .await
            .unwrap()
            .is_none()
    );

    world.clock.advance(LinkPurpose::PasswordReset.lifetime());

    assert_eq!(
        code(world.store.reset_password(&link, "$x").await),
        "link_used"
    );
    let now = world.clock.now();
    world.store.maintain(now).await.unwrap();
    let shown = world
        .store
        .link(LinkPurpose::PasswordReset, &link, NOW)
        .await;
    assert_eq!(shown.unwrap(), None);
});

fn sign_up(email: &str, hash: &str, organization: &str) -> SignUp {
    SignUp {
        email: email.to_owned(),
        full_name: format!("Name of {hash}"),
        password_hash: hash.to_owned(),
        organization: organization.to_owned(),
    }
}

contract!(
    the_sign_up_whose_link_is_used_is_the_one_that_counts,
    |world| {
        let attacker = sign_up("Ada@x.org", "$evil", "Evil Inc");
        world.store.sign_up(attacker, BASE).await.unwrap();
        world
            .store
            .sign_up(sign_up("ada@x.org", "$ada", "Ada Ltd"), BASE)
            .await
            .unwrap();
        let (user, _) = world
            .store
            .user_by_email("ada@x.org")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(user.email_verified_at, None);
        let mails = mails(&world.store).await;
        let own = mails
        .iter()
        .find(|(_, mail)| matches!(mail, Mail::EmailVerification { full_name, .. } if full_name.ends_with("$ada")));
        let evil = mails
        .iter()
        .find(|(_, mail)| matches!(mail, Mail::EmailVerification { full_name, .. } if full_name.ends_with("$evil")));

        let verified = world.store.verify_email(&secret_of(&own.unwrap().1)).await;

        let verified = verified.unwrap().value;
        assert_eq!(verified.full_name, "Name of $ada");
        assert!(verified.email_verified_at.is_some());
        let (organization, role) = verified.memberships[0].clone();
        assert_eq!(role, MemberRole::Owner);
        let made = world.store.organization(&OPERATOR, &organization).await;
        assert_eq!(made.unwrap().name, "Ada Ltd");
        let (_, hash) = world
            .store
            .user_by_email("ada@x.org")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(hash.as_deref(), Some("$ada"));
        let late = world.store.verify_email(&secret_of(&evil.unwrap().1)).await;
        assert_eq!(code(late), "link_used");

        let again = sign_up("ada@x.org", "$third", "Third");
        world.store.sign_up(again, BASE).await.unwrap();
        let told = self::mails(&world.store).await;
        assert!(matches!(told[0].1, Mail::AlreadyRegistered { .. }) && told.len() == 1);
        let (_, hash) = world
            .store
            .user_by_email("ada@x.org")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(hash.as_deref(), Some("$ada"));
    }
);

contract!(a_reset_proves_the_address_of_a_new_account, |world| {
    let new = sign_up("ada@x.org", "$ada", "Ada Ltd");
    world.store.sign_up(new, BASE).await.unwrap();
    mails(&world.store).await;
    let link = world.store.make_recovery_link("ada@x.org").await.unwrap();

    let reset = world
        .store
        .reset_password(&link.unwrap().digest(), "$new")
        .await;

    let user = reset.unwrap().value;
    assert!(user.email_verified_at.is_some());
    assert_eq!(user.memberships.len(), 1);
});

contract!(an_address_is_changed_by_a_link_to_the_new_one, |world| {
    let ada = person(&world.store, "ada@x.org", &[]).await;
    person(&world.store, "bob@x.org", &[]).await;
    world
        .store
        .request_email_change(&ada, "bob@x.org", BASE)
        .await
        .unwrap();
    world
        .store
        .request_email_change(&ada, "New@x.org", BASE)
        .await
        .unwrap();
    let mails = mails(&world.store).await;
    let to = |address: &str| &mails.iter().find(|(to, _)| to == address).unwrap().1;
    assert!(matches!(to("bob@x.org"), Mail::AlreadyRegistered { .. }));

    let changed = world.store.change_email(&secret_of(to("new@x.org"))).await;

    assert_eq!(changed.unwrap().value.email, "new@x.org");
    assert!(
        world
            .store
            .user_by_email("ada@x.org")
            .await
            .unwrap()
            .is_none()
    );
});

contract!(an_operator_may_send_a_reset_and_nobody_else, |world| {
    let own = organization(&world.store, "own").await;
    let ada = person(&world.store, "ada@x.org", &[(&own, MemberRole::Owner)]).await;

    let refused = world
        .store
        .send_password_reset(&member(&own), &ada.id, BASE)
        .await;
    world
        .store
        .send_password_reset(&OPERATOR, &ada.id, BASE)
        .await
        .unwrap();

    assert_eq!(refused, Err(ActError::Forbidden));
    assert!(matches!(
        mails(&world.store).await[0].1,
        Mail::PasswordReset { .. }
    ));
});

contract!(
    a_person_changes_the_own_password_and_keeps_the_session,
    |world| {
        let ada = person(&world.store, "ada@x.org", &[]).await;
        let (kept, other) = (
            session(&world.store, &ada).await,
            session(&world.store, &ada).await,
        );
        let found = world.store.session(&kept.digest(), NOW).await.unwrap();
        let id = found.unwrap().session.id;

        world
            .store
            .change_password(&ada, &id, "$new")
            .await
            .unwrap();

        assert!(
            world
                .store
                .session(&kept.digest(), NOW)
                .await
                .unwrap()
                .is_some()
        );
        assert!(
            world
                .store
                .session(&other.digest(), NOW)
                .await
                .unwrap()
                .is_none()
        );
        assert!(matches!(
            mails(&world.store).await[0].1,
            Mail::PasswordChanged { .. }
        ));
    }
);

fn first(email: &str) -> FirstOperator {
    FirstOperator {
        email: email.to_owned(),
        full_name: "Olivia Operator".to_owned(),
        password_hash: "$x".to_owned(),
        organization: "Portcullis Ltd".to_owned(),
    }
}

contract!(the_setup_link_makes_one_operator, |world| {
    let one = world
        .store
        .make_setup_link()
        .await
        .unwrap()
        .unwrap()
        .digest();
    let two = world
        .store
        .make_setup_link()
        .await
        .unwrap()
        .unwrap()
        .digest();

    let (first, second) = tokio::join!(
        world.store.set_up(&one, first("a@x.org")),
        world.store.set_up(&two, first("b@x.org")),
    );

    assert!(first.is_ok() != second.is_ok());
    let (made, refused) = if first.is_ok() {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(code(refused), "link_used");
    let (user, organization) = made.unwrap().value;
    assert!(user.is_operator && user.email_verified_at.is_some());
    assert_eq!(user.memberships, [(organization, MemberRole::Owner)]);
    assert!(world.store.make_setup_link().await.unwrap().is_none());
});

contract!(
    what_was_begun_ends_with_the_fifth_wrong_code_or_in_time,
    |world| {
        let ada = person(&world.store, "ada@x.org", &[]).await;
        let purpose = PendingPurpose::SecondFactor;
        let state = json!({ "challenge": "secret" });
        let begin = async || {
            let begun = world
                .store
                .begin_pending(purpose, Some(&ada.id), Some(&state));
            begun.await.unwrap().digest()
        };
        let pending = begin().await;
        let found = world.store.pending(purpose, &pending, NOW).await.unwrap();
        let found = found.unwrap();
        assert_eq!(
            (found.user_id, found.state),
            (Some(ada.id.clone()), Some(state.clone()))
        );

        for _ in 0..4 {
            assert!(world.store.fail_pending(&pending).await.unwrap());
        }
        assert!(!world.store.fail_pending(&pending).await.unwrap());

        let gone = world.store.pending(purpose, &pending, NOW).await.unwrap();
        assert!(gone.is_none());
        let late = begin().await;
        let end = NOW + PENDING_LIFETIME;
        assert!(
            world
                .store
                .pending(purpose, &late, end)
                .await
                .unwrap()
                .is_none()
        );
        let other = PendingPurpose::PasskeySignIn;
        assert!(
            world
                .store
                .pending(other, &late, NOW)
                .await
                .unwrap()
                .is_none()
        );
    }
);

/// Ada with an authenticator app that took step 100, and one recovery code.
async fn with_authenticator(store: &Store) -> (User, SecretDigest) {
    let ada = person(store, "ada@x.org", &[]).await;
    let recovery = SecretDigest::of(b"recovery");
    store.begin_authenticator(&ada, b"a secret").await.unwrap();
    store
        .turn_authenticator_on(&ada, 100, &[recovery])
        .await
        .unwrap();
    (ada, recovery)
}

contract!(no_step_of_an_authenticator_is_taken_twice, |world| {
    let (ada, _) = with_authenticator(&world.store).await;
    let step = UsedFactor::Step;
    let kept = world.store.authenticator(&ada.id).await.unwrap().unwrap();
    assert!(kept.is_on && kept.secret.as_slice() == b"a secret");

    let replayed = world.store.use_factor(&ada, step(100)).await;
    let (one, two) = tokio::join!(
        world.store.use_factor(&ada, step(101)),
        world.store.use_factor(&ada, step(101)),
    );
    let earlier = world.store.use_factor(&ada, step(99)).await;

    assert_eq!(code(replayed), "code_used");
    assert!(one.is_ok() != two.is_ok(), "of two at once, one is taken");
    assert_eq!(code(earlier), "code_used");
    let again = world.store.begin_authenticator(&ada, b"another").await;
    assert_eq!(code(again), "authenticator_on");
});

contract!(a_sign_in_is_finished_once, |world| {
    let (ada, recovery) = with_authenticator(&world.store).await;
    let purpose = PendingPurpose::SecondFactor;
    let begin = async || {
        let begun = world.store.begin_pending(purpose, Some(&ada.id), None);
        begun.await.unwrap().digest()
    };
    let finish = async |pending: &SecretDigest, factor| {
        let device = "Firefox".to_owned();
        world
            .store
            .finish_sign_in(pending, &ada, factor, device)
            .await
    };
    let pending = begin().await;

    let replayed = finish(&pending, UsedFactor::Step(100)).await;
    let done = finish(&pending, UsedFactor::Step(101)).await;
    let twice = finish(&pending, UsedFactor::Step(102)).await;

    assert_eq!(code(replayed), "code_used");
    let cookie = done.unwrap().value.1;
    assert!(
        world
            .store
            .session(&cookie.digest(), NOW)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(code(twice), "pending_ended");
    let by_code = finish(&begin().await, UsedFactor::RecoveryCode(recovery)).await;
    assert!(by_code.is_ok());
    let again = finish(&begin().await, UsedFactor::RecoveryCode(recovery)).await;
    assert_eq!(code(again), "code_used");
});

contract!(factors_are_counted_and_their_changes_told, |world| {
    let (ada, _) = with_authenticator(&world.store).await;
    let factors = world.store.factors(&ada.id).await.unwrap();
    assert!(factors.password && factors.authenticator);
    assert_eq!((factors.recovery_codes, factors.passkeys), (1, 0));

    let fresh = [SecretDigest::of(b"1"), SecretDigest::of(b"2")];
    world
        .store
        .replace_recovery_codes(&ada, &fresh)
        .await
        .unwrap();
    let factors = world.store.factors(&ada.id).await.unwrap();
    assert_eq!(factors.recovery_codes, 2);
    world.store.turn_authenticator_off(&ada).await.unwrap();

    let factors = world.store.factors(&ada.id).await.unwrap();
    assert!(!factors.authenticator && factors.recovery_codes == 0);
    let told = mails(&world.store).await;
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|(to, mail)| to == "ada@x.org"
        && matches!(mail, Mail::SecondFactorChanged { .. })));
    let off = world.store.turn_authenticator_off(&ada).await;
    assert_eq!(off, Err(ActError::NotFound("authenticator app")));
    let codes = world.store.replace_recovery_codes(&ada, &fresh).await;
    assert_eq!(codes, Err(ActError::NotFound("authenticator app")));
    let nobody = world.store.factors(&UserId::random()).await;
    assert_eq!(nobody, Err(ActError::NotFound("user")));
});

contract!(a_passkey_is_kept_used_and_forgotten, |world| {
    let ada = person(&world.store, "ada@x.org", &[]).await;
    let bob = person(&world.store, "bob@x.org", &[]).await;
    let add = async |user: &User| {
        let purpose = PendingPurpose::PasskeyRegistration;
        let begun = world.store.begin_pending(purpose, Some(&user.id), None);
        let pending = begun.await.unwrap().digest();
        let new = NewPasskey {
            name: "Laptop".to_owned(),
            credential_id: vec![1, 2, 3],
            credential: json!({ "count": 0 }),
        };
        world.store.add_passkey(user, &pending, new).await
    };
    let id = add(&ada).await.unwrap().value;
    assert_eq!(code(add(&bob).await), "passkey_known");
    let use_it = async |sign_count| {
        let purpose = PendingPurpose::PasskeySignIn;
        let begun = world
            .store
            .begin_pending(purpose, None, None)
            .await
            .unwrap();
        let used = PasskeyUse {
            id: id.clone(),
            credential: json!({ "count": sign_count }),
            sign_count,
        };
        let device = String::new();
        world
            .store
            .finish_passkey_sign_in(&begun.digest(), &ada, used, device)
            .await
    };

    use_it(0).await.unwrap();
    use_it(0)
        .await
        .expect("a passkey that does not count is not refused");
    let cookie = use_it(7).await.unwrap().value.1;

    assert!(
        world
            .store
            .session(&cookie.digest(), NOW)
            .await
            .unwrap()
            .is_some()
    );
    for regressed in [7, 6, 0] {
        assert_eq!(code(use_it(regressed).await), "passkey_copied");
    }
    world.store.note_copied_passkey(&ada, &id).await.unwrap();
    let kept = world.store.passkey_of_credential(&[1, 2, 3]).await.unwrap();
    let kept = kept.unwrap();
    assert_eq!((kept.user_id, kept.sign_count), (ada.id.clone(), 7));
    assert_eq!(kept.passkey.last_used_at, Some(NOW));
    let foreign = world.store.rename_passkey(&bob, &id, "Mine").await;
    assert_eq!(foreign, Err(ActError::NotFound("passkey")));
    let foreign = world.store.remove_passkey(&bob, &id).await;
    assert_eq!(foreign, Err(ActError::NotFound("passkey")));
    world
        .store
        .rename_passkey(&ada, &id, "Phone")
        .await
        .unwrap();
    let listed = world.store.passkeys(&ada.id).await.unwrap();
    assert_eq!(listed[0].passkey.name, "Phone");
    world.store.remove_passkey(&ada, &id).await.unwrap();
    assert!(world.store.passkeys(&ada.id).await.unwrap().is_empty());
});

contract!(failures_are_written_down, |world| {
    let ada = person(&world.store, "ada@x.org", &[]).await;

    world.store.note_failed_sign_ins(&ada, 17).await.unwrap();

    let filter = AuditFilter {
        action: Some("user.sign_in_failed".to_owned()),
        ..AuditFilter::default()
    };
    let entries = world
        .store
        .audit_entries(&OPERATOR, filter, PageRequest::default())
        .await
        .unwrap();
    assert_eq!(entries.items[0].detail, r#"{"failures":17}"#);
    assert_eq!(entries.items[0].entity_id, ada.id.as_str());
});
