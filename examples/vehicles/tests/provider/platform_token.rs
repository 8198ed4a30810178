//! Which tokens are believed, and how the platform's keys are had.

use crate::platform::{CLIENT_ID, Key, Platform, SUBSCRIPTION_ID, send};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use portcullis_vehicles::{ExpectedClient, provider};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;

async fn status_with(router: &Router, authorization: Option<&str>) -> (u16, String) {
    let mut request =
        Request::get("/vehicles/v1/vehicles").header("subscription-id", SUBSCRIPTION_ID);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let answer = send(router, request.body(Body::empty()).unwrap()).await;
    (answer.status, answer.text())
}

#[tokio::test]
async fn every_claim_of_the_platform_token_is_checked() {
    let key = Key::new("k1");
    let platform = Platform::publishing(&[&key]).await;
    let router = platform.provider();
    let past = jsonwebtoken::get_current_timestamp() - 600;
    let changes = [
        ("iss", json!("http://elsewhere/oauth2/default"), "issuer"),
        ("iss", json!(format!("{}/", platform.issuer)), "issuer"),
        ("aud", json!("fortress"), "audience"),
        ("exp", json!(past), "expired"),
        ("nbf", json!(past + 1200), "not valid yet"),
        ("iat", json!(past + 1200), "future"),
        ("sub", json!("AnAppsOwnKey"), "another API"),
        ("exp", Value::Null, "not a platform token"),
        ("sub", Value::Null, "not a platform token"),
    ];
    for (claim, value, expected) in changes {
        let mut claims = platform.claims();
        claims[claim] = value;
        if claims[claim].is_null() {
            claims.as_object_mut().unwrap().remove(claim);
        }
        let authorization = format!("Bearer {}", key.sign(&claims));

        let (status, body) = status_with(&router, Some(&authorization)).await;

        assert_eq!(status, 401, "{claim}");
        assert!(body.contains(expected), "{claim}: {body}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_signed_by_the_platform_is_refused() {
    let key = Key::new("k1");
    let forged = Key::new("k1");
    let foreign = Key::new("k2");
    let platform = Platform::publishing(&[&key]).await;
    let router = platform.provider();
    let good = key.sign(&platform.claims());
    let payload = good.split('.').nth(1).unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.{payload}.");
    let hmac = format!("eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.{payload}.c2ln");
    let cases = [
        format!("Bearer {}", forged.sign(&platform.claims())),
        format!("Bearer {}", foreign.sign(&platform.claims())),
        format!("Bearer {unsigned}"),
        format!("Bearer {hmac}"),
        format!("Basic {good}"),
        "Bearer".to_owned(),
        "Bearer x".to_owned(),
        format!("Bearer {}", "x".repeat(9000)),
    ];

    let (accepted, _) = status_with(&router, Some(&format!("Bearer {good}"))).await;
    assert_eq!(accepted, 200);
    assert_eq!(status_with(&router, None).await.0, 401);
    for authorization in cases {
        let (status, body) = status_with(&router, Some(&authorization)).await;

        assert_eq!(status, 401, "{authorization:.60}");
        assert!(body.contains("INVALID-PLATFORM-TOKEN"), "{body}");
    }
}

#[tokio::test]
async fn a_rotated_key_is_fetched_once_however_many_calls_come_with_it() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let platform = Platform::publishing(&[&old]).await;
    let router = platform.provider();
    let before = format!("Bearer {}", old.sign(&platform.claims()));
    assert_eq!(status_with(&router, Some(&before)).await.0, 200);

    platform.publish(&[&old, &new]);
    let after = format!("Bearer {}", new.sign(&platform.claims()));
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (router, after) = (router.clone(), after.clone());
        calls.spawn(async move { status_with(&router, Some(&after)).await.0 });
    }
    let statuses = calls.join_all().await;

    assert!(statuses.iter().all(|status| *status == 200));
    assert_eq!(platform.fetches(), 2);
}

#[tokio::test]
async fn invented_key_ids_cause_few_fetches_and_leave_good_tokens_alone() {
    let key = Key::new("k1");
    let platform = Platform::publishing(&[&key]).await;
    let router = platform.provider();
    let good = format!("Bearer {}", key.sign(&platform.claims()));

    for number in 0..100 {
        // {"alg":"RS256","kid":"000"} and so on.
        let header = format!(r#"{{"alg":"RS256","kid":"{number:03}"}}"#);
        let header =
            base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header);
        let (status, _) = status_with(&router, Some(&format!("Bearer {header}.e30.c2ln"))).await;
        assert_eq!(status, 401);
    }

    assert_eq!(status_with(&router, Some(&good)).await.0, 200);
    assert!(platform.fetches() <= 10, "{}", platform.fetches());
}

#[tokio::test]
async fn the_keys_are_kept_while_their_endpoint_is_down() {
    let key = Key::new("k1");
    let platform = Platform::publishing(&[&key]).await;
    let router = platform.provider();
    let good = format!("Bearer {}", key.sign(&platform.claims()));
    assert_eq!(status_with(&router, Some(&good)).await.0, 200);

    platform.breaks();
    move_clock(Duration::from_mins(11)).await;
    let kept = status_with(&router, Some(&good)).await;
    let kept_again = status_with(&router, Some(&good)).await;
    move_clock(Duration::from_hours(24)).await;
    let too_old = status_with(&router, Some(&good)).await;

    assert_eq!((kept.0, kept_again.0), (200, 200));
    assert_eq!(too_old.0, 503);
    // The first, the failed refresh, and the failed one a day later.
    assert_eq!(platform.fetches(), 3);
}

async fn move_clock(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

#[tokio::test]
async fn until_the_client_id_is_known_the_answer_is_503() {
    let key = Key::new("k1");
    let platform = Platform::publishing(&[&key]).await;
    let (learn, learned) = watch::channel(None);
    let router = provider(platform.settings(ExpectedClient::learned(learned))).unwrap();
    let good = format!("Bearer {}", key.sign(&platform.claims()));

    let before = status_with(&router, Some(&good)).await;
    learn.send(Some(CLIENT_ID.to_owned())).unwrap();
    let after = status_with(&router, Some(&good)).await;

    assert_eq!((before.0, after.0), (503, 200));
}

#[tokio::test]
async fn a_ca_certificate_that_is_not_pem_is_refused_at_once() {
    let platform = Platform::publishing(&[]).await;
    let mut settings = platform.settings(ExpectedClient::known(CLIENT_ID));
    settings.ca_pem = Some(b"-----BEGIN CERTIFICATE-----\nnonsense".to_vec());

    assert!(provider(settings).is_err());
}
