//! Why the management API refused a request. `Display` is for the log, [`RegistryError::wire`] for the caller.

use std::{sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use portcullis_core::permissions::Forbidden;
use portcullis_store::ActError;

use crate::problem::{self, FieldError, Kind, Problem};

/// Why a management token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No `Authorization` header.
    #[error("the request carries no management token")]
    Missing,
    /// Another scheme than Bearer, or no token behind it.
    #[error("the Authorization header holds no bearer token")]
    Scheme,
    /// Not one of ours: a token of an app or API, or anything else.
    #[error("the token is of another kind")]
    OtherKind,
    /// Unknown, ended or deleted.
    #[error("the management token is unknown or has ended")]
    Refused,
}

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Who asks is not known.
    #[error("{0}")]
    Token(TokenError),
    /// The role does not allow it.
    #[error("your role does not allow this")]
    Forbidden,
    /// Unknown, or of an organization that the actor has nothing to do with.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// No route.
    #[error("there is no such path")]
    PathUnknown,
    /// A route of other methods.
    #[error("the path does not take this method")]
    MethodNotAllowed,
    /// A header or body that cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// The body is longer than the path takes.
    #[error("the body is too large")]
    TooLarge,
    /// The body is not JSON by its `Content-Type`.
    #[error("the Content-Type is not application/json")]
    MediaType,
    /// Values that are not allowed.
    #[error("{} values are not allowed", .0.len())]
    Invalid(Vec<FieldError>),
    /// The slots for hashing passwords are taken.
    #[error("too many passwords are being hashed")]
    TooManyPasswords,
    /// The person tested many targets lately.
    #[error("ten targets a minute can be tested")]
    TooManyTargetChecks(Duration),
    /// The store refused.
    #[error(transparent)]
    Act(#[from] ActError),
    /// What must not happen.
    #[error("{0}")]
    Internal(&'static str),
}

impl RegistryError {
    /// One value that is not allowed.
    pub(crate) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError {
            field: field.to_owned(),
            detail: detail.into(),
        }])
    }

    /// The kind of problem, what to say of it, and the values it is about: all that a caller sees.
    #[must_use]
    pub fn wire(&self) -> (&'static Kind, String, Vec<FieldError>) {
        let said = |kind: &'static Kind| (kind, format!("{}.", capitalised(self)), Vec::new());
        match self {
            Self::Token(TokenError::Missing | TokenError::Scheme) => said(&problem::TOKEN_MISSING),
            Self::Token(TokenError::OtherKind) => (
                &problem::TOKEN_OF_ANOTHER_KIND,
                "The management API takes its own tokens alone, not those of apps or APIs."
                    .to_owned(),
                Vec::new(),
            ),
            Self::Token(TokenError::Refused) => said(&problem::TOKEN_REFUSED),
            Self::Forbidden | Self::Act(ActError::Forbidden) => said(&problem::FORBIDDEN),
            Self::NotFound(_) | Self::Act(ActError::NotFound(_)) => said(&problem::NOT_FOUND),
            Self::PathUnknown => said(&problem::PATH_UNKNOWN),
            Self::MethodNotAllowed => said(&problem::METHOD_NOT_ALLOWED),
            Self::Malformed(_) => said(&problem::MALFORMED),
            Self::TooLarge => said(&problem::TOO_LARGE),
            Self::MediaType => said(&problem::MEDIA_TYPE),
            Self::Invalid(errors) => {
                let detail = match errors.as_slice() {
                    [one] => format!("{}: {}", one.field, one.detail),
                    several => format!("{} values are not allowed; see errors.", several.len()),
                };
                (&problem::INVALID, detail, errors.clone())
            }
            Self::Act(ActError::Invalid { field, detail }) => (
                &problem::INVALID,
                format!("{field}: {detail}"),
                vec![FieldError {
                    field: (*field).to_owned(),
                    detail: detail.clone(),
                }],
            ),
            Self::TooManyPasswords | Self::TooManyTargetChecks(_) => said(&problem::TOO_MANY),
            Self::Act(ActError::Conflict { code, .. }) => {
                said(Kind::of(code).unwrap_or(&problem::CONFLICT_KIND))
            }
            Self::Act(ActError::Stale { .. }) => said(&problem::STALE),
            Self::Act(ActError::Busy) => said(&problem::BUSY),
            // The text behind these two is for the log: it may name hosts, tables and rows.
            Self::Act(ActError::Unavailable(_)) => (
                &problem::UNAVAILABLE,
                "The database does not answer.".to_owned(),
                Vec::new(),
            ),
            Self::Act(ActError::Corrupt(_)) | Self::Internal(_) => (
                &problem::INTERNAL,
                "The request could not be completed.".to_owned(),
                Vec::new(),
            ),
        }
    }

    /// The problem as it is sent. `docs` is the base URL of its page.
    pub(crate) fn problem(&self, docs: &str, request_id: &str) -> Problem {
        let (kind, detail, errors) = self.wire();
        Problem {
            kind: format!("{docs}/docs/errors/{}", kind.code),
            title: kind.title.to_owned(),
            status: kind.status.as_u16(),
            detail,
            code: kind.code.to_owned(),
            remedy: kind.remedy.to_owned(),
            request_id: request_id.to_owned(),
            errors,
        }
    }
}

fn capitalised(error: &RegistryError) -> String {
    let text = error.to_string();
    let mut characters = text.trim_end_matches('.').chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

impl From<Forbidden> for RegistryError {
    fn from(forbidden: Forbidden) -> Self {
        match forbidden {
            Forbidden::Stranger => Self::NotFound("organization"),
            Forbidden::Role => Self::Forbidden,
        }
    }
}

/// Put into a response for the outermost layer, which logs it once and writes the body.
#[derive(Clone)]
pub(crate) struct Failure(pub(crate) Arc<RegistryError>);

impl IntoResponse for RegistryError {
    fn into_response(self) -> Response {
        let (kind, ..) = self.wire();
        let mut response = kind.status.into_response();
        let headers = response.headers_mut();
        match &self {
            Self::Token(TokenError::Missing) => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"management\""),
                );
            }
            Self::Token(_) => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static(
                        "Bearer realm=\"management\", error=\"invalid_token\"",
                    ),
                );
            }
            Self::TooManyTargetChecks(after) => {
                let seconds = after.as_secs().max(1);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::TooManyPasswords | Self::Act(ActError::Busy | ActError::Unavailable(_)) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response.extensions_mut().insert(Failure(Arc::new(self)));
        response
    }
}
