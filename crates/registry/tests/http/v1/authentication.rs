//! Who gets in: management tokens alone, and only for what their bearer may do.

use axum::{body::Body, http::Request};
use http::header;
use portcullis_core::organization::MemberRole;
use portcullis_registry::routes::{Needs, ROUTES};
use serde_json::json;

use crate::world::{World, text};

/// The path of a route with something in the place of its parameters.
fn filled(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{seq}" => "1",
        parameter if parameter.starts_with('{') => "6f1e8a2c-7c55-4f0b-9b39-0c4d7d2f6a11",
        other => other,
    });
    segments.collect::<Vec<_>>().join("/")
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(filled(path))
}

#[tokio::test]
async fn every_route_but_the_document_wants_a_token() {
    let world = World::new().await;

    for route in ROUTES {
        let request = request(route.method, route.path)
            .body(Body::empty())
            .unwrap();
        let answer = world.send(request).await;

        if route.needs == Needs::Nothing {
            assert_eq!(answer.status, 200, "{} {}", route.method, route.path);
        } else {
            assert_eq!(
                answer.code(),
                "token_missing",
                "{} {}",
                route.method,
                route.path
            );
            assert_eq!(
                answer.header("www-authenticate"),
                "Bearer realm=\"management\""
            );
        }
    }
}

#[tokio::test]
async fn tokens_of_apps_and_providers_open_nothing_here() {
    let world = World::with_keys().await;
    let provider = world.owner_of("provider").await;
    let api = world.api(&provider, "v1-orders").await;
    let client_id = text(&api, "client_id");
    let secret = text(&api, "client_secret");

    for token in [
        world.token(client_id),
        world.outbound_token(client_id),
        secret.to_owned(),
    ] {
        let answer = world.get_with_token(&token, "/v1/me").await;

        assert_eq!(answer.code(), "token_of_another_kind");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer realm=\"management\", error=\"invalid_token\""
        );
        assert!(!answer.text.contains(&token));
    }
}

#[tokio::test]
async fn a_token_anywhere_but_in_the_header_is_no_token() {
    let world = World::new().await;
    let token = world.operator.token.clone();

    let in_query = Request::builder().uri(format!("/v1/me?access_token={token}&token={token}"));
    let in_cookie = Request::builder()
        .uri("/v1/me")
        .header(header::COOKIE, format!("session={token}; token={token}"));
    let proxy = Request::builder()
        .uri("/v1/me")
        .header(header::PROXY_AUTHORIZATION, format!("Bearer {token}"));

    for request in [in_query, in_cookie, proxy] {
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.code(), "token_missing");
    }
}

#[tokio::test]
async fn a_malformed_authorization_is_refused() {
    let world = World::new().await;
    let token = &world.operator.token;

    for (value, code) in [
        (format!("Basic {token}"), "token_missing"),
        (token.clone(), "token_missing"),
        ("Bearer".to_owned(), "token_missing"),
        ("Bearer ".to_owned(), "token_missing"),
        (format!("Bearer  {token}"), "token_of_another_kind"),
        (format!("Bearer {token}x"), "token_refused"),
        (
            format!("Bearer {}", token.to_uppercase()),
            "token_of_another_kind",
        ),
        (
            format!("Bearer pcm_{}", "x".repeat(20_000)),
            "token_missing",
        ),
    ] {
        let request = Request::builder()
            .uri("/v1/me")
            .header(header::AUTHORIZATION, &value);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;

        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (401, code),
            "{value}"
        );
    }

    let twice = Request::builder()
        .uri("/v1/me")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer = world.send(twice.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.code(), "malformed_request");
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let world = World::new().await;
    let value = format!("bearer {}", world.operator.token);

    let request = Request::builder()
        .uri("/v1/me")
        .header(header::AUTHORIZATION, value);
    let answer = world.send(request.body(Body::empty()).unwrap()).await;

    assert_eq!(answer.expect(200)["is_operator"], true);
}

#[tokio::test]
async fn a_deleted_token_opens_nothing_from_that_moment_on() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let body = json!({"name": "laptop"});
    let made = world
        .post(&provider, "/v1/management_tokens", body)
        .await
        .expect(201);
    let token = text(&made, "token");
    assert_eq!(world.get_with_token(token, "/v1/me").await.status, 200);

    let path = format!("/v1/management_tokens/{}", text(&made, "id"));
    world.delete(&provider, &path).await.expect(200);

    assert_eq!(
        world.get_with_token(token, "/v1/me").await.code(),
        "token_refused"
    );
    assert_eq!(world.get(&provider, "/v1/me").await.status, 200);
}

#[tokio::test]
async fn a_token_ends_at_its_date() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let body = json!({"name": "short", "expires_at": "2026-01-01T01:00:00Z"});
    let made = world
        .post(&provider, "/v1/management_tokens", body)
        .await
        .expect(201);
    let token = text(&made, "token");
    assert_eq!(world.get_with_token(token, "/v1/me").await.status, 200);

    world.clock.advance(std::time::Duration::from_hours(1));

    assert_eq!(
        world.get_with_token(token, "/v1/me").await.code(),
        "token_refused"
    );
    let past = json!({"name": "past", "expires_at": "2026-01-01T00:00:00Z"});
    let refused = world.post(&provider, "/v1/management_tokens", past).await;
    assert_eq!(refused.fields(), ["expires_at"]);
}

#[tokio::test]
async fn a_person_sees_and_ends_only_own_tokens() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;
    let stranger = world.owner_of("stranger").await;
    let own = world
        .get(&provider, "/v1/management_tokens")
        .await
        .expect(200);
    let id = text(&own["items"][0], "id").to_owned();
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    assert!(!own.to_string().contains(&provider.token));

    for person in [&stranger, &world.operator] {
        let path = format!("/v1/management_tokens/{id}");
        assert_eq!(world.get(person, &path).await.code(), "not_found");
        assert_eq!(world.delete(person, &path).await.code(), "not_found");
    }

    assert_eq!(world.get(&provider, "/v1/me").await.status, 200);
}

#[tokio::test]
async fn an_operator_makes_the_first_token_of_others_and_nobody_else_does() {
    let world = World::new().await;
    let owner = world.owner_of("provider").await;
    let stranger = world.owner_of("stranger").await;
    let body = json!({"name": "first", "user_id": owner.id.as_str()});

    let by_stranger = world
        .post(&stranger, "/v1/management_tokens", body.clone())
        .await;
    let by_operator = world
        .post(&world.operator, "/v1/management_tokens", body)
        .await;

    assert_eq!(by_stranger.code(), "forbidden");
    let made = by_operator.expect(201);
    let me = world
        .get_with_token(text(&made, "token"), "/v1/me")
        .await
        .expect(200);
    assert_eq!(text(&me, "id"), owner.id.as_str());
}

#[tokio::test]
async fn a_token_says_whom_it_speaks_for() {
    let world = World::new().await;
    let provider = world.owner_of("provider").await;

    let me = world.get(&provider, "/v1/me").await.expect(200);

    assert_eq!(text(&me, "id"), provider.id.as_str());
    assert_eq!(me["is_operator"], false);
    assert_eq!(
        me["memberships"][0]["organization_id"],
        provider.organization()
    );
    assert_eq!(me["memberships"][0]["role"], "owner");
    assert!(me["token_id"].is_string());
}

#[tokio::test]
async fn what_only_operators_do_is_forbidden_to_owners() {
    let world = World::new().await;
    let owner = world.owner_of("provider").await;

    for (method, path, body) in [
        (
            "POST",
            "/v1/organizations",
            Some(json!({"name": "Another"})),
        ),
        ("GET", "/v1/users", None),
        ("GET", "/v1/keys", None),
        (
            "POST",
            "/v1/keys/rotate",
            Some(json!({"purpose": "client", "force": true})),
        ),
        ("GET", "/v1/nodes", None),
        ("POST", "/v1/nodes/node-1/forget", None),
    ] {
        let answer = world.ask_with(&owner, (method, path), body, &[]).await;
        assert_eq!(answer.code(), "forbidden", "{method} {path}");
    }
    let suspend = format!("/v1/organizations/{}/suspend", owner.organization());
    assert_eq!(world.act(&owner, &suspend).await.code(), "forbidden");
    let namespaces = format!("/v1/organizations/{}/namespaces", owner.organization());
    let body = json!({"namespace": "more"});
    assert_eq!(
        world.post(&owner, &namespaces, body).await.code(),
        "forbidden"
    );
}

#[tokio::test]
async fn a_viewer_looks_and_changes_nothing() {
    let world = World::new().await;
    let owner = world.owner_of("developer").await;
    let viewer = world
        .member(owner.organization.as_ref().unwrap(), MemberRole::Viewer)
        .await;
    let api = world.api(&owner, "v1-orders").await;
    let app = world.app(&owner, &["v1-orders"]).await;
    let (app_path, api_path) = (
        format!("/v1/apps/{}", text(&app, "id")),
        format!("/v1/apis/{}", text(&api, "id")),
    );
    let organization = format!("/v1/organizations/{}", owner.organization());

    for path in [&app_path, &api_path, &organization] {
        assert_eq!(world.get(&viewer, path).await.status, 200, "{path}");
        let refused = world.patch(&viewer, path, json!({"name": "x"})).await;
        assert_eq!(refused.code(), "forbidden", "{path}");
    }
    for path in [&app_path, &api_path] {
        assert_eq!(world.delete(&viewer, path).await.code(), "forbidden");
        let secrets = format!("{path}/secrets");
        assert_eq!(world.get(&viewer, &secrets).await.status, 200);
        assert_eq!(world.act(&viewer, &secrets).await.code(), "forbidden");
    }
    let body = json!({"organization_id": owner.organization()});
    let activation = format!("{app_path}/subscriptions");
    assert_eq!(
        world.post(&viewer, &activation, body).await.code(),
        "forbidden"
    );
    assert_eq!(world.get(&viewer, "/v1/audit").await.code(), "forbidden");
}
