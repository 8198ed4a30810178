//! Mailers that send nothing: one keeps every mail for the mailbox page, the other refuses it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use portcullis_core::clock::Clock;
use portcullis_store::{CapturedMail, Store};

use super::{Letter, MailError, Mailer};

/// Keeps mails in the store.
#[derive(Debug)]
pub struct CaptureMailer {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl CaptureMailer {
    /// Keeps them in this store.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }
}

impl Mailer for CaptureMailer {
    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), MailError>> {
        let mail = CapturedMail {
            id: letter.id.clone(),
            topic: letter.topic.clone(),
            to: letter.to.clone(),
            subject: letter.subject.clone(),
            text: letter.text.clone(),
            html: letter.html.clone(),
            at: self.clock.now(),
        };
        Box::pin(async move {
            let kept = self.store.capture_mail(&mail).await;
            kept.map_err(|error| MailError::Failed(format!("the mail was not kept: {error}")))
        })
    }
}

/// Refuses every mail.
#[derive(Debug, Clone, Copy)]
pub struct OffMailer;

impl Mailer for OffMailer {
    fn send<'a>(&'a self, _: &'a Letter) -> BoxFuture<'a, Result<(), MailError>> {
        let reason = "mail is off: set mail.mode to \"smtp\", then try the job again";
        Box::pin(std::future::ready(Err(MailError::Refused(
            reason.to_owned(),
        ))))
    }
}
