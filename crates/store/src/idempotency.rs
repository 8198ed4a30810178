//! Idempotency keys: the same request sent twice makes one thing.

use std::time::Duration;

use aws_lc_rs::digest;
use serde::Serialize;

use crate::{
    act::{Act, Fault},
    error::ActError,
    row::Columns,
};

/// How long a key is remembered.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// A key that a caller chose for one act. Scoped to the actor, kept for a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The text cannot be an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 128 visible ASCII characters")]
pub struct InvalidIdempotencyKey;

impl IdempotencyKey {
    /// Takes the text as it came.
    ///
    /// # Errors
    /// [`InvalidIdempotencyKey`] when it is empty, longer than 128 bytes or not visible ASCII.
    pub fn parse(text: &str) -> Result<Self, InvalidIdempotencyKey> {
        let valid = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        valid
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidIdempotencyKey)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Act {
    /// Claims a key for what is about to be made with the identifier `id`; gives the identifier of what it
    /// made the first time, when it was claimed before with the same input. The first of two that run at once
    /// makes the other one wait.
    pub(crate) async fn claim(
        &mut self,
        key: Option<&IdempotencyKey>,
        action: &str,
        input: &impl Serialize,
        id: &str,
    ) -> Result<Option<String>, Fault> {
        let Some(key) = key else { return Ok(None) };
        let actor = self.actor().to_owned();
        let now = self.now();
        let digest = digest_of(action, input)?;
        sqlx::query(
            "DELETE FROM idempotency_keys WHERE actor = $1 AND name = $2 AND expires_at_us <= $3",
        )
        .bind(actor.as_str())
        .bind(key.as_str())
        .bind(now.as_us())
        .execute(self.db())
        .await?;
        let claimed = sqlx::query(
            "INSERT INTO idempotency_keys (actor, name, input_digest, entity_id, expires_at_us) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (actor, name) DO NOTHING",
        )
        .bind(actor.as_str())
        .bind(key.as_str())
        .bind(digest.as_slice())
        .bind(id)
        .bind((now + KEPT_FOR).as_us())
        .execute(self.db())
        .await?;
        if claimed.rows_affected() == 1 {
            self.claims(key.as_str());
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT name, input_digest, entity_id, seq FROM idempotency_keys WHERE actor = $1 AND name = $2",
        )
        .bind(actor.as_str())
        .bind(key.as_str())
        .fetch_one(self.db())
        .await?;
        let columns = Columns::of(&row, "idempotency_keys");
        if columns.bytes("input_digest")? != digest {
            return Err(ActError::conflict(
                "idempotency_key_reused",
                "this idempotency key was used for another request; take a new one",
            )
            .into());
        }
        let seq = columns.optional_number("seq")?;
        let first = columns.owned("entity_id")?;
        self.answers_again(seq);
        Ok(Some(first))
    }
}

fn digest_of(action: &str, input: &impl Serialize) -> Result<Vec<u8>, ActError> {
    let json = serde_json::to_vec(input)
        .map_err(|_| ActError::invalid("input", "cannot be written as JSON"))?;
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(action.as_bytes());
    context.update(b"\0");
    context.update(&json);
    Ok(context.finish().as_ref().to_vec())
}
