//! The door for pages: the same rules as on the port, for a person known by a session.

use std::collections::HashSet;

use axum::{body::Body, http::Request};
use http::{StatusCode, header};
use portcullis_core::{organization::MemberRole, permissions::Actor};
use portcullis_registry::{
    in_process::{Management, ManagementClient, ManagementError},
    routes::{Needs, ROUTES},
    wire::{App, CreatedApp, Listed, Me, Organization, Secret},
};
use serde_json::{Value, json};

use crate::world::{Person, World};

/// The management API as a page of this person sees it.
fn pages_of(world: &World, person: &Person, role: MemberRole) -> Management {
    let memberships = person.organization.iter().map(|id| (id.clone(), role));
    let actor = Actor::User {
        id: person.id.clone(),
        email: "member@example.com".to_owned(),
        is_operator: person.organization.is_none(),
        memberships: memberships.collect(),
        token: None,
    };
    let address = Some("192.0.2.7".parse().unwrap());
    ManagementClient::new(world.state.clone()).as_actor(actor, address)
}

fn problem(error: ManagementError) -> portcullis_registry::wire::Problem {
    match error {
        ManagementError::Problem(problem) => *problem,
        ManagementError::Internal(text) => panic!("{text}"),
    }
}

#[tokio::test]
async fn a_page_does_what_its_person_may_and_knows_the_outcome() {
    let world = World::new().await;
    let owner = world.owner_of("acme").await;
    let api = pages_of(&world, &owner, MemberRole::Owner);

    let input = json!({ "organization_id": owner.organization(), "name": "Fleet" });
    let made = api
        .post_once::<CreatedApp>("/v1/apps", "form-1", &input)
        .await
        .unwrap();
    let again = api
        .post_once::<CreatedApp>("/v1/apps", "form-1", &input)
        .await
        .unwrap();
    let id = made.value.app.id.as_str();
    let app = api
        .get::<App>(("/v1/apps/{app_id}", [id]), &[])
        .await
        .unwrap();
    let secrets = api
        .get::<Listed<Secret>>(("/v1/apps/{app_id}/secrets", [id]), &[])
        .await
        .unwrap();

    assert!(made.value.api_secret.unwrap().starts_with("pcs_"));
    assert_eq!(made.effect.as_ref().unwrap().confirmed, 1);
    assert_eq!(again.value.app.id, id);
    assert_eq!(again.value.api_secret, None);
    assert_eq!(app.value.name, "Fleet");
    assert_eq!(app.revision, Some(1));
    assert_eq!(secrets.value.items.len(), 1);
    let log = world.get(&owner, "/v1/audit?action=app.create").await;
    let entries = log.expect(200)["items"].as_array().unwrap().clone();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["actor"], "member@example.com");
    assert_eq!(entries[0]["address"], "192.0.2.7");
}

#[tokio::test]
async fn of_two_edits_of_one_version_the_second_is_refused() {
    let world = World::new().await;
    let owner = world.owner_of("acme").await;
    let api = pages_of(&world, &owner, MemberRole::Owner);
    let path = (
        "/v1/organizations/{organization_id}",
        [owner.organization()],
    );
    let read = api.get::<Organization>(path, &[]).await.unwrap();

    let first = json!({ "name": "First" });
    let first = api.patch::<Organization>(path, read.revision, &first).await;
    let second = json!({ "name": "Second" });
    let second = api
        .patch::<Organization>(path, read.revision, &second)
        .await
        .unwrap_err();

    assert_eq!(first.unwrap().value.name, "First");
    assert_eq!(second.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(second.code(), "stale_version");
}

#[tokio::test]
async fn a_refusal_names_every_field_and_the_request() {
    let world = World::new().await;
    let owner = world.owner_of("acme").await;
    let api = pages_of(&world, &owner, MemberRole::Owner).with_request_id("page-7");

    let input = json!({ "organization_id": owner.organization(), "name": "", "website": "no" });
    let refused = api.post::<CreatedApp>("/v1/apps", &input).await;

    let problem = problem(refused.err().unwrap());
    let fields: Vec<&str> = problem.errors.iter().map(|e| e.field.as_str()).collect();
    assert_eq!(problem.status, 422);
    assert_eq!(fields, ["name", "website"]);
    assert_eq!(problem.request_id, "page-7");
}

#[tokio::test]
async fn an_export_is_handed_on_as_it_is() {
    let world = World::new().await;
    let owner = world.owner_of("acme").await;
    let api = pages_of(&world, &owner, MemberRole::Owner);

    let lines = "application/x-ndjson";
    let download = api.download("/v1/audit", &[], lines).await.unwrap();

    assert_eq!(download.content_type, lines);
    let bytes = axum::body::to_bytes(download.body, 100_000).await.unwrap();
    let first: Value =
        serde_json::from_slice(bytes.split(|b| *b == b'\n').next().unwrap()).unwrap();
    assert!(first["action"].is_string());
}

/// The table of routes rules here as it does on the port: a viewer changes nothing, a stranger sees nothing.
#[tokio::test]
async fn every_route_asks_for_the_action_of_the_table() {
    let world = World::new().await;
    let owner = world.owner_of("acme").await;
    let stranger = world.owner_of("strange").await;
    let app = world.app(&owner, &[]).await;
    let viewer = pages_of(&world, &owner, MemberRole::Viewer);
    let stranger = pages_of(&world, &stranger, MemberRole::Owner);
    let id = app["id"].as_str().unwrap();
    let mut tried = HashSet::new();

    for route in ROUTES {
        let of_apps = route.path.starts_with("/v1/apps/{app_id}");
        if !of_apps
            || route.path.matches('{').count() > 1
            || !matches!(route.needs, Needs::Action(_))
        {
            continue;
        }
        let path = (route.path, [id]);
        let input = json!({ "organization_id": owner.organization() });
        let answers = match route.method {
            "GET" => [
                viewer.get::<Value>(path, &[]).await,
                stranger.get(path, &[]).await,
            ],
            "POST" if route.path.ends_with("subscriptions") => [
                viewer.post::<Value>(path, &input).await,
                stranger.post(path, &input).await,
            ],
            "POST" => [
                viewer.post::<Value>(path, &()).await,
                stranger.post(path, &()).await,
            ],
            "PATCH" => [
                viewer.patch::<Value>(path, None, &json!({})).await,
                stranger.patch(path, None, &json!({})).await,
            ],
            "DELETE" => [
                viewer.delete::<Value>(path).await,
                stranger.delete(path).await,
            ],
            other => panic!("{other}"),
        };
        let [seen, hidden] = answers;
        if route.method == "GET" {
            assert!(seen.is_ok(), "{} {}", route.method, route.path);
        } else {
            let refused = seen.unwrap_err();
            assert_eq!(refused.status(), 403, "{} {}", route.method, route.path);
        }
        assert_eq!(
            hidden.unwrap_err().status(),
            404,
            "{} {}",
            route.method,
            route.path
        );
        tried.insert((route.method, route.path));
    }
    assert!(tried.len() >= 8, "{tried:?}");
}

#[tokio::test]
async fn only_operators_operate() {
    let world = World::new().await;
    let owner = world.owner_of("acme").await;

    let refused = pages_of(&world, &owner, MemberRole::Owner)
        .get::<Value>("/v1/users", &[])
        .await;
    let allowed = pages_of(&world, &world.operator, MemberRole::Owner)
        .get::<Value>("/v1/users", &[])
        .await;

    assert_eq!(refused.unwrap_err().status(), StatusCode::FORBIDDEN);
    assert!(allowed.is_ok());
}

#[tokio::test]
async fn what_is_not_in_the_table_answers_nobody() {
    let world = World::new().await;
    let operator = pages_of(&world, &world.operator, MemberRole::Owner);

    for path in ["/v1/nothing", "/v1", "/v1/apps/"] {
        let refused = operator.get::<Value>(path, &[]).await.unwrap_err();

        assert_eq!(refused.code(), "path_unknown", "{path}");
    }
    // Other roles of the port do not stand behind this door.
    for path in ["/v1/solution/subscriptions", "/subscriptions/x", "/"] {
        assert!(operator.get::<Value>(path, &[]).await.is_err(), "{path}");
    }
    let refused = operator.delete::<Value>("/v1/users").await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// From outside there are bytes alone: no header, cookie or public extension type stands for a person.
#[tokio::test]
async fn nothing_from_outside_comes_through_this_door() {
    let world = World::new().await;
    let person = world.operator.clone();
    let token = person.token.as_str();
    let fields = [
        (
            "cookie",
            format!("portcullis={token}; __Host-portcullis={token}"),
        ),
        ("x-actor", "operator@example.com".to_owned()),
        ("actor", r#"{"System":{}}"#.to_owned()),
        ("x-in-process", "1".to_owned()),
        ("x-remote-user", "operator@example.com".to_owned()),
        ("remote-user", "operator@example.com".to_owned()),
        ("proxy-authorization", format!("Bearer {token}")),
        ("x-forwarded-user", "operator@example.com".to_owned()),
    ];

    for (name, value) in fields {
        let request = Request::get("/v1/me").header(name, value);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;

        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNAUTHORIZED, "token_missing"),
            "{name}"
        );
    }
    // An actor, put into the request by another layer of the port, is not the private type the door has.
    let request = Request::get("/v1/me").extension(Actor::System);
    let answer = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    // The door stands in the process; with a token of its person the port answers the same.
    let request = Request::get("/v1/me").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let outside = world.send(request.body(Body::empty()).unwrap()).await;
    let inside = pages_of(&world, &person, MemberRole::Owner)
        .get::<Me>("/v1/me", &[])
        .await;
    assert_eq!(outside.json()["id"], inside.unwrap().value.id);
}
