//! What pages read and do: lists with search and summaries, the directory, checks, references, rotation.

use std::time::Duration;

use portcullis_core::{
    clock::Clock,
    environment::Environment,
    ids::{ApiId, AppId, NodeId},
};
use portcullis_store::UsageRow;
use serde_json::{Value, json};

use crate::world::{Person, World, text};

const SPEC: &str = "openapi: 3.0.3\ninfo: {title: Orders, version: 1.4.2, description: All orders}\n\
    servers: [{url: /orders/v1}]\ntags: [{name: Service}, {name: Parts}]\n\
    paths:\n  /orders:\n    get:\n      responses:\n        200:\n          description: all\n";

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| text(item, "name").to_owned())
        .collect()
}

async fn app_named(world: &World, developer: &Person, name: &str) -> Value {
    world.clock.advance(Duration::from_secs(1));
    let body = json!({"organization_id": developer.organization(), "name": name});
    world.post(developer, "/v1/apps", body).await.expect(201)
}

#[tokio::test]
async fn apps_are_searched_ordered_and_summed_up() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let other = world.owner_of("other").await;
    for name in ["One", "Zwölf", "Tone"] {
        app_named(&world, &developer, name).await;
    }
    app_named(&world, &other, "Stone").await;
    let read = async |person: &Person, query: &str| {
        world
            .get(person, &format!("/v1/apps?{query}"))
            .await
            .expect(200)
    };

    assert_eq!(names(&read(&developer, "q=ONE").await), ["One", "Tone"]);
    assert_eq!(names(&read(&developer, "q=zw%C3%96lf").await), ["Zwölf"]);
    assert_eq!(
        names(&read(&developer, "order=newest&limit=2").await),
        ["Tone", "Zwölf"]
    );
    assert_eq!(names(&read(&developer, "q=%20").await).len(), 3);
    assert_eq!(
        names(&read(&world.operator, "q=one").await),
        ["One", "Tone", "Stone"]
    );
    let first = read(&developer, "order=newest&limit=2").await;
    let next = format!("order=newest&limit=2&after={}", text(&first, "next"));
    assert_eq!(names(&read(&developer, &next).await), ["One"]);
    let told = read(&developer, "include=summary&state=enabled,disabled").await;
    let summary = &told["items"][0]["summary"];
    assert_eq!(summary["organization_name"], "developer");
    assert_eq!(summary["living_subscriptions"], 0);
    assert!(summary["last_used_at"].is_null());
    assert!(
        read(&developer, "state=deleted").await["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    for (query, field) in [
        ("state=gone", "state"),
        ("q=%00", "q"),
        ("order=up", "query"),
        ("include=everything", "query"),
    ] {
        let refused = world.get(&developer, &format!("/v1/apps?{query}")).await;
        assert_eq!(refused.code(), "invalid_request", "{query}");
        assert_eq!(refused.fields(), [field], "{query}");
    }
}

#[tokio::test]
async fn an_app_tells_of_its_apis_and_of_its_calls() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let developer = world.owner_of("developer").await;
    let stranger = world.owner_of("stranger").await;
    world.api(&provider, "v1-orders").await;
    let body = json!({"environment": "test", "target_url": "https://8.8.8.8", "spec": SPEC});
    world
        .post(&provider, "/v1/apis/v1-orders/instances", body)
        .await
        .expect(201);
    let app = world.app(&developer, &["v1-orders"]).await;
    let id = text(&app, "id");
    let path = |rest: &str| format!("/v1/apps/{id}/{rest}");

    let apis = world.get(&developer, &path("apis")).await.expect(200);
    let none = world
        .get(&developer, &path("calls_summary"))
        .await
        .expect(200);
    let now = world.clock.now();
    let hour = now.as_us().div_euclid(3_600_000_000);
    let row = |hour, calls| UsageRow {
        node: NodeId::parse("a").unwrap(),
        incarnation: "i".to_owned(),
        hour,
        app: AppId::parse(id).unwrap(),
        api: ApiId::parse("v1-orders").unwrap(),
        subscription: String::new(),
        environment: Environment::Test,
        calls,
        errors: 2,
        refusals: 1,
        first_at: now,
        last_at: now,
        request_bytes: 0,
        response_bytes: 0,
    };
    world
        .state
        .store
        .record_usage(&[row(hour, 5), row(hour - 23, 4), row(hour - 24, 3)])
        .await
        .unwrap();
    let seen = world
        .get(&developer, &path("calls_summary"))
        .await
        .expect(200);

    let one = &apis["items"][0];
    assert_eq!(
        (text(one, "id"), &one["available"]),
        ("v1-orders", &json!(true))
    );
    assert_eq!(one["summary"]["organization_name"], "provider");
    assert_eq!(
        one["summary"]["instances"][0]["gateway_path"],
        "/provider-test/orders/v1"
    );
    assert!(one.get("client_id").is_none() && one["summary"].get("apps").is_none());
    assert!(none["first_call_at"].is_null());
    assert_eq!(
        seen["last_24_hours"],
        json!({"calls": 9, "errors": 4, "refusals": 2})
    );
    assert!(seen["first_call_at"].is_string());
    for rest in ["apis", "calls_summary"] {
        assert_eq!(world.get(&stranger, &path(rest)).await.code(), "not_found");
    }
}

#[tokio::test]
async fn an_app_keeps_the_apis_that_customers_use() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let developer = world.owner_of("developer").await;
    let buyer = world.owner_of("buyer").await;
    world.api(&provider, "v1-one").await;
    world.api(&provider, "v1-two").await;
    let app = world.app(&developer, &["v1-one", "v1-two"]).await;
    world.subscription(&buyer, &app).await;
    let path = format!("/v1/apps/{}", text(&app, "id"));

    let removed = world
        .patch(&developer, &path, json!({"apis": ["v1-one"]}))
        .await;
    let stripped = world.patch(&developer, &path, json!({"apis": []})).await;
    let deleted = world.delete(&developer, &path).await;

    assert_eq!(
        (removed.status.as_u16(), removed.code()),
        (409, "api_in_use".to_owned())
    );
    assert!(
        text(&removed.json(), "detail").contains("V1-two")
            || text(&removed.json(), "detail").contains("v1-two")
    );
    assert_eq!(stripped.code(), "app_needs_api");
    assert_eq!(deleted.code(), "app_has_subscriptions");
    assert!(text(&deleted.json(), "detail").contains("1 subscription"));
}

#[tokio::test]
async fn a_rotation_shows_its_secret_once() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let stranger = world.owner_of("stranger").await;
    let app = world.app(&developer, &[]).await;
    let path = format!("/v1/apps/{}/secrets/rotate", text(&app, "id"));
    let rotate = async |person: &Person, body: Value, key: &str| {
        let fields = [("idempotency-key", key)];
        world
            .ask_with(person, ("POST", &path), Some(body), &fields)
            .await
    };

    let first = rotate(&developer, json!({"overlap": "1h"}), "a")
        .await
        .expect(201);
    let again = rotate(&developer, json!({"overlap": "1h"}), "a")
        .await
        .expect(201);
    let full = rotate(&developer, json!({}), "b").await;
    let replaced = rotate(&developer, json!({"replace_oldest": true}), "c")
        .await
        .expect(201);
    let odd = rotate(&developer, json!({"overlap": "2h"}), "d").await;

    assert!(text(&first, "secret").len() > 20);
    assert_eq!(again["id"], first["id"]);
    assert!(again["secret"].is_null());
    assert_eq!(first["others"][0]["id"], app["secret"]["id"]);
    assert!(first["others"][0]["expires_at"].is_string());
    assert_eq!(full.code(), "too_many_secrets");
    assert_eq!(replaced["others"].as_array().unwrap().len(), 2);
    assert_eq!(odd.fields(), ["overlap"]);
    assert_eq!(rotate(&stranger, json!({}), "e").await.code(), "not_found");
    let audit = world
        .get(&developer, "/v1/audit?action=client_secret.")
        .await;
    assert!(audit.text.contains("client_secret.rotate"));
    assert!(!audit.text.contains(text(&first, "secret")));
}

#[expect(clippy::too_many_lines, reason = "one journey, told in order")]
#[tokio::test]
async fn the_directory_is_narrowed_and_hides_what_is_the_providers() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let developer = world.owner_of("developer").await;
    world.api(&provider, "v1-orders").await;
    let body = json!({
        "environment": "test", "target_url": "https://8.8.8.8", "spec": SPEC,
        "lifecycle_status": "custom", "lifecycle_text": "Pilot",
    });
    let made = world
        .post(&provider, "/v1/apis/v1-orders/instances", body)
        .await
        .expect(201);
    let private =
        json!({"organization_id": provider.organization(), "id": "v1-secret", "name": "Secret"});
    world.post(&provider, "/v1/apis", private).await.expect(201);
    let read = async |person: &Person, query: &str| {
        world
            .get(person, &format!("/v1/directory?{query}"))
            .await
            .expect(200)
    };

    let all = read(&developer, "include=facets").await;
    let entry = &all["items"][0];

    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (text(entry, "id"), text(entry, "access")),
        ("v1-orders", "public")
    );
    assert_eq!(entry["categories"], json!(["Parts", "Service"]));
    assert_eq!(entry["summary"]["instances"][0]["lifecycle_text"], "Pilot");
    assert!(entry.get("client_id").is_none() && entry.get("shared_with").is_none());
    assert_eq!(all["facets"]["providers"][0]["name"], "provider");
    assert_eq!(
        all["facets"]["categories"][0],
        json!({"id": "Parts", "name": "Parts", "count": 1})
    );
    assert_eq!(
        read(&provider, "").await["items"].as_array().unwrap().len(),
        2
    );
    assert_eq!(
        read(&developer, "category=Parts&q=ORDER").await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for none in ["category=Sales", "q=secret", "provider_id=nobody"] {
        assert!(
            read(&developer, none).await["items"]
                .as_array()
                .unwrap()
                .is_empty(),
            "{none}"
        );
    }
    // Whoever may select the API reads its instances, specification and reference, but not where it goes.
    let path = format!("/v1/apis/v1-orders/instances/{}", text(&made, "id"));
    let seen = world.get(&developer, &path).await.expect(200);
    for kept in [
        "target_url",
        "test_subscription_id",
        "upstream_auth",
        "streaming",
    ] {
        assert!(seen.get(kept).is_none(), "{kept}");
        assert!(made.get(kept).is_some(), "{kept}");
    }
    assert_eq!(
        world.get(&developer, &format!("{path}/spec")).await.text,
        SPEC
    );
    let reference = world
        .get(&developer, &format!("{path}/reference"))
        .await
        .expect(200);
    assert_eq!(reference["operations"][0]["path"], "/orders");
    let outline = world
        .get(&developer, &format!("{path}/reference?view=outline"))
        .await
        .expect(200);
    assert_eq!(outline["operations"][0]["responses"], json!([]));
    let changed = world
        .patch(&developer, &path, json!({"version": "9"}))
        .await;
    assert_eq!(changed.code(), "not_found");
    let hidden = world
        .patch(&provider, &path, json!({"show_in_directory": false}))
        .await
        .expect(200);
    assert_eq!(hidden["show_in_directory"], false);
    assert!(
        read(&developer, "").await["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_specification_is_checked_before_anything_is_made() {
    let world = World::new().await;
    let person = world.owner_of("provider").await;
    let check = async |spec: &str| {
        world
            .post(&person, "/v1/spec_checks", json!({"spec": spec}))
            .await
    };

    let good = check(SPEC).await.expect(200);
    let bad = check("openapi: 3.0.0\ninfo:\n  title: T\n")
        .await
        .expect(200);
    let large = check(&format!("# {}\n{SPEC}", "x".repeat(1024 * 1024))).await;
    let empty = check(" ").await;

    assert_eq!(
        (&good["usable"], text(&good, "name"), &good["operations"]),
        (&json!(true), "Orders", &json!(1))
    );
    assert_eq!(good["base_path"], "/orders/v1");
    assert!(
        good["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|f| f["severity"] != "error")
    );
    assert_eq!(bad["usable"], false);
    assert_eq!(bad["findings"][0]["severity"], "error");
    assert_eq!(bad["findings"][0]["line"], 2);
    assert_eq!(bad["findings"][0]["pointer"], "/info/version");
    assert_eq!(large.code(), "body_too_large");
    assert_eq!(empty.fields(), ["spec"]);
}

#[tokio::test]
async fn findings_of_a_specification_come_with_its_instance() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let path = "/v1/apis/v1-orders/instances";
    let body =
        |spec: &str| json!({"environment": "dev", "target_url": "https://8.8.8.8", "spec": spec});

    let refused = world
        .post(&provider, path, body("openapi: 3.0.0\ninfo:\n  title: T\n"))
        .await;
    let made = world.post(&provider, path, body(SPEC)).await.expect(201);

    assert_eq!(refused.fields(), ["spec"]);
    assert!(
        text(&refused.json(), "detail").contains("Line 2, column 1"),
        "{}",
        refused.text
    );
    assert!(!made["spec_findings"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn with_its_last_instance_an_api_is_deleted() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let path = "/v1/apis/v1-orders/instances";
    let mut ids = Vec::new();
    for environment in ["dev", "test"] {
        let body =
            json!({"environment": environment, "target_url": "https://8.8.8.8", "spec": SPEC});
        ids.push(text(&world.post(&provider, path, body).await.expect(201), "id").to_owned());
    }

    let first = world
        .delete(&provider, &format!("{path}/{}", ids[0]))
        .await
        .expect(200);
    let last = world
        .delete(&provider, &format!("{path}/{}", ids[1]))
        .await
        .expect(200);

    assert_eq!(
        (&first["api_deleted"], &last["api_deleted"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        world.get(&provider, "/v1/apis/v1-orders").await.code(),
        "not_found"
    );
}

#[tokio::test]
async fn a_target_is_tested_for_its_provider_alone() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let stranger = world.owner_of("stranger").await;
    let body = |url: &str| json!({"organization_id": provider.organization(), "target_url": url});

    let refused = world
        .post(&provider, "/v1/target_checks", body("http://127.0.0.1:9"))
        .await
        .expect(200);
    let odd = world
        .post(&provider, "/v1/target_checks", body("ftp://example.com"))
        .await;
    let foreign = world
        .post(&stranger, "/v1/target_checks", body("http://127.0.0.1:9"))
        .await;
    for _ in 0..9 {
        world
            .post(&provider, "/v1/target_checks", body("http://127.0.0.1:9"))
            .await
            .expect(200);
    }
    let many = world
        .post(&provider, "/v1/target_checks", body("http://127.0.0.1:9"))
        .await;

    assert_eq!(
        (text(&refused, "outcome"), &refused["reachable"]),
        ("refused_by_policy", &json!(false))
    );
    assert!(refused["connect_ms"].is_null());
    assert_eq!(odd.fields(), ["target_url"]);
    assert_eq!(foreign.code(), "not_found");
    assert_eq!(
        (many.status.as_u16(), many.code()),
        (429, "too_many_requests".to_owned())
    );
    assert!(many.header("retry-after").parse::<u32>().unwrap() > 0);
}

#[tokio::test]
async fn of_two_edits_made_at_once_one_is_told_that_it_is_stale() {
    let world = World::new().await;
    let owner = world.owner_of("owner").await;
    world.api(&owner, "v1-orders").await;
    let app = world.app(&owner, &[]).await;
    let body = json!({"environment": "dev", "target_url": "https://8.8.8.8", "spec": SPEC});
    let instance = world
        .post(&owner, "/v1/apis/v1-orders/instances", body)
        .await
        .expect(201);
    for (path, name) in [
        (format!("/v1/apps/{}", text(&app, "id")), "name"),
        ("/v1/apis/v1-orders".to_owned(), "name"),
        (
            format!("/v1/apis/v1-orders/instances/{}", text(&instance, "id")),
            "version",
        ),
        (
            format!("/v1/organizations/{}", owner.organization()),
            "name",
        ),
    ] {
        let read = world.get(&owner, &path).await;
        let tag = read.header("etag").to_owned();
        let fields = [("if-match", tag.as_str())];
        let edit = |value: &str| {
            world.ask_with(
                &owner,
                ("PATCH", &path),
                Some(json!({ name: value })),
                &fields,
            )
        };

        let (a, b) = (edit("A"), edit("B"));
        let (a, b) = futures_util::future::join(a, b).await;

        let mut statuses = [a.status.as_u16(), b.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{path}");
        let stale = if a.status.as_u16() == 412 { a } else { b };
        assert_eq!(stale.code(), "stale_version", "{path}");
    }
}

#[tokio::test]
async fn the_audit_log_is_filtered_and_exported() {
    let world = World::new().await;
    let developer = world.owner_of("developer").await;
    let other = world.owner_of("other").await;
    world.clock.advance(Duration::from_mins(1));
    let from = world.clock.now();
    let app = world.app(&developer, &[]).await;
    world.clock.advance(Duration::from_mins(1));
    world.app(&other, &[]).await;
    let instant = |at: portcullis_core::clock::Timestamp| {
        jiff::Timestamp::from_microsecond(at.as_us())
            .unwrap()
            .to_string()
    };
    let read = async |query: &str| {
        let list = world
            .get(&developer, &format!("/v1/audit?{query}"))
            .await
            .expect(200);
        list["items"].as_array().unwrap().len()
    };

    let csv = world.get(&developer, "/v1/audit/export?format=csv").await;
    let lines = world.get(&developer, "/v1/audit/export?action=app.").await;
    let foreign = format!("/v1/audit/export?organization_id={}", other.organization());

    assert_eq!(read("action=app.").await, 1);
    assert_eq!(read("action=app.crea").await, 1);
    assert_eq!(read("action=a_p").await, 0);
    assert_eq!(
        read(&format!(
            "from={}&entity_id={}",
            instant(from),
            text(&app, "id")
        ))
        .await,
        1
    );
    assert_eq!(read(&format!("action=app.&to={}", instant(from))).await, 0);
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert!(csv.header("content-disposition").contains("audit.csv"));
    assert!(csv.text.starts_with("id,at,actor,") && csv.text.contains("\"app.create\""));
    assert_eq!(lines.text.lines().count(), 1);
    assert!(!csv.text.contains(other.organization()));
    assert_eq!(world.get(&developer, &foreign).await.code(), "not_found");
    let odd = world.get(&developer, "/v1/audit?from=yesterday").await;
    assert_eq!(odd.fields(), ["from"]);
}

#[tokio::test]
async fn details_of_an_api_are_checked_and_kept() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    world.api(&provider, "v1-orders").await;
    let path = "/v1/apis/v1-orders";
    let good = json!({
        "categories": ["Service", "Parts", "Service"], "support_email": "Help@Example.com",
        "support_phone": "+1 555", "support_website": "https://example.com", "documentation_url": "",
    });
    let bad = json!({
        "categories": [""], "support_email": "x", "support_phone": "a\nb", "support_website": "x",
        "documentation_url": "javascript:x",
    });

    let changed = world.patch(&provider, path, good).await.expect(200);
    let refused = world.patch(&provider, path, bad).await;
    let listed = world
        .get(&provider, "/v1/apis?category=Parts&include=summary")
        .await
        .expect(200);

    assert_eq!(changed["categories"], json!(["Parts", "Service"]));
    assert_eq!(changed["support_email"], "help@example.com");
    assert_eq!(
        refused.fields(),
        [
            "support_email",
            "support_phone",
            "support_website",
            "documentation_url",
            "categories[0]"
        ]
    );
    assert_eq!(listed["items"][0]["summary"]["apps"], 0);
}
