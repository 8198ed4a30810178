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
pub const PASSWORD_CHARACTERS_MIN: usize = 12;
/// Longest password, in characters.
pub const PASSWORD_CHARACTERS_MAX: usize = 128;
/// Longest input that is looked at, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// How many may wait for a slot.
const QUEUE_MAX: usize = 16;

/// What guessers begin with. A password is one of these when nothing else is left of it without digits and signs
/// at its ends, written once or several times.
const COMMON: &[&str] = &[
    "abc",
    "abcd",
    "admin",
    "administrator",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "baseball",
    "battery",
    "changeit",
    "changeme",
    "computer",
    "correcthorsebatterystaple",
    "default",
    "dragon",
    "football",
    "google",
    "guest",
    "hello",
    "iloveyou",
    "internet",
    "jennifer",
    "letmein",
    "letmeinplease",
    "liverpool",
    "login",
    "master",
    "mercedes",
    "michelle",
    "monkey",
    "mypassword",
    "mynewpassword",
    "newpassword",
    "operator",
    "pass",
    "passphrase",
    "password",
    "passwort",
    "portcullis",
    "princess",
    "qaz",
    "qazwsx",
    "qazwsxedc",
    "qazwsxedcrfv",
    "qwe",
    "qweasd",
    "qweasdzxc",
    "qwert",
    "qwerty",
    "qwertyuiop",
    "qwertyuiopasdfghjkl",
    "root",
    "samsung",
    "secret",
    "secretpassword",
    "security",
    "shadow",
    "starwars",
    "sunshine",
    "superman",
    "supersecret",
    "temp",
    "temporary",
    "test",
    "testing",
    "testpassword",
    "thisismypassword",
    "trustno",
    "user",
    "welcome",
    "whatever",
    "zaq",
    "zxcvbn",
    "zxcvbnm",
];

/// Rows of keys and of signs that people run along.
const RUNS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "zaq12wsxcde34rfvbgt56yhn",
];

/// Why a password was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// Fewer than 12 characters.
    #[error("a password has at least 12 characters; several words are easy to remember")]
    Short,
    /// More than 128 characters.
    #[error("a password has at most 128 characters")]
    Long,
    /// A control character, which not every form can send.
    #[error("a password holds no control characters")]
    Control,
    /// Among those every guesser tries first.
    #[error("this password is among those that are guessed first")]
    Common,
    /// The person's own name or address.
    #[error("a password is not your name or email address")]
    Own,
}

/// A password as it was typed. Never printed.
#[derive(Clone)]
pub struct Password(portcullis_core::secret::Secret);

impl Password {
    /// Takes a password that a person chose. `own` are the person's address and name, which it must not be.
    ///
    /// # Errors
    /// [`PasswordRefused`] naming the rule that it breaks.
    pub fn chosen(text: &str, own: &[&str]) -> Result<Self, PasswordRefused> {
        let characters = text.chars().count();
        if text.len() > PASSWORD_BYTES_MAX || characters > PASSWORD_CHARACTERS_MAX {
            return Err(PasswordRefused::Long);
        }
        if characters < PASSWORD_CHARACTERS_MIN {
            return Err(PasswordRefused::Short);
        }
        if text.chars().any(char::is_control) {
            return Err(PasswordRefused::Control);
        }
        let folded = text.to_lowercase();
        if is_common(&folded) {
            return Err(PasswordRefused::Common);
        }
        if own.iter().any(|own| is_own(&folded, &own.to_lowercase())) {
            return Err(PasswordRefused::Own);
        }
        Ok(Self(portcullis_core::secret::Secret::from_text(
            text.to_owned(),
        )))
    }
}

/// Whether a password in lower case is what guessers try first: a common word dressed up, one piece said again
/// and again, or a run along the keys.
fn is_common(password: &str) -> bool {
    let letters: Vec<char> = password.chars().collect();
    let piece = (1..=letters.len() / 2).find(|length| {
        let (first, rest) = letters.split_at(*length);
        rest.iter()
            .zip(first.iter().cycle())
            .all(|(one, other)| one == other)
    });
    // Fewer than five different characters in a piece that repeats are a pattern, whatever they are.
    if piece.is_some_and(|length| length < 5) {
        return true;
    }
    let once: String = letters
        .iter()
        .take(piece.unwrap_or(letters.len()))
        .collect();
    let plain = |text: &str| -> String { text.chars().map(unleet).collect() };
    let bare = |text: &str| {
        let kept: String = text.chars().filter(|c| c.is_alphabetic()).collect();
        COMMON.contains(&kept.as_str())
    };
    let trimmed = once.trim_matches(|c: char| !c.is_alphabetic());
    let run = |run: &&str| {
        let backward: String = run.chars().rev().collect();
        run.contains(&once) || backward.contains(&once)
    };
    bare(&once) || bare(&plain(&once)) || bare(&plain(trimmed)) || RUNS.iter().any(run)
}

/// The letter that a sign stands for.
const fn unleet(sign: char) -> char {
    match sign {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// Whether a password is no more than this text of the person's own, with or without signs around it.
fn is_own(password: &str, own: &str) -> bool {
    let plain = |text: &str| -> String { text.chars().filter(|c| c.is_alphabetic()).collect() };
    let password = plain(password);
    let local = own.split_once('@').map_or(own, |(local, _)| local);
    let same = |text: &str| {
        let text = plain(text);
        text.chars().count() >= 3 && text == password
    };
    same(own) || same(local)
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
        let chosen = Password::chosen("correct horse battery", &[]).unwrap();

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
        let own = ["margaret.hamilton@example.com", "Margaret Hamilton"];
        for (text, reason) in [
            ("elevenchars", PasswordRefused::Short),
            ("Password1234", PasswordRefused::Common),
            ("P@ssw0rd!2026", PasswordRefused::Common),
            ("passwordpassword", PasswordRefused::Common),
            ("aaaaaaaaaaaaaaaa", PasswordRefused::Common),
            ("abcabcabcabc", PasswordRefused::Common),
            ("123456789012", PasswordRefused::Common),
            ("210987654321", PasswordRefused::Common),
            ("qwertyuiopas", PasswordRefused::Common),
            ("1q2w3e4r5t6y", PasswordRefused::Common),
            ("correct horse battery staple", PasswordRefused::Common),
            ("with a \0 in it", PasswordRefused::Control),
            ("margaret.hamilton@example.com", PasswordRefused::Own),
            ("MargaretHamilton1", PasswordRefused::Own),
            (&"xyzuvw".repeat(30), PasswordRefused::Long),
        ] {
            let refused = Password::chosen(text, &own).unwrap_err();
            assert_eq!(refused, reason, "{text}");
        }
    }

    #[test]
    fn a_password_may_be_anything_else() {
        for text in [
            "correct horse battery",
            "a castle at noon",
            "\u{fc}ber den Dächern",
            "Xq7!Xq7!Zw9?Zw9?",
            "test the waters twice",
        ] {
            assert!(
                Password::chosen(text, &["ada@example.com", "Ada"]).is_ok(),
                "{text}"
            );
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
        let password = Password::chosen("correct horse battery", &[]).unwrap();

        assert_eq!(format!("{password:?}"), "Password([redacted])");
    }
}
