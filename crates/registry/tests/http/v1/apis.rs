//! `/v1/apis`: APIs and whom they are shared with.

use portcullis_core::secret::has_valid_checksum;
use serde_json::json;

use crate::world::{World, text};

#[tokio::test]
async fn an_api_is_registered_and_its_secret_shown_once() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;

    let made = world.api(&provider, "v1-orders").await;

    assert_eq!(text(&made, "id"), "v1-orders");
    assert_eq!(text(&made, "client_id").len(), 32);
    assert!(has_valid_checksum(text(&made, "client_secret")));
    let read = world.get(&provider, "/v1/apis/v1-orders").await;
    assert_eq!(read.expect(200)["client_id"], made["client_id"]);
    assert!(!read.text.contains("client_secret"));
}

#[tokio::test]
async fn an_id_is_made_of_the_name_and_stays_taken() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let body = json!({"organization_id": provider.organization(), "name": "My Orders API"});

    let made = world.post(&provider, "/v1/apis", body).await.expect(201);

    let id = text(&made, "id");
    assert!(
        id.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
        "{id}"
    );
    assert_eq!(made["visibility"], "private");
    world
        .delete(&provider, &format!("/v1/apis/{id}"))
        .await
        .expect(200);
    let body = json!({"organization_id": provider.organization(), "id": id, "name": "Another"});
    assert_eq!(
        world.post(&provider, "/v1/apis", body).await.code(),
        "api_exists"
    );
}

#[tokio::test]
async fn an_id_that_is_no_slug_is_refused() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;

    for id in ["", "V1", "..", "a/b", "a b", "é", &"x".repeat(101)] {
        let body = json!({"organization_id": provider.organization(), "id": id, "name": "N"});
        let answer = world.post(&provider, "/v1/apis", body).await;
        assert_eq!(answer.fields(), ["id"], "{id}");
    }
}

#[tokio::test]
async fn a_public_api_is_seen_by_everybody_but_not_its_client() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let stranger = world.owner_of("stranger").await;
    world.api(&provider, "v1-orders").await;

    let seen = world.get(&stranger, "/v1/apis/v1-orders").await;
    let list = world.get(&stranger, "/v1/apis").await.expect(200);

    let api = seen.expect(200);
    assert_eq!(api["name"], "API v1-orders");
    assert!(api.get("client_id").is_none() && api.get("shared_with").is_none());
    assert_eq!(list["items"][0], api);
    let secrets = world.get(&stranger, "/v1/apis/v1-orders/secrets").await;
    assert_eq!(secrets.code(), "not_found");
    let instances = world.get(&stranger, "/v1/apis/v1-orders/instances").await;
    assert_eq!(instances.expect(200)["items"], json!([]));
    let changed = world
        .patch(&stranger, "/v1/apis/v1-orders", json!({"name": "Mine"}))
        .await;
    assert_eq!(changed.code(), "not_found");
    assert_eq!(
        world.delete(&stranger, "/v1/apis/v1-orders").await.code(),
        "not_found"
    );
}

#[tokio::test]
async fn a_private_api_is_seen_by_those_it_is_shared_with() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let partner = world.owner_of("partner").await;
    let stranger = world.owner_of("stranger").await;
    let body = json!({"organization_id": provider.organization(), "id": "v1-secret", "name": "S"});
    world.post(&provider, "/v1/apis", body).await.expect(201);
    assert_eq!(
        world.get(&partner, "/v1/apis/v1-secret").await.code(),
        "not_found"
    );

    let share = json!({"organization_id": partner.organization()});
    let shared = world
        .post(&provider, "/v1/apis/v1-secret/shares", share)
        .await
        .expect(200);

    assert_eq!(shared["shared_with"], json!([partner.organization()]));
    let seen = world.get(&partner, "/v1/apis/v1-secret").await.expect(200);
    assert!(seen.get("shared_with").is_none());
    assert_eq!(
        world.get(&stranger, "/v1/apis/v1-secret").await.code(),
        "not_found"
    );

    let path = format!("/v1/apis/v1-secret/shares/{}", partner.organization());
    world.delete(&provider, &path).await.expect(200);
    assert_eq!(
        world.get(&partner, "/v1/apis/v1-secret").await.code(),
        "not_found"
    );
}

#[tokio::test]
async fn an_api_made_private_says_so_in_the_snapshot() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let developer = world.owner_of("developer").await;
    world.api(&provider, "v1-orders").await;
    let visible = || {
        let snapshot = world.state.snapshot.load();
        let api = snapshot
            .api(portcullis_core::ids::IdKey::of("v1-orders"))
            .unwrap()
            .clone();
        api.is_visible_to(developer.organization.as_ref().unwrap().key())
    };
    assert!(visible());

    let body = json!({"visibility": "private"});
    let changed = world
        .patch(&provider, "/v1/apis/v1-orders", body)
        .await
        .expect(200);

    assert_eq!(changed["effect"]["confirmed"], 1);
    assert!(!visible());
}

#[tokio::test]
async fn secrets_of_an_api_are_managed_like_those_of_an_app() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let api = world.api(&provider, "v1-orders").await;
    let path = "/v1/apis/v1-orders/secrets";

    world.act(&provider, path).await.expect(201);
    assert_eq!(world.act(&provider, path).await.code(), "too_many_secrets");
    let first = text(&api["secret"], "id");
    world
        .act(&provider, &format!("{path}/{first}/expire"))
        .await
        .expect(200);
    world
        .act(&provider, "/v1/apis/v1-orders/revoke_tokens")
        .await
        .expect(200);

    let secrets = world.get(&provider, path).await.expect(200);
    assert_eq!(secrets["items"].as_array().unwrap().len(), 2);
}
