//! Signing keys: sealed at rest, promoted one after the other.

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    change::EntityKind,
    clock::Timestamp,
    ids::KeyId,
    keys::{KeyPurpose, KeySet, KeyState, NewKey, SigningKey},
    permissions::{Actor, Authority},
};
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, Note, act, operators_only},
    error::{ActError, CorruptRow},
    master_key::{MasterKey, Place},
    refresher::SnapshotParts,
    row::Columns,
    store::{Acted, Store},
};

/// Verifiers may keep a key set for an hour (the `max-age` of the JWKS), so a key is published that long
/// before it signs.
const PUBLISHED_FIRST: Duration = Duration::from_hours(1);
/// How long a retired key stays published after the last token it may have signed.
const PUBLISHED_AFTER: Duration = Duration::from_mins(5);
/// Longest life of a token that an `outbound` key signs.
const OUTBOUND_LIFETIME_MAX: Duration = Duration::from_mins(10);
/// The form in which private halves are sealed.
const SEALED_VERSION: i64 = 1;

/// Whether a key may be promoted before every verifier can have seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Not before it was published for an hour.
    No,
    /// At once: verifiers with an old key set refuse tokens until they fetch the new one.
    Yes,
}

/// A key as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// The `kid`.
    pub id: KeyId,
    /// What it signs.
    pub purpose: KeyPurpose,
    /// Where it stands in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when a retired key stays published; `None` while it is not retired.
    pub published_until: Option<Timestamp>,
}

fn place(id: &str, version: i64) -> Place<'_> {
    Place {
        table: "signing_keys",
        id,
        version,
    }
}

impl Store {
    /// Every key, by purpose and age. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`.
    pub async fn signing_keys(&self, authority: &Authority) -> Result<Vec<KeyInfo>, ActError> {
        operators_only(authority)?;
        let mut connection = self.reader().await?;
        Ok(infos(&mut connection).await?)
    }

    /// Writes the first two keys of a purpose; `false` when it has a current one already.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn install_first_keys(
        &self,
        purpose: KeyPurpose,
        current: &NewKey,
        next: &NewKey,
    ) -> Result<Acted<bool>, ActError> {
        act!(self, &Actor::System, |act| {
            if !insert(act, purpose, KeyState::Current, current).await? {
                return Ok(false);
            }
            insert(act, purpose, KeyState::Next, next).await?;
            let detail =
                json!({ "purpose": purpose.as_str(), "current": current.id, "next": next.id });
            note(act, "key.install", &current.id, detail);
            Ok(true)
        })
    }

    /// Promotes the next key and publishes `new_next` behind it. Gives the key that signs now. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `Conflict` (`key_too_young`, `no_next_key`, `key_rotated_meanwhile`).
    pub async fn rotate_key(
        &self,
        authority: &Authority,
        purpose: KeyPurpose,
        new_next: &NewKey,
        when: (Force, Timestamp),
    ) -> Result<Acted<KeyInfo>, ActError> {
        operators_only(authority)?;
        let (force, now) = when;
        act!(self, authority.actor(), |act| {
            let retired = lock_current(act, purpose).await?;
            let next = next_of(act.db(), purpose).await?;
            if force == Force::No && now.since(next.created_at) < PUBLISHED_FIRST {
                let detail = "the next key was published less than an hour ago, and verifiers may not have \
                              seen it; try again later, or force it";
                return Err(ActError::conflict("key_too_young", detail).into());
            }
            let until = now + longest_token(act, purpose).await? + PUBLISHED_AFTER;
            retire(act, &retired, until).await?;
            promote(act, &next.id).await?;
            if !insert(act, purpose, KeyState::Next, new_next).await? {
                return Err(rotated_meanwhile().into());
            }
            let detail = json!({
                "purpose": purpose.as_str(), "before": retired, "after": next.id,
                "next": new_next.id, "forced": force == Force::Yes,
            });
            note(act, "key.rotate", &next.id, detail);
            Ok(KeyInfo {
                state: KeyState::Current,
                ..next
            })
        })
    }

    /// Removes retired keys whose last token has ended. Gives how many.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn retire_finished_keys(&self, now: Timestamp) -> Result<Acted<u64>, ActError> {
        act!(self, &Actor::System, |act| {
            let rows = sqlx::query(
                "DELETE FROM signing_keys WHERE state = 'retired' AND published_until_us <= $1 RETURNING id",
            )
            .bind(now.as_us())
            .fetch_all(act.db())
            .await?;
            for row in &rows {
                let id = Columns::of(row, "signing_keys").id("id", KeyId::parse)?;
                act.changed(EntityKind::Key, id.as_str());
                note(act, "key.remove", &id, json!({}));
            }
            Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
        })
    }
}

fn note(act: &mut Act, action: &'static str, id: &KeyId, detail: Value) {
    act.note(&Note {
        action,
        kind: EntityKind::Key.as_str(),
        id: id.as_str(),
        organization: None,
        detail,
    });
}

fn rotated_meanwhile() -> ActError {
    let detail = "another rotation was faster; look at the keys before rotating again";
    ActError::conflict("key_rotated_meanwhile", detail)
}

/// Locks the key that signs, so that of two rotations at once one waits and then finds it retired.
async fn lock_current(act: &mut Act, purpose: KeyPurpose) -> Result<KeyId, Fault> {
    let known = sqlx::query("SELECT id FROM signing_keys WHERE purpose = $1 AND state = 'current'")
        .bind(purpose.as_str())
        .fetch_optional(act.db())
        .await?;
    if known.is_none() {
        let detail = "the first keys of this purpose have not been made yet";
        return Err(ActError::conflict("no_next_key", detail).into());
    }
    let row = sqlx::query(
        "UPDATE signing_keys SET purpose = purpose WHERE purpose = $1 AND state = 'current' RETURNING id",
    )
    .bind(purpose.as_str())
    .fetch_optional(act.db())
    .await?
    .ok_or_else(rotated_meanwhile)?;
    Ok(Columns::of(&row, "signing_keys").id("id", KeyId::parse)?)
}

async fn next_of(connection: &mut AnyConnection, purpose: KeyPurpose) -> Result<KeyInfo, Fault> {
    infos(connection)
        .await?
        .into_iter()
        .find(|key| key.purpose == purpose && key.state == KeyState::Next)
        .ok_or_else(|| {
            Fault::Act(ActError::conflict(
                "no_next_key",
                "there is no next key to promote",
            ))
        })
}

async fn retire(act: &mut Act, id: &KeyId, until: Timestamp) -> Result<(), Fault> {
    sqlx::query("UPDATE signing_keys SET state = 'retired', published_until_us = $2 WHERE id = $1")
        .bind(id.as_str())
        .bind(until.as_us())
        .execute(act.db())
        .await?;
    act.changed(EntityKind::Key, id.as_str());
    Ok(())
}

async fn promote(act: &mut Act, id: &KeyId) -> Result<(), Fault> {
    sqlx::query("UPDATE signing_keys SET state = 'current' WHERE id = $1")
        .bind(id.as_str())
        .execute(act.db())
        .await?;
    act.changed(EntityKind::Key, id.as_str());
    Ok(())
}

/// Longest life of a token that keys of this purpose sign.
async fn longest_token(act: &mut Act, purpose: KeyPurpose) -> Result<Duration, Fault> {
    if purpose == KeyPurpose::Outbound {
        return Ok(OUTBOUND_LIFETIME_MAX);
    }
    let usual = act.store().settings().token_lifetime;
    let row = sqlx::query("SELECT COALESCE(MAX(token_lifetime_s), 0) AS longest FROM clients")
        .fetch_one(act.db())
        .await?;
    let longest = Columns::of(&row, "clients").count("longest")?;
    Ok(usual.max(Duration::from_secs(longest)))
}

/// Seals and writes a key; `false` when the purpose has one in this state already.
async fn insert(
    act: &mut Act,
    purpose: KeyPurpose,
    state: KeyState,
    key: &NewKey,
) -> Result<bool, Fault> {
    let sealed = act
        .store()
        .settings()
        .master_key
        .seal(&place(key.id.as_str(), SEALED_VERSION), &key.private_der)
        .map_err(|_| ActError::Unavailable("the signing key could not be sealed".to_owned()))?;
    let now = act.now().as_us();
    let inserted = sqlx::query(
        "INSERT INTO signing_keys (id, purpose, state, public_der, private_sealed, sealed_version, created_at_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(key.id.as_str())
    .bind(purpose.as_str())
    .bind(state.as_str())
    .bind(key.public_der.as_slice())
    .bind(sealed)
    .bind(SEALED_VERSION)
    .bind(now)
    .execute(act.db())
    .await?;
    if inserted.rows_affected() == 1 {
        act.changed(EntityKind::Key, key.id.as_str());
    }
    Ok(inserted.rows_affected() == 1)
}

async fn infos(connection: &mut AnyConnection) -> Result<Vec<KeyInfo>, Fault> {
    let rows = sqlx::query(
        "SELECT id, purpose, state, created_at_us, published_until_us FROM signing_keys \
         ORDER BY purpose, created_at_us, id",
    )
    .fetch_all(connection)
    .await?;
    let read = |row| {
        let columns = Columns::of(row, "signing_keys");
        Ok(KeyInfo {
            id: columns.id("id", KeyId::parse)?,
            purpose: columns.word("purpose", KeyPurpose::parse)?,
            state: columns.word("state", KeyState::parse)?,
            created_at: columns.instant("created_at_us")?,
            published_until: columns.optional_instant("published_until_us")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Every published key, with the private halves that the node is to hold. A key that does not parse or open is
/// an error: a key set that lacks one would refuse good tokens, or sign with the wrong key.
pub(crate) async fn load(
    connection: &mut AnyConnection,
    master_key: &MasterKey,
    parts: SnapshotParts,
) -> Result<KeySet, Fault> {
    let rows = sqlx::query(
        "SELECT id, purpose, state, public_der, private_sealed, sealed_version FROM signing_keys ORDER BY id",
    )
    .fetch_all(connection)
    .await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in &rows {
        keys.push(Arc::new(open(
            &Columns::of(row, "signing_keys"),
            master_key,
            parts,
        )?));
    }
    Ok(KeySet::new(keys))
}

fn open(
    columns: &Columns<'_>,
    master_key: &MasterKey,
    parts: SnapshotParts,
) -> Result<SigningKey, CorruptRow> {
    let id = columns.id("id", KeyId::parse)?;
    let purpose = columns.word("purpose", KeyPurpose::parse)?;
    let state = columns.word("state", KeyState::parse)?;
    // A retired key signs nothing any more.
    let holds_private = state != KeyState::Retired
        && match purpose {
            KeyPurpose::Client => parts.private_client_keys,
            KeyPurpose::Outbound => parts.private_outbound_keys,
        };
    let place = place(id.as_str(), columns.number("sealed_version")?);
    let sealed = columns.bytes("private_sealed")?;
    let private = holds_private
        .then(|| master_key.open(&place, sealed))
        .transpose()
        .map_err(|_| columns.corrupt("private_sealed"))?;
    let private = private.as_ref().map(|bytes| bytes.as_slice());
    SigningKey::from_der(
        id.clone(),
        purpose,
        state,
        columns.bytes("public_der")?,
        private,
    )
    .map_err(|_| columns.corrupt("public_der"))
}
