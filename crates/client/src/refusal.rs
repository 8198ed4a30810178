//! The error answers of the gateway and of the APIs behind it, made into one type. No requests.

use crate::error::RetryAdvice;
use crate::http;
use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// Who refused.
///
/// ```
/// assert_ne!(portcullis_client::ErrorSource::Gateway, portcullis_client::ErrorSource::Api);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorSource {
    /// The gateway (or a registry endpoint): the call did not reach the API.
    Gateway,
    /// The API behind the gateway.
    Api,
}

/// A call that was answered with an error, and what to do about it.
///
/// ```
/// use portcullis_client::ApiError;
///
/// fn log(error: &ApiError) {
///     eprintln!("{} (request {:?})", error, error.request_id);
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// A stable word, e.g. `SUBSCRIPTION-MISMATCH`; `TARGET-RESPONSE` when the API gave none.
    pub code: String,
    /// What happened, for a person.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// The id under which the operator finds this call.
    pub request_id: Option<String>,
    /// What to do about it, for a person.
    pub remedy: String,
    /// Who refused.
    pub source: ErrorSource,
    /// Where the code is explained (RFC 9457 `type`), when the answer says so.
    pub documentation: Option<String>,
    /// `Retry-After`, at most five minutes.
    pub retry_after: Option<Duration>,
    body: Bytes,
}

impl ApiError {
    /// The answer's body as it came; an API may tell more in it.
    ///
    /// ```
    /// # fn show(error: &portcullis_client::ApiError) {
    /// println!("{}", String::from_utf8_lossy(error.body()));
    /// # }
    /// ```
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether trying again can help: after 408, 429 and the 5xx that pass, never after other 4xx.
    ///
    /// ```
    /// # use portcullis_client::{ApiError, RetryAdvice};
    /// # fn check(error: &ApiError) {
    /// if let RetryAdvice::After(delay) = error.retry() {
    ///     println!("again in {delay:?}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn retry(&self) -> RetryAdvice {
        match (self.status, self.retry_after) {
            (408 | 429 | 500..=599, Some(delay)) => RetryAdvice::After(delay),
            (408 | 429 | 502..=504, None) => RetryAdvice::After(Duration::from_secs(1)),
            _ => RetryAdvice::Never,
        }
    }

    /// Whether a new token may be accepted where this one was not.
    pub(crate) fn is_about_the_token(&self) -> bool {
        self.status == 401
            && self.source == ErrorSource::Gateway
            && matches!(self.code.as_str(), "TOKEN-EXPIRED" | "INVALID-TOKEN")
    }

    pub(crate) fn from_answer(
        status: StatusCode,
        headers: &HeaderMap,
        body: Bytes,
        sent_request_id: &str,
    ) -> Self {
        let members = serde_json::from_slice(&body).unwrap_or_default();
        let source = source(headers, &members);
        let code = text(&members, &["code"]).unwrap_or_else(|| match source {
            ErrorSource::Api => "TARGET-RESPONSE".to_owned(),
            ErrorSource::Gateway => format!("HTTP-{}", status.as_u16()),
        });
        let message = text(
            &members,
            &["message", "detail", "error_description", "title"],
        );
        let answered_id = http::header(headers, &http::REQUEST_ID).map(http::shown);
        Self {
            message: message.unwrap_or_else(|| reason_phrase(status)),
            status: status.as_u16(),
            request_id: answered_id
                .or_else(|| text(&members, &["requestId", "request_id"]))
                .or_else(|| Some(sent_request_id.to_owned())),
            remedy: text(&members, &["remedy"]).unwrap_or_else(|| remedy(&code, source).to_owned()),
            documentation: text(&members, &["type"]).filter(|url| url.starts_with("http")),
            retry_after: http::retry_after(headers),
            code,
            source,
            body,
        }
    }
}

/// Only the gateway's own `Error-Source` decides; a body may claim anything.
fn source(headers: &HeaderMap, members: &Map<String, Value>) -> ErrorSource {
    match http::header(headers, &http::ERROR_SOURCE) {
        Some(source) if source.eq_ignore_ascii_case("api") => ErrorSource::Api,
        Some(_) => ErrorSource::Gateway,
        // Registry endpoints answer without the header, and so do gateways of other makes: those
        // have a code.
        None if members.contains_key("code") => ErrorSource::Gateway,
        None => ErrorSource::Api,
    }
}

fn text(members: &Map<String, Value>, names: &[&str]) -> Option<String> {
    let found = names.iter().find_map(|name| match members.get(*name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    found.map(|text| http::shown(&text))
}

fn reason_phrase(status: StatusCode) -> String {
    let phrase = status.canonical_reason().unwrap_or("an error");
    format!("the answer was {} {phrase}", status.as_u16())
}

/// For answers that carry no `remedy` of their own.
fn remedy(code: &str, source: ErrorSource) -> &'static str {
    match code {
        "API-DOES-NOT-EXIST" => "Correct the URL: namespace, environment suffix and base path.",
        "UNAUTHORIZED-API-ACCESS" => "Add this API to the app, then try again.",
        "MISSING-AUTHORIZATION" => "Send the access token in the Authorization header.",
        "INVALID-TOKEN" => "Get a new token; if it is refused too, see that the app is enabled.",
        "TOKEN-EXPIRED" => "Get a new token.",
        "TOKEN-ISSUER-MISMATCH" => "Get the token from the current issuer.",
        "TOKEN-AUDIENCE-MISMATCH" => "Get a token for this platform's APIs.",
        "QUOTA-EXCEEDED" => "Wait for the next period, or ask for a higher quota.",
        "MISSING-SUBSCRIPTION-ID" => "Send the customer's Subscription-Id.",
        "API-SUBSCRIPTION-INACTIVE" => {
            "The subscription or its connection is pending or ended: activate it again."
        }
        "SUBSCRIPTION-MISMATCH" => {
            "Use a Subscription-Id that belongs to this app and is connected to this API."
        }
        "SUBSCRIBER-CONFIGURATION-PENDING" => {
            "The API's owner has yet to enter the values for this subscription."
        }
        "TARGET-SYSTEM-UNREACHABLE" | "TARGET-SYSTEM-TIMED-OUT" => {
            "The API behind the gateway does not answer: try again later, or tell its owner."
        }
        "PAYLOAD-TOO-BIG" => "Send less in one request.",
        _ => match source {
            ErrorSource::Api => "The API itself answered this: see its documentation.",
            ErrorSource::Gateway => "Tell the operator the request id.",
        },
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.message)
    }
}

/// Without the body: an API's answer belongs to the caller, not into a log.
impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("code", &self.code)
            .field("message", &self.message)
            .field("status", &self.status)
            .field("request_id", &self.request_id)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, headers: &[(&'static str, &str)], body: &str) -> ApiError {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        ApiError::from_answer(status, &map, Bytes::from(body.to_owned()), "sent-id")
    }

    #[test]
    fn a_gateway_refusal_keeps_code_message_remedy_and_request_id() {
        let body = r#"{"code":"SUBSCRIPTION-MISMATCH","message":"m","status":403,
            "requestId":"r1","source":"GATEWAY","remedy":"do this","type":"https://docs/x"}"#;

        let error = refusal(403, &[("error-source", "gateway")], body);

        assert_eq!(error.code, "SUBSCRIPTION-MISMATCH");
        assert_eq!(error.request_id.as_deref(), Some("r1"));
        assert_eq!(error.remedy, "do this");
        assert_eq!(error.documentation.as_deref(), Some("https://docs/x"));
        assert_eq!(error.retry(), RetryAdvice::Never);
    }

    #[test]
    fn an_api_cannot_pass_for_the_gateway() {
        let body = r#"{"code":"TOKEN-EXPIRED","message":"m","source":"GATEWAY"}"#;

        let error = refusal(401, &[("error-source", "api")], body);

        assert_eq!(error.source, ErrorSource::Api);
        assert!(!error.is_about_the_token());
    }

    #[test]
    fn an_answer_that_is_not_json_still_becomes_a_clear_error() {
        let error = refusal(
            502,
            &[("error-source", "gateway")],
            "<html>bad gateway</html>",
        );

        assert_eq!(error.code, "HTTP-502");
        assert_eq!(error.message, "the answer was 502 Bad Gateway");
        assert_eq!(error.request_id.as_deref(), Some("sent-id"));
        assert!(!error.remedy.is_empty());
    }

    #[test]
    fn a_message_with_control_characters_stays_on_one_line() {
        let error = refusal(
            400,
            &[],
            r#"{"code":"INVALID-REQUEST","message":"a\nb\u001b[31m"}"#,
        );

        assert_eq!(error.message, "a b [31m");
    }
}
