//! Passwords of people: rules, and Argon2id in a bounded number of threads.
//!
//! Hashing is meant to be slow, so it has its own slots and a short queue; whoever finds the queue full is told
//! to come back, and nobody else waits. Generated secrets are another matter (`core::secret`).

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

/// Shortest password, in characters.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;
/// Longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// How many may wait for a slot.
const QUEUE_MAX: usize = 16;

/// Passwords that every guesser tries first and that are long enough to pass otherwise.
const COMMON: &[&str] = &[
    "12345678",
    "123456789",
    "1234567890",
    "password",
    "password1",
    "password12",
    "password123",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "qwertyuiop",
    "qwerty123",
    "qwerty12",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "zaq12wsx",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "starwars",
    "trustno1",
    "welcome1",
    "welcome123",
    "letmein1",
    "admin123",
    "administrator",
    "changeme",
    "changeme1",
    "asdfghjkl",
    "asdf1234",
    "abcd1234",
    "abc12345",
    "a1b2c3d4",
    "11111111",
    "00000000",
    "88888888",
    "87654321",
    "123123123",
    "12341234",
    "11223344",
    "987654321",
    "computer",
    "internet",
    "whatever",
    "michelle",
    "jennifer",
    "corvette",
    "mercedes",
    "liverpool",
    "portcullis",
    "dragon123",
    "monkey123",
    "master123",
    "samsung1",
    "qazwsxedc",
    "secret123",
];

/// Why a password was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// Fewer than 8 characters.
    #[error("a password has at least 8 characters")]
    Short,
    /// More than 1024 bytes.
    #[error("a password has at most 1024 bytes")]
    Long,
    /// A control character, which not every form can send.
    #[error("a password holds no control characters")]
    Control,
    /// Among those every guesser tries first.
    #[error("this password is among those that are guessed first")]
    Common,
}

/// A password as it was typed. Never printed.
#[derive(Clone)]
pub struct Password(portcullis_core::secret::Secret);

impl Password {
    /// Takes a password that a person chose.
    ///
    /// # Errors
    /// [`PasswordRefused`] naming the rule that it breaks.
    pub fn chosen(text: &str) -> Result<Self, PasswordRefused> {
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(PasswordRefused::Long);
        }
        if text.chars().count() < PASSWORD_CHARACTERS_MIN {
            return Err(PasswordRefused::Short);
        }
        if text.chars().any(char::is_control) {
            return Err(PasswordRefused::Control);
        }
        if COMMON.contains(&text.to_lowercase().as_str()) {
            return Err(PasswordRefused::Common);
        }
        Ok(Self(portcullis_core::secret::Secret::from_text(
            text.to_owned(),
        )))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being hashed; try again in a moment")]
pub struct QueueFull;

/// The slots in which passwords are hashed and compared. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
    slot_count: usize,
}

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_slots((cores / 4).max(1))
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passwords({} slots)", self.slot_count)
    }
}

impl Passwords {
    /// This many threads hash at a time.
    #[must_use]
    pub fn with_slots(slot_count: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slot_count)),
            inside: Arc::new(AtomicUsize::new(0)),
            slot_count,
        }
    }

    /// The Argon2id hash of a password, with a new salt, as a PHC string.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub async fn hash(&self, password: Password) -> Result<String, QueueFull> {
        self.in_slot(move || hash_now(&password)).await
    }

    /// Whether `presented` is the password behind `hash`. Without a hash the same work is done for nothing,
    /// so that the time taken does not say whether the account exists.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub async fn matches(
        &self,
        presented: String,
        hash: Option<String>,
    ) -> Result<bool, QueueFull> {
        self.in_slot(move || matches_now(&presented, hash.as_deref()))
            .await
    }

    async fn in_slot<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, QueueFull> {
        let _inside = Inside::enter(&self.inside, self.slot_count + QUEUE_MAX)?;
        let slot = self.slots.clone().acquire_owned().await;
        let slot = slot.map_err(|_| QueueFull)?;
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        });
        done.await.map_err(|_| QueueFull)
    }
}

/// Counts one request, working or waiting, until it is dropped.
struct Inside(Arc<AtomicUsize>);

impl Inside {
    fn enter(counter: &Arc<AtomicUsize>, most: usize) -> Result<Self, QueueFull> {
        let before = counter.fetch_add(1, Ordering::AcqRel);
        let inside = Self(counter.clone());
        if before >= most {
            Err(QueueFull)
        } else {
            Ok(inside)
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// 19 MiB, two passes, one lane: what OWASP asks of Argon2id.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

fn hash_now(password: &Password) -> String {
    argon2()
        .hash_password(password.0.expose().as_bytes())
        .map(|hash| hash.to_string())
        .unwrap_or_default()
}

fn matches_now(presented: &str, hash: Option<&str>) -> bool {
    // Of nobody's password; made once with the parameters above.
    const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$QmbqTuPPD2RCBHpGXlY6YtS2gzA3WJqbdW8DLHOQ6iE";
    let text = hash.unwrap_or(DUMMY);
    let known = hash.is_some();
    let verified = presented.len() <= PASSWORD_BYTES_MAX
        && PasswordHash::new(text).is_ok_and(|hash| {
            argon2()
                .verify_password(presented.as_bytes(), &hash)
                .is_ok()
        });
    verified && known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other() {
        let passwords = Passwords::with_slots(1);
        let chosen = Password::chosen("correct horse battery").unwrap();

        let hash = passwords.hash(chosen).await.unwrap();

        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let matches = |text: &str, hash: Option<&str>| {
            passwords.matches(text.to_owned(), hash.map(ToOwned::to_owned))
        };
        assert!(matches("correct horse battery", Some(&hash)).await.unwrap());
        assert!(!matches("correct horse batterx", Some(&hash)).await.unwrap());
        assert!(!matches("correct horse battery", None).await.unwrap());
        assert!(!matches("correct horse battery", Some("")).await.unwrap());
    }

    #[test]
    fn weak_passwords_are_refused() {
        for (text, reason) in [
            ("1234567", PasswordRefused::Short),
            ("Password123", PasswordRefused::Common),
            ("with a \0 in it", PasswordRefused::Control),
            (&"x".repeat(1025), PasswordRefused::Long),
        ] {
            assert_eq!(Password::chosen(text).unwrap_err(), reason, "{text}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let passwords = Passwords::with_slots(1);
        passwords.inside.store(1 + QUEUE_MAX, Ordering::SeqCst);

        let refused = passwords.matches("whatever it is".to_owned(), None).await;

        assert_eq!(refused, Err(QueueFull));
        assert_eq!(passwords.inside.load(Ordering::SeqCst), 1 + QUEUE_MAX);
    }

    #[test]
    fn a_password_does_not_print() {
        let password = Password::chosen("correct horse battery").unwrap();

        assert_eq!(format!("{password:?}"), "Password([redacted])");
    }
}
