//! The subscriptions API: `/v1/solution/subscriptions` and `/subscriptions/{id}/context`, called by apps and APIs.

use std::{path::Path, time::Duration};

use axum::{body::Body, http::Request};
use http::header;
use portcullis_core::clock::Clock;
use serde_json::{Value, json};

use crate::world::{Answer, Person, World, text};

const LIST: &str = "/v1/solution/subscriptions";

struct Scene {
    world: World,
    provider: Person,
    developer: Person,
    buyer: Person,
    api: Value,
    app: Value,
    subscription: Value,
    token: String,
}

async fn scene() -> Scene {
    let world = World::with_keys().await;
    let provider = world.owner_of("provider").await;
    let developer = world.owner_of("developer").await;
    let buyer = world.owner_of("buyer").await;
    let api = world.api(&provider, "v1-orders").await;
    let app = world.app(&developer, &["v1-orders"]).await;
    let subscription = world.subscription(&buyer, &app).await;
    let token = world.token(text(&app, "api_key"));
    Scene {
        world,
        provider,
        developer,
        buyer,
        api,
        app,
        subscription,
        token,
    }
}

impl Scene {
    async fn get(&self, path: &str) -> Answer {
        self.world.get_with_token(&self.token, path).await
    }

    fn context_path(&self) -> String {
        format!("/subscriptions/{}/context", text(&self.subscription, "id"))
    }

    /// The listed subscriptions of customers: the app's own test subscription left out.
    async fn listed(&self, query: &str) -> Vec<Value> {
        let list = self.get(&format!("{LIST}{query}")).await.expect(200);
        let items = list["subscriptions"].as_array().unwrap().clone();
        let is_real = |item: &Value| item["environment"] == "Production";
        items.into_iter().filter(is_real).collect()
    }
}

/// Every error is JSON with a number and a text, whatever clients make of it.
fn refused(answer: &Answer, status: u16) {
    let body = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(body["code"], status);
    assert!(!body["message"].as_str().unwrap().is_empty());
    assert_eq!(body.as_object().unwrap().len(), 2);
    assert_eq!(!answer.header("www-authenticate").is_empty(), status == 401);
}

#[tokio::test]
async fn an_app_lists_its_subscriptions() {
    let scene = scene().await;

    let answer = scene.get(LIST).await;

    let list = answer.expect(200);
    let items = list["subscriptions"].as_array().unwrap();
    let real = items
        .iter()
        .find(|item| item["environment"] == "Production")
        .unwrap();
    assert_eq!(
        real,
        &json!({
            "subscriptionId": scene.subscription["id"],
            "orgId": scene.buyer.organization(),
            "orgName": "buyer",
            "status": "active",
            "activationDate": "2026-01-01",
            "deactivationDate": "",
            "environment": "Production",
        })
    );
    let test = items
        .iter()
        .find(|item| item["environment"] == "Test")
        .unwrap();
    assert_eq!(test["subscriptionId"], scene.app["test_subscription_id"]);
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_members_stand_in_the_order_of_the_contract() {
    let scene = scene().await;

    let list = scene
        .get(&format!("{LIST}?orgId={}", scene.buyer.organization()))
        .await;
    let context = scene.get(&scene.context_path()).await;

    let line = format!(
        "{{\"subscriptions\":[{{\"subscriptionId\":\"{}\",\"orgId\":\"{}\",\"orgName\":\"buyer\",\
         \"status\":\"active\",\"activationDate\":\"2026-01-01\",\"deactivationDate\":\"\",\
         \"environment\":\"Production\"}}]}}",
        text(&scene.subscription, "id"),
        scene.buyer.organization(),
    );
    assert_eq!(list.text, line);
    let blocks = ["organizationInfo", "appInfo", "entityInfo", "solutionInfo"];
    let at = blocks.map(|block| context.text.find(&format!("\"{block}\"")).unwrap());
    assert!(at.is_sorted(), "{}", context.text);
}

#[tokio::test]
async fn both_names_of_the_filter_must_match() {
    let scene = scene().await;
    let (own, other) = (scene.buyer.organization(), scene.developer.organization());

    for (query, count) in [
        (String::new(), 1),
        (format!("?orgId={own}"), 1),
        (format!("?entityId={own}"), 1),
        (format!("?entityId={own}&orgId={own}"), 1),
        (format!("?entityId={own}&orgId={other}"), 0),
        (format!("?orgId={own}&orgId={other}"), 0),
        (format!("?orgId={other}"), 0),
        ("?orgId=unknown".to_owned(), 0),
        ("?orgId=a%20b".to_owned(), 0),
        ("?orgId=".to_owned(), 1),
        ("?else=1".to_owned(), 1),
    ] {
        assert_eq!(scene.listed(&query).await.len(), count, "{query}");
    }
}

#[tokio::test]
async fn an_ended_subscription_is_inactive_with_its_date() {
    let scene = scene().await;
    scene.world.clock.advance(Duration::from_hours(24));
    let token = scene.world.token(text(&scene.app, "api_key"));
    let path = format!("/v1/subscriptions/{}/end", text(&scene.subscription, "id"));
    scene.world.act(&scene.buyer, &path).await.expect(200);
    scene.world.subscription(&scene.buyer, &scene.app).await;

    let query = format!("{LIST}?entityId={}", scene.buyer.organization());
    let list = scene.world.get_with_token(&token, &query).await.expect(200);

    let items = list["subscriptions"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["subscriptionId"], scene.subscription["id"]);
    assert_eq!(
        (&items[0]["status"], &items[0]["activationDate"]),
        (&json!("inactive"), &json!("2026-01-01"))
    );
    assert_eq!(items[0]["deactivationDate"], "2026-01-02");
    assert_eq!(
        (&items[1]["status"], &items[1]["deactivationDate"]),
        (&json!("active"), &json!(""))
    );
}

#[tokio::test]
async fn a_subscription_past_its_date_is_inactive_before_any_job_ran() {
    let scene = scene().await;
    let buyer = scene.world.owner_of("second").await;
    let path = format!("/v1/apps/{}/subscriptions", text(&scene.app, "id"));
    let body = json!({"organization_id": buyer.organization(), "ends_at": "2026-01-01T00:30:00Z"});
    scene.world.post(&buyer, &path, body).await.expect(201);

    scene.world.clock.advance(Duration::from_mins(30));

    let listed = scene
        .listed(&format!("?orgId={}", buyer.organization()))
        .await;
    assert_eq!(listed[0]["status"], "inactive");
}

#[tokio::test]
async fn both_parties_read_the_context() {
    let scene = scene().await;
    let api_token = scene.world.token(text(&scene.api, "client_id"));

    let for_app = scene.get(&scene.context_path()).await.expect(200);
    let as_provider = scene
        .world
        .get_with_token(&api_token, &scene.context_path())
        .await
        .expect(200);

    let organization = json!({
        "id": scene.buyer.organization(),
        "name": "buyer",
        "address": "1234 Some St.",
        "countryCode": "US",
        "phoneNumber": "(614) 555-5555",
    });
    let app = json!({
        "id": scene.app["id"],
        "name": "orders-beta",
        "developer": "developer",
        "contactEmail": "developer@example.com",
    });
    let expected = json!({
        "organizationInfo": organization,
        "appInfo": app,
        "entityInfo": organization,
        "solutionInfo": app,
    });
    assert_eq!(for_app, expected);
    assert_eq!(as_provider, expected);
}

#[tokio::test]
async fn strangers_are_told_apart_from_unknown_subscriptions() {
    let scene = scene().await;
    let stranger = scene.world.owner_of("stranger").await;
    let second_api = scene.world.api(&scene.provider, "v1-other").await;
    let foreign_app = scene.world.app(&stranger, &[]).await;
    let unknown = "/subscriptions/6f1e8a2c-7c55-4f0b-9b39-0c4d7d2f6a11/context";

    for client in [
        text(&second_api, "client_id"),
        text(&foreign_app, "api_key"),
    ] {
        let token = scene.world.token(client);
        refused(
            &scene
                .world
                .get_with_token(&token, &scene.context_path())
                .await,
            403,
        );
        refused(&scene.world.get_with_token(&token, unknown).await, 404);
    }
    for path in [
        unknown,
        "/subscriptions/test/context",
        "/subscriptions/a%20b/context",
        "/subscriptions/%ff/context",
    ] {
        refused(&scene.get(path).await, 404);
    }
}

#[tokio::test]
async fn the_list_is_for_apps() {
    let scene = scene().await;
    let api_token = scene.world.token(text(&scene.api, "client_id"));

    refused(&scene.world.get_with_token(&api_token, LIST).await, 403);
}

#[tokio::test]
async fn a_token_that_a_provider_received_opens_nothing() {
    let scene = scene().await;

    for client in [text(&scene.api, "client_id"), text(&scene.app, "api_key")] {
        let token = scene.world.outbound_token(client);
        refused(&scene.world.get_with_token(&token, LIST).await, 401);
        refused(
            &scene
                .world
                .get_with_token(&token, &scene.context_path())
                .await,
            401,
        );
    }
}

#[tokio::test]
async fn everything_but_a_live_access_token_is_refused() {
    let scene = scene().await;
    let management = scene.world.operator.token.clone();
    let secret = text(&scene.app, "api_secret").to_owned();
    let mut altered = scene.token.clone();
    altered.replace_range(scene.token.len() - 8.., "AAAAAAAA");

    for path in [LIST.to_owned(), scene.context_path()] {
        for token in [
            management.clone(),
            secret.clone(),
            altered.clone(),
            "x".to_owned(),
        ] {
            refused(&scene.world.get_with_token(&token, &path).await, 401);
        }
        let in_query = format!("{path}?access_token={}", scene.token);
        for request in [
            Request::builder().uri(&path),
            Request::builder().uri(in_query),
            Request::builder()
                .uri(&path)
                .header(header::AUTHORIZATION, "Basic YTpi"),
        ] {
            refused(
                &scene.world.send(request.body(Body::empty()).unwrap()).await,
                401,
            );
        }
        let twice = Request::builder()
            .uri(&path)
            .header(header::AUTHORIZATION, format!("Bearer {}", scene.token))
            .header(header::AUTHORIZATION, format!("Bearer {}", scene.token));
        refused(
            &scene.world.send(twice.body(Body::empty()).unwrap()).await,
            400,
        );
    }
    scene.world.clock.advance(Duration::from_hours(1));
    refused(&scene.get(LIST).await, 401);
}

#[tokio::test]
async fn a_stopped_client_is_refused() {
    let scene = scene().await;
    let app = format!("/v1/apps/{}", text(&scene.app, "id"));

    scene
        .world
        .act(&scene.developer, &format!("{app}/disable"))
        .await
        .expect(200);
    let disabled = scene.get(LIST).await.status.as_u16();
    scene
        .world
        .act(&scene.developer, &format!("{app}/enable"))
        .await
        .expect(200);
    assert_eq!(scene.get(LIST).await.status, 200);
    let organization = format!("/v1/organizations/{}", scene.developer.organization());
    scene
        .world
        .act(&scene.world.operator, &format!("{organization}/suspend"))
        .await
        .expect(200);
    let suspended = scene.get(LIST).await;
    scene
        .world
        .act(&scene.world.operator, &format!("{organization}/resume"))
        .await
        .expect(200);
    scene
        .world
        .act(&scene.developer, &format!("{app}/revoke_tokens"))
        .await
        .expect(200);
    let revoked = scene.get(LIST).await;

    assert!(matches!(disabled, 401 | 403), "{disabled}");
    refused(&suspended, 403);
    refused(&revoked, 401);
}

#[tokio::test]
async fn a_node_that_knows_too_little_answers_503() {
    let scene = scene().await;
    let hours = Duration::from_hours(25);
    let now = scene.world.clock.now();
    scene.world.state.store.close().await;
    scene.world.clock.advance(hours);
    scene.world.clock.set_wall(now);

    let answer = scene.get(LIST).await;

    if answer.status != 200 {
        refused(&answer, 503);
        assert_eq!(answer.header("retry-after"), "1");
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_errors_of_the_same_form() {
    let scene = scene().await;

    for path in [
        "/v1/solution/nothing",
        "/subscriptions/x/y",
        "/subscriptions/x/y/z",
    ] {
        refused(&scene.get(path).await, 404);
    }
    for path in [LIST.to_owned(), scene.context_path()] {
        let request = Request::builder().method("POST").uri(path);
        let answer = scene.world.send(request.body(Body::empty()).unwrap()).await;
        refused(&answer, 405);
        assert!(answer.header("allow").contains("GET"));
    }
}

#[tokio::test]
async fn answers_have_the_members_of_the_fixtures() {
    let scene = scene().await;
    let fixture = |name: &str| -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire");
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let shape = |value: &Value| -> Vec<String> {
        let members = value.as_object().unwrap();
        members
            .iter()
            .map(|(name, value)| format!("{name}: {}", kind(value)))
            .collect()
    };

    let list = scene.get(LIST).await.expect(200);
    let context = scene.get(&scene.context_path()).await.expect(200);
    let error = scene.world.get_with_token("x", LIST).await.expect(401);

    let wanted = fixture("subscriptions-list.json");
    assert_eq!(shape(&list), shape(&wanted));
    assert_eq!(
        shape(&list["subscriptions"][0]),
        shape(&wanted["subscriptions"][0])
    );
    let wanted = fixture("subscriptions-context.json");
    assert_eq!(shape(&context), shape(&wanted));
    for block in ["organizationInfo", "appInfo", "entityInfo", "solutionInfo"] {
        assert_eq!(shape(&context[block]), shape(&wanted[block]), "{block}");
    }
    assert_eq!(shape(&error), shape(&fixture("subscriptions-error.json")));
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Number(_) => "number",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    }
}
