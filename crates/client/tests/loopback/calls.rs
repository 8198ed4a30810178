//! Calls with both papers: what is sent, what is repeated, how refusals read.

use crate::platform::Platform;
use portcullis_client::{Body, CallError, ErrorSource, Method, StreamBody};

const SUBSCRIPTION_ID: &str = "6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e";
const EXPIRED: &str = r#"{"code":"TOKEN-EXPIRED","message":"m","status":401}"#;

#[tokio::test]
async fn a_call_carries_both_papers_and_a_request_id() {
    let platform = Platform::start().await;
    let body = Body::Json(serde_json::json!({ "a": 1 }));

    let answer = platform
        .client()
        .call(Method::POST, "/vehicles?x=1", SUBSCRIPTION_ID, body)
        .await
        .unwrap();

    let seen = platform.api_requests().remove(0);
    assert_eq!(seen.path, "/sample/vehicles/v1/vehicles?x=1");
    assert_eq!(seen.header("authorization"), "Bearer e30.e30.1");
    assert_eq!(seen.header("subscription-id"), SUBSCRIPTION_ID);
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("request-id"), answer.request_id);
    assert_eq!(seen.body, r#"{"a":1}"#);
}

#[tokio::test]
async fn an_expired_token_is_replaced_and_the_call_repeated_once() {
    for code in ["TOKEN-EXPIRED", "INVALID-TOKEN"] {
        let refusal = EXPIRED.replace("TOKEN-EXPIRED", code);
        let platform = Platform::start().await.then_call(401, &[], &refusal);
        let body = Body::Bytes("text/plain".to_owned(), "hello".into());

        let answer = platform
            .client()
            .call(Method::PUT, "x", SUBSCRIPTION_ID, body)
            .await;

        assert!(answer.is_ok());
        let seen = platform.api_requests();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].header("authorization"), "Bearer e30.e30.1");
        assert_eq!(seen[1].header("authorization"), "Bearer e30.e30.2");
        assert_eq!(seen[1].body, "hello");
    }
}

#[tokio::test]
async fn a_token_refused_twice_is_an_error() {
    let platform = Platform::start()
        .await
        .then_call(401, &[], EXPIRED)
        .then_call(401, &[], EXPIRED);

    let error = platform
        .client()
        .call(Method::GET, "x", SUBSCRIPTION_ID, Body::Empty)
        .await;

    assert!(matches!(error, Err(CallError::Refused(refusal)) if refusal.code == "TOKEN-EXPIRED"));
    assert_eq!(platform.api_requests().len(), 2);
}

#[tokio::test]
async fn a_stream_is_not_sent_twice_but_the_token_is_dropped() {
    let platform = Platform::start().await.then_call(401, &[], EXPIRED);
    let client = platform.client();
    let stream = Body::Stream("text/plain".to_owned(), StreamBody::from("once"));

    let first = client.call(Method::POST, "x", SUBSCRIPTION_ID, stream);
    let first = first.await;
    let second = client.call(Method::GET, "x", SUBSCRIPTION_ID, Body::Empty);

    assert!(matches!(first, Err(CallError::Refused(_))));
    assert!(second.await.is_ok());
    let seen = platform.api_requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].header("authorization"), "Bearer e30.e30.2");
}

#[tokio::test]
async fn a_refusal_of_the_api_itself_is_told_apart_and_not_retried() {
    let platform = Platform::start()
        .await
        .then_call(401, &[("error-source", "api")], EXPIRED);

    let error = platform
        .client()
        .call(Method::GET, "x", SUBSCRIPTION_ID, Body::Empty)
        .await;

    let Err(CallError::Refused(refusal)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(refusal.source, ErrorSource::Api);
    assert_eq!(platform.api_requests().len(), 1);
}

#[tokio::test]
async fn other_refusals_carry_code_message_remedy_and_request_id() {
    let body = r#"{"code":"SUBSCRIPTION-MISMATCH","message":"not yours","status":403,
        "requestId":"r1","source":"GATEWAY","remedy":"use your own"}"#;
    let platform = Platform::start()
        .await
        .then_call(403, &[("error-source", "gateway")], body);

    let error = platform
        .client()
        .call(Method::GET, "x", SUBSCRIPTION_ID, Body::Empty)
        .await;

    let Err(CallError::Refused(refusal)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        refusal.to_string(),
        "SUBSCRIPTION-MISMATCH (403): not yours"
    );
    assert_eq!(refusal.remedy, "use your own");
    assert_eq!(refusal.request_id.as_deref(), Some("r1"));
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_not_buffered() {
    let platform = Platform::start()
        .await
        .then_call(200, &[], &"x".repeat(5000));
    let client = platform.builder().answer_bytes_max(1000).build().unwrap();

    let error = client
        .call(Method::GET, "x", SUBSCRIPTION_ID, Body::Empty)
        .await;

    assert!(matches!(error, Err(CallError::Malformed { .. })));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let location = [("location", "http://127.0.0.1:1/")];
    let platform = Platform::start().await.then_call(302, &location, "");

    let answer = platform
        .client()
        .call(Method::GET, "x", SUBSCRIPTION_ID, Body::Empty)
        .await
        .unwrap();

    assert_eq!(answer.status.as_u16(), 302);
}

#[tokio::test]
async fn subscriptions_are_read_leniently() {
    let body = r#"{"subscriptions":[{"subscriptionId":"1","orgId":"o","orgName":"Super Car",
        "status":"active","activationDate":"2026-01-02","deactivationDate":"",
        "environment":"Production","dealerCodes":[],"apiDmsInfo":[]},{"subscriptionId":"2"}]}"#;
    let platform = Platform::start().await.then_call(200, &[], body);

    let subscriptions = platform.client().subscriptions().await.unwrap();

    assert_eq!(subscriptions.len(), 2);
    assert!(subscriptions[0].is_active());
    assert_eq!(
        platform.api_requests()[0].path,
        "/v1/solution/subscriptions"
    );
}

#[tokio::test]
async fn the_context_of_a_subscription_is_asked_with_the_id_as_one_segment() {
    let body = r#"{"organizationInfo":{"id":"o","name":"Super Car"},"appInfo":{"id":"a"}}"#;
    let platform = Platform::start().await.then_call(200, &[], body);

    let context = platform.client().context("a/../b").await.unwrap();

    assert_eq!(context.organization.name, "Super Car");
    assert_eq!(
        platform.api_requests()[0].path,
        "/subscriptions/a%2F..%2Fb/context"
    );
}
