//! Messages that are shown once on the next page, such as "App saved". They travel in a cookie of a minute,
//! signed with the visitor's own key, so they never stand in a URL and nobody can put words on a page.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::csrf::labelled;

/// The name of the cookie.
pub(crate) const COOKIE: &str = "portcullis-flash";
/// Longest text of a message, in bytes: a cookie has 4 KiB.
const TEXT_BYTES_MAX: usize = 1_000;

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tone {
    /// It is done.
    Success,
    /// Something to know.
    Info,
    /// It is done, but.
    Warning,
}

impl Tone {
    /// The class of the alert, and the name of its icon.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Info => "info",
            Self::Warning => "warning",
        }
    }
}

/// A message that is shown once. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flash {
    /// How it is meant.
    pub(crate) tone: Tone,
    /// Whole sentences.
    pub(crate) text: String,
}

impl Flash {
    /// It is done.
    pub(crate) fn success(text: impl Into<String>) -> Self {
        Self::new(Tone::Success, text.into())
    }

    /// Something to know.
    pub(crate) fn info(text: impl Into<String>) -> Self {
        Self::new(Tone::Info, text.into())
    }

    /// It is done, but.
    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self::new(Tone::Warning, text.into())
    }

    fn new(tone: Tone, mut text: String) -> Self {
        while text.len() > TEXT_BYTES_MAX {
            text.pop();
        }
        Self { tone, text }
    }

    /// The value of the cookie, for the visitor with this secret.
    pub(crate) fn sealed(&self, secret: &str) -> String {
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default());
        let tag = hmac::sign(&key(secret), body.as_bytes());
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// The message of a cookie; `None` when it was not made for this visitor.
    pub(crate) fn open(cookie: &str, secret: &str) -> Option<Self> {
        let (body, tag) = cookie.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&key(secret), body.as_bytes(), &tag).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
    }
}

fn key(secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &labelled("portcullis flash v1", secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_opens_for_its_visitor_alone() {
        let sealed = Flash::success("App saved.").sealed("pcx_ada");

        assert_eq!(
            Flash::open(&sealed, "pcx_ada"),
            Some(Flash::success("App saved."))
        );
        assert_eq!(Flash::open(&sealed, "pcx_bob"), None);
        assert_eq!(Flash::open(&format!("x{sealed}"), "pcx_ada"), None);
        assert_eq!(Flash::open("nonsense", "pcx_ada"), None);
    }

    #[test]
    fn a_long_message_still_fits_a_cookie() {
        let sealed = Flash::info("é".repeat(5_000)).sealed("pcx_ada");

        assert!(sealed.len() < 2_000);
        assert!(Flash::open(&sealed, "pcx_ada").is_some());
    }
}
