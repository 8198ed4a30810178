//! Side effects owed: what an act promises to do outside the database, written in the act that owes it and done
//! after it, at least once. Doing it is not here.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{JobId, NodeId, OrganizationId},
    organization::MemberRole,
};

/// What sort of side effect a job is. Each kind has a worker of its own, so that none waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// A mail to be sent.
    Mail,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::Mail];

    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// To be done, now or at its next attempt.
    Owed,
    /// A worker is doing it, until its lease ends.
    Claimed,
    /// Done.
    Done,
    /// Not done, and not attempted again unless an operator says so.
    GivenUp,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Owed, Self::Claimed, Self::Done, Self::GivenUp];

    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Claimed => "claimed",
            Self::Done => "done",
            Self::GivenUp => "given_up",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A job as people see it: without its payload, which may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Names it, and what it sends: receivers know a repetition by it.
    pub id: JobId,
    /// What sort of side effect.
    pub kind: JobKind,
    /// How far it is.
    pub state: JobState,
    /// Which one of its kind: of a mail, [`Mail::name`].
    pub topic: String,
    /// Where it goes: of a mail, the address.
    pub recipient: String,
    /// What it is about, when that has an identifier.
    pub subject_id: Option<String>,
    /// Whose act owes it; `None` for the installation itself.
    pub organization_id: Option<OrganizationId>,
    /// How often it was attempted.
    pub attempts: u32,
    /// Why the last attempt failed, or the job was given up.
    pub last_error: Option<String>,
    /// From when on it is attempted again; `None` while claimed and when finished.
    pub next_attempt_at: Option<Timestamp>,
    /// Until when the worker that claimed it may take; `None` unless claimed.
    pub lease_until: Option<Timestamp>,
    /// Which node's worker claimed it last.
    pub claimed_by: Option<NodeId>,
    /// When it was owed.
    pub created_at: Timestamp,
    /// When it was done or given up.
    pub finished_at: Option<Timestamp>,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptResult {
    /// Under way.
    Running,
    /// It was done.
    Done,
    /// It failed, and may pass the next time.
    Failed,
    /// It was refused for good.
    Refused,
    /// The worker ended before it told.
    Lost,
}

impl AttemptResult {
    /// Every result.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Refused,
        Self::Lost,
    ];

    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.as_str() == text)
    }
}

/// One attempt at a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobAttempt {
    /// Counted from 1.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// Which node made it.
    pub node: NodeId,
    /// How long it took, in microseconds; `None` until it ended.
    pub duration_us: Option<i64>,
    /// What became of it.
    pub result: AttemptResult,
    /// Why it failed.
    pub error: Option<String>,
}

/// A mail to somebody, said by the values that its template shows. Links are secrets, so it does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "snake_case")]
pub enum Mail {
    /// Proves that the address is its owner's.
    EmailVerification {
        /// The reader.
        full_name: String,
        /// Absolute; works once.
        link: String,
    },
    /// Lets the reader set a new password.
    PasswordReset {
        /// The reader.
        full_name: String,
        /// Absolute; works once.
        link: String,
    },
    /// The password was changed.
    PasswordChanged {
        /// The reader.
        full_name: String,
        /// From where, when that is known.
        address: Option<IpAddr>,
    },
    /// Asks the reader to join an organization.
    Invitation {
        /// The organization's name.
        organization: String,
        /// What the reader will be there.
        role: MemberRole,
        /// Who invites: a name.
        invited_by: String,
        /// Absolute; works once.
        link: String,
    },
    /// A second factor was added or removed.
    SecondFactorChanged {
        /// The reader.
        full_name: String,
        /// What was changed: a sentence.
        what: String,
    },
    /// Somebody signed up with an address that has an account.
    AlreadyRegistered {
        /// The reader.
        full_name: String,
    },
    /// Shows an operator that mail arrives.
    Test {
        /// Who asked for it: a sign-in name.
        asked_by: String,
    },
}

impl Mail {
    /// Its template's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EmailVerification { .. } => "email_verification",
            Self::PasswordReset { .. } => "password_reset",
            Self::PasswordChanged { .. } => "password_changed",
            Self::Invitation { .. } => "invitation",
            Self::SecondFactorChanged { .. } => "second_factor_changed",
            Self::AlreadyRegistered { .. } => "already_registered",
            Self::Test { .. } => "test",
        }
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({}, [redacted])", self.name())
    }
}

/// An address that mail can be sent to: one mailbox, plain ASCII, nothing that could end a line or begin another
/// address.
///
/// # Errors
/// [`InvalidMailAddress`].
pub fn check_mail_address(text: &str) -> Result<(), InvalidMailAddress> {
    let (name, host) = text.rsplit_once('@').ok_or(InvalidMailAddress)?;
    let name_fits = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..");
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = text.len() <= 254 && name_fits && host.split('.').all(label_fits);
    fits.then_some(()).ok_or(InvalidMailAddress)
}

/// The text is no mail address that we send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no mail address such as name@example.com (RFC 5321 section 4.1.2, without quotes)")]
pub struct InvalidMailAddress;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_comes_back_as_it_went_and_does_not_print_its_link() {
        let mail = Mail::PasswordReset {
            full_name: "Ada".to_owned(),
            link: "https://p.example/reset?token=secret".to_owned(),
        };

        let json = serde_json::to_string(&mail).unwrap();

        assert_eq!(serde_json::from_str::<Mail>(&json).unwrap(), mail);
        assert_eq!(format!("{mail:?}"), "Mail(password_reset, [redacted])");
    }

    #[test]
    fn words_come_back_as_they_went() {
        for kind in JobKind::ALL {
            assert_eq!(JobKind::parse(kind.as_str()), Some(kind));
        }
        for state in JobState::ALL {
            assert_eq!(JobState::parse(state.as_str()), Some(state));
        }
        for result in AttemptResult::ALL {
            assert_eq!(AttemptResult::parse(result.as_str()), Some(result));
        }
    }

    #[test]
    fn a_mail_address_is_one_plain_mailbox() {
        for fine in ["ada@example.com", "a.b+c@localhost", "x'y@a-b.example"] {
            assert_eq!(check_mail_address(fine), Ok(()), "{fine}");
        }
        let long = format!("{}@example.com", "x".repeat(65));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "a b@example.com",
            "a@b@c",
            "a@b\r\nBcc: eve@example.com",
            "<ada@example.com>",
            "a,b@example.com",
            "\"a\"@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a@-b.example",
            "a@b..example",
            "ada@exämple.com",
            &long,
        ] {
            assert_eq!(check_mail_address(bad), Err(InvalidMailAddress), "{bad:?}");
        }
    }
}
