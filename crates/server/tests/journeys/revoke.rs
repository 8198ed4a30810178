//! Journey 4: what is ended stops at once, with the token still valid.

use portcullis_client::{Body, CallError};
use reqwest::Method;
use serde_json::json;

use crate::server::Server;

const VEHICLES: &str = "/sample/vehicles/v1/vehicles";

fn code_of(error: &CallError) -> String {
    match error {
        CallError::Refused(refusal) => refusal.code.clone(),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_subscription_stops_the_very_next_call() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (app, id) = (server.app(), server.get("SUBSCRIPTION_ID"));
    app.call(Method::GET, VEHICLES, id, Body::Empty)
        .await
        .unwrap();
    let before = app
        .token_source()
        .token()
        .await
        .unwrap()
        .access_token()
        .expose()
        .to_owned();

    let (status, ended) = server
        .manage(
            Method::POST,
            &format!("/v1/subscriptions/{id}/end"),
            Some(json!({})),
        )
        .await;

    let error = app
        .call(Method::GET, VEHICLES, id, Body::Empty)
        .await
        .unwrap_err();
    assert_eq!(status, 200, "{ended}");
    assert_eq!(code_of(&error), "API-SUBSCRIPTION-INACTIVE");
    assert_eq!(
        app.token_source()
            .token()
            .await
            .unwrap()
            .access_token()
            .expose(),
        before
    );
    assert_eq!(
        app.call(Method::GET, VEHICLES, "test", Body::Empty)
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compromised_secret_stops_new_tokens_and_those_already_issued() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (app, id) = (server.app(), server.get("SUBSCRIPTION_ID"));
    app.call(Method::GET, VEHICLES, id, Body::Empty)
        .await
        .unwrap();
    let secrets = format!("/v1/apps/{}/secrets", server.get("APP_ID"));
    let (_, listed) = server.manage(Method::GET, &secrets, None).await;
    let secret = listed["items"][0]["id"].as_str().unwrap().to_owned();

    let (status, expired) = server
        .manage(
            Method::POST,
            &format!("{secrets}/{secret}/expire"),
            Some(json!({"compromised": true})),
        )
        .await;

    assert_eq!(status, 200, "{expired}");
    let call = reqwest::Client::new()
        .get(server.get("API_CALL_URL"))
        .bearer_auth(
            app.token_source()
                .token()
                .await
                .unwrap()
                .access_token()
                .expose(),
        )
        .header("Subscription-Id", id)
        .send()
        .await
        .unwrap();
    let body: serde_json::Value = call.json().await.unwrap();
    assert_eq!(body["code"], "INVALID-TOKEN");
    assert!(server.app().token_source().token().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let id = server.get("SUBSCRIPTION_ID").to_owned();
    let (_, app) = server
        .manage(
            Method::GET,
            &format!("/v1/apps/{}", server.get("APP_ID")),
            None,
        )
        .await;
    let new = json!({"organization_id": app["organization_id"], "name": "Another app"});
    let (created, another) = server.manage(Method::POST, "/v1/apps", Some(new)).await;
    let (ended, _) = server
        .manage(
            Method::POST,
            &format!("/v1/subscriptions/{id}/end"),
            Some(json!({})),
        )
        .await;
    assert_eq!((created, ended), (201, 200), "{another}");

    server.kill();
    let server = Server::start(folder.path());

    let another = another["app"]["id"]
        .as_str()
        .or(another["id"].as_str())
        .unwrap()
        .to_owned();
    let (found, _) = server
        .manage(Method::GET, &format!("/v1/apps/{another}"), None)
        .await;
    let error = server
        .app()
        .call(Method::GET, VEHICLES, &id, Body::Empty)
        .await
        .unwrap_err();
    assert_eq!(found, 200);
    assert_eq!(code_of(&error), "API-SUBSCRIPTION-INACTIVE");
}
