//! `/v1/audit`.

use serde_json::{Value, json};

use crate::world::{World, text};

#[tokio::test]
async fn every_act_leaves_an_entry_without_secrets() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let app = world.app(&developer, &[]).await;
    let path = format!("/v1/apps/{}/secrets", text(&app, "id"));
    let secret = world.act(&developer, &path).await.expect(201);

    let answer = world.get(&developer, "/v1/audit").await;

    let entries = answer.expect(200)["items"].as_array().unwrap().clone();
    let actions: Vec<&str> = entries.iter().map(|entry| text(entry, "action")).collect();
    assert!(
        actions.iter().any(|action| action.contains("secret")),
        "{actions:?}"
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry["organization_id"] == developer.organization())
    );
    for hidden in [
        text(&app, "api_secret"),
        text(&secret, "secret"),
        &developer.token,
    ] {
        assert!(!answer.text.contains(hidden));
    }
}

#[tokio::test]
async fn entries_of_others_are_not_seen() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let stranger = world.owner_of("stranger").await;
    world.app(&developer, &[]).await;

    let own = world.get(&stranger, "/v1/audit").await.expect(200);
    let path = format!("/v1/audit?organization_id={}", developer.organization());
    let others = world.get(&stranger, &path).await;
    let all = world.get(&world.operator, &path).await.expect(200);

    let of_stranger = own["items"].as_array().unwrap().iter();
    assert!(
        of_stranger
            .clone()
            .all(|entry| entry["organization_id"] == stranger.organization())
    );
    assert_eq!(others.code(), "not_found");
    assert!(!all["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_log_is_filtered_and_exported_as_lines() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let app = world.app(&developer, &[]).await;
    for _ in 0..3 {
        world.app(&developer, &[]).await;
    }

    let path = format!("/v1/audit?entity_id={}", text(&app, "id"));
    let one = world.get(&developer, &path).await.expect(200);
    let fields = [("accept", "application/x-ndjson")];
    let lines = world
        .ask_with(&developer, ("GET", "/v1/audit?limit=1"), None, &fields)
        .await;

    assert_eq!(one["items"].as_array().unwrap().len(), 1);
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let entries: Vec<Value> = lines
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(entries.len() >= 4, "{}", entries.len());
    assert!(entries.contains(&one["items"][0]));
    assert_eq!(entries[0]["detail"].is_object(), json!(true));
}
