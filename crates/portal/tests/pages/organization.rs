//! `/organization` and `/organizations`: the chosen organization, and choosing another one.

use portcullis_core::organization::MemberRole;

use crate::support::World;

#[tokio::test]
async fn the_profile_is_edited_by_who_may() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let admin = world.member(&acme, MemberRole::Admin).await;
    let viewer = world.member(&acme, MemberRole::Viewer).await;
    let edit = "/organization/edit";

    let seen = viewer.get("/organization").await.expect(200);
    assert!(
        seen.has(acme.as_str()) && seen.has("Owners and admins can change this") && !seen.has(edit)
    );
    viewer.get(edit).await.expect(403);
    let refused = admin
        .submit(edit, edit, &[("website", "nonsense")])
        .await
        .expect(422);
    assert!(!refused.wrong("website").is_empty());
    let saved = admin
        .submit(
            edit,
            edit,
            &[("name", "Acme Motors"), ("country_code", "us")],
        )
        .await;

    assert_eq!(saved.location(), "/organization");
    let page = viewer.get("/organization").await.expect(200);
    assert!(page.has("Acme Motors") && page.has("<dd>US</dd>"));
}

#[tokio::test]
async fn of_two_edits_the_second_is_told() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let admin = world.member(&acme, MemberRole::Admin).await;
    let edit = "/organization/edit";
    let (first, second) = (admin.get(edit).await, admin.get(edit).await);

    admin
        .send_form(&first, edit, &[("name", "First")])
        .await
        .location();
    let told = admin
        .send_form(&second, edit, &[("name", "Second")])
        .await
        .expect(412);

    assert!(
        told.has("Somebody changed this in the meantime") && told.has("<strong>First</strong>")
    );
    admin.send_form(&told, edit, &[]).await.location();
    assert!(admin.get("/organization").await.has("Second"));
}

#[tokio::test]
async fn another_organization_is_chosen() {
    let world = World::new().await;
    let (acme, other) = (
        world.organization("Acme").await,
        world.organization("Other").await,
    );
    let both = vec![
        (acme, MemberRole::Viewer),
        (other.clone(), MemberRole::Owner),
    ];
    let person = world.signed_in(both).await;
    let stranger = world.signed_in(Vec::new()).await;

    let page = person.get("/organizations").await.expect(200);
    assert!(page.has("Everything, and decides who else is an owner."));
    person
        .send_form(&page, "/switch", &[("organization", other.as_str())])
        .await
        .location();

    assert!(
        person
            .get("/organization")
            .await
            .expect(200)
            .has(other.as_str())
    );
    assert!(
        stranger
            .get("/organizations")
            .await
            .expect(200)
            .has("You belong to no organization yet")
    );
    stranger.get("/organization").await.expect(403);
}
