//! `/v1/apis/{id}/instances`.

use portcullis_core::ids::IdKey;
use serde_json::{Value, json};

use crate::world::{World, text};

const SPEC: &str = "swagger: '2.0'\ninfo: {title: Orders, version: 1.4.2}\nbasePath: /orders/v1\n\
    paths:\n  /orders: {get: {responses: {200: {description: all, examples: {application/json: [1]}}}}}\n";
const PATH: &str = "/v1/apis/v1-orders/instances";

fn instance(environment: &str) -> Value {
    json!({"environment": environment, "target_url": "https://8.8.8.8/api", "spec": SPEC})
}

#[tokio::test]
async fn an_instance_is_made_of_a_specification() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;

    let answer = world.post(&provider, PATH, instance("test")).await;

    let made = answer.expect(201);
    assert_eq!(
        answer.header("location"),
        format!("{PATH}/{}", text(&made, "id"))
    );
    assert_eq!(text(&made, "gateway_path"), "/provider-test/orders/v1");
    assert_eq!(text(&made, "version"), "1.4.2");
    assert_eq!(made["simulations"], 1);
    assert_eq!(made["warnings"], json!([]));
    assert_eq!(made["base_path_upstream"], "keep");
    // What was answered is in effect: the gateway's table has the path, the API its test subscription.
    let snapshot = world.state.snapshot.load();
    let found = snapshot
        .routes()
        .find("/provider-test/orders/v1/orders")
        .unwrap();
    assert_eq!(found.instance.id.as_str(), text(&made, "id"));
    assert!(
        snapshot
            .subscription(IdKey::of(text(&made, "test_subscription_id")))
            .is_some()
    );
    let spec = world
        .get(&provider, &format!("{}/spec", answer.header("location")))
        .await;
    assert_eq!(spec.text, SPEC);
    assert_eq!(spec.header("content-disposition"), "attachment");
    assert_eq!(spec.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn an_instance_is_made_by_hand() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let body = json!({
        "environment": "uat",
        "namespace": "provider",
        "base_path": "/orders/v2",
        "version": "2.0.0",
        "target_url": "http://8.8.8.8",
        "base_path_upstream": "strip",
        "streaming": true,
        "pass_origin_fields": true,
    });

    let made = world.post(&provider, PATH, body).await.expect(201);

    assert_eq!(made["environment"], "test");
    assert_eq!(made["base_path_upstream"], "strip");
    assert_eq!(
        (&made["streaming"], &made["pass_origin_fields"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(made["has_spec"], false);
    assert!(made["warnings"][0].as_str().unwrap().contains("in clear"));
    let spec = world
        .get(&provider, &format!("{PATH}/{}/spec", text(&made, "id")))
        .await;
    assert_eq!(spec.code(), "not_found");
}

#[tokio::test]
async fn everything_wrong_with_an_instance_is_said_at_once() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;

    let shape = json!({
        "environment": "staging",
        "namespace": "..",
        "base_path": "/../x",
        "target_url": 5,
        "upstream_auth": "none",
        "base_path_upstream": "drop",
        "proxy": true,
    });
    let meaning = json!({
        "environment": "test",
        "namespace": "stranger",
        "target_url": "http://169.254.169.254/",
        "spec": "swagger: '2.0'\ninfo: {}\npaths: {/a: {$ref: 'http://127.0.0.1:1/a'}}\n",
    });

    let shape = world.post(&provider, PATH, shape).await.fields();
    let meaning = world.post(&provider, PATH, meaning).await.fields();

    assert_eq!(shape, ["proxy", "target_url"]);
    assert_eq!(meaning, ["target_url", "spec", "spec", "namespace"]);
    let rest = json!({
        "environment": "staging",
        "namespace": "..",
        "base_path": "/../x",
        "target_url": "https://8.8.8.8",
        "upstream_auth": "none",
        "base_path_upstream": "drop",
    });
    let rest = world.post(&provider, PATH, rest).await.fields();
    let expected = [
        "environment",
        "namespace",
        "base_path",
        "upstream_auth",
        "base_path_upstream",
    ];
    assert_eq!(rest, expected);
    let missing = json!({"environment": "test", "target_url": "https://8.8.8.8"});
    let missing = world.post(&provider, PATH, missing).await.fields();
    assert_eq!(missing, ["base_path", "version"]);
}

#[tokio::test]
async fn a_target_inside_is_refused() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let made = world
        .post(&provider, PATH, instance("test"))
        .await
        .expect(201);
    let path = format!("{PATH}/{}", text(&made, "id"));

    for url in [
        "http://127.0.0.1/",
        "http://localhost:8081/",
        "http://2130706433/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "http://user:pass@8.8.8.8/",
        "https://8.8.8.8:6379/",
    ] {
        let mut body = instance("dev");
        body["target_url"] = json!(url);
        assert_eq!(
            world.post(&provider, PATH, body).await.fields(),
            ["target_url"],
            "{url}"
        );
        let changed = world
            .patch(&provider, &path, json!({"target_url": url}))
            .await;
        assert_eq!(changed.fields(), ["target_url"], "{url}");
    }
}

#[tokio::test]
async fn a_path_is_one_instances() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    world
        .post(&provider, PATH, instance("test"))
        .await
        .expect(201);

    let again = world.post(&provider, PATH, instance("test")).await;
    let elsewhere = world.post(&provider, PATH, instance("production")).await;

    assert_eq!(
        (again.status.as_u16(), again.code().as_str()),
        (409, "base_path_taken")
    );
    assert_eq!(elsewhere.expect(201)["gateway_path"], "/provider/orders/v1");
}

#[tokio::test]
async fn only_an_operator_leaves_the_namespace_out() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let mut body = instance("production");
    body["namespace"] = json!("");

    let by_owner = world.post(&provider, PATH, body.clone()).await;
    let by_operator = world.post(&world.operator, PATH, body).await;

    assert_eq!(by_owner.fields(), ["namespace"]);
    assert_eq!(by_operator.expect(201)["gateway_path"], "/orders/v1");
}

#[tokio::test]
async fn an_instance_is_changed_but_not_moved() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let made = world
        .post(&provider, PATH, instance("test"))
        .await
        .expect(201);
    let path = format!("{PATH}/{}", text(&made, "id"));

    let moved = json!({"environment": "dev", "namespace": "provider", "base_path": "/x"});
    let moved = world.patch(&provider, &path, moved).await;
    let body = json!({"target_url": "https://8.8.4.4", "streaming": true});
    let changed = world.patch(&provider, &path, body).await.expect(200);
    let without = world
        .patch(&provider, &path, json!({"spec": null}))
        .await
        .expect(200);

    assert_eq!(moved.fields(), ["base_path", "environment", "namespace"]);
    assert_eq!(changed["target_url"], "https://8.8.4.4");
    assert_eq!(
        (&changed["streaming"], &changed["has_spec"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&without["has_spec"], &without["simulations"]),
        (&json!(false), &json!(0))
    );
    assert_eq!(without["streaming"], true);
    assert_eq!(without["version"], "1.4.2");
}

#[tokio::test]
async fn a_deleted_instance_answers_no_more() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let made = world
        .post(&provider, PATH, instance("test"))
        .await
        .expect(201);
    let path = format!("{PATH}/{}", text(&made, "id"));

    let gone = world.delete(&provider, &path).await.expect(200);

    assert_eq!(gone["effect"]["confirmed"], 1);
    assert_eq!(world.get(&provider, &path).await.code(), "not_found");
    let snapshot = world.state.snapshot.load();
    assert!(snapshot.routes().find("/provider-test/orders/v1").is_none());
}

#[tokio::test]
async fn an_instance_is_found_below_its_own_api_alone() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    world.api(&provider, "v1-other").await;
    let made = world
        .post(&provider, PATH, instance("test"))
        .await
        .expect(201);

    let path = format!("/v1/apis/v1-other/instances/{}", text(&made, "id"));

    assert_eq!(world.get(&provider, &path).await.code(), "not_found");
    assert_eq!(world.delete(&provider, &path).await.code(), "not_found");
}

#[tokio::test]
async fn a_specification_that_means_harm_is_refused_quickly() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let mut lines = vec!["a0: &a0 [x,x,x,x,x,x,x,x,x]".to_owned()];
    for level in 1..12 {
        let list = vec![format!("*a{}", level - 1); 9].join(",");
        lines.push(format!("a{level}: &a{level} [{list}]"));
    }
    let bomb = lines.join("\n");

    for spec in [bomb, "[".repeat(500_000), "<!DOCTYPE x>".to_owned()] {
        let mut body = instance("test");
        body["spec"] = json!(spec);
        assert_eq!(world.post(&provider, PATH, body).await.fields(), ["spec"]);
    }
    for size in [1_100_000, 50_000_000] {
        let mut body = instance("test");
        body["spec"] = json!("x".repeat(size));
        assert_eq!(
            world.post(&provider, PATH, body).await.code(),
            "body_too_large"
        );
    }
}

#[tokio::test]
async fn a_specification_at_the_limit_is_taken() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let mut spec = SPEC.to_owned();
    while spec.len() < 1024 * 1024 - 10 {
        spec.push_str("# \"quoted\"\n");
    }
    let mut body = instance("test");
    body["spec"] = json!(spec);

    world.post(&provider, PATH, body).await.expect(201);
}
