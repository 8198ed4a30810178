//! Services for people that have no place in a public API: signing in, sessions, second factors, links that work
//! once, signing up. The pages call these; the management API has the rest.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use portcullis_core::{
    clock::{Clock, Timestamp},
    ids::IdKey,
    throttle::{Throttle, ThrottleSettings},
};
use portcullis_store::{ActContext, Store};
use tokio_util::task::TaskTracker;

use crate::{RegistryState, Settings, findings::Findings, password::Password};

mod error;
mod failures;
/// Absolute links to the pages where a one-time link is used.
pub mod links;
/// Sessions of browsers.
pub mod sessions;
mod setup;
/// Signing in.
pub mod sign_in;

pub use error::PeopleError;
pub use setup::{Setup, setup_link};

/// Longest name of a browser that is kept, in characters.
const DEVICE_CHARACTERS_MAX: usize = 120;

/// Wrong passwords or codes that are answered before anybody has to wait, of one account or one network.
const FAILURES_MAX: u32 = 10;
/// How often one of them is forgiven.
const FORGIVEN_EVERY: Duration = Duration::from_secs(10);

/// Where a request of a person comes from.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// The address, when it is known.
    pub address: Option<IpAddr>,
    /// What the browser calls itself.
    pub user_agent: String,
}

impl Visit {
    /// What is kept of the browser's name: one line, shortened.
    pub(crate) fn device(&self) -> String {
        self.user_agent
            .chars()
            .filter(|letter| !letter.is_control())
            .take(DEVICE_CHARACTERS_MAX)
            .collect()
    }
}

/// The services. Cheap to clone; one for the process, because it counts failures.
#[derive(Clone)]
pub struct People {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    settings: Arc<Settings>,
    throttle: Throttle,
    failures: failures::Failures,
    background: TaskTracker,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("People")
    }
}

impl People {
    /// The services of this installation.
    #[must_use]
    pub fn new(state: &RegistryState) -> Self {
        let settings = ThrottleSettings {
            failures_max: FAILURES_MAX,
            ..ThrottleSettings::default()
        };
        Self {
            inner: Arc::new(Inner {
                store: state.store.clone(),
                clock: state.clock.clone(),
                settings: state.settings.clone(),
                throttle: Throttle::forgiving(settings, FORGIVEN_EVERY),
                failures: failures::Failures::default(),
                background: TaskTracker::new(),
            }),
        }
    }

    /// Waits for what goes on after an answer: notes of failures, and mails whose owing must not be told by the
    /// time an answer takes.
    pub async fn settle(&self) {
        self.inner.background.close();
        self.inner.background.wait().await;
        self.inner.background.reopen();
    }

    fn store(&self, visit: &Visit) -> Store {
        self.inner.store.within(ActContext {
            address: visit.address,
        })
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Refuses whoever has failed too often of late, before anything expensive is done for them.
    fn unless_throttled(&self, account: &str, visit: &Visit) -> Result<(), PeopleError> {
        let now = self.inner.clock.boot_time();
        let wait = self
            .inner
            .throttle
            .wait(Some(account_key(account)), visit.address, now);
        match wait {
            Some(retry_after) => Err(PeopleError::Throttled { retry_after }),
            None => Ok(()),
        }
    }

    /// Notes a failure of somebody who claimed to be this account.
    fn failed(&self, account: &str, visit: &Visit) {
        let now = self.inner.clock.boot_time();
        // Answered with its reason all the same: that was decided before the work.
        let _ = self
            .inner
            .throttle
            .failed(Some(account_key(account)), visit.address, now);
    }

    /// The hash of a password.
    async fn hashed(&self, password: Password) -> Result<String, PeopleError> {
        let hash = self.inner.settings.passwords.hash(password).await;
        hash.map_err(|_| PeopleError::Busy)
    }

    /// Whether this is the password behind the hash; takes the same time without a hash.
    async fn matches(&self, password: &str, hash: Option<String>) -> Result<bool, PeopleError> {
        let passwords = &self.inner.settings.passwords;
        let matches = passwords.matches(password.to_owned(), hash).await;
        matches.map_err(|_| PeopleError::Busy)
    }
}

fn account_key(email: &str) -> IdKey {
    IdKey::of(&email.trim().to_lowercase())
}

/// Checks a form: everything wrong with it is said at once.
fn checked<T>(check: impl FnOnce(&mut Findings) -> Option<T>) -> Result<T, PeopleError> {
    let mut findings = Findings::default();
    let value = check(&mut findings);
    let errors = findings.into_errors();
    match value {
        Some(value) if errors.is_empty() => Ok(value),
        _ => Err(PeopleError::Invalid(errors)),
    }
}
