//! Home, for people of every kind; and the proof before something sensitive.

use portcullis_core::organization::MemberRole;
use portcullis_registry::in_process::ManagementClient;
use serde_json::{Value, json};

use crate::support::{PASSWORD, World};

async fn register_app(world: &World, organization: &str, name: &str) {
    let client = ManagementClient::new(world.state.clone());
    let api = client.as_actor(portcullis_core::permissions::Actor::System, None);
    let input = json!({ "organization_id": organization, "name": name });
    api.post::<Value>("/v1/apps", &input).await.unwrap();
}

#[tokio::test]
async fn home_shows_how_far_an_organization_has_come() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let other = world.organization("Strange").await;
    register_app(&world, other.as_str(), "Hidden").await;
    let owner = world.member(&acme, MemberRole::Owner).await;

    let before = owner.get("/").await.expect(200);
    register_app(&world, acme.as_str(), "Fleet").await;
    let after = owner.get("/").await.expect(200);

    assert_eq!(before.html.matches("class=\"done\"").count(), 0);
    assert_eq!(after.html.matches("class=\"done\"").count(), 2);
    assert!(after.has("app.create") && after.has("organization.create"));
    assert_eq!(after.html.matches("<code>app.create</code>").count(), 1);
}

#[tokio::test]
async fn a_secret_of_more_than_90_days_needs_attention() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    register_app(&world, acme.as_str(), "Fleet").await;

    world
        .clock
        .advance(std::time::Duration::from_hours(24 * 89));
    let young = world
        .member(&acme, MemberRole::AppDeveloper)
        .await
        .get("/")
        .await;
    world.clock.advance(std::time::Duration::from_hours(48));
    let old = world
        .member(&acme, MemberRole::AppDeveloper)
        .await
        .get("/")
        .await;

    assert!(!young.expect(200).has("older than 90 days"));
    let old = old.expect(200);
    assert!(old.has("The API Secret of Fleet is older than 90 days."));
    assert!(
        !old.has("What happened last"),
        "developers do not read the audit log"
    );
}

#[tokio::test]
async fn whoever_belongs_nowhere_is_told_what_to_do() {
    let world = World::new().await;

    let nobody = world.signed_in(Vec::new()).await.get("/").await.expect(200);
    let operator = world.operator().await.get("/").await.expect(200);

    assert!(nobody.has("You belong to no organization yet"));
    assert!(operator.has("All organizations of this installation"));
}

#[tokio::test]
async fn a_proof_gives_the_session_a_new_secret() {
    let world = World::new().await;
    let user = world.with_password("ada@example.com", Vec::new()).await;
    let ada = world.browser_of(&user).await;
    let before = ada.cookie("portcullis").unwrap();

    let wrong = ada
        .submit("/prove?next=/docs", "/prove", &[("password", "wrong")])
        .await;
    assert_eq!(wrong.status, 422);
    let right = ada
        .send_form(&wrong, "/prove", &[("password", PASSWORD)])
        .await;

    assert_eq!(right.location(), "/docs");
    assert_ne!(ada.cookie("portcullis").unwrap(), before);
    assert!(ada.get("/").await.has("Ada Lovelace"));
    let thief = world.visitor();
    thief.set_cookie("portcullis", &before);
    assert!(!thief.get("/").await.has("Ada Lovelace"));
}
