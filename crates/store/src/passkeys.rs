//! Passkeys of people: the public part of a credential that an authenticator holds, as the library that verifies
//! it writes it, and how often it has signed.

use portcullis_core::{
    ids::{PasskeyId, SessionId, UserId},
    organization::User,
    people::{Passkey, PendingPurpose},
    secret::{Secret, SecretDigest},
};
use serde_json::{Value, json};
use sqlx::any::AnyRow;

use crate::{
    act::{Act, Fault, act},
    check,
    error::{ActError, CorruptRow},
    factors::tell,
    row::Columns,
    sessions::{self, NewSession},
    store::{Acted, Store},
    users::note,
};

/// Most passkeys of a person.
const PASSKEYS_MAX: i64 = 20;

/// A passkey to be kept.
#[derive(Debug, Clone)]
pub struct NewPasskey {
    /// What its owner calls it.
    pub name: String,
    /// Names the credential; unique in the world.
    pub credential_id: Vec<u8>,
    /// As the library that verifies it writes it.
    pub credential: Value,
}

/// A passkey with what verifies it.
#[derive(Debug, Clone)]
pub struct StoredPasskey {
    /// What people see of it.
    pub passkey: Passkey,
    /// Whose it is.
    pub user_id: UserId,
    /// As the library that verifies it writes it.
    pub credential: Value,
    /// How often it has signed, as far as it tells; zero when it does not tell.
    pub sign_count: u32,
}

/// A passkey that has just proved its owner.
#[derive(Debug, Clone)]
pub struct PasskeyUse {
    /// Which.
    pub id: PasskeyId,
    /// As it is to be kept from now on.
    pub credential: Value,
    /// How often it has signed now.
    pub sign_count: u32,
}

impl Store {
    /// Keeps a passkey that its owner has just made, and finishes its ceremony.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid`, or `Conflict` (`pending_ended`, `passkey_known`, `too_many_passkeys`).
    pub async fn add_passkey(
        &self,
        user: &User,
        pending: &SecretDigest,
        new: NewPasskey,
    ) -> Result<Acted<PasskeyId>, ActError> {
        check::text("name", &new.name, 1..=100)?;
        act!(self, &user.actor(), |act| {
            let begun_by = act
                .finish_pending(PendingPurpose::PasskeyRegistration, pending)
                .await?;
            if begun_by.as_ref() != Some(&user.id) {
                return Err(crate::pending::ended().into());
            }
            room_for_one(act, &user.id).await?;
            let id = PasskeyId::random();
            let now = act.now().as_us();
            let kept = sqlx::query(
                "INSERT INTO passkeys (id, user_id, credential_id, name, credential, sign_count, created_at_us) \
                 VALUES ($1, $2, $3, $4, $5, 0, $6) ON CONFLICT (credential_id) DO NOTHING",
            )
            .bind(id.as_str())
            .bind(user.id.as_str())
            .bind(new.credential_id.as_slice())
            .bind(new.name.as_str())
            .bind(new.credential.to_string())
            .bind(now)
            .execute(act.db())
            .await?;
            if kept.rows_affected() == 0 {
                let detail = "this passkey is kept already";
                return Err(ActError::conflict("passkey_known", detail).into());
            }
            tell(
                act,
                user,
                &format!("The passkey \"{}\" was added.", new.name),
            )
            .await?;
            note(
                act,
                "user.add_passkey",
                &user.id,
                json!({ "passkey": id, "name": new.name }),
            );
            Ok(id)
        })
    }

    /// A person's passkeys with what verifies them, oldest first.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn passkeys(&self, user: &UserId) -> Result<Vec<StoredPasskey>, ActError> {
        let mut connection = self.reader().await?;
        let rows = sqlx::query(
            "SELECT id, user_id, name, credential, sign_count, created_at_us, last_used_at_us FROM passkeys \
             WHERE user_id = $1 ORDER BY created_at_us, id",
        )
        .bind(user.as_str())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The passkey with this credential; `None` when it is not known. No authority: sign-in makes one possible.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn passkey_of_credential(
        &self,
        credential_id: &[u8],
    ) -> Result<Option<StoredPasskey>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query(
            "SELECT id, user_id, name, credential, sign_count, created_at_us, last_used_at_us FROM passkeys \
             WHERE credential_id = $1",
        )
        .bind(credential_id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(Fault::from)?;
        Ok(row.as_ref().map(read).transpose()?)
    }

    /// Gives one of a person's passkeys another name.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Invalid`.
    pub async fn rename_passkey(
        &self,
        user: &User,
        id: &PasskeyId,
        name: &str,
    ) -> Result<Acted<()>, ActError> {
        check::text("name", name, 1..=100)?;
        act!(self, &user.actor(), |act| {
            let renamed =
                sqlx::query("UPDATE passkeys SET name = $3 WHERE id = $1 AND user_id = $2")
                    .bind(id.as_str())
                    .bind(user.id.as_str())
                    .bind(name)
                    .execute(act.db())
                    .await?;
            if renamed.rows_affected() == 0 {
                return Err(ActError::NotFound("passkey").into());
            }
            note(
                act,
                "user.rename_passkey",
                &user.id,
                json!({ "passkey": id, "name": name }),
            );
            Ok(())
        })
    }

    /// Forgets one of a person's passkeys.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn remove_passkey(&self, user: &User, id: &PasskeyId) -> Result<Acted<()>, ActError> {
        act!(self, &user.actor(), |act| {
            let row =
                sqlx::query("DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING name")
                    .bind(id.as_str())
                    .bind(user.id.as_str())
                    .fetch_optional(act.db())
                    .await?;
            let row = row.ok_or(ActError::NotFound("passkey"))?;
            let name = Columns::of(&row, "passkeys").owned("name")?;
            tell(act, user, &format!("The passkey \"{name}\" was removed.")).await?;
            note(
                act,
                "user.remove_passkey",
                &user.id,
                json!({ "passkey": id, "name": name }),
            );
            Ok(())
        })
    }

    /// Finishes a sign-in with a passkey: uses the ceremony up, notes the use, and makes the session. A count
    /// that did not grow is refused, whichever node saw the larger one: the passkey may have been copied.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound` for a disabled person, or `Conflict` (`pending_ended`, `passkey_copied`).
    pub async fn finish_passkey_sign_in(
        &self,
        pending: &SecretDigest,
        user: &User,
        passkey_use: PasskeyUse,
        device: String,
    ) -> Result<Acted<(SessionId, Secret)>, ActError> {
        act!(self, &user.actor(), |act| {
            act.finish_pending(PendingPurpose::PasskeySignIn, pending)
                .await?;
            note_use(act, user, &passkey_use).await?;
            let proof = "passkey";
            let device = device.clone();
            let detail = json!({ "proof": proof, "device": device, "passkey": passkey_use.id });
            let made = sessions::insert(act, &user.id, &NewSession { device, proof }).await?;
            note(act, "user.sign_in", &user.id, detail);
            Ok(made)
        })
    }

    /// Writes down that a passkey was refused because it may have been copied.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn note_copied_passkey(
        &self,
        user: &User,
        id: &PasskeyId,
    ) -> Result<Acted<()>, ActError> {
        act!(self, &user.actor(), |act| {
            note(
                act,
                "user.passkey_copied",
                &user.id,
                json!({ "passkey": id }),
            );
            Ok(())
        })
    }
}

async fn note_use(act: &mut Act, user: &User, passkey_use: &PasskeyUse) -> Result<(), Fault> {
    let now = act.now().as_us();
    let noted = sqlx::query(
        "UPDATE passkeys SET credential = $3, sign_count = $4, last_used_at_us = $5 \
         WHERE id = $1 AND user_id = $2 AND (sign_count < $4 OR (sign_count = 0 AND $4 = 0))",
    )
    .bind(passkey_use.id.as_str())
    .bind(user.id.as_str())
    .bind(passkey_use.credential.to_string())
    .bind(i64::from(passkey_use.sign_count))
    .bind(now)
    .execute(act.db())
    .await?;
    if noted.rows_affected() == 0 {
        let detail = "this passkey was removed, or has signed less often than before: it may have been copied";
        return Err(ActError::conflict("passkey_copied", detail).into());
    }
    Ok(())
}

async fn room_for_one(act: &mut Act, user: &UserId) -> Result<(), Fault> {
    let row = sqlx::query("SELECT COUNT(*) AS n FROM passkeys WHERE user_id = $1")
        .bind(user.as_str())
        .fetch_one(act.db())
        .await?;
    if Columns::of(&row, "passkeys").number("n")? < PASSKEYS_MAX {
        return Ok(());
    }
    let detail = "there are 20 passkeys already; remove one first";
    Err(ActError::conflict("too_many_passkeys", detail).into())
}

fn read(row: &AnyRow) -> Result<StoredPasskey, CorruptRow> {
    let columns = Columns::of(row, "passkeys");
    let sign_count = u32::try_from(columns.number("sign_count")?);
    Ok(StoredPasskey {
        passkey: Passkey {
            id: columns.id("id", PasskeyId::parse)?,
            name: columns.owned("name")?,
            created_at: columns.instant("created_at_us")?,
            last_used_at: columns.optional_instant("last_used_at_us")?,
        },
        user_id: columns.id("user_id", UserId::parse)?,
        credential: columns.json("credential")?,
        sign_count: sign_count.map_err(|_| columns.corrupt("sign_count"))?,
    })
}
