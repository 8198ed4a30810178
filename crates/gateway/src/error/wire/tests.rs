use http::HeaderValue;
use serde_json::json;

use super::*;
use crate::{answer::refuse, response_body::ResponseBody};

/// Every error there is. A new variant that is missing here is missing in `fixtures/wire` too.
fn every_error() -> Vec<GatewayError> {
    let mut all = vec![
        GatewayError::RouteNotFound,
        GatewayError::Loop,
        GatewayError::AuthorizationMissing,
        GatewayError::NotBearer,
        GatewayError::RequestTooLarge,
        GatewayError::Stale,
        GatewayError::NoOutboundToken,
        GatewayError::CallerGone,
    ];
    all.extend(
        [
            InvalidRequest::Path,
            InvalidRequest::Method,
            InvalidRequest::FieldImitated,
            InvalidRequest::AuthorizationRepeated,
            InvalidRequest::SubscriptionIdRepeated,
            InvalidRequest::SubscriptionIdMalformed,
            InvalidRequest::ContentLength,
        ]
        .map(GatewayError::from),
    );
    all.extend(
        [
            VerifyError::Malformed,
            VerifyError::Header,
            VerifyError::Issuer,
            VerifyError::UnknownKey,
            VerifyError::Signature,
            VerifyError::Audience,
            VerifyError::Expired,
            VerifyError::NotYetValid,
            VerifyError::Client,
            VerifyError::Generation,
        ]
        .map(GatewayError::from),
    );
    all.extend(every_denial().map(GatewayError::from));
    all.extend(
        [
            UpstreamError::Unresolved,
            UpstreamError::Blocked,
            UpstreamError::Refused,
            UpstreamError::ConnectTimedOut,
            UpstreamError::Tls,
            UpstreamError::Busy,
            UpstreamError::Reset,
            UpstreamError::Malformed,
            UpstreamError::TimedOut,
            UpstreamError::ResponseTooLarge,
        ]
        .map(GatewayError::from),
    );
    all.extend(
        [
            SimulatorError::NoExamples,
            SimulatorError::NoSuchPath {
                method: "GET".into(),
                path: "/cars/v1/x".into(),
            },
            SimulatorError::NoSuchMethod,
            SimulatorError::Unauthorized,
            SimulatorError::Throttled(Duration::from_millis(1_500)),
            SimulatorError::NotSelected,
            SimulatorError::BadJson("Unexpected end of JSON input".into()),
        ]
        .map(GatewayError::from),
    );
    all
}

fn every_denial() -> [Denial; 19] {
    [
        Denial::ClientUnknown,
        Denial::TokenRevoked,
        Denial::AppDisabled,
        Denial::OwnerSuspended,
        Denial::ProviderSuspended,
        Denial::ApiNotSelected,
        Denial::ApiNotVisible,
        Denial::SubscriptionMissing,
        Denial::SubscriptionUnknown,
        Denial::SubscriptionOfAnother,
        Denial::WrongEnvironment,
        Denial::NotConnected,
        Denial::SubscriptionPending,
        Denial::SubscriptionSuspended,
        Denial::SubscriptionEnded,
        Denial::BuyerSuspended,
        Denial::ConnectionPending,
        Denial::ConnectionEnded,
        Denial::ValuesIncomplete,
    ]
}

/// The answer to this error, as both sides of the wire have to know it.
fn published(error: &GatewayError) -> serde_json::Value {
    let response = refuse(&error.wire(), &HeaderValue::from_static("0123"));
    let headers: serde_json::Map<String, serde_json::Value> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    let status = response.status().as_u16();
    let body: serde_json::Value = serde_json::from_str(&text(response.into_body())).unwrap();
    json!({ "when": error.to_string(), "status": status, "headers": headers, "body": body })
}

fn text(body: ResponseBody) -> String {
    let mut body = std::pin::pin!(body);
    let mut idly = std::task::Context::from_waker(std::task::Waker::noop());
    match http_body::Body::poll_frame(body.as_mut(), &mut idly) {
        std::task::Poll::Ready(Some(Ok(frame))) => {
            String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
        }
        _ => String::new(),
    }
}

#[test]
fn errors_are_as_published() {
    let now: Vec<serde_json::Value> = every_error().iter().map(published).collect();
    let now = serde_json::to_string_pretty(&now).unwrap() + "\n";

    let fixture = include_str!("../../../../../fixtures/wire/gateway-errors.json");

    assert!(
        now == fixture,
        "fixtures/wire/gateway-errors.json should be:\n{now}"
    );
}

#[test]
fn every_reason_is_one_that_logs_and_pages_know() {
    let known = [
        "token_missing",
        "token_malformed",
        "token_expired",
        "token_not_yet_valid",
        "token_bad_signature",
        "token_unknown_key",
        "token_wrong_issuer",
        "token_wrong_audience",
        "token_revoked",
        "client_unknown",
        "client_secret_bad",
        "app_disabled",
        "subscription_missing",
        "subscription_unknown",
        "subscription_pending",
        "subscription_suspended",
        "subscription_cancelled",
        "subscription_wrong_app",
        "api_not_granted",
        "rate_limited",
        "route_not_found",
        "method_not_allowed",
        "body_too_large",
        "header_invalid",
        "upstream_unresolved",
        "upstream_connect",
        "upstream_tls",
        "upstream_timeout",
        "upstream_reset",
        "upstream_unhealthy",
        "client_closed",
        "internal",
    ];

    for error in every_error() {
        assert!(known.contains(&error.wire().reason), "{error}");
    }
}

#[test]
fn denials_that_must_not_be_told_apart_are_the_same_answer() {
    for alike in [
        &[
            Denial::SubscriptionUnknown,
            Denial::SubscriptionOfAnother,
            Denial::WrongEnvironment,
            Denial::NotConnected,
        ][..],
        &[
            Denial::ClientUnknown,
            Denial::TokenRevoked,
            Denial::AppDisabled,
            Denial::OwnerSuspended,
        ],
    ] {
        let answers: Vec<_> = alike
            .iter()
            .map(|denial| WireError {
                reason: "",
                ..GatewayError::from(*denial).wire()
            })
            .collect();

        assert!(answers.windows(2).all(|two| two[0] == two[1]), "{alike:?}");
    }
}

#[test]
fn every_refusal_says_what_to_do_in_whole_sentences() {
    for error in every_error() {
        let wire = error.wire();

        assert!(
            wire.remedy.ends_with('.') && !wire.message.is_empty(),
            "{error}"
        );
        assert!(
            !wire.message.contains(['"', '\\']),
            "{error}: it goes into a quoted string"
        );
    }
}
