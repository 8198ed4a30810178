//! `/v1/organizations`.

use portcullis_core::organization::MemberRole;
use serde_json::json;

use crate::world::{World, text};

#[tokio::test]
async fn an_operator_makes_an_organization() {
    let world = World::new().await;
    let body = json!({
        "name": "  Super Car Dealership ",
        "address": "1234 Some St. Columbus, OH 43235",
        "country_code": "US",
        "phone_number": "(614) 555-5555",
        "website": "https://example.com",
        "contact_email": "Sales@Example.com",
        "namespaces": ["cars"],
    });

    let answer = world.post(&world.operator, "/v1/organizations", body).await;

    let made = answer.expect(201);
    assert_eq!(
        answer.header("location"),
        format!("/v1/organizations/{}", text(&made, "id"))
    );
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(text(&made, "name"), "Super Car Dealership");
    assert_eq!(text(&made, "contact_email"), "sales@example.com");
    assert_eq!(text(&made, "created_at"), "2026-01-01T00:00:00Z");
    let read = world.get(&world.operator, answer.header("location")).await;
    assert_eq!(read.header("etag"), "\"1\"");
    assert_eq!(read.expect(200)["namespaces"], json!(["cars"]));
}

#[tokio::test]
async fn everything_wrong_with_an_organization_is_said_at_once() {
    let world = World::new().await;
    let body = json!({
        "name": " ",
        "country_code": "usa",
        "website": "javascript:alert(1)",
        "contact_email": "a@b\r\nBcc: c@example.com",
        "namespaces": ["cars", "v1", "cars-dev", "Cars"],
        "state": "active",
        "owner_id": "me",
        "phone_number": 5,
    });

    let answer = world.post(&world.operator, "/v1/organizations", body).await;

    assert_eq!(answer.status, 422);
    let mut fields = answer.fields();
    fields.sort();
    assert_eq!(
        fields,
        [
            "contact_email",
            "country_code",
            "name",
            "namespaces[1]",
            "namespaces[2]",
            "namespaces[3]",
            "owner_id",
            "phone_number",
            "state",
            "website",
        ]
    );
}

#[tokio::test]
async fn a_namespace_belongs_to_one_organization() {
    let world = World::new().await;
    let first = world.owner_of("cars").await;
    let second = world.owner_of("boats").await;
    let path = |organization: &str| format!("/v1/organizations/{organization}/namespaces");

    let own = world
        .post(
            &world.operator,
            &path(first.organization()),
            json!({"namespace": "trucks"}),
        )
        .await;
    let taken = world
        .post(
            &world.operator,
            &path(second.organization()),
            json!({"namespace": "cars"}),
        )
        .await;

    assert_eq!(own.expect(200)["namespaces"], json!(["cars", "trucks"]));
    assert_eq!(
        (taken.status.as_u16(), taken.code().as_str()),
        (409, "namespace_taken")
    );
}

#[tokio::test]
async fn a_member_sees_own_organizations_and_an_operator_every_one() {
    let world = World::new().await;
    let owner = world.owner_of("cars").await;
    world.clock.advance(std::time::Duration::from_secs(1));
    world.owner_of("boats").await;

    let own = world.get(&owner, "/v1/organizations").await.expect(200);
    let all = world
        .get(&world.operator, "/v1/organizations?limit=1")
        .await
        .expect(200);

    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    assert_eq!(text(&own["items"][0], "id"), owner.organization());
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    let next = format!("/v1/organizations?limit=1&after={}", text(&all, "next"));
    let rest = world.get(&world.operator, &next).await.expect(200);
    assert_eq!(text(&rest["items"][0], "name"), "boats");
    assert!(rest["next"].is_null());
}

#[tokio::test]
async fn of_two_edits_of_one_version_the_second_is_refused() {
    let world = World::new().await;
    let owner = world.owner_of("cars").await;
    let path = format!("/v1/organizations/{}", owner.organization());
    let tag = world.get(&owner, &path).await.header("etag").to_owned();
    let edit = |name: &'static str| {
        let (world, owner, path, tag) = (&world, &owner, &path, &tag);
        async move {
            let body = Some(json!({"name": name}));
            world
                .ask_with(owner, ("PATCH", path), body, &[("if-match", tag)])
                .await
        }
    };

    let (first, second) = (edit("First").await, edit("Second").await);

    assert_eq!(first.expect(200)["name"], "First");
    assert_eq!(first.header("etag"), "\"2\"");
    assert_eq!(
        (second.status.as_u16(), second.code().as_str()),
        (412, "stale_version")
    );
    for foreign in ["W/\"2\"", "2", "\"x\""] {
        let body = Some(json!({"name": "Third"}));
        let fields = [("if-match", foreign)];
        let answer = world
            .ask_with(&owner, ("PATCH", &path), body, &fields)
            .await;
        assert_eq!(answer.status, 412, "{foreign}");
    }
    let body = Some(json!({"name": "Third"}));
    let any = world
        .ask_with(&owner, ("PATCH", &path), body, &[("if-match", "*")])
        .await;
    assert_eq!(any.expect(200)["name"], "Third");
}

#[tokio::test]
async fn a_suspended_organization_can_be_resumed() {
    let world = World::new().await;
    let owner = world.owner_of("cars").await;
    let path = format!("/v1/organizations/{}", owner.organization());

    let suspended = world
        .act(&world.operator, &format!("{path}/suspend"))
        .await
        .expect(200);
    let again = world
        .act(&world.operator, &format!("{path}/suspend"))
        .await
        .expect(200);
    let resumed = world
        .act(&world.operator, &format!("{path}/resume"))
        .await
        .expect(200);

    assert_eq!(suspended["state"], "suspended");
    assert_eq!(suspended["effect"]["confirmed"], 1);
    assert_eq!(suspended["effect"]["lagging"], json!([]));
    // A repeated act waits for the same change as the first.
    assert_eq!(again["effect"]["seq"], suspended["effect"]["seq"]);
    assert_eq!(resumed["state"], "active");
}

#[tokio::test]
async fn an_admin_changes_the_organization_and_a_developer_does_not() {
    let world = World::new().await;
    let owner = world.owner_of("cars").await;
    let organization = owner.organization.clone().unwrap();
    let admin = world.member(&organization, MemberRole::Admin).await;
    let developer = world.member(&organization, MemberRole::AppDeveloper).await;
    let path = format!("/v1/organizations/{organization}");

    let by_admin = world.patch(&admin, &path, json!({"name": "Cars"})).await;
    let by_developer = world
        .patch(&developer, &path, json!({"name": "Mine"}))
        .await;

    assert_eq!(by_admin.expect(200)["name"], "Cars");
    assert_eq!(by_developer.code(), "forbidden");
}
