//! What a person has begun and is to finish within minutes: a sign-in that waits for its second factor, a
//! ceremony of a passkey. Kept here, so that any node can finish it, and so that it ends everywhere at once.

use portcullis_core::{
    clock::Timestamp,
    ids::UserId,
    people::{PENDING_FAILURES_MAX, PENDING_LIFETIME, PendingPurpose},
    permissions::Actor,
    secret::{Secret, SecretDigest, SecretKind},
};
use serde_json::Value;

use crate::{
    act::{Act, Fault, act},
    error::{ActError, CorruptRow},
    master_key::Place,
    row::Columns,
    store::{Acted, Store},
};

/// Something that was begun.
#[derive(Clone)]
pub struct Pending {
    /// Who began it; `None` while that is not known.
    pub user_id: Option<UserId>,
    /// What is needed to finish it. May hold secrets, so it does not print.
    pub state: Option<Value>,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({:?}, [redacted])", self.user_id)
    }
}

fn place(id: &str) -> Place<'_> {
    Place {
        table: "pending_acts",
        id,
        version: 1,
    }
}

/// The refusal of what was never begun, was finished, took too long, or failed too often.
pub(crate) fn ended() -> ActError {
    ActError::conflict(
        "pending_ended",
        "this took too long or was tried too often; begin again",
    )
}

impl Store {
    /// Notes that something was begun; gives its secret, for the browser. It stands in no audit log: nothing
    /// has been done yet.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn begin_pending(
        &self,
        purpose: PendingPurpose,
        user: Option<&UserId>,
        state: Option<&Value>,
    ) -> Result<Secret, ActError> {
        let begun = act!(self, &Actor::System, |act| {
            let (id, secret) = (
                uuid::Uuid::new_v4().to_string(),
                Secret::generate(SecretKind::Pending),
            );
            let sealed = state
                .map(|state| act.seal_json(&place(&id), state))
                .transpose()?;
            let ends = (act.now() + PENDING_LIFETIME).as_us();
            sqlx::query(
                "INSERT INTO pending_acts (id, digest, purpose, user_id, state_sealed, failures, expires_at_us) \
                 VALUES ($1, $2, $3, $4, $5, 0, $6)",
            )
            .bind(id.as_str())
            .bind(secret.digest().as_bytes().as_slice())
            .bind(purpose.as_str())
            .bind(user.map(|user| user.as_str().to_owned()))
            .bind(sealed)
            .bind(ends)
            .execute(act.db())
            .await?;
            Ok(secret)
        });
        begun.map(|acted: Acted<Secret>| acted.value)
    }

    /// What was begun under a secret, and is not finished; `None` when there is no such thing any more.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn pending(
        &self,
        purpose: PendingPurpose,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Pending>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query(
            "SELECT id, user_id, state_sealed FROM pending_acts \
             WHERE digest = $1 AND purpose = $2 AND expires_at_us > $3",
        )
        .bind(presented.as_bytes().as_slice())
        .bind(purpose.as_str())
        .bind(now.as_us())
        .fetch_optional(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let Some(row) = row else { return Ok(None) };
        let columns = Columns::of(&row, "pending_acts");
        let id = columns.text("id")?;
        let open = |sealed: &[u8]| -> Result<Value, CorruptRow> {
            let opened = self.settings().master_key.open(&place(id), sealed).ok();
            let value = opened.and_then(|json| serde_json::from_slice(&json).ok());
            value.ok_or_else(|| columns.corrupt("state_sealed"))
        };
        Ok(Some(Pending {
            user_id: columns.optional_id("user_id", UserId::parse)?,
            state: columns
                .optional_bytes("state_sealed")?
                .map(open)
                .transpose()?,
        }))
    }

    /// Notes a wrong code for something that was begun: the fifth ends it. Gives whether it goes on.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn fail_pending(&self, presented: &SecretDigest) -> Result<bool, ActError> {
        let failed = act!(self, &Actor::System, |act| {
            sqlx::query("UPDATE pending_acts SET failures = failures + 1 WHERE digest = $1")
                .bind(presented.as_bytes().as_slice())
                .execute(act.db())
                .await?;
            let ended =
                sqlx::query("DELETE FROM pending_acts WHERE digest = $1 AND failures >= $2")
                    .bind(presented.as_bytes().as_slice())
                    .bind(i64::from(PENDING_FAILURES_MAX))
                    .execute(act.db())
                    .await?;
            Ok(ended.rows_affected() == 0)
        });
        failed.map(|acted: Acted<bool>| acted.value)
    }
}

impl Act {
    /// Finishes something that was begun. Of two at once, one finds it. Gives who began it.
    pub(crate) async fn finish_pending(
        &mut self,
        purpose: PendingPurpose,
        presented: &SecretDigest,
    ) -> Result<Option<UserId>, Fault> {
        let now = self.now().as_us();
        let row = sqlx::query(
            "DELETE FROM pending_acts WHERE digest = $1 AND purpose = $2 AND expires_at_us > $3 \
             RETURNING id, user_id",
        )
        .bind(presented.as_bytes().as_slice())
        .bind(purpose.as_str())
        .bind(now)
        .fetch_optional(self.db())
        .await?;
        let row = row.ok_or_else(ended)?;
        Ok(Columns::of(&row, "pending_acts").optional_id("user_id", UserId::parse)?)
    }
}
