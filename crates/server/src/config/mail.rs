//! `[mail]`: where mails to people go.

use std::{fmt, path::PathBuf};

use anyhow::{Context, Result, bail};
use portcullis_registry::mail::{Login, MailMode, SmtpSettings, SmtpTls};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mails to people: links that confirm, reset and invite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// `capture` keeps mails in the store, where operators read them; `smtp` sends them to a mail server; `off`
    /// gives them up at once, and operators see which.
    pub mode: Mode,
    /// Name or address of the mail server.
    pub host: String,
    /// Its port. Left out: 587 with STARTTLS, 465 with TLS from the start, 25 without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `starttls` (a server that does not offer it is refused), `implicit` (TLS from the start) or `none`.
    pub tls: Tls,
    /// The user that signs in to the mail server; left out where it takes mail without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file that holds the password of that user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The password itself, for the environment: `PORTCULLIS_MAIL__PASSWORD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub password: Option<Hidden>,
    /// Who mails come from: `Portcullis <no-reply@example.com>`.
    pub from: String,
    /// Where answers go, when that is another address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

/// Where mails go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Into the store.
    Capture,
    /// To a mail server.
    Smtp,
    /// Nowhere.
    Off,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// STARTTLS.
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// Not at all.
    None,
}

/// Text that does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            mode: Mode::Capture,
            host: String::new(),
            port: None,
            tls: Tls::Starttls,
            username: None,
            password_file: None,
            password: None,
            from: String::new(),
            reply_to: None,
        }
    }
}

impl Mail {
    pub(super) fn check(&self) -> Result<()> {
        if self.mode != Mode::Smtp {
            return Ok(());
        }
        if self.host.is_empty() {
            bail!("host is missing: name the mail server that mode = \"smtp\" sends to");
        }
        if self.from.is_empty() {
            bail!("from is missing: mails need an address to come from");
        }
        if self.password.is_some() && self.password_file.is_some() {
            bail!("password and password_file are both given; leave one of them out");
        }
        let has_password = self.password.is_some() || self.password_file.is_some();
        match (&self.username, has_password) {
            (Some(_), false) => bail!("password_file is missing: username is given"),
            (None, true) => bail!("username is missing: a password is given"),
            _ => {}
        }
        let is_here = ["localhost", "127.0.0.1", "::1"].contains(&self.host.as_str());
        if self.username.is_some() && self.tls == Tls::None && !is_here {
            bail!("tls = \"none\" would send the password in clear; use starttls or implicit");
        }
        Ok(())
    }

    /// Where mails go.
    #[must_use]
    pub fn mail_mode(&self) -> MailMode {
        match self.mode {
            Mode::Capture => MailMode::Capture,
            Mode::Smtp => MailMode::Smtp,
            Mode::Off => MailMode::Off,
        }
    }

    /// What a mailer over SMTP needs; `hello_name` is the name we greet with.
    ///
    /// # Errors
    /// When the file with the password cannot be read.
    pub fn smtp(&self, hello_name: &str, extra_roots: Vec<Vec<u8>>) -> Result<SmtpSettings> {
        let (tls, usual_port) = match self.tls {
            Tls::Starttls => (SmtpTls::StartTls, 587),
            Tls::Implicit => (SmtpTls::Implicit, 465),
            Tls::None => (SmtpTls::None, 25),
        };
        let login = match &self.username {
            None => None,
            Some(username) => Some(Login {
                username: username.clone(),
                password: self.effective_password()?,
            }),
        };
        Ok(SmtpSettings {
            host: self.host.clone(),
            port: self.port.unwrap_or(usual_port),
            tls,
            login,
            from: self.from.clone(),
            reply_to: self.reply_to.clone(),
            hello_name: hello_name.to_owned(),
            extra_roots,
        })
    }

    fn effective_password(&self) -> Result<String> {
        let Some(file) = &self.password_file else {
            return Ok(self
                .password
                .as_ref()
                .map(|password| password.0.clone())
                .unwrap_or_default());
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("mail.password_file: {} cannot be read", file.display()))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}
