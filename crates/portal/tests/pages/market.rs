//! Things that pages are about, made through the management API: an API with instances, an app, a subscription.

use portcullis_core::{ids::OrganizationId, permissions::Actor};
use portcullis_registry::{
    in_process::{Management, ManagementClient},
    wire::{App, CreatedApi, CreatedApp, InstanceWithWarnings, Subscription},
};
use serde_json::json;

use crate::support::World;

/// The management API, as the installation itself.
pub(crate) fn management(world: &World) -> Management {
    ManagementClient::new(world.state.clone()).as_actor(Actor::System, None)
}

/// A specification with one operation that needs no value.
const SPEC: &str = r#"{
    "openapi": "3.0.3",
    "info": { "title": "Vehicles", "version": "1.2.0" },
    "servers": [{ "url": "/vehicles/v1" }],
    "paths": {
        "/vehicles/{id}": { "get": { "responses": { "200": { "description": "One" } } } },
        "/vehicles": { "get": { "responses": { "200": { "description": "All" } } } }
    }
}"#;

/// A public API in Test and Production; gives its id.
pub(crate) async fn api(world: &World, provider: &OrganizationId, name: &str) -> String {
    let management = management(world);
    let input = json!({ "organization_id": provider, "name": name, "visibility": "public" });
    let made = management.post::<CreatedApi>("/v1/apis", &input).await;
    let id = made.unwrap().value.api.id;
    for environment in ["test", "production"] {
        let input = json!({
            "environment": environment,
            "base_path": format!("/{}/v1", name.to_lowercase()),
            "target_url": "https://provider.example.com",
            "spec": SPEC,
        });
        let path = ("/v1/apis/{api_id}/instances", [id.as_str()]);
        let made = management.post::<InstanceWithWarnings>(path, &input).await;
        made.unwrap();
    }
    id
}

/// An app that selected these APIs, a second younger than whatever was made before.
pub(crate) async fn app(
    world: &World,
    owner: &OrganizationId,
    (name, apis): (&str, &[&str]),
) -> App {
    world.clock.advance(std::time::Duration::from_secs(1));
    let input = json!({ "organization_id": owner, "name": name, "apis": apis });
    let made = management(world)
        .post::<CreatedApp>("/v1/apps", &input)
        .await;
    made.unwrap().value.app
}

/// The subscription with which an organization activated an app.
pub(crate) async fn activated(world: &World, app: &App, buyer: &OrganizationId) -> Subscription {
    let path = ("/v1/apps/{app_id}/subscriptions", [app.id.as_str()]);
    let input = json!({ "organization_id": buyer });
    let made = management(world).post::<Subscription>(path, &input).await;
    made.unwrap().value
}
