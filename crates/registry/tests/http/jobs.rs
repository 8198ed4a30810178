//! What happens by itself.

use std::time::Duration;

use portcullis_registry::jobs;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::{World, text};

/// Asks until the answer is the one that is waited for; each question is a read of the database.
pub(crate) async fn until(mut question: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !question().await {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), asked).await;
    assert!(waited.is_ok(), "it did not happen");
}

#[tokio::test]
async fn a_retired_key_leaves_the_key_set_when_its_last_token_has_ended() {
    let world = World::with_keys().await;
    let forced = json!({"purpose": "client", "force": true});
    world
        .post(&world.operator, "/v1/keys/rotate", forced)
        .await
        .expect(200);
    let count = async || {
        let keys = world.get(&world.operator, "/v1/keys").await.expect(200);
        keys["items"].as_array().unwrap().len()
    };
    assert_eq!(count().await, 5);
    world.clock.advance(Duration::from_hours(48));

    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (store, clock) = (world.state.store.clone(), world.state.clock.clone());
    tasks.spawn(jobs::retire_finished_keys(store, clock, stop.clone()));
    until(async || count().await == 4).await;

    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_subscription_whose_date_has_passed_is_ended() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    world.api(&developer, "v1-orders").await;
    let app = world.app(&developer, &["v1-orders"]).await;
    let path = format!("/v1/apps/{}/subscriptions", text(&app, "id"));
    let body = json!({
        "organization_id": developer.organization(),
        "ends_at": "2026-01-01T00:10:00Z",
    });
    let subscription = world.post(&developer, &path, body).await.expect(201);
    let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));
    world.clock.advance(Duration::from_mins(10));

    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (store, clock) = (world.state.store.clone(), world.state.clock.clone());
    tasks.spawn(jobs::expire_subscriptions(store, clock, stop.clone()));
    until(async || world.get(&developer, &path).await.expect(200)["state"] == "expired").await;

    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_job_with_nothing_to_do_ends_when_it_is_told_to() {
    let world = World::new().await;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let state = &world.state;
    let (store, clock) = (state.store.clone(), state.clock.clone());
    tasks.spawn(jobs::retire_finished_keys(store, clock, stop.clone()));
    let (store, clock) = (state.store.clone(), state.clock.clone());
    tasks.spawn(jobs::expire_subscriptions(store, clock, stop.clone()));

    stop.cancel();

    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}
