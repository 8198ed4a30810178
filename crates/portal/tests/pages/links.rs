//! Pages that links of mails lead to: a new password, a new account, an invitation.

use portcullis_core::{
    job::Mail,
    organization::MemberRole,
    permissions::{Action, may},
};
use portcullis_store::NewInvitation;

use crate::support::{Browser, PASSWORD, PUBLIC_URL, World};

const OTHER_PASSWORD: &str = "windlass oak seventeen gate";

/// The path of the link in the last mail to this address.
async fn link_to(world: &World, to: &str) -> String {
    let mails = world.mails().await;
    let (_, mail) = mails
        .iter()
        .rev()
        .find(|(address, _)| address == to)
        .unwrap();
    let link = match mail {
        Mail::EmailVerification { link, .. }
        | Mail::PasswordReset { link, .. }
        | Mail::Invitation { link, .. } => link,
        other => panic!("no link: {}", other.name()),
    };
    link.strip_prefix(PUBLIC_URL).unwrap().to_owned()
}

async fn sign_in(browser: &Browser<'_>, email: &str, password: &str) -> u16 {
    let fields = [("email", email), ("password", password)];
    browser
        .submit("/login", "/login", &fields)
        .await
        .status
        .as_u16()
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_the_link_once() {
    let world = World::new().await;
    let user = world.with_password("ada@example.com", Vec::new()).await;
    let before = world.browser_of(&user).await;
    let ada = world.visitor();

    let asked = ada
        .submit("/forgot", "/forgot", &[("email", "Ada@example.com")])
        .await;
    assert_eq!(asked.location(), "/login");
    assert!(
        ada.get("/login")
            .await
            .has("a mail with a link is on its way")
    );
    let path = link_to(&world, "ada@example.com").await;
    let page = ada.get(&path).await.expect(200);
    assert!(page.has("ada@example.com"));
    let refused = ada
        .send_form(&page, "/reset-password", &[("password", "short")])
        .await;
    assert!(!refused.wrong("password").is_empty());
    let fields = [("password", OTHER_PASSWORD)];
    let set = ada.send_form(&refused, "/reset-password", &fields).await;

    assert_eq!(set.location(), "/login");
    assert!(
        before.get("/").await.has("href=\"/login\""),
        "every session has ended"
    );
    assert_eq!(sign_in(&ada, "ada@example.com", PASSWORD).await, 422);
    assert_eq!(sign_in(&ada, "ada@example.com", OTHER_PASSWORD).await, 303);
    let eve = world.visitor();
    eve.get(&path).await.expect(410);
    eve.get("/reset-password?token=pcl_guess").await.expect(410);
}

#[tokio::test]
async fn asking_for_a_new_password_says_the_same_of_every_address() {
    let world = World::new().await;
    world.with_password("ada@example.com", Vec::new()).await;

    for email in ["ada@example.com", "nobody@example.com"] {
        let visitor = world.visitor();
        let asked = visitor
            .submit("/forgot", "/forgot", &[("email", email)])
            .await;
        assert_eq!(asked.location(), "/login", "{email}");
    }
    let bad = world
        .visitor()
        .submit("/forgot", "/forgot", &[("email", "no")])
        .await;
    assert_eq!(bad.status, 422);
    let mails = world.mails().await;
    assert_eq!(
        mails.iter().map(|(to, _)| to.as_str()).collect::<Vec<_>>(),
        ["ada@example.com"]
    );
}

#[tokio::test]
async fn nobody_signs_up_where_it_is_closed() {
    let world = World::new().await;
    let visitor = world.visitor();

    let page = visitor.get("/signup").await.expect(403);

    assert!(page.has("signing up is closed") || page.has("Signing up is closed"));
    assert!(!visitor.get("/login").await.has("/signup"));
}

#[tokio::test]
async fn an_invited_person_without_an_account_makes_one_and_joins() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let path = invite(&world, &acme, "new@example.com").await;
    let newcomer = world.visitor();

    let page = newcomer.get(&path).await.expect(200);
    assert!(page.has("Join Acme") && page.has("API developer"));
    let fields = [("full_name", ""), ("password", "short")];
    let refused = newcomer
        .send_form(&page, "/accept-invite", &fields)
        .await
        .expect(422);
    assert!(!refused.wrong("full_name").is_empty() && !refused.wrong("password").is_empty());
    let fields = [("full_name", "Nora New"), ("password", OTHER_PASSWORD)];
    let joined = newcomer
        .send_form(&refused, "/accept-invite", &fields)
        .await;

    assert_eq!(joined.location(), "/");
    let home = newcomer.get("/").await.expect(200);
    assert!(home.has("You are a member of Acme now.") && home.has("Nora New"));
    world.visitor().get(&path).await.expect(410);
}

#[tokio::test]
async fn an_invitation_is_for_the_invited_address_alone() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let ada = world.with_password("ada@example.com", Vec::new()).await;
    let eve = world.with_password("eve@example.com", Vec::new()).await;
    let path = invite(&world, &acme, "ada@example.com").await;

    let anybody = world.visitor().get(&path).await.expect(200);
    assert!(anybody.has("sign in to accept") && anybody.has("/login?next=%2Faccept-invite"));
    let eve = world.browser_of(&eve).await;
    assert!(
        eve.get(&path)
            .await
            .has("You are signed in as eve@example.com")
    );
    let mut fields = eve.get("/").await.form("/logout");
    fields.push((
        "token".to_owned(),
        path.split_once('=').unwrap().1.to_owned(),
    ));
    let forced = eve.post_as_is("/accept-invite", &fields, &[]).await;
    assert_eq!(forced.status, 409);

    let ada = world.browser_of(&ada).await;
    let joined = ada.submit(&path, "/accept-invite", &[]).await;
    assert_eq!(joined.location(), "/");
    assert!(ada.get("/").await.has("Acme"));
}

async fn invite(
    world: &World,
    organization: &portcullis_core::ids::OrganizationId,
    email: &str,
) -> String {
    let actor = portcullis_core::permissions::Actor::System;
    let authority = may(&actor, Action::ManageMembers, Some(organization)).unwrap();
    let new = NewInvitation {
        organization_id: organization.clone(),
        email: email.to_owned(),
        role: MemberRole::ApiDeveloper,
    };
    let base = portcullis_registry::people::links::invitation_base(PUBLIC_URL);
    world
        .state
        .store
        .create_invitation(&authority, new, &base)
        .await
        .unwrap();
    link_to(world, email).await
}
