//! Things of another organization are not found, and that answer is the one for things that do not exist.

use serde_json::{Value, json};

use crate::world::{Answer, Person, World, text};

const UNKNOWN: &str = "6f1e8a2c-7c55-4f0b-9b39-0c4d7d2f6a11";

/// What an answer says, but for what names the request.
fn said(answer: &Answer) -> Value {
    let mut problem = answer.json();
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}

struct Scene {
    world: World,
    stranger: Person,
    /// Method, path of a thing of the owner, body; the identifier in the path is named last.
    requests: Vec<(&'static str, String, Option<Value>, String)>,
}

async fn scene() -> Scene {
    let world = World::new().await;
    let owner = world.owner_of("owner").await;
    let buyer = world.owner_of("buyer").await;
    let stranger = world.owner_of("stranger").await;
    let private = json!({"organization_id": owner.organization(), "id": "v1-own", "name": "Own"});
    let api = world.post(&owner, "/v1/apis", private).await.expect(201);
    let body = json!({
        "environment": "test", "base_path": "/own/v1", "version": "1", "target_url": "https://8.8.8.8",
    });
    let instance = world
        .post(&owner, "/v1/apis/v1-own/instances", body)
        .await
        .expect(201);
    let app = world.app(&owner, &["v1-own"]).await;
    let subscription = world.subscription(&buyer, &app).await;
    let name = || Some(json!({"name": "Mine"}));
    let mut requests = Vec::new();
    let mut add = |method, path: &str, body: Option<Value>, id: &str| {
        requests.push((method, path.replace("{}", id), body, id.to_owned()));
    };

    let id = owner.organization();
    add("GET", "/v1/organizations/{}", None, id);
    add("PATCH", "/v1/organizations/{}", name(), id);
    add("POST", "/v1/organizations/{}/suspend", None, id);
    add("POST", "/v1/organizations/{}/resume", None, id);
    add(
        "POST",
        "/v1/organizations/{}/namespaces",
        Some(json!({"namespace": "mine"})),
        id,
    );
    for list in ["apps", "apis", "subscriptions", "audit"] {
        add("GET", &format!("/v1/{list}?organization_id={{}}"), None, id);
    }
    let id = text(&app, "id");
    add("GET", "/v1/apps/{}", None, id);
    add("PATCH", "/v1/apps/{}", name(), id);
    add("DELETE", "/v1/apps/{}", None, id);
    add("POST", "/v1/apps/{}/enable", None, id);
    add("POST", "/v1/apps/{}/disable", None, id);
    add("GET", "/v1/apps/{}/secrets", None, id);
    add("POST", "/v1/apps/{}/secrets", None, id);
    add("POST", "/v1/apps/{}/revoke_tokens", None, id);
    let secret = format!(
        "/v1/apps/{{}}/secrets/{}/expire",
        text(&app["secret"], "id")
    );
    add("POST", &secret, None, id);
    let id = text(&api, "id");
    add("GET", "/v1/apis/{}", None, id);
    add("PATCH", "/v1/apis/{}", name(), id);
    add("DELETE", "/v1/apis/{}", None, id);
    add("GET", "/v1/apis/{}/secrets", None, id);
    add("POST", "/v1/apis/{}/secrets", None, id);
    add("POST", "/v1/apis/{}/revoke_tokens", None, id);
    add(
        "POST",
        "/v1/apis/{}/shares",
        Some(json!({"organization_id": stranger.organization()})),
        id,
    );
    add(
        "DELETE",
        &format!("/v1/apis/{{}}/shares/{}", buyer.organization()),
        None,
        id,
    );
    let secret = format!(
        "/v1/apis/{{}}/secrets/{}/expire",
        text(&api["secret"], "id")
    );
    add("POST", &secret, None, id);
    add("GET", "/v1/apis/{}/instances", None, id);
    let id = text(&instance, "id");
    add("GET", "/v1/apis/v1-own/instances/{}", None, id);
    add("GET", "/v1/apis/v1-own/instances/{}/spec", None, id);
    add(
        "PATCH",
        "/v1/apis/v1-own/instances/{}",
        Some(json!({"streaming": true})),
        id,
    );
    add("DELETE", "/v1/apis/v1-own/instances/{}", None, id);
    let id = text(&subscription, "id");
    add("GET", "/v1/subscriptions/{}", None, id);
    for act in ["end", "suspend", "resume"] {
        add("POST", &format!("/v1/subscriptions/{{}}/{act}"), None, id);
    }
    Scene {
        world,
        stranger,
        requests,
    }
}

#[tokio::test]
async fn a_stranger_finds_nothing_and_cannot_tell_it_from_what_is_not_there() {
    let scene = scene().await;

    for (method, path, body, id) in &scene.requests {
        let ask = async |path: &str| {
            scene
                .world
                .ask_with(&scene.stranger, (method, path), body.clone(), &[])
                .await
        };
        let foreign = ask(path).await;
        let unknown = ask(&path.replace(id, UNKNOWN)).await;

        assert_eq!(foreign.code(), "not_found", "{method} {path}");
        assert_eq!(said(&foreign), said(&unknown), "{method} {path}");
    }
}

#[tokio::test]
async fn a_stranger_makes_nothing_for_others() {
    let scene = scene().await;
    let owner = &scene.requests[0].3;

    for (path, body) in [
        (
            "/v1/apps",
            json!({"organization_id": owner, "name": "Mine"}),
        ),
        (
            "/v1/apis",
            json!({"organization_id": owner, "name": "Mine"}),
        ),
        (
            "/v1/apps",
            json!({"organization_id": scene.stranger.organization(), "name": "Mine", "apis": ["v1-own"]}),
        ),
        (
            "/v1/apis/v1-own/instances",
            json!({"environment": "dev", "target_url": "https://8.8.8.8"}),
        ),
    ] {
        let answer = scene.world.post(&scene.stranger, path, body).await;
        assert_eq!(answer.code(), "not_found", "{path}");
    }
}

#[tokio::test]
async fn a_secret_is_reached_through_its_own_client_alone() {
    let world = World::new().await;
    let owner = world.owner_of("owner").await;
    let stranger = world.owner_of("stranger").await;
    let victim = world.app(&owner, &[]).await;
    let own = world.app(&stranger, &[]).await;

    let path = format!(
        "/v1/apps/{}/secrets/{}/expire",
        text(&own, "id"),
        text(&victim["secret"], "id")
    );

    assert_eq!(world.act(&stranger, &path).await.code(), "not_found");
    let secrets = format!("/v1/apps/{}/secrets", text(&victim, "id"));
    let secrets = world.get(&owner, &secrets).await.expect(200);
    assert!(secrets["items"][0]["expires_at"].is_null());
}
