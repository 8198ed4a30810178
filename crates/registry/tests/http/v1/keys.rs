//! `/v1/keys`, `/v1/nodes`: what only operators see.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, text};

fn in_state(keys: &Value, purpose: &str, state: &str) -> Vec<String> {
    let keys = keys["items"].as_array().unwrap().iter();
    keys.filter(|key| key["purpose"] == purpose && key["state"] == state)
        .map(|key| text(key, "id").to_owned())
        .collect()
}

#[tokio::test]
async fn keys_rotate_from_next_to_current_to_retired() {
    let world = World::with_keys().await;
    let before = world.get(&world.operator, "/v1/keys").await;
    assert!(!before.text.contains("private"));
    let before = before.expect(200);
    let rotate = json!({"purpose": "client"});

    let early = world
        .post(&world.operator, "/v1/keys/rotate", rotate.clone())
        .await;
    assert_eq!(
        (early.status.as_u16(), early.code().as_str()),
        (409, "key_too_young")
    );
    world.clock.advance(Duration::from_hours(1));
    let now = world
        .post(&world.operator, "/v1/keys/rotate", rotate)
        .await
        .expect(200);

    let after = world.get(&world.operator, "/v1/keys").await.expect(200);
    assert_eq!(in_state(&before, "client", "next"), [text(&now, "id")]);
    assert_eq!(in_state(&after, "client", "current"), [text(&now, "id")]);
    assert_eq!(
        in_state(&after, "client", "retired"),
        in_state(&before, "client", "current")
    );
    assert_eq!(in_state(&after, "client", "next").len(), 1);
    assert_eq!(
        in_state(&after, "outbound", "current"),
        in_state(&before, "outbound", "current")
    );
    let forced = json!({"purpose": "client", "force": true});
    world
        .post(&world.operator, "/v1/keys/rotate", forced)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_key_has_one_of_two_purposes() {
    let world = World::new().await;

    for purpose in ["", "Client", "session"] {
        let body = json!({"purpose": purpose});
        let answer = world.post(&world.operator, "/v1/keys/rotate", body).await;
        assert_eq!(answer.fields(), ["purpose"], "{purpose}");
    }
}

#[tokio::test]
async fn first_keys_are_made_once() {
    let world = World::new().await;

    portcullis_registry::bootstrap::ensure_keys(&world.state.store)
        .await
        .unwrap();
    let first = world.get(&world.operator, "/v1/keys").await.expect(200);
    portcullis_registry::bootstrap::ensure_keys(&world.state.store)
        .await
        .unwrap();
    let second = world.get(&world.operator, "/v1/keys").await.expect(200);

    assert_eq!(first, second);
    assert_eq!(first["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn the_node_set_is_listed() {
    let world = World::new().await;

    let nodes = world.get(&world.operator, "/v1/nodes").await.expect(200);

    assert_eq!(nodes["items"][0]["id"], "node-1");
    assert_eq!(nodes["items"][0]["roles"], json!(["registry"]));
    let unknown = world.act(&world.operator, "/v1/nodes/node-2/forget").await;
    assert_eq!(unknown.code(), "not_found");
}
