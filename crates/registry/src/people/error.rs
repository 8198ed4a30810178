//! Why a service for people refused: what pages show, beside the field where there is one.

use std::time::Duration;

use http::StatusCode;
use portcullis_store::ActError;

use crate::{findings::sentence, problem::FieldError};

/// Why a service for people refused.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// Values that are not allowed, all of them.
    #[error("{} values are not allowed", .0.len())]
    Invalid(Vec<FieldError>),
    /// Unknown account, wrong password, no password, disabled: the same words for all of them.
    #[error("the email address or the password is wrong")]
    WrongCredentials,
    /// The password was right; the address was never proved to be the person's.
    #[error("your email address is not confirmed yet; use the link that we sent you")]
    EmailUnverified,
    /// Too many failures of this account or network.
    #[error("there were too many attempts; wait a moment and try again")]
    Throttled {
        /// When to come again.
        retry_after: Duration,
    },
    /// The code is wrong or was used already.
    #[error("the code is wrong or was used already; wait for the next one")]
    WrongCode,
    /// The passkey is unknown here, or did not prove its owner.
    #[error("this passkey cannot sign you in here; try another one, or your password")]
    WrongPasskey,
    /// What was begun has ended: too late, or too many wrong codes.
    #[error("this took too long or was tried too often; begin again")]
    Ended,
    /// A link that is unknown, was used, or has ended.
    #[error("this link was used already or has ended; ask for a new one")]
    LinkUseless,
    /// A sensitive act, and the last proof is too long ago.
    #[error("prove once more that it is you")]
    ProofNeeded,
    /// Nobody may sign up by themselves here.
    #[error(
        "signing up is closed here; ask an operator or a member of your organization to invite you"
    )]
    RegistrationClosed,
    /// The slots for hashing passwords are taken.
    #[error("too many people are signing in at this moment; try again")]
    Busy,
    /// The store refused.
    #[error(transparent)]
    Act(ActError),
}

impl PeopleError {
    /// One value that is not allowed.
    pub(crate) fn invalid(field: &str, detail: &str) -> Self {
        Self::Invalid(vec![FieldError {
            field: field.to_owned(),
            detail: sentence(detail),
        }])
    }

    /// What to say to the person, a whole sentence.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Invalid(errors) => match errors.as_slice() {
                [one] => one.detail.clone(),
                several => format!("{} values are not allowed.", several.len()),
            },
            // Texts of these may name hosts, tables and rows: they are for the log.
            Self::Act(ActError::Unavailable(_) | ActError::Corrupt(_)) => {
                "Something went wrong on our side; try again.".to_owned()
            }
            other => sentence(&other.to_string()),
        }
    }

    /// What is wrong with which field; empty when it is no field's fault.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) => errors,
            _ => &[],
        }
    }

    /// The status of the page that shows it.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::WrongCredentials | Self::WrongCode | Self::WrongPasskey => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::EmailUnverified | Self::RegistrationClosed | Self::ProofNeeded => {
                StatusCode::FORBIDDEN
            }
            Self::Throttled { .. } | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Ended | Self::LinkUseless => StatusCode::GONE,
            Self::Act(error) => match error {
                ActError::NotFound(_) => StatusCode::NOT_FOUND,
                ActError::Conflict { .. } => StatusCode::CONFLICT,
                ActError::Stale { .. } => StatusCode::PRECONDITION_FAILED,
                ActError::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                ActError::Forbidden => StatusCode::FORBIDDEN,
                ActError::Busy | ActError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                ActError::Corrupt(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}

impl From<ActError> for PeopleError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Invalid { field, detail } => Self::invalid(field, &detail),
            ActError::Conflict {
                code: "link_used", ..
            } => Self::LinkUseless,
            ActError::Conflict {
                code: "code_used", ..
            } => Self::WrongCode,
            ActError::Conflict {
                code: "pending_ended",
                ..
            } => Self::Ended,
            other => Self::Act(other),
        }
    }
}
