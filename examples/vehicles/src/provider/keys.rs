//! The platform's public keys (RFC 7517), fetched from its keys endpoint and kept. Checks no token.
//!
//! A key id that is not known causes a fetch, because keys rotate; but anybody can invent key ids,
//! so fetches are one at a time, few a minute, and everybody who waited for one shares its outcome.

use crate::http;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

const ANSWER_BYTES_MAX: usize = 256 * 1024;
const KEYS_MAX: usize = 64;
const KID_BYTES_MAX: usize = 64;
/// New keys are published an hour before they sign, so a known set is looked at well before that.
const REFRESH_AFTER: Duration = Duration::from_mins(10);
const REFRESH_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Beyond this without an answer of the keys endpoint nothing is trusted any more.
const KEPT_AT_MOST: Duration = Duration::from_hours(24);
const FETCHES_A_MINUTE: usize = 10;
/// Invented key ids cannot use up what the regular refresh needs.
const FETCHES_A_MINUTE_FOR_UNKNOWN: usize = 8;

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The platform does not publish a key with this id.
    Unknown,
    /// The keys endpoint does not answer, and nothing recent enough is kept.
    Unavailable,
}

pub(super) struct Keys {
    http: reqwest::Client,
    url: String,
    kept: RwLock<Kept>,
    /// Held during a fetch; when the last ones began.
    fetching: Mutex<VecDeque<Instant>>,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<String, Arc<DecodingKey>>,
    fetched_at: Option<Instant>,
    refresh_at: Option<Instant>,
    /// Counts fetches, failed ones too: whoever waited for one knows that it happened.
    fetches: u64,
}

struct Looked {
    key: Option<Arc<DecodingKey>>,
    /// The set is recent: an id that is not in it may only be newer than it.
    is_due: bool,
    is_usable: bool,
    fetches: u64,
}

impl Looked {
    fn answer(self) -> Result<Arc<DecodingKey>, NoKey> {
        match self.key {
            Some(key) if self.is_usable => Ok(key),
            None if self.is_usable => Err(NoKey::Unknown),
            _ => Err(NoKey::Unavailable),
        }
    }
}

impl Keys {
    pub(super) fn new(http: reqwest::Client, url: String) -> Self {
        Self {
            http,
            url,
            kept: RwLock::default(),
            fetching: Mutex::default(),
        }
    }

    /// The key with this id.
    pub(super) async fn find(&self, kid: &str) -> Result<Arc<DecodingKey>, NoKey> {
        if kid.is_empty() || kid.len() > KID_BYTES_MAX {
            return Err(NoKey::Unknown);
        }
        let looked = self.look(kid);
        if looked.key.is_some() && looked.is_usable && !looked.is_due {
            return looked.answer();
        }
        let mut begun = self.fetching.lock().await;
        let again = self.look(kid);
        let somebody_fetched = again.fetches != looked.fetches;
        let fetches_max = if again.is_due {
            FETCHES_A_MINUTE
        } else {
            FETCHES_A_MINUTE_FOR_UNKNOWN
        };
        if somebody_fetched || !may_fetch(&mut begun, Instant::now(), fetches_max) {
            return again.answer();
        }
        let fetched = self.fetch().await;
        self.keep(fetched);
        self.look(kid).answer()
    }

    fn look(&self, kid: &str) -> Looked {
        let now = Instant::now();
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let age = kept.fetched_at.map(|at| now.duration_since(at));
        Looked {
            key: kept.by_id.get(kid).cloned(),
            is_due: kept.refresh_at.is_none_or(|at| at <= now),
            is_usable: age.is_some_and(|age| age <= KEPT_AT_MOST),
            fetches: kept.fetches,
        }
    }

    fn keep(&self, fetched: Result<HashMap<String, Arc<DecodingKey>>, String>) {
        let now = Instant::now();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.fetches += 1;
        match fetched {
            Ok(by_id) => {
                kept.by_id = by_id;
                kept.fetched_at = Some(now);
                kept.refresh_at = Some(now + REFRESH_AFTER);
            }
            Err(reason) => {
                tracing::warn!(url = %self.url, %reason, "the platform's keys cannot be had");
                kept.refresh_at = Some(now + REFRESH_AFTER_FAILURE);
            }
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, Arc<DecodingKey>>, String> {
        let body = http::get(&self.http, &self.url, ANSWER_BYTES_MAX).await?;
        let set: JwkSet = serde_json::from_slice(&body)
            .map_err(|error| format!("the answer is not a key set: {error}"))?;
        let usable = set.keys.iter().filter_map(usable);
        Ok(usable.take(KEYS_MAX).collect())
    }
}

/// The id and the key, if it is an RSA key of at least 2048 bits for RS256 signatures.
fn usable(jwk: &Jwk) -> Option<(String, Arc<DecodingKey>)> {
    let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else {
        return None;
    };
    let for_signatures = matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    );
    let for_rs256 = matches!(jwk.common.key_algorithm, None | Some(KeyAlgorithm::RS256));
    // 256 bytes in base64url without padding.
    let long_enough = rsa.n.len() >= 342;
    let kid = jwk
        .common
        .key_id
        .clone()
        .filter(|kid| kid.len() <= KID_BYTES_MAX)?;
    if !(for_signatures && for_rs256 && long_enough) {
        return None;
    }
    Some((kid, Arc::new(DecodingKey::from_jwk(jwk).ok()?)))
}

/// Whether another fetch may begin now, which is then counted.
fn may_fetch(begun: &mut VecDeque<Instant>, now: Instant, fetches_max: usize) -> bool {
    begun.retain(|at| now.duration_since(*at) < Duration::from_mins(1));
    let may = begun.len() < fetches_max;
    if may {
        begun.push_back(now);
    }
    may
}
