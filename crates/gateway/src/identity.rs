//! Names of a call: the Request-Id, which is the caller's where it is fit to be one, and the Call-Id, which is
//! always ours.

use std::cell::RefCell;

use aws_lc_rs::rand;
use http::{HeaderMap, HeaderValue};

use crate::{answer::REQUEST_ID, headers::single};

/// Longest Request-Id that is taken over, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// Random bytes fetched at once: enough for 32 calls without identifiers of their own.
const POOL_BYTES: usize = 1_024;

/// Makes random identifiers, fetching randomness for many at once.
#[derive(Debug)]
pub(crate) struct Identities {
    pool: RefCell<Vec<u8>>,
}

impl Identities {
    pub(crate) fn new() -> Self {
        Self {
            pool: RefCell::new(Vec::with_capacity(POOL_BYTES)),
        }
    }

    /// 128 random bits.
    pub(crate) fn call_id(&self) -> u128 {
        u128::from_le_bytes(self.random())
    }

    /// The caller's Request-Id, or a new UUID in the place of none or a bad one: it is never a reason to
    /// refuse a call.
    pub(crate) fn request_id(&self, fields: &HeaderMap) -> HeaderValue {
        match single(fields, &REQUEST_ID) {
            Ok(Some(value)) if is_fit(value) => value.clone(),
            _ => self.new_request_id(),
        }
    }

    fn new_request_id(&self) -> HeaderValue {
        let uuid = uuid::Builder::from_random_bytes(self.random()).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = uuid.hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
    }

    fn random(&self) -> [u8; 16] {
        let mut pool = self.pool.borrow_mut();
        if pool.len() < 16 {
            pool.resize(POOL_BYTES, 0);
            // The system's generator does not fail once it has started; were it to, identifiers would
            // repeat, which confuses logs and opens nothing.
            let _ = rand::fill(&mut pool);
        }
        let rest = pool.len() - 16;
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(pool.drain(rest..)) {
            *to = from;
        }
        bytes
    }
}

fn is_fit(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(values: &[&str]) -> String {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(
                REQUEST_ID,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        Identities::new()
            .request_id(&fields)
            .to_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_fit_request_id_is_taken_over() {
        for value in ["x", "{\"<>\\~", &"x".repeat(128)] {
            assert_eq!(given(&[value]), value);
        }
    }

    #[test]
    fn a_bad_request_id_is_replaced_by_a_uuid() {
        for values in [
            &[][..],
            &[""],
            &["a b"],
            &["é"],
            &["a\tb"],
            &[&"x".repeat(129)],
            &["one", "two"],
            &["one", "one"],
        ] {
            let made = given(values);
            assert_eq!(
                uuid::Uuid::parse_str(&made).unwrap().get_version_num(),
                4,
                "{values:?}"
            );
        }
    }

    #[test]
    fn identifiers_do_not_repeat() {
        let identities = Identities::new();

        let mut ids: Vec<u128> = (0..1_000).map(|_| identities.call_id()).collect();

        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 1_000);
    }
}
