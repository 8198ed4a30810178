//! `/organization/members` and `/organization/invitations`, and `/admin/users`.

use portcullis_core::organization::MemberRole;

use crate::support::World;

#[tokio::test]
async fn members_get_roles_and_are_removed_and_the_last_owner_stays() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let ada = world
        .with_password("ada@example.com", vec![(acme.clone(), MemberRole::Owner)])
        .await;
    let bob = world
        .with_password("bob@example.com", vec![(acme.clone(), MemberRole::Viewer)])
        .await;
    let (owner, viewer) = (world.browser_of(&ada).await, world.browser_of(&bob).await);
    let list = "/organization/members";
    let of = |id: &str| format!("/organization/members/{id}");

    assert!(
        viewer
            .get(list)
            .await
            .expect(200)
            .has("What the roles mean")
    );
    viewer.get(&of(ada.id.as_str())).await.expect(403);
    let bobs = of(bob.id.as_str());
    owner
        .submit(&bobs, &bobs, &[("role", "app_developer")])
        .await
        .location();
    assert!(owner.get(list).await.has("is an app developer now."));
    let odd = owner
        .submit(&bobs, &bobs, &[("role", "king")])
        .await
        .expect(422);
    assert!(!odd.wrong("role").is_empty());
    let own = of(ada.id.as_str());
    let last = owner
        .submit(&own, &own, &[("role", "viewer")])
        .await
        .expect(409);
    assert!(last.has("owner"));
    owner
        .submit("/organization/leave", "/organization/leave", &[])
        .await
        .expect(409);

    let remove = format!("{bobs}/remove");
    owner.submit(&bobs, &remove, &[]).await.location();
    assert!(owner.get(list).await.has("is no member any more."));
    viewer.get(list).await.expect(403);
}

#[tokio::test]
async fn an_admin_leaves_ownership_to_owners() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let ada = world
        .with_password("ada@example.com", vec![(acme.clone(), MemberRole::Owner)])
        .await;
    let admin = world.member(&acme, MemberRole::Admin).await;

    let page = admin
        .get(&format!("/organization/members/{}", ada.id))
        .await
        .expect(200);
    let invite = admin.get("/organization/invitations").await.expect(200);

    assert!(page.has("Owners alone decide about owners.") && !page.has("Remove member"));
    assert!(!invite.has("value=\"owner\"") && invite.has("value=\"viewer\""));
}

#[tokio::test]
async fn people_are_invited_again_and_not_at_all() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let owner = world.member(&acme, MemberRole::Owner).await;
    let viewer = world.member(&acme, MemberRole::Viewer).await;
    let path = "/organization/invitations";
    let invite = [("email", "new@example.com"), ("role", "api_developer")];

    viewer.get(path).await.expect(403);
    let refused = owner
        .submit(path, path, &[("email", "nonsense")])
        .await
        .expect(422);
    assert!(!refused.wrong("email").is_empty() && refused.has("value=\"nonsense\""));
    owner.submit(path, path, &invite).await.location();
    let twice = owner.submit(path, path, &invite).await.expect(409);
    assert!(twice.has("role=\"alert\""));
    let listed = owner.get(path).await.expect(200);
    assert!(listed.has("new@example.com") && listed.has("API developer"));
    let id = listed
        .html
        .split("/organization/invitations/")
        .nth(1)
        .unwrap();
    let id = id.split('/').next().unwrap().to_owned();

    owner
        .send_form(&listed, &format!("{path}/{id}/resend"), &[])
        .await
        .location();
    assert!(owner.get(path).await.has("A new link is on its way"));
    owner
        .submit(path, &format!("{path}/{id}/revoke"), &[])
        .await
        .location();
    let page = owner.get(path).await.expect(200);
    assert!(page.has("The invitation was revoked.") && page.has("Nobody is invited"));
}

#[tokio::test]
async fn operators_make_and_disable_people() {
    let world = World::new().await;
    let operator = world.operator().await;
    let new = "/admin/users/new";

    let refused = operator
        .submit(new, new, &[("email", "nonsense"), ("full_name", "")])
        .await
        .expect(422);
    assert!(!refused.wrong("email").is_empty() && !refused.wrong("full_name").is_empty());
    let made = operator
        .submit(
            new,
            new,
            &[("email", "new@example.com"), ("full_name", "New Person")],
        )
        .await;
    let path = made.location().to_owned();
    assert!(
        operator
            .get(&path)
            .await
            .expect(200)
            .has("choose a password is on its way")
    );
    operator
        .submit(
            &path,
            &path,
            &[("full_name", "Newer Person"), ("is_operator", "yes")],
        )
        .await
        .location();
    assert!(
        operator
            .get("/admin/users?q=newer")
            .await
            .expect(200)
            .has("Newer Person")
    );
    assert!(
        operator
            .get("/admin/users?q=nobody")
            .await
            .expect(200)
            .has("Nothing matches")
    );

    let disable = format!("{path}/disable");
    operator
        .submit(&disable, &disable, &[("confirm", "new")])
        .await
        .expect(422);
    operator
        .submit(&disable, &disable, &[("confirm", "new@example.com")])
        .await
        .location();
    let page = operator.get(&path).await.expect(200);
    assert!(page.has("Newer Person is disabled.") && page.has("Enable user"));
    operator
        .submit(&path, &format!("{path}/enable"), &[])
        .await
        .location();
    operator
        .submit(&path, &format!("{path}/send_password_reset"), &[])
        .await
        .location();
    assert!(
        operator
            .get(&path)
            .await
            .has("is on its way to new@example.com")
    );
}
