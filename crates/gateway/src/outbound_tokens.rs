//! Tokens that take the place of the app's token on the way to the provider: signed with an `outbound` key by
//! one background task, kept until shortly before they end, and shared by every core.
//!
//! A gateway core never signs: an RSA signature takes as long as tens of calls. It takes what is here, or
//! asks and waits; however many calls ask for the same token, it is signed once.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use portcullis_core::{
    access_token::{OutboundTokenClaims, TokenRules, sign_outbound},
    authorize::Permit,
    clock::{Clock, Timestamp},
    ids::{ClientId, IdKey, InstanceId, KeyId},
    keys::{KeyError, KeyPurpose, SigningKey},
    sharded::IdHash,
    snapshot::{Snapshot, SnapshotHandle},
};
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long an outbound token is valid.
const LIFETIME: Duration = Duration::from_mins(5);
/// A token this close to its end is not sent any more: the provider may read it late, on another clock.
const REST_MIN: Duration = Duration::from_secs(30);
/// The earliest age at which a token is renewed; the latest is 30 seconds more.
const RENEWAL_MIN: Duration = Duration::from_secs(135);
/// How often tokens are looked through for those to renew.
const TICK: Duration = Duration::from_secs(1);

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject {
    client_id: ClientId,
    instance: InstanceId,
}

struct Token {
    subject: Subject,
    kid: KeyId,
    authorization: HeaderValue,
    expires_at: Timestamp,
    renew_at: Timestamp,
    was_used: AtomicBool,
}

impl Token {
    fn is_sendable(&self, now: Timestamp) -> bool {
        now + REST_MIN < self.expires_at
    }
}

type Tokens = HashMap<IdKey, Arc<Token>, IdHash>;

struct Shared {
    /// By instance.
    tokens: ArcSwap<Tokens>,
    wanted: Mutex<Vec<Subject>>,
    is_wanted: Notify,
    signed: watch::Sender<()>,
}

/// The tokens that are ready, for every core. Cheap to clone.
#[derive(Clone)]
pub struct OutboundTokens(Arc<Shared>);

impl fmt::Debug for OutboundTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "OutboundTokens({} of them, [redacted])",
            self.0.tokens.load().len()
        )
    }
}

impl Default for OutboundTokens {
    fn default() -> Self {
        Self::new()
    }
}

impl OutboundTokens {
    /// No tokens yet. Nothing is signed until an [`OutboundSigner`] runs.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            tokens: ArcSwap::default(),
            wanted: Mutex::default(),
            is_wanted: Notify::new(),
            signed: watch::Sender::new(()),
        }))
    }

    /// The `Authorization` for the provider of this permit, when it is at hand: not about to end, and signed
    /// with a key that is still published.
    pub(crate) fn ready(
        &self,
        permit: &Permit,
        facts: &Snapshot,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let tokens = self.0.tokens.load();
        let token = tokens.get(&permit.instance().id.key())?;
        let is_fit = token.is_sendable(now)
            && token.subject.client_id == permit.api().client_id
            && facts.keys().by_kid(token.kid.as_str()).is_some();
        if !is_fit {
            return None;
        }
        // Read first: a write by every core on every call would make them wait for each other.
        if !token.was_used.load(Ordering::Relaxed) {
            token.was_used.store(true, Ordering::Relaxed);
        }
        Some(token.authorization.clone())
    }

    /// Asks for a token and waits until some token was signed, at most `limit`.
    pub(crate) async fn wait_for_signing(&self, permit: &Permit, limit: Duration) {
        let mut signed = self.0.signed.subscribe();
        let subject = Subject {
            client_id: permit.api().client_id.clone(),
            instance: permit.instance().id.clone(),
        };
        {
            let mut wanted = self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            if !wanted.contains(&subject) {
                wanted.push(subject);
            }
        }
        self.0.is_wanted.notify_one();
        // An error means that time is over or that nobody signs any more; the caller looks for itself.
        let _ = timeout(limit, signed.changed()).await;
    }

    fn take_wanted(&self) -> Vec<Subject> {
        std::mem::take(&mut *self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, change: impl FnOnce(&mut Tokens)) {
        let mut tokens = Tokens::clone(&self.0.tokens.load());
        change(&mut tokens);
        self.0.tokens.store(Arc::new(tokens));
    }
}

/// Signs outbound tokens in the background.
pub struct OutboundSigner {
    tokens: OutboundTokens,
    snapshot: Arc<SnapshotHandle>,
    clock: Arc<dyn Clock>,
    rules: TokenRules,
}

impl fmt::Debug for OutboundSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboundSigner({:?})", self.tokens)
    }
}

impl OutboundSigner {
    /// A signer that fills `tokens`, with the `outbound` key that `snapshot` has at the time.
    #[must_use]
    pub fn new(
        tokens: OutboundTokens,
        snapshot: Arc<SnapshotHandle>,
        clock: Arc<dyn Clock>,
        rules: TokenRules,
    ) -> Self {
        Self {
            tokens,
            snapshot,
            clock,
            rules,
        }
    }

    /// Signs what is asked for and renews what is used, until `shutdown`. Each signature takes the thread for
    /// about half a millisecond, so this belongs on a runtime where that delays nobody, and on no core of the
    /// gateway.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.tokens.0.is_wanted.notified() => {}
                _ = ticks.tick() => {}
            }
            self.sign_wanted().await;
            self.renew().await;
        }
    }

    /// Signs what calls are waiting for, and tells them after each one.
    async fn sign_wanted(&self) {
        for subject in self.tokens.take_wanted() {
            let tokens = self.tokens.0.tokens.load_full();
            // A call that asked while the token was being signed has left its wish here.
            let is_there = tokens.get(&subject.instance.key()).is_some_and(|token| {
                token.subject == subject
                    && token.is_sendable(self.clock.now())
                    && self.is_published(token)
            });
            if !is_there && let Some(token) = self.signed(subject) {
                self.tokens.publish(|tokens| {
                    tokens.insert(token.subject.instance.key(), Arc::new(token));
                });
            }
            self.tokens.0.signed.send_replace(());
            tokio::task::yield_now().await;
        }
    }

    /// Renews tokens at half their life when they were used since the last time; lets the others end.
    async fn renew(&self) {
        let tokens = self.tokens.0.tokens.load_full();
        let now = self.clock.now();
        for (instance, token) in tokens.iter() {
            let is_due = now >= token.renew_at || !self.is_published(token);
            if is_due && token.was_used.load(Ordering::Relaxed) {
                if let Some(renewed) = self.signed(token.subject.clone()) {
                    self.tokens.publish(|tokens| {
                        tokens.insert(*instance, Arc::new(renewed));
                    });
                }
                tokio::task::yield_now().await;
            } else if now >= token.expires_at {
                self.tokens.publish(|tokens| {
                    tokens.remove(instance);
                });
            }
        }
    }

    fn is_published(&self, token: &Token) -> bool {
        self.snapshot
            .load()
            .keys()
            .by_kid(token.kid.as_str())
            .is_some()
    }

    /// A new token; `None`, and a line in the log, when this node has no key to sign with.
    fn signed(&self, subject: Subject) -> Option<Token> {
        let facts = self.snapshot.load();
        let Some(key) = facts.keys().signing(KeyPurpose::Outbound) else {
            tracing::error!(instance = %subject.instance, "there is no outbound signing key yet");
            return None;
        };
        self.sign(key, subject)
            .inspect_err(|error| tracing::error!(%error, "an outbound token could not be signed"))
            .ok()
    }

    fn sign(&self, key: &SigningKey, subject: Subject) -> Result<Token, KeyError> {
        let now = self.clock.now();
        let claims = OutboundTokenClaims {
            client_id: &subject.client_id,
            api_instance: &subject.instance,
            issued_at: now,
            lifetime: LIFETIME,
        };
        let text = sign_outbound(&self.rules, key, &claims)?;
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| KeyError::Sign)?;
        authorization.set_sensitive(true);
        Ok(Token {
            subject,
            kid: key.id().clone(),
            authorization,
            expires_at: now + LIFETIME,
            renew_at: now + half_life(),
            was_used: AtomicBool::new(false),
        })
    }
}

/// Half the lifetime, give or take a tenth, so that tokens first signed together part.
fn half_life() -> Duration {
    let jitter_ms = uuid::Uuid::new_v4().as_u128() % 30_000;
    let jitter = Duration::from_millis(u64::try_from(jitter_ms).unwrap_or_default());
    RENEWAL_MIN + jitter
}

#[cfg(test)]
mod tests;
