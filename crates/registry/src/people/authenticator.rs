//! Codes of an authenticator app (RFC 6238) and recovery codes.

use std::fmt;

use portcullis_core::{
    clock::Timestamp,
    ids::UserId,
    organization::User,
    secret::{Secret, SecretDigest, SecretKind},
};
use portcullis_store::UsedFactor;
use qrcode::{EcLevel, QrCode, render::svg};
use totp_rs::{Builder, Totp};
use url::Url;
use zeroize::Zeroizing;

use super::{
    People, PeopleError, Visit,
    sessions::{Sessions, SignedIn},
};

/// Length of a shared secret, in bytes: that of the hash (RFC 4226 section 4).
const SECRET_BYTES: usize = 20;
/// How long one code lives, in seconds.
const STEP_SECONDS: u64 = 30;
/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// Characters of a recovery code that carry randomness: 32 of them each, so 80 bits.
const RECOVERY_CHARACTERS: usize = 16;
/// Letters and digits that are not taken for one another.
const RECOVERY_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What a person needs to add this account to an authenticator app. Shown once, while it is turned on.
#[derive(Clone)]
pub struct Enrolment {
    /// The shared secret in Base32, to be typed.
    pub secret: Zeroizing<String>,
    /// The same as a URL, which apps open.
    pub url: Zeroizing<String>,
    /// The same as a picture, to be scanned.
    pub qr_svg: Zeroizing<String>,
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolment([redacted])")
    }
}

/// Recovery codes in clear, shown once.
#[derive(Clone)]
pub struct RecoveryCodes(pub Vec<Zeroizing<String>>);

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoveryCodes({}, [redacted])", self.0.len())
    }
}

impl RecoveryCodes {
    fn generate() -> Self {
        Self((0..RECOVERY_CODES).map(|_| recovery_code()).collect())
    }

    fn digests(&self, user: &UserId) -> Vec<SecretDigest> {
        self.0
            .iter()
            .map(|code| recovery_digest(user, code))
            .collect()
    }
}

impl People {
    /// Begins to add an authenticator app: it is not asked for before [`People::turn_authenticator_on`]. Takes
    /// a recent proof.
    ///
    /// # Errors
    /// [`PeopleError`]: `ProofNeeded`, or `Act` with `Conflict` (`authenticator_on`).
    pub async fn begin_authenticator(&self, who: &SignedIn) -> Result<Enrolment, PeopleError> {
        who.recently()?;
        let secret = random_secret();
        let issuer = issuer(&self.inner.settings.public_url);
        let enrolment = enrolment(&secret, &who.user.email, &issuer)?;
        self.inner
            .store
            .begin_authenticator(&who.user, &secret)
            .await?;
        Ok(enrolment)
    }

    /// What was begun and not turned on yet, to be shown again after a wrong code. Takes a recent proof. `None`
    /// when nothing was begun.
    ///
    /// # Errors
    /// [`PeopleError`]: `ProofNeeded`.
    pub async fn begun_authenticator(
        &self,
        who: &SignedIn,
    ) -> Result<Option<Enrolment>, PeopleError> {
        who.recently()?;
        let kept = self.inner.store.authenticator(&who.user.id).await?;
        let Some(kept) = kept.filter(|kept| !kept.is_on) else {
            return Ok(None);
        };
        let issuer = issuer(&self.inner.settings.public_url);
        enrolment(&kept.secret, &who.user.email, &issuer).map(Some)
    }

    /// Turns the authenticator app on with its first code. Gives the recovery codes, this once.
    ///
    /// # Errors
    /// [`PeopleError`]: `ProofNeeded`, `Invalid` (`code`), `Ended` when it was not begun, `Throttled`.
    pub async fn turn_authenticator_on(
        &self,
        who: &SignedIn,
        code: &str,
        visit: &Visit,
    ) -> Result<RecoveryCodes, PeopleError> {
        who.recently()?;
        self.unless_throttled(&who.user.email, visit)?;
        let kept = self.inner.store.authenticator(&who.user.id).await?;
        let kept = kept.filter(|kept| !kept.is_on).ok_or(PeopleError::Ended)?;
        let Some(step) = step_of(&kept.secret, code, self.now()) else {
            self.failed(&who.user.email, visit);
            return Err(PeopleError::invalid(
                "code",
                "this is not the code that the app shows now; is the clock of the device right",
            ));
        };
        let codes = RecoveryCodes::generate();
        let digests = codes.digests(&who.user.id);
        let store = self.store(visit);
        store
            .turn_authenticator_on(&who.user, step, &digests)
            .await?;
        Ok(codes)
    }

    /// Turns the authenticator app off. Takes a recent proof.
    ///
    /// # Errors
    /// [`PeopleError`]: `ProofNeeded`, or `Act` with `NotFound`.
    pub async fn turn_authenticator_off(
        &self,
        who: &SignedIn,
        visit: &Visit,
    ) -> Result<(), PeopleError> {
        who.recently()?;
        self.store(visit).turn_authenticator_off(&who.user).await?;
        Ok(())
    }

    /// Makes new recovery codes; those made before no longer work. Takes a recent proof.
    ///
    /// # Errors
    /// [`PeopleError`]: `ProofNeeded`, or `Act` with `NotFound`.
    pub async fn new_recovery_codes(
        &self,
        who: &SignedIn,
        visit: &Visit,
    ) -> Result<RecoveryCodes, PeopleError> {
        who.recently()?;
        let codes = RecoveryCodes::generate();
        let digests = codes.digests(&who.user.id);
        let store = self.store(visit);
        store.replace_recovery_codes(&who.user, &digests).await?;
        Ok(codes)
    }

    /// The factor behind a code that a person typed: of the app, or a recovery code. It is not used up yet.
    pub(super) async fn factor(
        &self,
        user: &User,
        code: &str,
    ) -> Result<Option<UsedFactor>, PeopleError> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if code.len() > 64 {
            return Ok(None);
        }
        if code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()) {
            let kept = self.inner.store.authenticator(&user.id).await?;
            let kept = kept.filter(|kept| kept.is_on);
            let step = kept.and_then(|kept| step_of(&kept.secret, &code, self.now()));
            return Ok(step.map(UsedFactor::Step));
        }
        let digest = recovery_digest(&user.id, &code);
        Ok(Some(UsedFactor::RecoveryCode(digest)))
    }
}

impl Sessions {
    /// Proves once more that it is the person, by a code: gives a new cookie for the same session.
    ///
    /// # Errors
    /// [`PeopleError`]: `WrongCode`, `Throttled`.
    pub async fn prove_by_code(
        &self,
        who: &SignedIn,
        code: &str,
        visit: &Visit,
    ) -> Result<Secret, PeopleError> {
        let people = &self.0;
        people.unless_throttled(&who.user.email, visit)?;
        let store = people.store(visit);
        let used = match people.factor(&who.user, code).await? {
            Some(factor) => store
                .use_factor(&who.user, factor)
                .await
                .map_err(Into::into),
            None => Err(PeopleError::WrongCode),
        };
        if let Err(error) = used {
            people.failed(&who.user.email, visit);
            people.note_failure(&who.user, visit);
            return Err(error);
        }
        let renewed = store.renew_session(&who.user, &who.session, "code");
        Ok(renewed.await?.value)
    }
}

/// The name under which authenticator apps list the account: the host of the portal.
fn issuer(public_url: &str) -> String {
    let url = Url::parse(public_url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or("localhost");
    format!("Portcullis {}", host.replace(':', "."))
}

fn random_secret() -> Zeroizing<Vec<u8>> {
    // The digest of 256 random bits: the same randomness, without a generator of its own.
    let seed = Secret::generate(SecretKind::Pending).digest();
    Zeroizing::new(seed.as_bytes().iter().copied().take(SECRET_BYTES).collect())
}

fn totp(secret: &[u8], account: &str, issuer: &str) -> Option<Totp> {
    Builder::new()
        .with_secret(secret)
        .with_digits(6)
        .with_step_duration(STEP_SECONDS)
        .with_skew(1)
        .with_account_name(account.replace(':', "."))
        .with_issuer(Some(issuer))
        .build()
        .ok()
}

/// The time step of which this is the code: the present one, the one before or the one after.
fn step_of(secret: &[u8], code: &str, now: Timestamp) -> Option<i64> {
    let seconds = u64::try_from(now.unix_seconds()).ok()?;
    let totp = totp(secret, "code", "Portcullis")?;
    i64::try_from(totp.check(code.trim(), seconds)?).ok()
}

fn enrolment(secret: &[u8], email: &str, issuer: &str) -> Result<Enrolment, PeopleError> {
    let failed = || {
        PeopleError::Act(portcullis_store::ActError::Unavailable(
            "the secret of an authenticator app could not be written".to_owned(),
        ))
    };
    let totp = totp(secret, email, issuer).ok_or_else(failed)?;
    let url = Zeroizing::new(totp.to_url().map_err(|_| failed())?);
    let code = QrCode::with_error_correction_level(url.as_bytes(), EcLevel::M);
    let picture = code
        .map_err(|_| failed())?
        .render::<svg::Color<'_>>()
        .min_dimensions(200, 200)
        .quiet_zone(true)
        .build();
    Ok(Enrolment {
        secret: Zeroizing::new(totp_rs::Secret::from(secret).to_base32()),
        url,
        qr_svg: Zeroizing::new(picture),
    })
}

/// Four groups of four, which are easy to type.
fn recovery_code() -> Zeroizing<String> {
    let random = Secret::generate(SecretKind::Pending).digest();
    let mut code = Zeroizing::new(String::with_capacity(20));
    for (at, byte) in random
        .as_bytes()
        .iter()
        .take(RECOVERY_CHARACTERS)
        .enumerate()
    {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        let letter = RECOVERY_ALPHABET.get(usize::from(byte % 32)).copied();
        code.push(char::from(letter.unwrap_or(b'a')));
    }
    code
}

/// What is stored of a recovery code. Its owner is part of it, so that one search does not try all people's.
fn recovery_digest(user: &UserId, code: &str) -> SecretDigest {
    let plain: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let text = Zeroizing::new(format!("{user}:{plain}"));
    SecretDigest::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238 appendix B, the last six of its eight digits.
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            let now = Timestamp::from_unix_seconds(seconds);
            assert_eq!(step_of(secret, code, now), Some(seconds / 30), "{code}");
        }
    }

    #[test]
    fn a_code_is_taken_one_step_early_or_late_and_no_further() {
        let secret = b"12345678901234567890";
        let at = |seconds| step_of(secret, "050471", Timestamp::from_unix_seconds(seconds));
        let step = 1_111_111_111 / 30;

        for near in [step - 1, step, step + 1] {
            assert_eq!(at(near * 30), Some(step));
        }
        for far in [step - 2, step + 2] {
            assert_eq!(at(far * 30), None);
        }
        for wrong in ["", "050472", "05047", "0504711", "abcdef"] {
            let now = Timestamp::from_unix_seconds(1_111_111_111);
            assert_eq!(step_of(secret, wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn an_enrolment_says_the_same_three_times_and_does_not_print() {
        let secret = random_secret();

        let made = enrolment(&secret, "ada@example.com", "Portcullis example.com").unwrap();

        assert!(
            made.url
                .starts_with("otpauth://totp/Portcullis%20example.com:ada")
        );
        assert!(made.url.contains(made.secret.as_str()), "{}", *made.url);
        assert!(made.qr_svg.contains("<svg") && !made.qr_svg.contains("<script"));
        assert_eq!(format!("{made:?}"), "Enrolment([redacted])");
        assert_ne!(random_secret(), secret);
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_typed_and_only_by_its_owner() {
        let (ada, bob) = (UserId::random(), UserId::random());
        let code = recovery_code();

        let digest = recovery_digest(&ada, &code);

        assert_eq!(code.len(), 19);
        let typed = code.to_uppercase().replace('-', " ");
        assert!(digest.matches(&recovery_digest(&ada, &typed)));
        assert!(!digest.matches(&recovery_digest(&bob, &code)));
        assert!(!digest.matches(&recovery_digest(&ada, &recovery_code())));
    }
}
