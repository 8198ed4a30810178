//! Mails to a mail server, over SMTP (RFC 5321) with STARTTLS (RFC 3207) or TLS from the first byte.
//!
//! A connection is used again only after a mail that was taken: one that was given up in the middle might answer
//! for the mail before, so a time limit or an error costs the connection.

use std::{
    error::Error,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};
use portcullis_core::job::check_mail_address;
use tokio::time::{Instant, timeout};

use super::{Letter, MailError, Mailer};

/// How long it may take to connect, TLS and sign-in included.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long one mail may take.
const WHOLE_LIMIT: Duration = Duration::from_secs(30);
/// How long a connection is kept without a mail.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How many connections are kept.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// Plain at first, then STARTTLS; a server that does not offer it is refused.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// Not at all.
    None,
}

/// How we sign in to the mail server.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}, [redacted])", self.username)
    }
}

/// What a mailer over SMTP needs to know.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Name or address of the mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// How we sign in; `None` when the server takes mail without.
    pub login: Option<Login>,
    /// `name@example.com` or `Name <name@example.com>`.
    pub from: String,
    /// Where answers go; `None` to `from`.
    pub reply_to: Option<String>,
    /// The name we greet with.
    pub hello_name: String,
    /// Certificate authorities to trust beside the system's, DER.
    pub extra_roots: Vec<Vec<u8>>,
}

/// Why a mailer cannot be made of its settings: names the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct SmtpSettingsError {
    setting: &'static str,
    reason: String,
}

/// Sends mails to a mail server.
pub struct SmtpMailer {
    settings: SmtpSettings,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    hello: ClientId,
    tls: Option<TlsParameters>,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpMailer({:?})", self.settings)
    }
}

impl SmtpMailer {
    /// Checks the settings; connects to nobody yet.
    ///
    /// # Errors
    /// [`SmtpSettingsError`].
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpSettingsError> {
        let tls = match settings.tls {
            SmtpTls::None => None,
            SmtpTls::StartTls | SmtpTls::Implicit => Some(tls_parameters(&settings)?),
        };
        Ok(Self {
            from: mailbox("mail.from", &settings.from)?,
            reply_to: settings
                .reply_to
                .as_deref()
                .map(|reply_to| mailbox("mail.reply_to", reply_to))
                .transpose()?,
            hello: ClientId::Domain(settings.hello_name.clone()),
            tls,
            settings,
            idle: Mutex::new(Vec::new()),
        })
    }

    fn message(&self, letter: &Letter) -> Result<Message, MailError> {
        let refused = |reason: String| MailError::Refused(format!("{}: {reason}", letter.to));
        check_mail_address(&letter.to).map_err(|error| refused(error.to_string()))?;
        let to: Address = letter
            .to
            .parse()
            .map_err(|error: lettre::address::AddressError| refused(error.to_string()))?;
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.as_str())
            // The same at every attempt, so that receivers know a repetition.
            .message_id(Some(format!(
                "<{}@{}>",
                letter.id,
                self.from.email.domain()
            )))
            // Holiday notices are not to answer it (RFC 3834 section 5).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        let bodies = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
        builder
            .multipart(bodies)
            .map_err(|error| refused(error.to_string()))
    }

    async fn deliver(&self, message: &Message) -> Result<(), MailError> {
        let mut connection = match self.kept().await {
            Some(connection) => connection,
            None => timeout(CONNECT_LIMIT, self.connect())
                .await
                .unwrap_or_else(|_| Err(self.failed("does not answer within 10 seconds")))?,
        };
        match connection
            .send(message.envelope(), &message.formatted())
            .await
        {
            Ok(_) => {
                self.keep(connection);
                Ok(())
            }
            // RFC 5321 section 4.2.1: 5yz is for good, everything else may pass the next time.
            Err(error) if error.is_permanent() => Err(MailError::Refused(self.told(&error))),
            Err(error) => Err(self.failed(&self.told(&error))),
        }
    }

    /// A connection that was kept and is still alive.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle().pop()?;
            let is_fresh = since.elapsed() < IDLE_MAX;
            if is_fresh && timeout(CONNECT_LIMIT, connection.test_connected()).await == Ok(true) {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < IDLE_MAX);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push((connection, Instant::now()));
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whatever goes wrong here is the server's or the settings', never the mail's: it may pass the next time.
    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let settings = &self.settings;
        let from_the_start = self
            .tls
            .clone()
            .filter(|_| settings.tls == SmtpTls::Implicit);
        let server = (settings.host.as_str(), settings.port);
        let failed = |error| self.failed(&self.told(&error));
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            server,
            Some(CONNECT_LIMIT),
            &self.hello,
            from_the_start,
            None,
        )
        .await
        .map_err(failed)?;
        if let (SmtpTls::StartTls, Some(tls)) = (settings.tls, &self.tls) {
            if !connection.can_starttls() {
                let reason = "does not offer STARTTLS, which mail.tls = \"starttls\" requires";
                return Err(self.failed(reason));
            }
            connection
                .starttls(tls.clone(), &self.hello)
                .await
                .map_err(failed)?;
        }
        if let Some(login) = &settings.login {
            let credentials = Credentials::new(login.username.clone(), login.password.clone());
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
                .await
                .map_err(|error| {
                    self.failed(&format!("refuses to let us sign in: {}", self.told(&error)))
                })?;
        }
        Ok(connection)
    }

    fn failed(&self, reason: &str) -> MailError {
        let SmtpSettings { host, port, .. } = &self.settings;
        MailError::Failed(format!("the mail server {host}:{port}: {reason}"))
    }

    /// What an error says, and what is behind it. A server that repeats our password is not quoted with it.
    fn told(&self, error: &lettre::transport::smtp::Error) -> String {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(deeper) = source {
            let deeper_text = deeper.to_string();
            if !text.contains(&deeper_text) {
                text = format!("{text}: {deeper_text}");
            }
            source = deeper.source();
        }
        match &self.settings.login {
            Some(login) if !login.password.is_empty() => {
                text.replace(&login.password, "[redacted]")
            }
            _ => text,
        }
    }
}

impl Mailer for SmtpMailer {
    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), MailError>> {
        Box::pin(async move {
            let message = self.message(letter)?;
            timeout(WHOLE_LIMIT, self.deliver(&message))
                .await
                .unwrap_or_else(|_| Err(self.failed("did not take the mail within 30 seconds")))
        })
    }
}

fn mailbox(setting: &'static str, text: &str) -> Result<Mailbox, SmtpSettingsError> {
    let wrong = |reason: String| SmtpSettingsError { setting, reason };
    let mailbox: Mailbox = text.parse().map_err(|_| {
        wrong("write an address such as \"Portcullis <no-reply@example.com>\"".to_owned())
    })?;
    check_mail_address(mailbox.email.as_ref()).map_err(|error| wrong(error.to_string()))?;
    Ok(mailbox)
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, SmtpSettingsError> {
    let wrong = |setting| {
        move |error: lettre::transport::smtp::Error| SmtpSettingsError {
            setting,
            reason: error.to_string(),
        }
    };
    let mut builder = TlsParameters::builder(settings.host.clone());
    for root in &settings.extra_roots {
        let root =
            Certificate::from_der(root.clone()).map_err(wrong("outgoing.extra_roots_file"))?;
        builder = builder.add_root_certificate(root);
    }
    builder.build_rustls().map_err(wrong("mail.tls"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SmtpSettings {
        SmtpSettings {
            host: "mail.example.com".to_owned(),
            port: 587,
            tls: SmtpTls::StartTls,
            login: Some(Login {
                username: "portcullis".to_owned(),
                password: "hunter2-secret".to_owned(),
            }),
            from: "Autohaus Süd <no-reply@example.com>".to_owned(),
            reply_to: Some("help@example.com".to_owned()),
            hello_name: "portal.example.com".to_owned(),
            extra_roots: Vec::new(),
        }
    }

    fn letter(to: &str) -> Letter {
        Letter {
            id: portcullis_core::ids::JobId::parse("job-1").unwrap(),
            topic: "test".to_owned(),
            to: to.to_owned(),
            subject: "Grüße".to_owned(),
            text: "Zwei\n.\nZeilen\n".to_owned(),
            html: "<p>ü</p>".to_owned(),
        }
    }

    #[test]
    fn a_message_is_plain_ascii_with_both_bodies_and_the_job_in_its_id() {
        let mailer = SmtpMailer::new(settings()).unwrap();

        let message = mailer.message(&letter("ada@example.com")).unwrap();

        let bytes = message.formatted();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.is_ascii());
        for part in [
            "Message-ID: <job-1@example.com>\r\n",
            "To: ada@example.com\r\n",
            "Reply-To: help@example.com\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Subject: =?utf-8?",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
            "Date: ",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn an_address_that_is_more_than_an_address_is_refused_for_good() {
        let mailer = SmtpMailer::new(settings()).unwrap();

        for bad in ["", "a@b\r\nBcc: eve@example.com", "a@b, eve@example.com"] {
            let refused = mailer.message(&letter(bad)).unwrap_err();
            assert!(matches!(refused, MailError::Refused(_)), "{bad:?}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        for (from, reply_to, part) in [
            ("nobody", None, "mail.from: "),
            ("a@b@c", None, "mail.from: "),
            ("a@example.com\r\nBcc: eve@example.com", None, "mail.from: "),
            ("a@example.com", Some("nobody"), "mail.reply_to: "),
        ] {
            let wrong = SmtpSettings {
                from: from.to_owned(),
                reply_to: reply_to.map(str::to_owned),
                ..settings()
            };
            let error = SmtpMailer::new(wrong).unwrap_err().to_string();
            assert!(error.starts_with(part), "{error}");
        }
    }

    #[test]
    fn a_mailer_does_not_print_its_password() {
        let mailer = SmtpMailer::new(settings()).unwrap();

        assert!(!format!("{mailer:?}").contains("hunter2"));
    }
}
