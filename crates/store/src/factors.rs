//! Second factors: an authenticator app that shows codes (RFC 6238) and recovery codes. Its secret is sealed; no
//! time step is accepted twice, whichever node is asked.

use portcullis_core::{
    ids::UserId,
    job::Mail,
    organization::User,
    people::PendingPurpose,
    secret::{Secret, SecretDigest},
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    act::{Act, Fault, act},
    error::ActError,
    master_key::Place,
    pending::ended,
    row::Columns,
    sessions::{self, NewSession},
    store::{Acted, Store},
    users::{self, note},
};

const SEALED_VERSION: i64 = 1;

/// What a person can prove who they are with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Factors {
    /// Has a password.
    pub password: bool,
    /// Has an authenticator app that is turned on.
    pub authenticator: bool,
    /// Recovery codes that were not used.
    pub recovery_codes: u64,
    /// Passkeys.
    pub passkeys: u64,
}

/// The authenticator app of a person.
#[derive(Clone)]
pub struct Authenticator {
    /// The shared secret.
    pub secret: Zeroizing<Vec<u8>>,
    /// Whether a code has shown that the app works: until then it is not asked for.
    pub is_on: bool,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authenticator([redacted])")
    }
}

/// A second factor that was found right, and is used up with the act that it allows.
#[derive(Debug, Clone, Copy)]
pub enum UsedFactor {
    /// A code of the authenticator app, of this time step.
    Step(i64),
    /// The recovery code with this digest.
    RecoveryCode(SecretDigest),
}

impl UsedFactor {
    const fn proof(self) -> &'static str {
        match self {
            Self::Step(_) => "password and code",
            Self::RecoveryCode(_) => "password and recovery code",
        }
    }
}

fn place(user: &UserId) -> Place<'_> {
    Place {
        table: "authenticators",
        id: user.as_str(),
        version: SEALED_VERSION,
    }
}

fn used() -> ActError {
    ActError::conflict("code_used", "the code is wrong or was used already")
}

impl Store {
    /// What a person can prove who they are with.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn factors(&self, user: &UserId) -> Result<Factors, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query(
            "SELECT id, CASE WHEN password_hash IS NULL THEN 0 ELSE 1 END AS password, \
             (SELECT COUNT(*) FROM authenticators a WHERE a.user_id = users.id AND a.confirmed_at_us IS NOT NULL) \
             AS authenticators, (SELECT COUNT(*) FROM recovery_codes r WHERE r.user_id = users.id) AS codes, \
             (SELECT COUNT(*) FROM passkeys p WHERE p.user_id = users.id) AS passkeys FROM users WHERE id = $1",
        )
        .bind(user.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let row = row.ok_or(ActError::NotFound("user"))?;
        let columns = Columns::of(&row, "users");
        Ok(Factors {
            password: columns.number("password")? > 0,
            authenticator: columns.count("authenticators")? > 0,
            recovery_codes: columns.count("codes")?,
            passkeys: columns.count("passkeys")?,
        })
    }

    /// Keeps the secret of an authenticator app that is not turned on yet, in the place of one kept before.
    ///
    /// # Errors
    /// [`ActError`]: `Conflict` (`authenticator_on`).
    pub async fn begin_authenticator(&self, user: &User, secret: &[u8]) -> Result<(), ActError> {
        let begun = act!(self, &user.actor(), |act| {
            let sealed = act
                .store()
                .settings()
                .master_key
                .seal(&place(&user.id), secret);
            let failed = |_| ActError::Unavailable("a secret could not be sealed".to_owned());
            let sealed = sealed.map_err(failed)?;
            let now = act.now().as_us();
            let kept = sqlx::query(
                "INSERT INTO authenticators (user_id, secret_sealed, sealed_version, last_step, created_at_us) \
                 VALUES ($1, $2, $3, 0, $4) ON CONFLICT (user_id) DO UPDATE SET \
                 secret_sealed = excluded.secret_sealed, created_at_us = excluded.created_at_us \
                 WHERE authenticators.confirmed_at_us IS NULL",
            )
            .bind(user.id.as_str())
            .bind(sealed)
            .bind(SEALED_VERSION)
            .bind(now)
            .execute(act.db())
            .await?;
            if kept.rows_affected() == 0 {
                let detail = "an authenticator app is turned on; turn it off first";
                return Err(ActError::conflict("authenticator_on", detail).into());
            }
            Ok(())
        });
        begun.map(|acted: Acted<()>| acted.value)
    }

    /// The authenticator app of a person; `None` when there is none.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn authenticator(&self, user: &UserId) -> Result<Option<Authenticator>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query(
            "SELECT user_id, secret_sealed, confirmed_at_us FROM authenticators WHERE user_id = $1",
        )
        .bind(user.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let Some(row) = row else { return Ok(None) };
        let columns = Columns::of(&row, "authenticators");
        let sealed = columns.bytes("secret_sealed")?;
        let opened = self.settings().master_key.open(&place(user), sealed);
        Ok(Some(Authenticator {
            secret: opened.map_err(|_| columns.corrupt("secret_sealed"))?,
            is_on: columns.optional_number("confirmed_at_us")?.is_some(),
        }))
    }

    /// Turns the authenticator app on, with the step of its first code and the digests of new recovery codes.
    ///
    /// # Errors
    /// [`ActError`]: `Conflict` (`code_used`) when it is on already or the step was used.
    pub async fn turn_authenticator_on(
        &self,
        user: &User,
        step: i64,
        recovery_codes: &[SecretDigest],
    ) -> Result<Acted<()>, ActError> {
        act!(self, &user.actor(), |act| {
            let now = act.now().as_us();
            let on = sqlx::query(
                "UPDATE authenticators SET confirmed_at_us = $3, last_step = $2 \
                 WHERE user_id = $1 AND confirmed_at_us IS NULL AND last_step < $2",
            )
            .bind(user.id.as_str())
            .bind(step)
            .bind(now)
            .execute(act.db())
            .await?;
            if on.rows_affected() == 0 {
                return Err(used().into());
            }
            set_codes(act, &user.id, recovery_codes).await?;
            tell(
                act,
                user,
                "An authenticator app was added: signing in now takes its codes.",
            )
            .await?;
            note(act, "user.turn_authenticator_on", &user.id, json!({}));
            Ok(())
        })
    }

    /// Turns the authenticator app off, and forgets its recovery codes.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn turn_authenticator_off(&self, user: &User) -> Result<Acted<()>, ActError> {
        act!(self, &user.actor(), |act| {
            let off = sqlx::query("DELETE FROM authenticators WHERE user_id = $1")
                .bind(user.id.as_str())
                .execute(act.db())
                .await?;
            if off.rows_affected() == 0 {
                return Err(ActError::NotFound("authenticator app").into());
            }
            set_codes(act, &user.id, &[]).await?;
            tell(
                act,
                user,
                "The authenticator app was removed: signing in no longer takes its codes.",
            )
            .await?;
            note(act, "user.turn_authenticator_off", &user.id, json!({}));
            Ok(())
        })
    }

    /// Puts new recovery codes in the place of all others.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound` without an authenticator app.
    pub async fn replace_recovery_codes(
        &self,
        user: &User,
        recovery_codes: &[SecretDigest],
    ) -> Result<Acted<()>, ActError> {
        act!(self, &user.actor(), |act| {
            let locked = sqlx::query(
                "UPDATE authenticators SET last_step = last_step WHERE user_id = $1 AND confirmed_at_us IS NOT NULL",
            )
            .bind(user.id.as_str())
            .execute(act.db())
            .await?;
            if locked.rows_affected() == 0 {
                return Err(ActError::NotFound("authenticator app").into());
            }
            set_codes(act, &user.id, recovery_codes).await?;
            tell(
                act,
                user,
                "New recovery codes were made: those made before no longer work.",
            )
            .await?;
            note(act, "user.replace_recovery_codes", &user.id, json!({}));
            Ok(())
        })
    }

    /// Uses a factor up for a person who is signed in. Of two uses at once, one finds it.
    ///
    /// # Errors
    /// [`ActError`]: `Conflict` (`code_used`).
    pub async fn use_factor(&self, user: &User, factor: UsedFactor) -> Result<Acted<()>, ActError> {
        act!(self, &user.actor(), |act| {
            use_up(act, user, factor).await?;
            note(act, "user.prove", &user.id, json!({ "proof": "code" }));
            Ok(())
        })
    }

    /// Finishes a sign-in with its second factor: uses both up and makes the session.
    ///
    /// # Errors
    /// [`ActError`]: `Conflict` (`pending_ended`, `code_used`), `NotFound` for a disabled person.
    pub async fn finish_sign_in(
        &self,
        pending: &SecretDigest,
        user: &User,
        factor: UsedFactor,
        device: String,
    ) -> Result<Acted<(portcullis_core::ids::SessionId, Secret)>, ActError> {
        act!(self, &user.actor(), |act| {
            let begun_by = act
                .finish_pending(PendingPurpose::SecondFactor, pending)
                .await?;
            if begun_by.as_ref() != Some(&user.id) {
                return Err(ended().into());
            }
            use_up(act, user, factor).await?;
            let proof = factor.proof();
            let device = device.clone();
            let detail = json!({ "proof": proof, "device": device });
            let made = sessions::insert(act, &user.id, &NewSession { device, proof }).await?;
            note(act, "user.sign_in", &user.id, detail);
            Ok(made)
        })
    }
}

async fn use_up(act: &mut Act, user: &User, factor: UsedFactor) -> Result<(), Fault> {
    match factor {
        UsedFactor::Step(step) => {
            let taken = sqlx::query(
                "UPDATE authenticators SET last_step = $2 WHERE user_id = $1 AND last_step < $2 \
                 AND confirmed_at_us IS NOT NULL",
            )
            .bind(user.id.as_str())
            .bind(step)
            .execute(act.db())
            .await?;
            if taken.rows_affected() == 0 {
                return Err(used().into());
            }
        }
        UsedFactor::RecoveryCode(digest) => {
            let taken =
                sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1 AND digest = $2")
                    .bind(user.id.as_str())
                    .bind(digest.as_bytes().as_slice())
                    .execute(act.db())
                    .await?;
            if taken.rows_affected() == 0 {
                return Err(used().into());
            }
            note(act, "user.use_recovery_code", &user.id, json!({}));
            tell(
                act,
                user,
                "A recovery code was used to sign in; it does not work again.",
            )
            .await?;
        }
    }
    Ok(())
}

async fn set_codes(act: &mut Act, user: &UserId, digests: &[SecretDigest]) -> Result<(), Fault> {
    sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1")
        .bind(user.as_str())
        .execute(act.db())
        .await?;
    for digest in digests {
        sqlx::query("INSERT INTO recovery_codes (id, user_id, digest) VALUES ($1, $2, $3)")
            .bind(uuid::Uuid::new_v4().to_string())
            .bind(user.as_str())
            .bind(digest.as_bytes().as_slice())
            .execute(act.db())
            .await?;
    }
    Ok(())
}

/// Owes the mail that tells of a change of second factors.
pub(crate) async fn tell(act: &mut Act, user: &User, what: &str) -> Result<(), Fault> {
    // The name and address as they are now, not as they were when the person signed in.
    let user = users::find(act.db(), user.id.as_str(), "").await?;
    let mail = Mail::SecondFactorChanged {
        full_name: user.full_name,
        what: what.to_owned(),
    };
    act.owe_mail(&user.email, None, &mail).await?;
    Ok(())
}
