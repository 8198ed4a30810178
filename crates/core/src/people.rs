//! What a person signs in with and by: sessions, links that work once, and what is begun and then finished.
//! How any of it is proved is not here.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    ids::{InvitationId, OrganizationId, PasskeyId, SessionId, UserId},
    organization::MemberRole,
};

/// How long a session lives without being used.
pub const SESSION_IDLE: Duration = Duration::from_mins(30);
/// How long a session lives at most.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);
/// How often the use of a session is written down at most.
pub const SESSION_TOUCH: Duration = Duration::from_mins(1);
/// For how long a person who has just proved who they are need not prove it again.
pub const RECENT: Duration = Duration::from_mins(10);
/// How long what was begun may take to be finished.
pub const PENDING_LIFETIME: Duration = Duration::from_mins(5);
/// How many wrong codes end what was begun.
pub const PENDING_FAILURES_MAX: u32 = 5;
/// How long an invitation can be accepted.
pub const INVITATION_LIFETIME: Duration = Duration::from_hours(7 * 24);

/// A session of a person's browser, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Names it.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The organization chosen in the switcher; `None` before any was chosen.
    pub organization_id: Option<OrganizationId>,
    /// What the browser calls itself, shortened.
    pub device: String,
    /// Where it was last used from, when that is known.
    pub address: Option<String>,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
    /// When the person last proved who they are.
    pub authenticated_at: Timestamp,
}

impl Session {
    /// Whether it still opens anything.
    #[must_use]
    pub fn lives(&self, now: Timestamp) -> bool {
        now < self.seen_at + SESSION_IDLE && now < self.created_at + SESSION_LIFETIME
    }

    /// Whether the person proved who they are just now: what sensitive acts take.
    #[must_use]
    pub fn is_recent(&self, now: Timestamp) -> bool {
        now < self.authenticated_at + RECENT
    }
}

/// What a one-time link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkPurpose {
    /// Makes the first operator.
    Setup,
    /// Sets a new password.
    PasswordReset,
    /// Proves the address of a new account.
    EmailVerification,
    /// Proves the new address of an account.
    EmailChange,
}

impl LinkPurpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [
        Self::Setup,
        Self::PasswordReset,
        Self::EmailVerification,
        Self::EmailChange,
    ];

    /// The stored form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::PasswordReset => "password_reset",
            Self::EmailVerification => "email_verification",
            Self::EmailChange => "email_change",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
    }

    /// How long such a link works.
    #[must_use]
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::Setup => Duration::from_hours(1),
            Self::PasswordReset => Duration::from_mins(30),
            Self::EmailVerification | Self::EmailChange => Duration::from_hours(24),
        }
    }
}

/// What a person has begun and is to finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PendingPurpose {
    /// The password was right; the second factor is to come.
    SecondFactor,
    /// A passkey is being made.
    PasskeyRegistration,
    /// A passkey is asked for.
    PasskeySignIn,
}

impl PendingPurpose {
    /// The stored form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecondFactor => "second_factor",
            Self::PasskeyRegistration => "passkey_registration",
            Self::PasskeySignIn => "passkey_sign_in",
        }
    }
}

/// An invitation to an organization, without its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Names it.
    pub id: InvitationId,
    /// Where to.
    pub organization_id: OrganizationId,
    /// Who: a mail address, in lower case.
    pub email: String,
    /// As what.
    pub role: MemberRole,
    /// Who invited: a sign-in name, or `system`.
    pub invited_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

/// A member of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// The sign-in name.
    pub email: String,
    /// Shown to people.
    pub full_name: String,
    /// As what.
    pub role: MemberRole,
    /// Since when the person is disabled; `None`: not.
    pub disabled_at: Option<Timestamp>,
}

/// A passkey of a person, without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Names it.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last signed its owner in.
    pub last_used_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_767_225_600);

    fn session(seen_after: Duration) -> Session {
        Session {
            id: SessionId::random(),
            user_id: UserId::random(),
            organization_id: None,
            device: String::new(),
            address: None,
            created_at: START,
            seen_at: START + seen_after,
            authenticated_at: START,
        }
    }

    #[test]
    fn a_session_ends_when_idle_and_after_twelve_hours_whatever_happens() {
        let idle = session(Duration::ZERO);
        let last = Duration::from_secs(12 * 60 * 60 - 1);
        let busy = session(last);

        assert!(idle.lives(START + Duration::from_mins(29)));
        assert!(!idle.lives(START + SESSION_IDLE));
        assert!(busy.lives(START + last));
        assert!(!busy.lives(START + SESSION_LIFETIME));
    }

    #[test]
    fn a_proof_is_recent_for_ten_minutes() {
        let session = session(Duration::ZERO);

        assert!(session.is_recent(START + Duration::from_mins(9)));
        assert!(!session.is_recent(START + RECENT));
    }

    #[test]
    fn purposes_come_back_as_they_went() {
        for purpose in LinkPurpose::ALL {
            assert_eq!(LinkPurpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!(LinkPurpose::parse("anything"), None);
    }
}
