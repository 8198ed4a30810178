//! How a command fails: the exit code, and what a person reads on standard error. Who failed and why
//! is decided where it happened.

use std::{fmt, process::ExitCode};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER};
use portcullis_client::{OAuthErrorCode, TokenError};
use serde_json::Value;

/// Names a request in the log of who answered it.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The exit codes that scripts may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    Unclassified = 1,
    Usage = 2,
    NotAuthenticated = 3,
    Forbidden = 4,
    NotFound = 5,
    Conflict = 6,
    Validation = 7,
    Limited = 8,
    Server = 9,
    Network = 10,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<StatusCode> for Exit {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::NotAuthenticated,
            403 => Self::Forbidden,
            404 | 410 => Self::NotFound,
            409 | 412 => Self::Conflict,
            400 | 413 | 414 | 415 | 422 | 428 | 431 => Self::Validation,
            408 => Self::Network,
            429 => Self::Limited,
            500..=599 => Self::Server,
            _ => Self::Unclassified,
        }
    }
}

/// A command that did not do what was asked. `Display` is what goes to standard error.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    code: String,
    what: String,
    notes: Vec<(&'static str, String)>,
}

impl Failure {
    pub(super) fn new(exit: Exit, code: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.into(),
            what: what.into(),
            notes: Vec::new(),
        }
    }

    /// The command line itself, or a setting it needs, is wrong. Nothing was sent.
    pub(super) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", what)
    }

    pub(super) fn cause(self, cause: impl Into<String>) -> Self {
        self.note("cause", cause.into())
    }

    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        self.note("fix", fix.into())
    }

    pub(super) fn request_id(self, request_id: impl Into<String>) -> Self {
        self.note("request id", request_id.into())
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    fn note(mut self, label: &'static str, text: String) -> Self {
        if !text.is_empty() {
            self.notes.push((label, text));
        }
        self
    }

    /// From an error answer: problem+json of the registry (RFC 9457), or the gateway's JSON.
    pub(super) fn from_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |names: &[&str]| {
            let mut members = names.iter().filter_map(|name| problem.get(*name));
            let found = members.find_map(Value::as_str);
            found.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let exit = Exit::from(status);
        let phrase = status.canonical_reason().unwrap_or("an error");
        let what = text(&["title", "message", "error_description"])
            .unwrap_or_else(|| format!("the answer was {} {phrase}", status.as_u16()));
        let code = text(&["code", "error"])
            .unwrap_or_else(|| phrase.to_lowercase().replace([' ', '-'], "_"));
        let cause = text(&["detail"]).filter(|detail| *detail != what);
        let fix = text(&["remedy", "fix"]).unwrap_or_else(|| default_fix(status).to_owned());
        let request_id = header_text(headers.get(&REQUEST_ID));
        let request_id = request_id.or_else(|| text(&["request_id", "requestId"]));
        let retry_after = header_text(headers.get(RETRY_AFTER));
        let errors = problem
            .get("errors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let mut causes: Vec<_> = errors.map(field_error).collect();
        // The detail of a problem with errors says no more than they do.
        if causes.is_empty() {
            causes.extend(cause);
        }
        let failure = Self::new(exit, code, what);
        let failure = causes.into_iter().fold(failure, Self::cause);
        failure
            .fix(fix)
            .note("retry after", retry_after.map(seconds).unwrap_or_default())
            .request_id(request_id.unwrap_or_default())
    }
}

/// One member of the `errors` of a validation problem.
fn field_error(error: &Value) -> String {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let detail = text("detail")
        .or_else(|| text("message"))
        .or_else(|| error.as_str());
    match (text("field").or_else(|| text("pointer")), detail) {
        (Some(field), Some(detail)) => format!("{field}: {detail}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    }
}

/// What to do when the answer does not say.
fn default_fix(status: StatusCode) -> &'static str {
    match Exit::from(status) {
        Exit::NotAuthenticated => "check the token, or the key and the secret",
        Exit::Forbidden => "ask an owner of the organization, or an operator",
        Exit::NotFound => "check the id and the address",
        Exit::Conflict => "look at the present state with `get`, then decide again",
        Exit::Validation => "correct the values",
        Exit::Limited => "wait and try again",
        Exit::Server => "try again; if it persists, give the operator the request id",
        _ if status.is_redirection() => "give the address that it redirects to",
        _ => "",
    }
}

/// `Retry-After` for a person; its other form is a date, which needs no unit.
fn seconds(retry_after: String) -> String {
    if retry_after.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{retry_after} s")
    } else {
        retry_after
    }
}

/// A header as text, if it is there and is visible ASCII.
pub(super) fn header_text(value: Option<&HeaderValue>) -> Option<String> {
    let text = value?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let remedy = error.remedy();
        let (exit, code) = match &error {
            TokenError::Refused(refusal) => (
                oauth_exit(&refusal.code, refusal.status),
                refusal.code.as_str().to_owned(),
            ),
            TokenError::Unreachable { .. } => (Exit::Network, "unreachable".to_owned()),
            TokenError::TimedOut { .. } => (Exit::Network, "timed_out".to_owned()),
            TokenError::Malformed { status, .. } => {
                (status_exit(*status), "unexpected_answer".to_owned())
            }
            _ => (Exit::Unclassified, "no_token".to_owned()),
        };
        let failure = Self::new(exit, code, error.to_string()).fix(remedy);
        match error {
            TokenError::Refused(refusal) => {
                failure.request_id(refusal.request_id.unwrap_or_default())
            }
            _ => failure,
        }
    }
}

/// Who is refused stands in the word; a token server may send it with status 400 (RFC 6749 s.5.2).
fn oauth_exit(code: &OAuthErrorCode, status: u16) -> Exit {
    match code {
        OAuthErrorCode::InvalidClient => Exit::NotAuthenticated,
        OAuthErrorCode::UnauthorizedClient => Exit::Forbidden,
        _ => status_exit(status),
    }
}

fn status_exit(status: u16) -> Exit {
    StatusCode::from_u16(status).map_or(Exit::Unclassified, Exit::from)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", shown(&self.code), shown(&self.what))?;
        for (label, text) in &self.notes {
            write!(f, "\n  {label}: {}", shown(text))?;
        }
        Ok(())
    }
}

/// Text of a server in a form that may go to a terminal: no control characters, not endless.
pub(super) fn shown(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(2_000).map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_exit_code() {
        let statuses = [
            (400, 7),
            (401, 3),
            (403, 4),
            (404, 5),
            (408, 10),
            (409, 6),
            (410, 5),
            (412, 6),
            (418, 1),
            (422, 7),
            (429, 8),
            (500, 9),
            (503, 9),
            (504, 9),
            (302, 1),
        ];
        for (status, code) in statuses {
            let exit = Exit::from(StatusCode::from_u16(status).unwrap());

            assert_eq!(exit as u8, code, "status {status}");
        }
    }

    #[test]
    fn a_problem_is_told_with_cause_fix_and_request_id() {
        let body = br#"{"type":"https://docs/errors/too_many_secrets","title":"Two secrets are live",
            "status":409,"detail":"Both must work while clients change over.","code":"too_many_secrets",
            "remedy":"Expire one first.","request_id":"r-1"}"#;

        let failure = Failure::from_answer(StatusCode::CONFLICT, &HeaderMap::new(), body);

        assert_eq!(failure.exit(), Exit::Conflict);
        assert_eq!(
            failure.to_string(),
            "error[too_many_secrets]: Two secrets are live\n  \
             cause: Both must work while clients change over.\n  \
             fix: Expire one first.\n  request id: r-1"
        );
    }

    #[test]
    fn each_wrong_field_is_named() {
        let body = br#"{"title":"Invalid","code":"invalid","errors":[
            {"field":"name","detail":"is empty"},{"field":"website","detail":"is no URL"}]}"#;

        let failure =
            Failure::from_answer(StatusCode::UNPROCESSABLE_ENTITY, &HeaderMap::new(), body);

        assert!(
            failure
                .to_string()
                .contains("\n  cause: name: is empty\n  cause: website: is no URL\n")
        );
    }

    #[test]
    fn an_answer_that_is_no_json_still_says_what_happened() {
        let failure = Failure::from_answer(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"<html>");

        assert_eq!(failure.exit(), Exit::Server);
        assert!(
            failure
                .to_string()
                .starts_with("error[bad_gateway]: the answer was 502 Bad Gateway")
        );
    }

    #[test]
    fn how_long_to_wait_is_told_with_its_unit() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("7"))]);

        let failure = Failure::from_answer(StatusCode::TOO_MANY_REQUESTS, &headers, b"{}");

        assert_eq!(failure.exit(), Exit::Limited);
        assert!(failure.to_string().contains("\n  retry after: 7 s"));
    }

    #[test]
    fn a_server_cannot_steer_the_terminal() {
        let body = b"{\"code\":\"a\",\"title\":\"b\\u001b[2Jc\\nerror[x]: d\"}";

        let failure = Failure::from_answer(StatusCode::BAD_REQUEST, &HeaderMap::new(), body);

        assert!(
            failure
                .to_string()
                .starts_with("error[a]: b [2Jc error[x]: d\n")
        );
    }
}
