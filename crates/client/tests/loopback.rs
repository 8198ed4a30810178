//! The SDK against a real HTTP server on loopback that plays token server, gateway and registry.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use portcullis_client::{
    ApiSecret, Body, CallError, Client, ClientBuilder, OAuthErrorCode, RetryAdvice, StreamBody,
    TokenError,
};
use portcullis_client::{ErrorSource, Method};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const SUBSCRIPTION_ID: &str = "6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e";

/// What one request looked like.
#[derive(Debug, Clone)]
struct Seen {
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

type Scripted = (u16, Vec<(&'static str, String)>, String);

/// Answers as scripted, then as the real ones do; remembers what it was asked.
#[derive(Clone)]
struct Platform {
    url: String,
    state: Arc<PlatformState>,
}

struct PlatformState {
    tokens: Mutex<VecDeque<Scripted>>,
    calls: Mutex<VecDeque<Scripted>>,
    token_requests: Mutex<Vec<Seen>>,
    api_requests: Mutex<Vec<Seen>>,
    /// A permit for each token request that may be answered.
    gate: Semaphore,
}

impl Platform {
    async fn start() -> Self {
        Self::start_with(Semaphore::new(Semaphore::MAX_PERMITS)).await
    }

    async fn start_with(gate: Semaphore) -> Self {
        let state = Arc::new(PlatformState {
            tokens: Mutex::default(),
            calls: Mutex::default(),
            token_requests: Mutex::default(),
            api_requests: Mutex::default(),
            gate,
        });
        let router = Router::new()
            .route("/oauth2/default/v1/token", post(token))
            .fallback(any(api))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        #[expect(
            clippy::disallowed_methods,
            reason = "the server of a test ends with its runtime"
        )]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    fn then_token(self, status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        self.state
            .tokens
            .lock()
            .unwrap()
            .push_back(scripted(status, headers, body));
        self
    }

    fn then_call(self, status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        self.state
            .calls
            .lock()
            .unwrap()
            .push_back(scripted(status, headers, body));
        self
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder()
            .issuer(format!("{}/oauth2/default", self.url))
            .api_key("app-key")
            .api_secret("pcs_the-secret")
            .api_base(format!("{}/sample/vehicles/v1", self.url))
            .subscriptions_base(&self.url)
    }

    fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    fn token_requests(&self) -> Vec<Seen> {
        self.state.token_requests.lock().unwrap().clone()
    }

    fn api_requests(&self) -> Vec<Seen> {
        self.state.api_requests.lock().unwrap().clone()
    }
}

fn scripted(status: u16, headers: &[(&'static str, &str)], body: &str) -> Scripted {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    (status, headers.collect(), body.to_owned())
}

fn answer((status, headers, body): Scripted) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    response
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

async fn token(
    State(state): State<Arc<PlatformState>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let path = uri.to_string();
    let count = {
        let mut requests = state.token_requests.lock().unwrap();
        requests.push(Seen {
            path,
            headers,
            body,
        });
        requests.len()
    };
    state.gate.acquire().await.unwrap().forget();
    let scripted = state.tokens.lock().unwrap().pop_front();
    answer(scripted.unwrap_or_else(|| {
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"e30.e30.{count}","scope":"anonymous"}}"#
        );
        (200, Vec::new(), body)
    }))
}

async fn api(
    State(state): State<Arc<PlatformState>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let path = uri.to_string();
    state.api_requests.lock().unwrap().push(Seen {
        path,
        headers,
        body,
    });
    let scripted = state.calls.lock().unwrap().pop_front();
    answer(scripted.unwrap_or_else(|| (200, Vec::new(), "{}".to_owned())))
}

async fn move_clock(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

const EXPIRED: &str = r#"{"code":"TOKEN-EXPIRED","message":"m","status":401}"#;

#[tokio::test]
async fn a_hundred_callers_make_one_token_request() {
    let platform = Platform::start_with(Semaphore::new(0)).await;
    let source = platform.client().token_source().clone();

    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let source = source.clone();
        callers.spawn(async move { source.token().await });
    }
    platform.state.gate.add_permits(1);
    let tokens = callers.join_all().await;

    assert!(
        tokens
            .iter()
            .all(|token| token.as_ref().unwrap().access_token().expose() == "e30.e30.1")
    );
    assert_eq!(platform.token_requests().len(), 1);
}

#[tokio::test]
async fn the_token_request_is_the_one_the_platform_documents() {
    let platform = Platform::start().await;

    platform.client().token_source().token().await.unwrap();

    let seen = platform.token_requests().remove(0);
    assert_eq!(seen.path, "/oauth2/default/v1/token");
    assert_eq!(seen.body, "grant_type=client_credentials&scope=anonymous");
    assert_eq!(
        seen.header("authorization"),
        "Basic YXBwLWtleTpwY3NfdGhlLXNlY3JldA=="
    );
    assert_eq!(
        seen.header("content-type"),
        "application/x-www-form-urlencoded"
    );
}

#[tokio::test]
async fn a_cancelled_caller_does_not_cancel_the_others() {
    let platform = Platform::start_with(Semaphore::new(0)).await;
    let source = platform.client().token_source().clone();
    let mut first = Box::pin(source.token());
    let mut second = Box::pin(source.token());

    // The first caller starts the request, the second joins it, then the first goes away.
    tokio::select! {
        biased;
        _ = &mut first => unreachable!("the gate is closed"),
        _ = &mut second => unreachable!("the gate is closed"),
        () = platform_was_asked(&platform) => {}
    }
    drop(first);
    platform.state.gate.add_permits(1);
    let token = second.await.unwrap();

    assert_eq!(token.access_token().expose(), "e30.e30.1");
    assert_eq!(platform.token_requests().len(), 1);
}

async fn platform_was_asked(platform: &Platform) {
    while platform.token_requests().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_is_kept_until_near_its_end_and_then_renewed() {
    let platform = Platform::start().await;
    let source = platform.client().token_source().clone();
    let first = source.token().await.unwrap();

    move_clock(Duration::from_secs(3100)).await;
    let kept = source.token().await.unwrap();
    move_clock(Duration::from_secs(150)).await;
    let renewed = source.token().await.unwrap();

    assert_eq!(kept.access_token(), first.access_token());
    assert_ne!(renewed.access_token(), first.access_token());
    assert_eq!(platform.token_requests().len(), 2);
}

#[tokio::test]
async fn a_failed_renewal_leaves_the_old_token_in_use_until_it_ends() {
    let error = r#"{"error":"server_error","error_description":"down"}"#;
    let platform = Platform::start().await;
    let source = platform.client().token_source().clone();
    let first = source.token().await.unwrap();
    let platform = platform
        .then_token(500, &[], error)
        .then_token(500, &[], error);

    move_clock(Duration::from_mins(55)).await;
    let second = source.token().await.unwrap();
    let third = source.token().await.unwrap();
    move_clock(Duration::from_secs(301)).await;
    let after_its_end = source.token().await;

    assert_eq!(second.access_token(), first.access_token());
    assert_eq!(third.access_token(), first.access_token());
    assert!(after_its_end.is_err());
    // One try at each renewal: the third caller came within the pause.
    assert_eq!(platform.token_requests().len(), 3);
}

#[tokio::test]
async fn a_wrong_secret_is_said_once_and_not_retried() {
    let error = r#"{"error":"invalid_client","error_description":"unknown key or wrong secret"}"#;
    let platform = Platform::start()
        .await
        .then_token(401, &[("request-id", "r7")], error);

    let error = platform.client().token_source().token().await.unwrap_err();

    let TokenError::Refused(refusal) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(refusal.code, OAuthErrorCode::InvalidClient);
    assert_eq!(refusal.request_id.as_deref(), Some("r7"));
    assert_eq!(error.retry(), RetryAdvice::Never);
    assert!(error.remedy().contains("API Secret"));
    assert_eq!(platform.token_requests().len(), 1);
}

#[tokio::test]
async fn a_busy_token_server_is_asked_again_after_retry_after() {
    let busy = r#"{"error":"temporarily_unavailable"}"#;
    let platform = Platform::start()
        .await
        .then_token(503, &[("retry-after", "0")], busy)
        .then_token(503, &[("retry-after", "0")], "<html>busy</html>");

    let token = platform.client().token_source().token().await.unwrap();

    assert_eq!(token.access_token().expose(), "e30.e30.3");
    assert_eq!(platform.token_requests().len(), 3);
}

#[tokio::test]
async fn retries_end_after_three_requests() {
    let mut platform = Platform::start().await;
    for _ in 0..4 {
        platform = platform.then_token(503, &[("retry-after", "0")], "{}");
    }

    let error = platform.client().token_source().token().await.unwrap_err();

    assert!(matches!(error, TokenError::Refused(refusal) if refusal.status == 503));
    assert_eq!(platform.token_requests().len(), 3);
}

#[tokio::test]
async fn a_long_retry_after_is_honoured_without_further_requests() {
    let busy = r#"{"error":"temporarily_unavailable"}"#;
    let platform = Platform::start()
        .await
        .then_token(429, &[("retry-after", "120")], busy);
    let source = platform.client().token_source().clone();

    let first = source.token().await.unwrap_err();
    let second = source.token().await.unwrap_err();
    move_clock(Duration::from_secs(121)).await;
    let later = source.token().await;

    assert_eq!(first.retry(), RetryAdvice::After(Duration::from_mins(2)));
    assert!(matches!(second.retry(), RetryAdvice::After(left) if left <= Duration::from_mins(2)));
    assert!(later.is_ok());
    assert_eq!(platform.token_requests().len(), 2);
}

#[tokio::test]
async fn answers_that_are_no_token_become_clear_errors() {
    let token = |rest: &str| format!(r#"{{"access_token":"a.b.c",{rest}}}"#);
    let cases = [
        (200, "not json".to_owned(), "not a JSON object"),
        (200, "{}".to_owned(), "access_token"),
        (200, token(r#""token_type":"Bearer""#), "expires_in"),
        (
            200,
            token(r#""token_type":"Bearer","expires_in":0"#),
            "expires_in",
        ),
        (
            200,
            token(r#""token_type":"mac","expires_in":9"#),
            "token_type",
        ),
        (404, "<html>nothing here</html>".to_owned(), "error"),
        (302, String::new(), "redirects"),
        (200, "x".repeat(70_000), "over 65536 bytes"),
    ];
    for (status, body, expected) in cases {
        let location = [("location", "http://127.0.0.1:1/")];
        let platform = Platform::start().await.then_token(status, &location, &body);

        let error = platform.client().token_source().token().await.unwrap_err();

        assert!(matches!(error, TokenError::Malformed { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(platform.token_requests().len(), 1);
    }
}

#[tokio::test]
async fn a_token_with_a_line_break_is_never_sent() {
    let platform = Platform::start().await.then_token(
        200,
        &[],
        r#"{"access_token":"a\r\nX: y","token_type":"Bearer","expires_in":9}"#,
    );

    let error = platform.client().token_source().token().await.unwrap_err();

    assert!(matches!(error, TokenError::Malformed { .. }));
}

#[tokio::test]
async fn a_token_server_that_is_not_there_is_unreachable() {
    let builder = Client::builder().api_key("k").api_secret("s");

    let source = builder
        .issuer("http://127.0.0.1:1/x")
        .build_token_source()
        .unwrap();
    let error = source.token().await.unwrap_err();

    assert!(matches!(error, TokenError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_token_server_that_never_answers_times_out() {
    let platform = Platform::start_with(Semaphore::new(0)).await;
    let builder = platform.builder().token_timeout(Duration::from_millis(50));

    let error = builder.build().unwrap().token_source().token().await;

    assert!(matches!(error, Err(TokenError::TimedOut { .. })));
}

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

#[tokio::test]
async fn neither_secret_nor_token_is_in_what_is_printed() {
    let platform = Platform::start().await;
    let client = platform.client();
    let token = client.token_source().token().await.unwrap();

    let printed = format!("{client:?} {token:?} {:?}", ApiSecret::from("pcs_x"));

    assert!(!printed.contains("the-secret"));
    assert!(!printed.contains("e30.e30"));
    assert!(!printed.contains("pcs_x"));
}
