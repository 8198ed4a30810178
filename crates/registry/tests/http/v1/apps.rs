//! `/v1/apps`, and the secrets of apps.

use futures_util::future::join_all;
use portcullis_core::{ids::IdKey, organization::MemberRole, secret::has_valid_checksum};
use serde_json::json;

use crate::world::{World, text};

#[tokio::test]
async fn an_app_is_registered_and_its_secret_shown_once() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    world.api(&developer, "v1-orders").await;
    let body = json!({
        "organization_id": developer.organization(),
        "name": "My <app>",
        "description": "Does\nthings.",
        "website": "https://example.com",
        "callback_url": "http://localhost:5000/callback",
        "apis": ["v1-orders"],
    });

    let answer = world.post(&developer, "/v1/apps", body).await;

    let made = answer.expect(201);
    let path = format!("/v1/apps/{}", text(&made, "id"));
    assert_eq!(answer.header("location"), path);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(text(&made, "api_key").len(), 32);
    let secret = text(&made, "api_secret");
    assert!(has_valid_checksum(secret));
    assert_eq!(
        text(&made["secret"], "hint"),
        format!("pcs_…{}", &secret[secret.len() - 4..])
    );
    // What was answered is in effect: the snapshot knows the client.
    let snapshot = world.state.snapshot.load();
    assert!(snapshot.client(IdKey::of(text(&made, "api_key"))).is_some());
    let read = world.get(&developer, &path).await;
    assert_eq!(read.expect(200)["name"], "My <app>");
    let secrets = world.get(&developer, &format!("{path}/secrets")).await;
    assert_eq!(secrets.expect(200)["items"][0]["id"], made["secret"]["id"]);
    for answer in [&read, &secrets] {
        assert!(!answer.text.contains(&secret[4..40]));
    }
}

#[tokio::test]
async fn everything_wrong_with_an_app_is_said_at_once() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let body = json!({
        "organization_id": developer.organization(),
        "name": "x".repeat(41),
        "description": "x".repeat(257),
        "website": "https://localhost",
        "callback_url": "http://example.com/callback",
        "apis": ["v1-orders", ""],
        "status": "published",
    });

    let answer = world.post(&developer, "/v1/apps", body).await;

    assert_eq!(
        answer.fields(),
        [
            "status",
            "name",
            "description",
            "website",
            "callback_url",
            "apis[1]"
        ]
    );
}

#[tokio::test]
async fn a_list_longer_than_anybody_needs_is_refused() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let body = json!({
        "organization_id": developer.organization(),
        "name": "App",
        "apis": vec!["v1-orders"; 501],
    });

    let answer = world.post(&developer, "/v1/apps", body).await;

    assert_eq!(answer.fields(), ["apis"]);
}

#[tokio::test]
async fn texts_at_their_limits_are_taken() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let body = json!({
        "organization_id": developer.organization(),
        "name": "ü".repeat(40),
        "description": "ü".repeat(256),
    });

    world.post(&developer, "/v1/apps", body).await.expect(201);
}

#[tokio::test]
async fn an_api_that_cannot_be_seen_cannot_be_selected() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let developer = world.owner_of("developer").await;
    let body = json!({"organization_id": provider.organization(), "id": "v1-secret", "name": "S"});
    world.post(&provider, "/v1/apis", body).await.expect(201);
    let app = |apis: &str| json!({"organization_id": developer.organization(), "name": "App", "apis": [apis]});

    let private = world.post(&developer, "/v1/apps", app("v1-secret")).await;
    let unknown = world.post(&developer, "/v1/apps", app("v1-nothing")).await;

    assert_eq!(private.code(), "invalid_request");
    assert_eq!(private.fields(), ["apis"]);
    let detail = |answer: &crate::world::Answer| text(&answer.json(), "detail").to_owned();
    assert!(detail(&private).contains("v1-secret"));
    assert_eq!(
        detail(&private),
        detail(&unknown).replace("v1-nothing", "v1-secret")
    );
}

#[tokio::test]
async fn a_repeated_request_makes_one_app_and_shows_no_secret() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let create = |name: &'static str| {
        let (world, developer) = (&world, &developer);
        async move {
            let body = json!({"organization_id": developer.organization(), "name": name});
            let key = [("idempotency-key", "same")];
            world
                .ask_with(developer, ("POST", "/v1/apps"), Some(body), &key)
                .await
        }
    };

    let (first, again, other) = (
        create("App").await,
        create("App").await,
        create("Other").await,
    );

    let (first, again) = (first.expect(201), again.expect(201));
    assert_eq!(first["id"], again["id"]);
    assert!(first["api_secret"].is_string() && again["api_secret"].is_null());
    assert_eq!(
        (other.status.as_u16(), other.code().as_str()),
        (409, "idempotency_key_reused")
    );
    let list = world.get(&developer, "/v1/apps").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn requests_that_arrive_together_make_one_app() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let create = || {
        let body = json!({"organization_id": developer.organization(), "name": "App"});
        let key = &[("idempotency-key", "same")];
        world.ask_with(&developer, ("POST", "/v1/apps"), Some(body), key)
    };

    let answers = join_all((0..8).map(|_| create())).await;

    let made: Vec<_> = answers.iter().map(|answer| answer.expect(201)).collect();
    assert!(made.iter().all(|app| app["id"] == made[0]["id"]));
    let with_secret = made.iter().filter(|app| app["api_secret"].is_string());
    assert_eq!(with_secret.count(), 1);
}

#[tokio::test]
async fn an_idempotency_key_is_visible_ascii() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let body = json!({"organization_id": developer.organization(), "name": "App"});
    let long = "x".repeat(129);

    for key in ["", " ", &long] {
        let fields = [("idempotency-key", key)];
        let answer = world.ask_with(
            &developer,
            ("POST", "/v1/apps"),
            Some(body.clone()),
            &fields,
        );
        assert_eq!(answer.await.code(), "malformed_request", "{key:?}");
    }
}

#[tokio::test]
async fn a_disabled_app_is_out_of_the_snapshot_when_the_answer_comes() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let app = world.app(&developer, &[]).await;
    let path = format!("/v1/apps/{}", text(&app, "id"));
    let is_enabled = || {
        let snapshot = world.state.snapshot.load();
        let record = snapshot.app(IdKey::of(text(&app, "id"))).cloned();
        record.is_some_and(|app| app.state == portcullis_core::app::AppState::Enabled)
    };

    let disabled = world
        .act(&developer, &format!("{path}/disable"))
        .await
        .expect(200);
    assert_eq!(disabled["state"], "disabled");
    assert!(!is_enabled());

    world
        .act(&developer, &format!("{path}/enable"))
        .await
        .expect(200);
    assert!(is_enabled());

    let deleted = world.delete(&developer, &path).await.expect(200);
    assert_eq!(deleted["state"], "deleted");
    assert!(!is_enabled());
    assert_eq!(
        world
            .act(&developer, &format!("{path}/enable"))
            .await
            .code(),
        "app_deleted"
    );
}

#[tokio::test]
async fn an_app_that_customers_use_is_not_deleted() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let buyer = world.owner_of("buyer").await;
    world.api(&developer, "v1-orders").await;
    let app = world.app(&developer, &["v1-orders"]).await;
    world.subscription(&buyer, &app).await;

    let answer = world
        .delete(&developer, &format!("/v1/apps/{}", text(&app, "id")))
        .await;

    assert_eq!(answer.code(), "app_has_subscriptions");
}

#[tokio::test]
async fn an_act_that_does_not_wait_says_how_far_it_is() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let app = world.app(&developer, &[]).await;
    let path = format!("/v1/apps/{}/disable?wait=none", text(&app, "id"));

    let answer = world.act(&developer, &path).await;

    let seq = answer.json()["effect"]["seq"].as_i64().unwrap();
    match answer.status.as_u16() {
        200 => assert_eq!(answer.json()["effect"]["lagging"], json!([])),
        202 => {
            assert_eq!(answer.header("location"), format!("/v1/changes/{seq}"));
            assert_eq!(answer.json()["effect"]["lagging"], json!(["node-1"]));
        }
        other => panic!("{other}"),
    }
    let change = world
        .get(&developer, &format!("/v1/changes/{seq}"))
        .await
        .expect(200);
    assert_eq!(change["seq"], seq);
    assert_eq!(change["nodes"], 1);
    let wrong = world.act(&developer, &path.replace("none", "some")).await;
    assert_eq!(wrong.fields(), ["query"]);
    assert_eq!(
        world.get(&developer, "/v1/changes/0").await.code(),
        "not_found"
    );
    assert_eq!(
        world.get(&developer, "/v1/changes/x").await.code(),
        "not_found"
    );
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_gap() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let app = world.app(&developer, &[]).await;
    let path = format!("/v1/apps/{}/secrets", text(&app, "id"));
    let first = text(&app["secret"], "id");

    let answer = world.act(&developer, &path).await;
    let second = answer.expect(201);
    assert!(has_valid_checksum(text(&second, "secret")));
    assert_ne!(text(&second, "id"), first);
    assert_eq!(
        world.act(&developer, &path).await.code(),
        "too_many_secrets"
    );

    let at = json!({"at": "2026-01-02T00:00:00Z"});
    let ended = world
        .post(&developer, &format!("{path}/{first}/expire"), at)
        .await
        .expect(200);
    assert_eq!(ended["expires_at"], "2026-01-02T00:00:00Z");
    let secrets = world.get(&developer, &path).await.expect(200);
    assert_eq!(secrets["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_compromised_secret_ends_the_tokens_too() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let app = world.app(&developer, &[]).await;
    let key = IdKey::of(text(&app, "api_key"));
    let path = format!(
        "/v1/apps/{}/secrets/{}/expire",
        text(&app, "id"),
        text(&app["secret"], "id")
    );
    let generation = || world.state.snapshot.load().client(key).unwrap().generation;
    let before = generation();

    let planned = json!({"at": "2026-02-01T00:00:00Z"});
    world.post(&developer, &path, planned).await.expect(200);
    assert_eq!(generation(), before);

    let contradictory = json!({"at": "2026-02-01T00:00:00Z", "compromised": true});
    assert_eq!(
        world.post(&developer, &path, contradictory).await.fields(),
        ["at"]
    );
    world
        .post(&developer, &path, json!({"compromised": true}))
        .await
        .expect(200);
    assert_eq!(generation(), before + 1);

    let revoke = format!("/v1/apps/{}/revoke_tokens", text(&app, "id"));
    let revoked = world.act(&developer, &revoke).await.expect(200);
    assert_eq!(revoked["generation"], before + 2);
    assert_eq!(generation(), before + 2);
}

#[tokio::test]
async fn an_act_may_come_without_a_body() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let app = world.app(&developer, &[]).await;
    let path = format!(
        "/v1/apps/{}/secrets/{}/expire",
        text(&app, "id"),
        text(&app["secret"], "id")
    );

    let ended = world.act(&developer, &path).await.expect(200);

    assert_eq!(ended["expires_at"], "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_member_of_several_organizations_names_the_one_meant() {
    let world = World::new().await;
    let first = world.owner_of("first").await;
    let second = world.owner_of("second").await;
    let body = json!({
        "email": "both@example.com",
        "full_name": "Both",
        "memberships": [
            {"organization_id": first.organization(), "role": "viewer"},
            {"organization_id": second.organization(), "role": "viewer"},
        ],
    });
    let made = world
        .post(&world.operator, "/v1/users", body)
        .await
        .expect(201);
    let both = world.token_of(text(&made, "id")).await;
    world.app(&second, &[]).await;

    let unnamed = world.get(&both, "/v1/apps").await;
    let path = format!("/v1/apps?organization_id={}", second.organization());
    let named = world.get(&both, &path).await.expect(200);

    assert_eq!(unnamed.fields(), ["organization_id"]);
    assert_eq!(named["items"].as_array().unwrap().len(), 1);
    let app = format!("/v1/apps/{}", text(&named["items"][0], "id"));
    assert_eq!(world.get(&both, &app).await.status, 200);
}

#[tokio::test]
async fn pages_are_walked_and_wrong_ones_refused() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    for _ in 0..5 {
        world.app(&developer, &[]).await;
    }

    let mut seen = Vec::new();
    let mut path = "/v1/apps?limit=2".to_owned();
    loop {
        let page = world.get(&developer, &path).await.expect(200);
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|app| text(app, "id").to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/apps?limit=2&after={next}");
    }

    assert_eq!(seen.len(), 5);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
    for query in [
        "limit=-1",
        "limit=0",
        "limit=x",
        "after=x",
        "sort=1;drop",
        "limit=1&limit=2",
    ] {
        let answer = world.get(&developer, &format!("/v1/apps?{query}")).await;
        assert_eq!(answer.status, 422, "{query}");
    }
    let all = world
        .get(&developer, "/v1/apps?limit=1000000000")
        .await
        .expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_role_of_apps_is_no_role_of_apis() {
    let world = World::new().await;
    let owner = world.owner_of("developer").await;
    let organization = owner.organization.clone().unwrap();
    let app_developer = world.member(&organization, MemberRole::AppDeveloper).await;
    let provider = world.member(&organization, MemberRole::ApiDeveloper).await;
    let new_app = json!({"organization_id": organization.as_str(), "name": "App"});
    let another = json!({"organization_id": organization.as_str(), "name": "An API"});

    assert_eq!(
        world
            .post(&app_developer, "/v1/apps", new_app.clone())
            .await
            .status,
        201
    );
    assert_eq!(
        world
            .post(&provider, "/v1/apis", another.clone())
            .await
            .status,
        201
    );
    assert_eq!(
        world.post(&provider, "/v1/apps", new_app).await.code(),
        "forbidden"
    );
    assert_eq!(
        world.post(&app_developer, "/v1/apis", another).await.code(),
        "forbidden"
    );
}
