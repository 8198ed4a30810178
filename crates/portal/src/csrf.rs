//! Proof that a form was sent from a page of ours: a token derived from the visitor's own cookie, masked anew
//! for each answer, and the origin that the browser names.
//!
//! The token is not stored: who does not know the cookie cannot derive it. It is masked because answers are
//! compressed, and what compresses well together with a guess would give it away.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, header};
use subtle::ConstantTimeEq;

/// The name of the field that carries the token in every form.
pub(crate) const FIELD: &str = "_csrf";
/// The header that carries the token in requests of scripts.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const KEY_BYTES: usize = 32;

/// What the tokens of one visitor are made of. The same for every page of a session.
#[derive(Clone)]
pub(crate) struct CsrfKey([u8; KEY_BYTES]);

impl std::fmt::Debug for CsrfKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl CsrfKey {
    /// Of the secret in the visitor's cookie.
    pub(crate) fn of(cookie: &str) -> Self {
        Self(labelled("portcullis csrf v1", cookie))
    }

    /// A token for one answer: no two are equal.
    pub(crate) fn token(&self) -> String {
        let mut mask = [0_u8; KEY_BYTES];
        // Without randomness the token is still right; it is merely not masked.
        if rand::fill(&mut mask).is_err() {
            mask = [0; KEY_BYTES];
        }
        let masked: Vec<u8> = mask.iter().zip(&self.0).map(|(a, b)| a ^ b).collect();
        URL_SAFE_NO_PAD.encode([mask.as_slice(), &masked].concat())
    }

    /// Whether a token was made for this visitor.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else {
            return false;
        };
        let Some((mask, masked)) = bytes.split_at_checked(KEY_BYTES) else {
            return false;
        };
        let key: Vec<u8> = mask.iter().zip(masked).map(|(a, b)| a ^ b).collect();
        masked.len() == KEY_BYTES && bool::from(key.ct_eq(self.0.as_slice()))
    }
}

/// SHA-256 of a label and a secret: a value that says nothing about the secret under another label.
pub(crate) fn labelled(label: &str, secret: &str) -> [u8; 32] {
    let text = format!("{label}\0{secret}");
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

/// Whether the browser says that a page of this origin sends the request. A browser that says nothing is judged
/// by the token alone. `public_url` is the configured base URL.
pub(crate) fn is_same_origin(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &HeaderName| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("null"))
    };
    if text(&SEC_FETCH_SITE).is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some(origin) = text(&header::ORIGIN) else {
        return true;
    };
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    // Behind a proxy the public URL is the truth; on an address that is not configured, the Host that was asked.
    let configured = public_url
        .trim_end_matches('/')
        .eq_ignore_ascii_case(origin);
    let asked = text(&header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(authority));
    configured || (asked && matches!(scheme, "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_different_each_time_and_holds_for_its_visitor_alone() {
        let (ada, bob) = (CsrfKey::of("pcx_ada"), CsrfKey::of("pcx_bob"));

        let (first, second) = (ada.token(), ada.token());

        assert_ne!(first, second);
        assert!(ada.accepts(&first) && ada.accepts(&second));
        assert!(!bob.accepts(&first));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let key = CsrfKey::of("pcx_ada");
        let token = key.token();
        let zeros = URL_SAFE_NO_PAD.encode([0; 64]);

        for text in ["", "x", "====", &token[1..], &token[..43], &zeros, "é"] {
            assert!(!key.accepts(text), "{text}");
        }
        assert!(!key.accepts(&format!("{token}AAAA")));
    }

    #[test]
    fn only_pages_of_the_same_origin_send_forms() {
        let public = "https://portal.example.com";
        let ask = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, value.parse().unwrap());
            }
            is_same_origin(&headers, public)
        };

        for allowed in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("origin", "https://portal.example.com")],
            &[
                ("origin", "http://127.0.0.1:8080"),
                ("host", "127.0.0.1:8080"),
            ],
        ] {
            assert!(ask(allowed), "{allowed:?}");
        }
        for refused in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "null")],
            &[("origin", "https://evil.example")],
            &[("origin", "https://portal.example.com.evil.example")],
            &[
                ("origin", "https://evil.example"),
                ("host", "portal.example.com"),
            ],
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://evil.example"),
            ],
        ] {
            assert!(!ask(refused), "{refused:?}");
        }
    }
}
