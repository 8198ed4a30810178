//! Journeys 1 and 2: get a token, call an API for a customer.

use portcullis_client::{Body, Client};
use reqwest::Method;
use serde_json::json;

use crate::{recorder, server::Server};

const VEHICLES: &str = "/sample/vehicles/v1/vehicles";

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_app_reads_vehicles_for_its_customer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    let answer = server
        .app()
        .call(
            Method::GET,
            VEHICLES,
            server.get("SUBSCRIPTION_ID"),
            Body::Empty,
        )
        .await
        .unwrap();

    let vehicles: serde_json::Value = answer.json().unwrap();
    assert!(
        vehicles["items"].as_array().unwrap().len() >= 5,
        "{vehicles}"
    );
    assert_eq!(server.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_environment_opens_to_its_own_subscriptions() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (app, provider) = (server.app(), server.provider());
    let status = async |client: &Client, path: &str, id: &str| match client
        .call(Method::GET, path, id, Body::Empty)
        .await
    {
        Ok(answer) => answer.status.as_u16(),
        Err(error) => panic!("{path} {id}: {error}"),
    };
    let refused = async |client: &Client, path: &str, id: &str| {
        let error = client
            .call(Method::GET, path, id, Body::Empty)
            .await
            .unwrap_err();
        error.to_string()
    };
    let (real, test) = (
        server.get("SUBSCRIPTION_ID"),
        server.get("TEST_SUBSCRIPTION_ID"),
    );

    assert_eq!(
        status(&app, "/sample-test/vehicles/v1/vehicles", real).await,
        200
    );
    assert_eq!(
        status(&app, "/sample-test/vehicles/v1/vehicles", test).await,
        200
    );
    assert_eq!(status(&app, VEHICLES, "test").await, 200);
    assert!(
        refused(&app, VEHICLES, test)
            .await
            .contains("SUBSCRIPTION-MISMATCH")
    );
    assert!(
        refused(&app, "/sample-dev/vehicles/v1/vehicles", real)
            .await
            .contains("SUBSCRIPTION-MISMATCH")
    );
    assert!(
        refused(&provider, VEHICLES, real)
            .await
            .contains("SUBSCRIPTION-MISMATCH")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_a_provider_receives_opens_nothing_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (port, received) = recorder::start();
    let api = server.get("API_ID");
    let instance = json!({
        "environment": "production", "namespace": "sample", "base_path": "/recorder/v1",
        "target_url": format!("http://127.0.0.1:{port}"), "version": "1.0.0"
    });
    let (status, made) = server
        .manage(
            Method::POST,
            &format!("/v1/apis/{api}/instances"),
            Some(instance),
        )
        .await;
    assert_eq!(status, 201, "{made}");

    let id = server.get("SUBSCRIPTION_ID");
    server
        .app()
        .call(Method::GET, "/sample/recorder/v1/x", id, Body::Empty)
        .await
        .unwrap();

    let head = received.recv().unwrap();
    let authorization = head
        .lines()
        .find_map(|line| {
            line.split_once(": ")
                .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        })
        .map(|(_, value)| value.to_owned())
        .unwrap();
    let app_token = server
        .app()
        .token_source()
        .token()
        .await
        .unwrap()
        .access_token()
        .expose()
        .to_owned();
    assert!(
        !head.contains(&app_token),
        "the app's token reached the provider"
    );
    for url in [
        server.get("API_CALL_URL").to_owned(),
        format!(
            "{}/v1/solution/subscriptions",
            server.get("SUBSCRIPTIONS_URL")
        ),
        format!(
            "{}/subscriptions/{id}/context",
            server.get("SUBSCRIPTIONS_URL")
        ),
        format!("{}/v1/me", server.get("MANAGEMENT_URL")),
        format!("{}/v1/apps", server.get("MANAGEMENT_URL")),
    ] {
        let answer = reqwest::Client::new()
            .get(&url)
            .header("authorization", &authorization)
            .header("subscription-id", id)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_sees_its_subscriptions_and_their_context() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let app = server.app();

    let subscriptions = app.subscriptions().await.unwrap();
    let context = app.context(server.get("SUBSCRIPTION_ID")).await;
    let of_provider = server
        .provider()
        .context(server.get("SUBSCRIPTION_ID"))
        .await;

    let shown = format!("{subscriptions:?}");
    assert!(shown.contains(server.get("SUBSCRIPTION_ID")), "{shown}");
    assert!(context.is_ok() && of_provider.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deprecated_issuer_gives_tokens_and_says_that_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    let answer = reqwest::Client::new()
        .post(format!("{}/v1/token", server.get("OLD_AUTH_URL")))
        .basic_auth(server.get("API_KEY"), Some(server.get("API_SECRET")))
        .form(&[("grant_type", "client_credentials"), ("scope", "anonymous")])
        .send()
        .await
        .unwrap();

    assert_eq!(answer.status(), 200);
    for name in ["deprecation", "sunset", "link"] {
        assert!(answer.headers().contains_key(name), "{name} is missing");
    }
    let token: serde_json::Value = answer.json().await.unwrap();
    let call = reqwest::Client::new()
        .get(server.get("API_CALL_URL"))
        .bearer_auth(token["access_token"].as_str().unwrap())
        .header("Subscription-Id", server.get("SUBSCRIPTION_ID"))
        .send()
        .await
        .unwrap();
    assert_eq!(call.status(), 200);
}
