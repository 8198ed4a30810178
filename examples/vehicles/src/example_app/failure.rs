//! Everything that can go wrong between this app, the token server, the gateway and the API, as an
//! answer that a page can show: code, message, what to do, request id.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_client::{
    Answer, ApiError, CallError, ErrorSource, OAuthErrorCode, OAuthRefusal, RetryAdvice, TokenError,
};
use serde::Serialize;
use std::fmt::Display;

/// Why there is no token, or no vehicles.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Failure {
    code: Box<str>,
    message: Box<str>,
    remedy: Box<str>,
    /// Who failed.
    source: Source,
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    request_id: Option<Box<str>>,
    /// Seconds after which trying again makes sense; absent when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// The settings that are missing.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    missing: Box<[&'static str]>,
    status: u16,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Source {
    App,
    Configuration,
    TokenServer,
    Gateway,
    Api,
}

impl Failure {
    fn new(source: Source, code: &str, message: String, remedy: &str) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            remedy: remedy.into(),
            source,
            request_id: None,
            retry_after: None,
            missing: Box::default(),
            status: 502,
        }
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Says it in the terminal too, where the person who started the app looks.
    pub(super) fn logged(self) -> Self {
        let request_id = self.request_id.as_deref().unwrap_or_default();
        tracing::warn!(code = %self.code, request_id, "{} {}", self.message, self.remedy);
        self
    }

    pub(super) fn not_configured(missing: Vec<&'static str>) -> Self {
        let message = format!("The app was started without {}.", missing.join(", "));
        let remedy = "Set them in the environment and start the app again. A development server \
                      writes them to dev.env in its data folder.";
        Self {
            missing: missing.into(),
            ..Self::new(Source::Configuration, "NOT-CONFIGURED", message, remedy)
        }
    }

    pub(super) fn unusable(reason: &impl Display) -> Self {
        let message = format!("The app's settings cannot be used: {reason}.");
        let remedy = "Correct the environment variable and start the app again.";
        Self::new(
            Source::Configuration,
            "INVALID-CONFIGURATION",
            message,
            remedy,
        )
    }

    pub(super) fn not_json(answer: &Answer) -> Self {
        let message = format!(
            "The API answered {}, but not with JSON.",
            answer.status.as_u16()
        );
        let remedy = "Check API_CALL_URL: it should be a gateway URL that answers with JSON.";
        Self {
            request_id: Some(answer.request_id.as_str().into()),
            ..Self::new(Source::Api, "UNEXPECTED-ANSWER", message, remedy)
        }
    }

    pub(super) fn no_such_path() -> Self {
        let message = "This app has nothing at this path.".to_owned();
        let remedy = "The page is at /.";
        Self {
            status: 404,
            ..Self::new(Source::App, "NOT-FOUND", message, remedy)
        }
    }

    pub(super) fn no_such_method() -> Self {
        let message = "This path does not take this method.".to_owned();
        let remedy = "See the Allow header of this answer.";
        Self {
            status: 405,
            ..Self::new(Source::App, "METHOD-NOT-ALLOWED", message, remedy)
        }
    }

    pub(super) fn from_another_site() -> Self {
        let message = "Another site asked for this.".to_owned();
        let remedy = "Open the app's own page.";
        Self {
            status: 403,
            ..Self::new(Source::App, "CROSS-SITE-REQUEST", message, remedy)
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let retry_after = match error.retry() {
            RetryAdvice::Never => None,
            RetryAdvice::After(delay) => Some(delay.as_secs()),
        };
        let message = sentence(&error.to_string());
        let failure = match error {
            CallError::Token(error) => from_token_server(&error, &message),
            CallError::Refused(refusal) => from_gateway(*refusal),
            CallError::Unreachable { .. } => Self::new(
                Source::Gateway,
                "GATEWAY-UNREACHABLE",
                message,
                "Check that the gateway runs and that API_CALL_URL names its host and port.",
            ),
            CallError::TimedOut { .. } => Self::new(
                Source::Gateway,
                "GATEWAY-TIMED-OUT",
                message,
                "Try again; if it persists, look at the gateway's load.",
            ),
            CallError::InvalidCall(_) => Self::unusable(&message.trim_end_matches('.')),
            other => {
                let remedy = other.remedy().to_owned();
                Self::new(Source::Gateway, "UNEXPECTED-ANSWER", message, &remedy)
            }
        };
        Self {
            retry_after,
            ..failure
        }
    }
}

fn from_token_server(error: &TokenError, message: &str) -> Failure {
    let failure = |code: &str, remedy: &str| {
        Failure::new(Source::TokenServer, code, message.to_owned(), remedy)
    };
    match error {
        TokenError::Refused(refusal) => Failure {
            request_id: refusal.request_id.as_deref().map(Box::from),
            ..failure(&wire_word(&refusal.code), refused_remedy(refusal))
        },
        TokenError::TimedOut { .. } => failure("TOKEN-SERVER-TIMED-OUT", error.remedy()),
        TokenError::Malformed { .. } => failure(
            "TOKEN-SERVER-UNEXPECTED-ANSWER",
            "Check AUTH_URL: it is the token server's URL without /v1/token.",
        ),
        _ => failure(
            "TOKEN-SERVER-UNREACHABLE",
            "Check that the token server runs and that AUTH_URL names its host and port.",
        ),
    }
}

fn refused_remedy(refusal: &OAuthRefusal) -> &'static str {
    match refusal.code {
        OAuthErrorCode::InvalidClient => {
            "Check API_KEY and API_SECRET: copy both again from the app's page, see that the \
             secret has not expired, and start the example app again."
        }
        _ => refusal.code.remedy(),
    }
}

fn from_gateway(refusal: ApiError) -> Failure {
    let source = match refusal.source {
        ErrorSource::Gateway => Source::Gateway,
        ErrorSource::Api => Source::Api,
    };
    let message = sentence(&refusal.message);
    Failure {
        request_id: refusal.request_id.map(Box::from),
        ..Failure::new(source, &refusal.code, message, &refusal.remedy)
    }
}

/// OAuth's word in the spelling of the gateway's codes: `invalid_client` is `INVALID-CLIENT`.
fn wire_word(code: &OAuthErrorCode) -> String {
    code.as_str().to_ascii_uppercase().replace('_', "-")
}

/// With a capital and a full stop, to stand in front of another sentence.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut sentence = match text.split_at_checked(1) {
        // A URL is not a word.
        Some((first, rest)) if !text.starts_with("http") => first.to_uppercase() + rest,
        _ => text.to_owned(),
    };
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        (status, Json(self)).into_response()
    }
}
