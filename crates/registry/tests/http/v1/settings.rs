//! Settings of the whole installation.

use serde_json::json;

use crate::world::World;

const PATH: (&str, &str) = ("PATCH", "/v1/settings");

#[tokio::test]
async fn an_operator_changes_settings_and_of_two_edits_at_once_one_is_refused() {
    let world = World::new().await;
    let first = world.get(&world.operator, "/v1/settings").await;
    let patch = |members| async {
        let tag = [("if-match", first.header("etag"))];
        world
            .ask_with(&world.operator, PATH, Some(members), &tag)
            .await
    };

    let open = patch(json!({"registration": "open"})).await;
    let late = patch(json!({"installation_name": "Late"})).await;

    assert_eq!(
        first.expect(200),
        json!({
            "registration": "closed", "installation_name": "Portcullis", "support_email": "", "revision": 0,
        })
    );
    assert_eq!(open.expect(200)["registration"], "open");
    assert_eq!(open.header("etag"), "\"1\"");
    assert_eq!(late.code(), "stale_version");
    let now = world.get(&world.operator, "/v1/settings").await;
    assert_eq!(now.expect(200)["installation_name"], "Portcullis");
}

#[tokio::test]
async fn everything_wrong_with_settings_is_said_at_once() {
    let world = World::new().await;
    let wrong = json!({
        "registration": "maybe", "installation_name": " ", "support_email": "a@b\r\nBcc: eve@example.com",
        "default_token_lifetime": 3600,
    });

    let refused = world
        .ask_with(&world.operator, PATH, Some(wrong), &[])
        .await;

    assert_eq!(
        refused.fields(),
        [
            "default_token_lifetime",
            "registration",
            "installation_name",
            "support_email"
        ]
    );
}
