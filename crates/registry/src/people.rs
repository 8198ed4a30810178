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

mod account;
mod authenticator;
mod error;
mod failures;
mod invitations;
/// Absolute links to the pages where a one-time link is used.
pub mod links;
mod passkeys;
/// Sessions of browsers.
pub mod sessions;
mod setup;
/// Signing in.
pub mod sign_in;

pub use account::SignUpForm;
pub use authenticator::{Enrolment, RecoveryCodes};
pub use error::PeopleError;
pub use passkeys::Ceremony;
pub use setup::{Setup, setup_link};

/// Longest name of a browser that is kept, in characters.
const DEVICE_CHARACTERS_MAX: usize = 120;

/// Wrong passwords or codes that are answered before anybody has to wait, of one account or one network.
const FAILURES_MAX: u32 = 10;
/// How often one of them is forgiven.
const FORGIVEN_EVERY: Duration = Duration::from_secs(10);

/// Mails that one address is sent at once because somebody asked, and how often another.
const REQUESTS_MAX: u32 = 5;
const REQUEST_EVERY: Duration = Duration::from_mins(2);
/// Mails that one network asks for at once, or passkeys that it fails with, and how often another.
const SOURCE_MAX: u32 = 30;
const SOURCE_EVERY: Duration = Duration::from_secs(10);

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
    requests: Throttle,
    sources: Throttle,
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
        let throttle = |most, every| {
            let settings = ThrottleSettings {
                failures_max: most,
                ..ThrottleSettings::default()
            };
            Throttle::forgiving(settings, every)
        };
        Self {
            inner: Arc::new(Inner {
                store: state.store.clone(),
                clock: state.clock.clone(),
                settings: state.settings.clone(),
                throttle: throttle(FAILURES_MAX, FORGIVEN_EVERY),
                requests: throttle(REQUESTS_MAX, REQUEST_EVERY),
                sources: throttle(SOURCE_MAX, SOURCE_EVERY),
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
        refuse_if(wait)
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

    /// Notes that somebody who is not known asks for a mail to this address; refuses whoever asks too often.
    fn asks(&self, email: &str, visit: &Visit) -> Result<(), PeopleError> {
        let now = self.inner.clock.boot_time();
        let by_source = self.inner.sources.failed(None, visit.address, now);
        let wait = by_source.or_else(|| {
            self.inner
                .requests
                .failed(Some(account_key(email)), None, now)
        });
        refuse_if(wait)
    }

    /// Refuses a network that has failed too often of late.
    fn unless_source_throttled(&self, visit: &Visit) -> Result<(), PeopleError> {
        let now = self.inner.clock.boot_time();
        refuse_if(self.inner.sources.wait(None, visit.address, now))
    }

    /// Notes a failure of nobody in particular.
    fn source_failed(&self, visit: &Visit) {
        let now = self.inner.clock.boot_time();
        // Answered with its reason all the same: that was decided before the work.
        let _ = self.inner.sources.failed(None, visit.address, now);
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

fn refuse_if(wait: Option<Duration>) -> Result<(), PeopleError> {
    match wait {
        Some(retry_after) => Err(PeopleError::Throttled { retry_after }),
        None => Ok(()),
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
