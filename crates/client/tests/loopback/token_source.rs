//! One token for everybody, renewed in time, and what comes of a token server that fails.

use crate::platform::Platform;
use portcullis_client::{ApiSecret, Client, OAuthErrorCode, RetryAdvice, TokenError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

async fn move_clock(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

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
async fn neither_secret_nor_token_is_in_what_is_printed() {
    let platform = Platform::start().await;
    let client = platform.client();
    let token = client.token_source().token().await.unwrap();

    let printed = format!("{client:?} {token:?} {:?}", ApiSecret::from("pcs_x"));

    assert!(!printed.contains("the-secret"));
    assert!(!printed.contains("e30.e30"));
    assert!(!printed.contains("pcs_x"));
}
