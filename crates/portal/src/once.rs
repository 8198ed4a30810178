//! A secret on its way from the answer that made it to the one page that shows it.
//!
//! Forms answer with a redirect, so that reloading a page repeats nothing and its address is the thing's own. A
//! new secret has to cross that redirect. It travels in a cookie that ends with the browser, sealed under a key
//! that is derived from the session's own secret, bound to the thing it belongs to, and refused after five
//! minutes. The page that shows it takes the cookie away, and no page of ours is kept by browsers: neither
//! reloading nor going back shows the secret again. It stands in no URL, in no log and in no store; and it works
//! when the redirect reaches another node, which a place in the memory of one node would not.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use axum::response::Response;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use portcullis_core::{clock::Timestamp, secret::Secret};
use serde::{Deserialize, Serialize};

use crate::{csrf::labelled, page::Page};

/// The name of the cookie.
const COOKIE: &str = "portcullis-once";
/// How long after it was made a secret is still shown.
const SHOWN_WITHIN: Duration = Duration::from_mins(5);

#[derive(Serialize, Deserialize)]
struct Sealed {
    until_us: i64,
    secret: String,
}

/// The value of the cookie. `None` when there is no randomness: then the secret is not shown, and has to be
/// rotated.
fn seal(session: &str, about: &str, secret: &Secret, now: Timestamp) -> Option<String> {
    let sealed = Sealed {
        until_us: (now + SHOWN_WITHIN).as_us(),
        secret: secret.expose().to_owned(),
    };
    let mut bytes = serde_json::to_vec(&sealed).ok()?;
    let nonce = key(session)?
        .seal_in_place_append_tag(Aad::from(about.as_bytes()), &mut bytes)
        .ok()?;
    let whole = [nonce.as_ref().as_slice(), bytes.as_slice()].concat();
    Some(URL_SAFE_NO_PAD.encode(whole))
}

/// The secret in a cookie; `None` when it is of another session or another thing, or too old.
fn open(session: &str, about: &str, cookie: &str, now: Timestamp) -> Option<Secret> {
    let whole = URL_SAFE_NO_PAD.decode(cookie).ok()?;
    let (nonce, sealed) = whole.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut bytes = sealed.to_vec();
    let opened = key(session)?
        .open_in_place(nonce, Aad::from(about.as_bytes()), &mut bytes)
        .ok()?;
    let sealed: Sealed = serde_json::from_slice(opened).ok()?;
    (now.as_us() <= sealed.until_us).then(|| Secret::from_text(sealed.secret))
}

fn key(session: &str) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, &labelled("portcullis once v1", session)).ok()
}

impl Page {
    /// Lets the page of `about`, an identifier, show this secret once.
    pub(crate) fn with_secret(&self, response: Response, about: &str, secret: &Secret) -> Response {
        let now = self.portal().clock().now();
        let sealed = self
            .session()
            .and_then(|session| seal(&session.cookie, about, secret, now));
        match sealed {
            Some(sealed) => self.with_cookie(response, COOKIE, &sealed, None),
            None => response,
        }
    }

    /// The secret that the page of `about` shows this once. Whoever shows it takes it away with
    /// [`Page::without_secret`].
    pub(crate) fn secret_once(&self, headers: &HeaderMap, about: &str) -> Option<Secret> {
        let cookie = self.inner().transport.get(headers, COOKIE)?;
        let now = self.portal().clock().now();
        open(&self.session()?.cookie, about, cookie, now)
    }

    /// Takes the secret out of the browser.
    pub(crate) fn without_secret(&self, response: Response) -> Response {
        self.with_cookie(response, COOKIE, "", Some(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_us(1_800_000_000_000_000);

    fn sealed() -> String {
        seal(
            "pcx_ada",
            "app-1",
            &Secret::from_text("pcs_secret".to_owned()),
            NOW,
        )
        .unwrap()
    }

    #[test]
    fn a_secret_opens_for_its_session_and_its_thing() {
        let opened = open("pcx_ada", "app-1", &sealed(), NOW);

        assert_eq!(opened.unwrap().expose(), "pcs_secret");
    }

    #[test]
    fn nobody_else_and_nothing_else_opens_it() {
        let sealed = sealed();

        assert!(open("pcx_bob", "app-1", &sealed, NOW).is_none());
        assert!(open("pcx_ada", "app-2", &sealed, NOW).is_none());
        assert!(open("pcx_ada", "app-1", &sealed[1..], NOW).is_none());
        assert!(open("pcx_ada", "app-1", "nonsense", NOW).is_none());
        assert!(!sealed.contains("secret"));
    }

    #[test]
    fn after_five_minutes_it_is_gone() {
        let sealed = sealed();

        assert!(open("pcx_ada", "app-1", &sealed, NOW + SHOWN_WITHIN).is_some());
        let later = NOW + SHOWN_WITHIN + Duration::from_secs(1);
        assert!(open("pcx_ada", "app-1", &sealed, later).is_none());
    }
}
