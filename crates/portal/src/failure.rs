//! Why a page could not be shown, and the page that says so. A refusal that is about the values of a form is
//! none of these: it comes back as the form (see [`crate::sent::Sent::refused`]).

use std::sync::Arc;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use portcullis_registry::{
    in_process::ManagementError, people::PeopleError, problem::Kind, wire::Problem,
};

use crate::{
    layout::{Section, Shell},
    page::Page,
    routes,
};

/// Why a page could not be shown.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Nobody is signed in, and the page is for people who are.
    SignInNeeded,
    /// The person proved who they are too long ago for what was asked.
    ProofNeeded,
    /// No such page, or no such thing.
    NotFound,
    /// A page, but not for this method.
    MethodNotAllowed,
    /// The role does not allow it.
    Forbidden,
    /// The person belongs to no organization.
    NoOrganization,
    /// The form comes from another site.
    CrossSite,
    /// The form carries no token, or that of another session.
    ForeignForm,
    /// The form cannot be read: why.
    Unreadable(&'static str),
    /// The form is larger than its path takes.
    TooLarge,
    /// The management API refused, and not because of a value.
    Refused(Arc<Problem>),
    /// A service for people refused, and not because of a value: status and message.
    People(StatusCode, String),
    /// What must not happen. The text is for the log.
    Internal(String),
}

impl Failure {
    /// The form cannot be read.
    pub(crate) fn unreadable(why: &'static str) -> Self {
        Self::Unreadable(why)
    }
}

impl From<ManagementError> for Failure {
    fn from(error: ManagementError) -> Self {
        match error {
            ManagementError::Problem(problem) => match problem.status {
                403 => Self::Forbidden,
                404 => Self::NotFound,
                _ => Self::Refused(problem.into()),
            },
            ManagementError::Internal(text) => Self::Internal(text),
        }
    }
}

impl From<PeopleError> for Failure {
    fn from(error: PeopleError) -> Self {
        match (&error, error.status()) {
            (PeopleError::ProofNeeded, _) => Self::ProofNeeded,
            (_, StatusCode::NOT_FOUND) => Self::NotFound,
            (_, StatusCode::INTERNAL_SERVER_ERROR) => Self::Internal(error.to_string()),
            (_, status) => {
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    tracing::warn!(%error, "the store did not answer a page");
                }
                Self::People(status, error.message())
            }
        }
    }
}

/// Put into a response for the gate, which makes the page of it.
#[derive(Clone)]
pub(crate) struct Failed(pub(crate) Failure);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Failed(self));
        response
    }
}

/// What a failure says to people.
struct Said {
    title: String,
    detail: String,
    /// Of the problem, when its page says more.
    code: String,
}

fn said(title: &str, detail: &str) -> Said {
    Said {
        title: title.to_owned(),
        detail: detail.to_owned(),
        code: String::new(),
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    status: u16,
    detail: String,
    code: String,
    request_id: String,
    /// Whether the same request may work in a moment.
    is_passing: bool,
    /// Where to try again; empty when there is nothing to.
    again: String,
}

#[derive(Template)]
#[template(path = "error_fragment.html")]
struct ErrorFragment {
    title: String,
    detail: String,
    request_id: String,
}

impl Failure {
    /// The status of the page.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::SignInNeeded => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ProofNeeded
            | Self::Forbidden
            | Self::NoOrganization
            | Self::CrossSite
            | Self::ForeignForm => StatusCode::FORBIDDEN,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(problem) => {
                StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::People(status, _) => *status,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn said(&self) -> Said {
        match self {
            Self::SignInNeeded => said(
                "Sign in first",
                "This page is for people who are signed in.",
            ),
            Self::ProofNeeded => said("Prove that it is you", "Sign in once more to do this."),
            Self::NotFound => said(
                "There is no such page",
                "Check the address. Things of organizations that you do not belong to cannot be seen.",
            ),
            Self::MethodNotAllowed => said(
                "This page does not take that",
                "Open it with a link or a form.",
            ),
            Self::Forbidden => said(
                "Your role does not allow this",
                "Ask an owner or admin of the organization to do it, or to change your role.",
            ),
            Self::NoOrganization => said(
                "You belong to no organization yet",
                "Ask a member of your organization to invite you, or choose an organization.",
            ),
            Self::CrossSite => said(
                "This form was not sent from here",
                "Another site tried to do something in your name. Nothing was changed.",
            ),
            Self::ForeignForm => said(
                "This form has expired",
                "It was opened in another session. Go back, reload the page and send it again; nothing was changed.",
            ),
            Self::Unreadable(why) => said("The form cannot be read", why),
            Self::TooLarge => said(
                "That is too large",
                "A form has at most 256 KB; one with a specification, at most 1 MB of it.",
            ),
            Self::Refused(problem) => Said {
                title: problem.title.clone(),
                detail: format!("{} {}", problem.detail, problem.remedy),
                code: problem.code.clone(),
            },
            Self::People(status, message) => {
                let title = match status.as_u16() {
                    410 => "This has ended",
                    429 => "Too many attempts",
                    503 => "The database does not answer",
                    _ => "That did not work",
                };
                said(title, message)
            }
            Self::Internal(_) => said(
                "Something went wrong on our side",
                "Try again. If it stays, send the request id to an operator, who finds the reason in the log.",
            ),
        }
    }

    /// The page that says it, in the layout of whoever asked.
    pub(crate) fn page(self, page: &Page, matched: &str) -> Response {
        match self {
            Self::SignInNeeded => return back_through("/login", page, matched),
            Self::ProofNeeded => return back_through("/prove", page, matched),
            _ => {}
        }
        if let Self::Internal(reason) = &self {
            tracing::error!(
                reason,
                path = matched,
                request_id = page.request_id(),
                "a page failed"
            );
        }
        let status = self.status();
        let Said {
            title,
            detail,
            code,
        } = self.said();
        let rendered = if page.is_fragment() {
            let request_id = page.request_id().to_owned();
            ErrorFragment {
                title,
                detail,
                request_id,
            }
            .render()
        } else {
            let code = Kind::of(&code).map_or("", |kind| kind.code);
            ErrorPage {
                shell: page.shell(Section::None, &title),
                status: status.as_u16(),
                detail,
                code: code.to_owned(),
                request_id: page.request_id().to_owned(),
                is_passing: matches!(status.as_u16(), 429 | 500 | 503),
                again: if page.is_read() {
                    page.here().to_owned()
                } else {
                    String::new()
                },
            }
            .render()
        };
        let mut response = match rendered {
            Ok(html) => (status, Html(html)).into_response(),
            Err(error) => {
                tracing::error!(%error, "the page of an error cannot be rendered");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
            }
        };
        let headers = response.headers_mut();
        if status == StatusCode::METHOD_NOT_ALLOWED
            && let Ok(methods) = HeaderValue::from_str(&routes::methods(matched))
        {
            headers.insert(header::ALLOW, methods);
        }
        if matches!(status.as_u16(), 429 | 503) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// A page that leads back to here. A form cannot be led back to: its page is, where there is one.
fn back_through(door: &str, page: &Page, matched: &str) -> Response {
    let back = match (page.is_read(), routes::who(&Method::GET, matched)) {
        (true, _) => page.here(),
        (false, Some(_)) => page.path(),
        (false, None) => "/",
    };
    let next: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
    page.go(&format!("{door}?next={next}"))
}
