//! What each mail says: its subject, and its body as text and as HTML, from the templates in `templates/mail`.

use std::net::IpAddr;

use askama::Template;
use portcullis_core::{
    ids::JobId, installation::InstallationSettings, job::Mail, organization::MemberRole,
};

use super::{Letter, MailError};

/// What every mail shows.
struct Frame<'a> {
    installation: &'a str,
    support_email: Option<&'a str>,
    subject: &'a str,
}

macro_rules! bodies {
    ($($html:ident $html_path:tt $text:ident $text_path:tt { $($field:ident: $kind:ty),* $(,)? })*) => {$(
        #[derive(Template)]
        #[template(path = $html_path)]
        struct $html<'a> {
            frame: &'a Frame<'a>,
            $($field: $kind,)*
        }

        #[derive(Template)]
        #[template(path = $text_path)]
        struct $text<'a> {
            frame: &'a Frame<'a>,
            $($field: $kind,)*
        }
    )*};
}

bodies! {
    VerificationHtml "mail/email_verification.html" VerificationText "mail/email_verification.txt" {
        full_name: &'a str,
        link: &'a str,
    }
    ResetHtml "mail/password_reset.html" ResetText "mail/password_reset.txt" {
        full_name: &'a str,
        link: &'a str,
    }
    ChangedHtml "mail/password_changed.html" ChangedText "mail/password_changed.txt" {
        full_name: &'a str,
        address: &'a Option<IpAddr>,
    }
    InvitationHtml "mail/invitation.html" InvitationText "mail/invitation.txt" {
        organization: &'a str,
        role: &'static str,
        invited_by: &'a str,
        link: &'a str,
    }
    FactorHtml "mail/second_factor_changed.html" FactorText "mail/second_factor_changed.txt" {
        full_name: &'a str,
        what: &'a str,
    }
    RegisteredHtml "mail/already_registered.html" RegisteredText "mail/already_registered.txt" {
        full_name: &'a str,
    }
    TestHtml "mail/test.html" TestText "mail/test.txt" {
        asked_by: &'a str,
    }
}

/// Both bodies of a mail with these members.
macro_rules! render {
    ($frame:ident, $html:ident, $text:ident { $($field:ident: $value:expr),* $(,)? }) => {
        (
            $html { frame: $frame, $($field: $value,)* }.render(),
            $text { frame: $frame, $($field: $value,)* }.render(),
        )
    };
}

/// Writes the letter of a mail that is owed.
///
/// # Errors
/// [`MailError::Refused`] when it cannot be written, which the templates exclude.
pub fn compose(
    id: &JobId,
    to: &str,
    mail: &Mail,
    settings: &InstallationSettings,
) -> Result<Letter, MailError> {
    let subject = one_line(&subject(mail, &settings.installation_name));
    let support = settings.support_email.as_str();
    let frame = &Frame {
        installation: &settings.installation_name,
        support_email: Some(support).filter(|email| !email.is_empty()),
        subject: &subject,
    };
    let (html, text) = bodies(frame, mail);
    let unwritten = |_| MailError::Refused("the mail cannot be written".to_owned());
    Ok(Letter {
        id: id.clone(),
        topic: mail.name().to_owned(),
        to: to.to_owned(),
        html: html.map_err(unwritten)?,
        text: text.map_err(unwritten)?,
        subject,
    })
}

fn bodies(frame: &Frame<'_>, mail: &Mail) -> (askama::Result<String>, askama::Result<String>) {
    match mail {
        Mail::EmailVerification { full_name, link } => {
            render!(
                frame,
                VerificationHtml,
                VerificationText {
                    full_name: full_name,
                    link: link
                }
            )
        }
        Mail::PasswordReset { full_name, link } => {
            render!(
                frame,
                ResetHtml,
                ResetText {
                    full_name: full_name,
                    link: link
                }
            )
        }
        Mail::PasswordChanged { full_name, address } => {
            render!(
                frame,
                ChangedHtml,
                ChangedText {
                    full_name: full_name,
                    address: address
                }
            )
        }
        Mail::Invitation {
            organization,
            role,
            invited_by,
            link,
        } => render!(
            frame,
            InvitationHtml,
            InvitationText {
                organization: organization,
                role: role_in_words(*role),
                invited_by: invited_by,
                link: link,
            }
        ),
        Mail::SecondFactorChanged { full_name, what } => {
            render!(
                frame,
                FactorHtml,
                FactorText {
                    full_name: full_name,
                    what: what
                }
            )
        }
        Mail::AlreadyRegistered { full_name } => {
            render!(
                frame,
                RegisteredHtml,
                RegisteredText {
                    full_name: full_name
                }
            )
        }
        Mail::Test { asked_by } => render!(frame, TestHtml, TestText { asked_by: asked_by }),
    }
}

fn subject(mail: &Mail, installation: &str) -> String {
    match mail {
        Mail::EmailVerification { .. } => format!("Confirm your address for {installation}"),
        Mail::PasswordReset { .. } => format!("Choose a new password for {installation}"),
        Mail::PasswordChanged { .. } => format!("Your password for {installation} was changed"),
        Mail::Invitation { organization, .. } => {
            format!("Join {organization} on {installation}")
        }
        Mail::SecondFactorChanged { .. } => {
            format!("Your second factor for {installation} was changed")
        }
        Mail::AlreadyRegistered { .. } => format!("You have an account at {installation}"),
        Mail::Test { .. } => format!("Test mail of {installation}"),
    }
}

const fn role_in_words(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Owner => "an owner",
        MemberRole::Admin => "an admin",
        MemberRole::ApiDeveloper => "an API developer",
        MemberRole::AppDeveloper => "an app developer",
        MemberRole::Viewer => "a viewer",
    }
}

/// A header is one line, whatever names stand in it.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
