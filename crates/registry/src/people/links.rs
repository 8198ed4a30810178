//! Absolute links of the pages where a one-time link is used. Made of the configured public URL alone: what a
//! request says of its host is never looked at.

use portcullis_core::{
    people::LinkPurpose,
    secret::{Secret, SecretDigest, SecretKind},
};

/// The page on which an invitation is accepted.
pub const INVITATION_PATH: &str = "/accept-invite";

/// The page on which a link of this purpose is used.
#[must_use]
pub const fn path(purpose: LinkPurpose) -> &'static str {
    match purpose {
        LinkPurpose::Setup => "/welcome",
        LinkPurpose::PasswordReset => "/reset-password",
        LinkPurpose::EmailVerification => "/verify-email",
        LinkPurpose::EmailChange => "/change-email",
    }
}

/// What a link of this purpose begins with; its secret follows.
#[must_use]
pub fn base(public_url: &str, purpose: LinkPurpose) -> String {
    format!("{public_url}{}?token=", path(purpose))
}

/// What the link of an invitation begins with.
#[must_use]
pub fn invitation_base(public_url: &str) -> String {
    format!("{public_url}{INVITATION_PATH}?token=")
}

/// The whole link. What this returns is a secret.
#[must_use]
pub fn link(public_url: &str, purpose: LinkPurpose, secret: &Secret) -> String {
    format!("{}{}", base(public_url, purpose), secret.expose())
}

/// The digest of a presented token; `None` when it cannot be one of this kind.
pub(crate) fn presented(token: &str, kind: SecretKind) -> Option<SecretDigest> {
    let fits = token.len() <= 128 && token.starts_with(kind.prefix());
    fits.then(|| SecretDigest::of(token.as_bytes()))
}
