//! `/v1/subscriptions`, and activating an app.

use std::time::Duration;

use portcullis_core::{
    authorize::{Call, Denial, authorize},
    ids::IdKey,
    organization::MemberRole,
    test_util::rules,
};
use serde_json::{Value, json};

use crate::world::{Person, World, text};

struct Scene {
    world: World,
    provider: Person,
    developer: Person,
    buyer: Person,
    stranger: Person,
    app: Value,
}

async fn scene() -> Scene {
    let world = World::with_keys().await;
    let provider = world.owner_of("provider").await;
    let developer = world.owner_of("developer").await;
    let buyer = world.owner_of("buyer").await;
    let stranger = world.owner_of("stranger").await;
    world.api(&provider, "v1-orders").await;
    let body = json!({
        "environment": "production",
        "base_path": "/orders/v1",
        "version": "1.0.0",
        "target_url": "https://8.8.8.8",
    });
    let path = "/v1/apis/v1-orders/instances";
    world.post(&provider, path, body).await.expect(201);
    let app = world.app(&developer, &["v1-orders"]).await;
    Scene {
        world,
        provider,
        developer,
        buyer,
        stranger,
        app,
    }
}

impl Scene {
    async fn activate(&self) -> Value {
        self.world.subscription(&self.buyer, &self.app).await
    }

    /// What the gateway would say to a call of the app with a token that is still valid.
    fn call(&self, subscription: &Value) -> Result<(), Denial> {
        let snapshot = self.world.state.snapshot.load();
        let now = portcullis_core::clock::Clock::now(self.world.clock.as_ref());
        let token = self.world.token(text(&self.app, "api_key"));
        let token = portcullis_core::access_token::verify(&token, snapshot.keys(), &rules(), now);
        let route = snapshot
            .routes()
            .find("/provider/orders/v1/orders")
            .unwrap();
        let call = Call {
            token: &token.unwrap(),
            subscription_id: Some(text(subscription, "id")),
            route: &route,
        };
        authorize(&snapshot, &call, now).map(|_| ())
    }
}

#[tokio::test]
async fn an_activated_app_may_call() {
    let scene = scene().await;

    let subscription = scene.activate().await;

    assert_eq!(subscription["state"], "active");
    assert_eq!(subscription["kind"], "real");
    assert_eq!(subscription["environment"], "production");
    assert_eq!(scene.call(&subscription), Ok(()));
    let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));
    for person in [&scene.buyer, &scene.developer, &scene.world.operator] {
        let read = scene.world.get(person, &path).await.expect(200);
        assert_eq!(read["connections"][0]["api_id"], "v1-orders");
        assert_eq!(read["connections"][0]["state"], "active");
    }
}

#[tokio::test]
async fn ending_a_subscription_makes_the_very_next_call_fail() {
    let scene = scene().await;
    let subscription = scene.activate().await;
    let path = format!("/v1/subscriptions/{}/end", text(&subscription, "id"));

    let ended = scene.world.act(&scene.buyer, &path).await.expect(200);

    assert_eq!(ended["state"], "deactivated");
    assert_eq!(ended["effect"]["lagging"], json!([]));
    assert_eq!(scene.call(&subscription), Err(Denial::SubscriptionEnded));
}

#[tokio::test]
async fn the_owner_of_the_app_cancels_and_a_repeat_changes_nothing() {
    let scene = scene().await;
    let subscription = scene.activate().await;
    let path = format!("/v1/subscriptions/{}/end", text(&subscription, "id"));

    let cancelled = scene.world.act(&scene.developer, &path).await.expect(200);
    let again = scene.world.act(&scene.developer, &path).await.expect(200);

    assert_eq!(cancelled["state"], "cancelled");
    for member in ["id", "state", "deactivated_at", "revision"] {
        assert_eq!(again[member], cancelled[member], "{member}");
    }
    // It waits for the first act again, which is in effect.
    assert_eq!(again["effect"]["lagging"], json!([]));
}

#[tokio::test]
async fn an_operator_cancels() {
    let scene = scene().await;
    let subscription = scene.activate().await;
    let path = format!("/v1/subscriptions/{}/end", text(&subscription, "id"));

    let cancelled = scene
        .world
        .act(&scene.world.operator, &path)
        .await
        .expect(200);

    assert_eq!(cancelled["state"], "cancelled");
}

#[tokio::test]
async fn a_role_without_the_right_ends_nothing() {
    let scene = scene().await;
    let subscription = scene.activate().await;
    let buyer = scene.buyer.organization.clone().unwrap();
    let developer = scene.developer.organization.clone().unwrap();
    let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));

    for person in [
        scene.world.member(&buyer, MemberRole::Viewer).await,
        scene.world.member(&buyer, MemberRole::AppDeveloper).await,
        scene
            .world
            .member(&developer, MemberRole::ApiDeveloper)
            .await,
    ] {
        let answer = scene.world.act(&person, &format!("{path}/end")).await;
        assert_eq!(answer.code(), "forbidden");
    }
    for act in ["suspend", "resume"] {
        let answer = scene
            .world
            .act(&scene.buyer, &format!("{path}/{act}"))
            .await;
        assert_eq!(answer.code(), "forbidden", "{act}");
    }
    for person in [&scene.stranger, &scene.provider] {
        for act in ["end", "suspend", "resume"] {
            let answer = scene.world.act(person, &format!("{path}/{act}")).await;
            assert_eq!(answer.code(), "not_found", "{act}");
        }
    }
    assert_eq!(scene.call(&subscription), Ok(()));
}

#[tokio::test]
async fn a_suspended_subscription_goes_on_after_resume() {
    let scene = scene().await;
    let subscription = scene.activate().await;
    let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));

    let suspended = scene
        .world
        .act(&scene.developer, &format!("{path}/suspend"))
        .await
        .expect(200);
    assert_eq!(suspended["state"], "suspended");
    assert_eq!(
        scene.call(&subscription),
        Err(Denial::SubscriptionSuspended)
    );

    scene
        .world
        .act(&scene.developer, &format!("{path}/resume"))
        .await
        .expect(200);
    assert_eq!(scene.call(&subscription), Ok(()));

    scene
        .world
        .act(&scene.buyer, &format!("{path}/end"))
        .await
        .expect(200);
    let late = scene
        .world
        .act(&scene.developer, &format!("{path}/resume"))
        .await;
    assert_eq!(late.code(), "subscription_ended");
}

#[tokio::test]
async fn an_app_is_activated_once_and_again_only_after_the_end() {
    let scene = scene().await;
    let first = scene.activate().await;
    let path = format!("/v1/apps/{}/subscriptions", text(&scene.app, "id"));
    let body = json!({"organization_id": scene.buyer.organization()});

    let second = scene.world.post(&scene.buyer, &path, body).await;
    assert_eq!(second.code(), "already_activated");

    let end = format!("/v1/subscriptions/{}/end", text(&first, "id"));
    scene.world.act(&scene.buyer, &end).await.expect(200);
    let third = scene.activate().await;
    assert_ne!(third["id"], first["id"]);
}

#[tokio::test]
async fn an_app_is_activated_for_own_organizations_alone() {
    let scene = scene().await;
    let path = format!("/v1/apps/{}/subscriptions", text(&scene.app, "id"));
    let body = json!({"organization_id": scene.buyer.organization()});

    let by_stranger = scene.world.post(&scene.stranger, &path, body.clone()).await;
    let by_developer = scene.world.post(&scene.developer, &path, body).await;
    let unknown = "/v1/apps/6f1e8a2c-7c55-4f0b-9b39-0c4d7d2f6a11/subscriptions";
    let own = json!({"organization_id": scene.buyer.organization()});
    let of_nothing = scene.world.post(&scene.buyer, unknown, own).await;

    for answer in [by_stranger, by_developer, of_nothing] {
        assert_eq!(answer.code(), "not_found");
    }
}

#[tokio::test]
async fn an_app_without_an_api_cannot_be_activated() {
    let scene = scene().await;
    let app = scene.world.app(&scene.developer, &[]).await;
    let path = format!("/v1/apps/{}/subscriptions", text(&app, "id"));
    let body = json!({"organization_id": scene.buyer.organization()});

    let answer = scene.world.post(&scene.buyer, &path, body).await;

    assert_eq!(answer.code(), "app_without_api");
}

#[tokio::test]
async fn a_subscription_ends_by_its_date_and_the_job_says_so() {
    let scene = scene().await;
    let path = format!("/v1/apps/{}/subscriptions", text(&scene.app, "id"));
    let past = json!({
        "organization_id": scene.buyer.organization(),
        "ends_at": "2026-01-01T00:00:00Z",
    });
    assert_eq!(
        scene.world.post(&scene.buyer, &path, past).await.fields(),
        ["ends_at"]
    );
    let body = json!({
        "organization_id": scene.buyer.organization(),
        "ends_at": "2026-01-01T00:10:00Z",
    });
    let subscription = scene
        .world
        .post(&scene.buyer, &path, body)
        .await
        .expect(201);
    assert_eq!(scene.call(&subscription), Ok(()));

    scene.world.clock.advance(Duration::from_mins(10));

    // The clock ends it, before any job ran.
    assert_eq!(scene.call(&subscription), Err(Denial::SubscriptionEnded));
    let state = &scene.world.state;
    let expire = || portcullis_registry::jobs::expire_due(&state.store, state.clock.as_ref());
    assert_eq!(expire().await.unwrap(), 1);
    assert_eq!(expire().await.unwrap(), 0);
    let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));
    let read = scene.world.get(&scene.buyer, &path).await.expect(200);
    assert_eq!(read["state"], "expired");
}

#[tokio::test]
async fn each_party_lists_its_own_subscriptions() {
    let scene = scene().await;
    let subscription = scene.activate().await;
    let list = async |person: &Person, query: &str| {
        let path = format!("/v1/subscriptions?{query}");
        let page = scene.world.get(person, &path).await.expect(200);
        page["items"].as_array().unwrap().clone()
    };
    let real = |items: &[Value]| items.iter().filter(|item| item["kind"] == "real").count();

    assert_eq!(real(&list(&scene.buyer, "").await), 1);
    assert_eq!(real(&list(&scene.developer, "").await), 1);
    assert_eq!(real(&list(&scene.provider, "").await), 0);
    assert_eq!(real(&list(&scene.stranger, "").await), 0);
    let query = format!(
        "app_id={}&state=active&buyer_id={}",
        text(&scene.app, "id"),
        scene.buyer.organization()
    );
    let found = list(&scene.world.operator, &query).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["id"], subscription["id"]);
    assert!(list(&scene.buyer, "state=expired").await.is_empty());
    let wrong = scene
        .world
        .get(&scene.buyer, "/v1/subscriptions?state=gone")
        .await;
    assert_eq!(wrong.fields(), ["state"]);
}

#[tokio::test]
async fn a_test_subscription_is_not_ended() {
    let scene = scene().await;
    let id = text(&scene.app, "test_subscription_id");

    let answer = scene
        .world
        .act(&scene.developer, &format!("/v1/subscriptions/{id}/end"))
        .await;

    assert_eq!(answer.code(), "test_subscription");
    let snapshot = scene.world.state.snapshot.load();
    assert!(snapshot.subscription(IdKey::of(id)).is_some());
}
