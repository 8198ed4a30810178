//! Mails to people: what they look like, and how they leave. Owing them is the store's, doing it again the worker's
//! in `jobs`.

use std::fmt;

use futures_util::future::BoxFuture;
use portcullis_core::ids::JobId;

mod capture;
mod letter;
mod smtp;

pub use capture::{CaptureMailer, OffMailer};
pub use letter::compose;
pub use smtp::{Login, SmtpMailer, SmtpSettings, SmtpSettingsError, SmtpTls};

/// Where mails go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailMode {
    /// Into the store, for the mailbox page.
    Capture,
    /// To a mail server.
    Smtp,
    /// Nowhere: what is owed is given up, and operators see it.
    Off,
}

/// A mail as it is sent. Does not print its body, which may hold links.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The job that owes it: the same at every attempt.
    pub id: JobId,
    /// Its template's name.
    pub topic: String,
    /// One address, as it stands in the store.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The body for readers without HTML.
    pub text: String,
    /// The body in HTML.
    pub html: String,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({}, {}, [redacted])", self.id, self.topic)
    }
}

/// Why a mail did not leave. The texts are for operators: they may name the address, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It will never be taken, however often it is offered.
    #[error("{0}")]
    Refused(String),
    /// It may be taken the next time.
    #[error("{0}")]
    Failed(String),
}

/// Takes mails on their way. Offered the same letter twice, it may deliver it twice.
pub trait Mailer: Send + Sync + fmt::Debug {
    /// Sends one letter; done when somebody else has taken the responsibility for it.
    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), MailError>>;
}
