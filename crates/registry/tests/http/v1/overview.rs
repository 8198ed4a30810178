//! `/v1/overview`: what there is, for operators alone.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn operators_see_how_much_there_is_of_everything() {
    let world = World::new().await;
    let before = world.get(&world.operator, "/v1/overview").await.expect(200);
    let new = json!({ "name": "One more" });
    world
        .post(&world.operator, "/v1/organizations", new)
        .await
        .expect(201);

    let after = world.get(&world.operator, "/v1/overview").await.expect(200);

    let count = |of: &serde_json::Value, name: &str| of[name].as_u64().unwrap();
    assert_eq!(
        count(&after, "organizations"),
        count(&before, "organizations") + 1
    );
    assert_eq!(after["users"], before["users"]);
    assert_eq!(after["given_up_jobs"], 0);
}
