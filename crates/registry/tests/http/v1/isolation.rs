//! Things of another organization are not found, and that answer is the one for things that do not exist.

use portcullis_registry::routes::{ROUTES, Route};
use serde_json::{Value, json};

use crate::world::{Answer, Person, World, text};

const UNKNOWN: &str = "6f1e8a2c-7c55-4f0b-9b39-0c4d7d2f6a11";

/// What an answer says, but for what names the request.
fn said(answer: &Answer) -> Value {
    let mut problem = answer.json();
    problem.as_object_mut().unwrap().remove("request_id");
    problem
}

/// An owner with one thing of each kind, and a stranger who knows every identifier.
struct Scene {
    world: World,
    owner: Person,
    stranger: Person,
    /// Identifiers by the parameter of a path.
    ids: Vec<(&'static str, String)>,
    /// Of the API, where the parameter is the same as for the app.
    api_secret_id: String,
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
        "spec": "swagger: '2.0'\ninfo: {title: Own, version: '1'}\n",
    });
    let instance = world.post(&owner, "/v1/apis/v1-own/instances", body);
    let instance = instance.await.expect(201);
    let app = world.app(&owner, &["v1-own"]).await;
    let subscription = world.subscription(&buyer, &app).await;
    let id = |thing: &Value| text(thing, "id").to_owned();
    let invite = json!({"email": "new@example.com", "role": "viewer"});
    let path = format!("/v1/organizations/{}/invitations", owner.organization());
    let invitation = world.post(&owner, &path, invite).await.expect(201);
    let ids = vec![
        ("{user_id}", owner.id.to_string()),
        ("{invitation_id}", id(&invitation)),
        ("{organization_id}", owner.organization().to_owned()),
        ("{app_id}", id(&app)),
        ("{api_id}", id(&api)),
        ("{instance_id}", id(&instance)),
        ("{subscription_id}", id(&subscription)),
        ("{secret_id}", id(&app["secret"])),
    ];
    Scene {
        world,
        owner,
        stranger,
        ids,
        api_secret_id: id(&api["secret"]),
    }
}

impl Scene {
    /// The path of the owner's things, and the same path with each identifier in turn that of nothing.
    fn paths(&self, template: &str) -> (String, Vec<String>) {
        let value = |name: &str, id: &String| match name {
            "{secret_id}" if template.contains("/apis/") => self.api_secret_id.clone(),
            _ => id.clone(),
        };
        let filled = |unknown: Option<&str>| {
            self.ids
                .iter()
                .fold(template.to_owned(), |path, (name, id)| {
                    let is_unknown = unknown == Some(*name);
                    let id = if is_unknown {
                        UNKNOWN.to_owned()
                    } else {
                        value(name, id)
                    };
                    path.replace(name, &id)
                })
        };
        let present = self.ids.iter().filter(|(name, _)| template.contains(name));
        (
            filled(None),
            present.map(|(name, _)| filled(Some(name))).collect(),
        )
    }

    /// A body that the owner's request would succeed with.
    fn body(&self, method: &str, path: &str) -> Option<Value> {
        let last = path.rsplit('/').next().unwrap_or_default();
        match (method, last) {
            ("PATCH", "{user_id}") => Some(json!({"role": "viewer"})),
            ("POST", "invitations") => Some(json!({"email": "x@example.com", "role": "viewer"})),
            ("PATCH", "{instance_id}") => Some(json!({"streaming": true})),
            ("PATCH", _) => Some(json!({"name": "Mine"})),
            ("POST", "namespaces") => Some(json!({"namespace": "mine"})),
            ("POST", "shares") => Some(json!({"organization_id": self.stranger.organization()})),
            ("POST", "instances") => Some(json!({
                "environment": "dev", "base_path": "/mine/v1", "version": "1",
                "target_url": "https://8.8.8.8",
            })),
            _ => None,
        }
    }
}

/// Routes about one thing that belongs to an organization. Activating is left out: an app may be activated by
/// any organization.
fn routes_about_things() -> Vec<&'static Route> {
    let about = |route: &&Route| {
        let things = [
            "{organization_id}",
            "{app_id}",
            "{api_id}",
            "{subscription_id}",
        ];
        things.iter().any(|thing| route.path.contains(thing))
            && route.path != "/v1/apps/{app_id}/subscriptions"
    };
    ROUTES.iter().filter(about).collect()
}

#[tokio::test]
async fn a_stranger_finds_nothing_and_cannot_tell_it_from_what_is_not_there() {
    let scene = scene().await;
    let routes = routes_about_things();
    assert!(routes.len() >= 30, "{}", routes.len());

    for route in routes {
        let body = scene.body(route.method, route.path);
        let ask = async |path: &str| {
            let request = (route.method, path);
            scene
                .world
                .ask_with(&scene.stranger, request, body.clone(), &[])
                .await
        };
        let (foreign, unknown) = scene.paths(route.path);
        let foreign = ask(&foreign).await;

        assert_eq!(
            foreign.code(),
            "not_found",
            "{} {}",
            route.method,
            route.path
        );
        for unknown in unknown {
            let unknown = ask(&unknown).await;
            assert_eq!(
                said(&foreign),
                said(&unknown),
                "{} {}",
                route.method,
                route.path
            );
        }
    }
}

#[tokio::test]
async fn the_owner_finds_all_of_it() {
    let scene = scene().await;

    for route in routes_about_things() {
        if route.method == "GET" {
            let (path, _) = scene.paths(route.path);
            let answer = scene.world.get(&scene.owner, &path).await;
            assert_eq!(answer.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn a_list_of_another_organization_is_not_found() {
    let scene = scene().await;

    for list in ["apps", "apis", "subscriptions", "audit"] {
        let path = |id: &str| format!("/v1/{list}?organization_id={id}");
        let foreign = scene
            .world
            .get(&scene.stranger, &path(scene.owner.organization()))
            .await;
        let unknown = scene.world.get(&scene.stranger, &path(UNKNOWN)).await;

        assert_eq!(foreign.code(), "not_found", "{list}");
        assert_eq!(said(&foreign), said(&unknown), "{list}");
    }
}

#[tokio::test]
async fn a_stranger_makes_nothing_for_others() {
    let scene = scene().await;
    let owner = scene.owner.organization();

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
            "/v1/apis/v1-own/instances",
            json!({"environment": "dev", "target_url": "https://8.8.8.8"}),
        ),
    ] {
        let answer = scene.world.post(&scene.stranger, path, body).await;
        assert_eq!(answer.code(), "not_found", "{path}");
    }
    let selecting = json!({
        "organization_id": scene.stranger.organization(), "name": "Mine", "apis": ["v1-own"],
    });
    let answer = scene
        .world
        .post(&scene.stranger, "/v1/apps", selecting)
        .await;
    assert_eq!(answer.code(), "invalid_request");
    assert_eq!(answer.fields(), ["apis"]);
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
