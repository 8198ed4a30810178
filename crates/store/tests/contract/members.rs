//! Members of organizations, their roles, and invitations.

use std::sync::LazyLock;

use portcullis_core::{
    job::Mail,
    organization::{MemberRole, Organization, User},
    people::INVITATION_LIFETIME,
    permissions::{Action, Authority, may},
};
use portcullis_store::{Accepting, ActError, NewInvitation, PageRequest, Store};

use crate::{
    contract,
    people::{code, mails, person, secret_of, session},
    support::*,
};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

const BASE: &str = "https://p.example/x?token=";

fn manages(user: &User, organization: &Organization) -> Authority {
    may(&user.actor(), Action::ManageMembers, Some(&organization.id)).unwrap()
}

fn invitation(organization: &Organization, email: &str, role: MemberRole) -> NewInvitation {
    NewInvitation {
        organization_id: organization.id.clone(),
        email: email.to_owned(),
        role,
    }
}

/// An organization with an owner and an admin.
async fn team(store: &Store) -> (Organization, User, User) {
    let own = organization(store, "own").await;
    let owner = person(store, "owner@x.org", &[(&own, MemberRole::Owner)]).await;
    let admin = person(store, "admin@x.org", &[(&own, MemberRole::Admin)]).await;
    (own, owner, admin)
}

contract!(ownership_is_given_by_owners_and_the_last_stays, |world| {
    let (own, owner, admin) = team(&world.store).await;
    let set = async |by: &User, user: &User, role| {
        let authority = manages(by, &own);
        world
            .store
            .set_member_role(&authority, &own.id, &user.id, role)
            .await
    };

    let raised = set(&admin, &admin, MemberRole::Owner).await;
    let demoted = set(&admin, &owner, MemberRole::Viewer).await;
    let last = set(&owner, &owner, MemberRole::Admin).await;
    let given = set(&owner, &admin, MemberRole::Owner).await;
    let stepped_down = set(&owner, &owner, MemberRole::Viewer).await;

    assert_eq!(raised, Err(ActError::Forbidden));
    assert_eq!(demoted, Err(ActError::Forbidden));
    assert_eq!(code(last), "last_owner");
    assert_eq!(given.unwrap().value.role, MemberRole::Owner);
    assert_eq!(stepped_down.unwrap().value.role, MemberRole::Viewer);
});

contract!(two_owners_who_leave_at_once_do_not_both, |world| {
    let own = organization(&world.store, "own").await;
    let one = person(&world.store, "one@x.org", &[(&own, MemberRole::Owner)]).await;
    let two = person(&world.store, "two@x.org", &[(&own, MemberRole::Owner)]).await;
    let (by_one, by_two) = (manages(&one, &own), manages(&two, &own));

    let (first, second) = tokio::join!(
        world.store.remove_member(&by_one, &own.id, &one.id),
        world.store.remove_member(&by_two, &own.id, &two.id),
    );

    assert!(first.is_ok() != second.is_ok());
    let refused = if first.is_ok() { second } else { first };
    assert_eq!(code(refused), "last_owner");
});

contract!(a_removed_member_loses_access_at_once, |world| {
    let (own, owner, admin) = team(&world.store).await;
    let cookie = session(&world.store, &admin).await;

    let by_admin = world
        .store
        .remove_member(&manages(&admin, &own), &own.id, &owner.id)
        .await;
    world
        .store
        .remove_member(&manages(&owner, &own), &own.id, &admin.id)
        .await
        .unwrap();

    assert_eq!(by_admin, Err(ActError::Forbidden));
    let found = world.store.session(&cookie.digest(), NOW).await.unwrap();
    let found = found.unwrap();
    assert!(found.user.memberships.is_empty() && found.organizations.is_empty());
    let by_owner = manages(&owner, &own);
    let gone = world.store.member(&by_owner, &own.id, &admin.id).await;
    assert_eq!(gone, Err(ActError::NotFound("member")));
});

contract!(members_are_listed_within_reach, |world| {
    let (own, owner, admin) = team(&world.store).await;
    let stranger = organization(&world.store, "stranger").await;

    let page = world
        .store
        .members(&manages(&owner, &own), &own.id, PageRequest::first(1))
        .await
        .unwrap();
    let rest = PageRequest {
        after: page.next.clone(),
        limit: 10,
    };
    let rest = world
        .store
        .members(&manages(&owner, &own), &own.id, rest)
        .await;

    let mut seen = vec![
        page.items[0].user_id.clone(),
        rest.unwrap().items[0].user_id.clone(),
    ];
    seen.sort();
    let mut expected = vec![owner.id.clone(), admin.id.clone()];
    expected.sort();
    assert_eq!(seen, expected);
    let foreign = world
        .store
        .members(&member(&stranger), &own.id, PageRequest::default())
        .await;
    assert_eq!(foreign, Err(ActError::NotFound("organization")));
    let foreign = world
        .store
        .set_member_role(&member(&stranger), &own.id, &admin.id, MemberRole::Viewer)
        .await;
    assert_eq!(foreign, Err(ActError::NotFound("organization")));
    let foreign = world
        .store
        .remove_member(&member(&stranger), &own.id, &admin.id)
        .await;
    assert_eq!(foreign, Err(ActError::NotFound("organization")));
});

contract!(an_invitation_makes_a_newcomer_a_member_once, |world| {
    let (own, owner, _) = team(&world.store).await;
    let new = invitation(&own, "New@x.org", MemberRole::AppDeveloper);
    let made = world
        .store
        .create_invitation(&manages(&owner, &own), new, BASE)
        .await;
    assert_eq!(made.unwrap().value.email, "new@x.org");
    let mails = mails(&world.store).await;
    assert_eq!(mails[0].0, "new@x.org");
    let Mail::Invitation { invited_by, .. } = &mails[0].1 else {
        panic!("{mails:?}");
    };
    assert_eq!(invited_by, "Ada Lovelace");
    let link = secret_of(&mails[0].1);
    let shown = world.store.shown_invitation(&link, NOW).await.unwrap();
    let shown = shown.unwrap();
    assert!(shown.organization == "own" && !shown.has_account);
    let accept = || Accepting::Newcomer {
        full_name: "New Person".to_owned(),
        password_hash: "$x".to_owned(),
    };

    let (first, second) = tokio::join!(
        world.store.accept_invitation(&link, accept()),
        world.store.accept_invitation(&link, accept()),
    );

    assert!(first.is_ok() != second.is_ok());
    let (made, refused) = if first.is_ok() {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(code(refused), "link_used");
    let user = made.unwrap().value;
    assert_eq!(user.memberships, [(own.id, MemberRole::AppDeveloper)]);
    assert!(user.email_verified_at.is_some());
    let shown = world.store.shown_invitation(&link, NOW).await.unwrap();
    assert_eq!(shown, None);
});

contract!(an_invitation_is_for_its_address_alone, |world| {
    let (own, owner, _) = team(&world.store).await;
    let ada = person(&world.store, "ada@x.org", &[]).await;
    let bob = person(&world.store, "bob@x.org", &[]).await;
    let new = invitation(&own, "ada@x.org", MemberRole::Viewer);
    let by_owner = manages(&owner, &own);
    world
        .store
        .create_invitation(&by_owner, new, BASE)
        .await
        .unwrap();
    let link = secret_of(&mails(&world.store).await[0].1);
    let newcomer = Accepting::Newcomer {
        full_name: "Eve".to_owned(),
        password_hash: "$evil".to_owned(),
    };

    let of_bob = world
        .store
        .accept_invitation(&link, Accepting::Person(Box::new(bob)))
        .await;
    let as_new = world.store.accept_invitation(&link, newcomer).await;
    let of_ada = world
        .store
        .accept_invitation(&link, Accepting::Person(Box::new(ada)))
        .await;

    assert_eq!(code(of_bob), "other_address");
    assert_eq!(code(as_new), "email_taken");
    assert_eq!(
        of_ada.unwrap().value.memberships,
        [(own.id, MemberRole::Viewer)]
    );
});

contract!(an_invitation_is_sent_again_and_revoked, |world| {
    let (own, owner, admin) = team(&world.store).await;
    let (by_owner, by_admin) = (manages(&owner, &own), manages(&admin, &own));
    let create = async |by: &Authority, email: &str, role| {
        let new = invitation(&own, email, role);
        world.store.create_invitation(by, new, BASE).await
    };
    let an_owner = create(&by_admin, "new@x.org", MemberRole::Owner).await;
    assert_eq!(an_owner, Err(ActError::Forbidden));
    let known = create(&by_owner, "admin@x.org", MemberRole::Viewer).await;
    assert_eq!(code(known), "already_member");
    let made = create(&by_admin, "new@x.org", MemberRole::Viewer).await;
    let id = made.unwrap().value.id;
    let twice = create(&by_owner, "new@x.org", MemberRole::Admin).await;
    assert_eq!(code(twice), "already_invited");
    let first = secret_of(&mails(&world.store).await[0].1);

    world
        .store
        .resend_invitation(&by_admin, (&own.id, &id), BASE)
        .await
        .unwrap();

    let second = secret_of(&mails(&world.store).await[0].1);
    assert!(
        world
            .store
            .shown_invitation(&first, NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        world
            .store
            .shown_invitation(&second, NOW)
            .await
            .unwrap()
            .is_some()
    );
    let page = PageRequest::default;
    let listed = world.store.invitations(&by_admin, &own.id, page()).await;
    assert_eq!(listed.unwrap().items.len(), 1);
    world
        .store
        .revoke_invitation(&by_admin, &own.id, &id)
        .await
        .unwrap();
    assert!(
        world
            .store
            .shown_invitation(&second, NOW)
            .await
            .unwrap()
            .is_none()
    );
    let again = create(&by_owner, "new@x.org", MemberRole::Owner).await;
    assert!(again.is_ok());
});

contract!(an_invitation_ends_after_a_week, |world| {
    let (own, owner, _) = team(&world.store).await;
    let by_owner = manages(&owner, &own);
    let new = || invitation(&own, "new@x.org", MemberRole::Viewer);
    world
        .store
        .create_invitation(&by_owner, new(), BASE)
        .await
        .unwrap();
    let link = secret_of(&mails(&world.store).await[0].1);

    world.clock.advance(INVITATION_LIFETIME);

    let late = Accepting::Newcomer {
        full_name: "Late".to_owned(),
        password_hash: "$x".to_owned(),
    };
    let late = world.store.accept_invitation(&link, late).await;
    assert_eq!(code(late), "link_used");
    let page = PageRequest::default();
    let listed = world.store.invitations(&by_owner, &own.id, page).await;
    assert!(listed.unwrap().items.is_empty());
    let again = world.store.create_invitation(&by_owner, new(), BASE).await;
    assert!(again.is_ok(), "an ended invitation is in nobody's way");
});

contract!(strangers_reach_no_invitation, |world| {
    let (own, owner, _) = team(&world.store).await;
    let stranger = organization(&world.store, "stranger").await;
    let new = invitation(&own, "new@x.org", MemberRole::Viewer);
    let made = world
        .store
        .create_invitation(&manages(&owner, &own), new.clone(), BASE)
        .await;
    let id = made.unwrap().value.id;
    let unknown = Some(ActError::NotFound("organization"));
    let foreign = member(&stranger);

    let create = world.store.create_invitation(&foreign, new, BASE).await;
    let page = PageRequest::default();
    let list = world.store.invitations(&foreign, &own.id, page).await;
    let resend = world
        .store
        .resend_invitation(&foreign, (&own.id, &id), BASE)
        .await;
    let revoke = world.store.revoke_invitation(&foreign, &own.id, &id).await;
    let crossed = world
        .store
        .revoke_invitation(&foreign, &stranger.id, &id)
        .await;

    assert_eq!(create.err(), unknown);
    assert_eq!(list.err(), unknown);
    assert_eq!(resend.err(), unknown);
    assert_eq!(revoke.err(), unknown);
    assert_eq!(crossed.err(), Some(ActError::NotFound("invitation")));
    assert!(
        world
            .store
            .members(&OPERATOR, &own.id, PageRequest::default())
            .await
            .is_ok()
    );
});
