//! Rotation of a secret in one act: a new one now, and an end for the others.

use std::time::Duration;

use portcullis_core::{
    change::EntityKind,
    client::{ClientSecretInfo, LIVE_SECRETS_MAX},
    clock::Timestamp,
    ids::{ClientId, SecretId},
    permissions::Authority,
    secret::{Secret, SecretKind},
};
use serde::Serialize;
use serde_json::json;

use crate::{
    act::{Act, Fault, act, scope},
    clients::{self, OwnedClient, is_live},
    error::ActError,
    idempotency::IdempotencyKey,
    store::{Acted, Store},
};

/// What becomes of the oldest secret when two are live already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Oldest {
    /// It stays, and the rotation is refused.
    Kept,
    /// It ends at once and makes room.
    Replaced,
}

/// How a secret is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// For how long the other secrets go on; zero ends them at once.
    pub overlap: Duration,
    /// What becomes of the oldest when two are live already.
    pub oldest: Oldest,
}

/// What a rotation made and ended.
#[derive(Debug, Clone)]
pub struct RotatedSecret {
    /// The new secret as it can be shown later.
    pub info: ClientSecretInfo,
    /// The secret itself, shown this once; `None` when an idempotency key was used again.
    pub secret: Option<Secret>,
    /// The others that were live, with their ends.
    pub others: Vec<ClientSecretInfo>,
}

impl Store {
    /// Makes a new secret and sets an end to the others, in one act. One whose own end comes earlier keeps it.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Conflict` (`too_many_secrets`, `client_deleted`, `idempotency_key_reused`).
    pub async fn rotate_secret(
        &self,
        authority: &Authority,
        client: &ClientId,
        rotation: Rotation,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Acted<RotatedSecret>, ActError> {
        act!(self, authority.actor(), |act| {
            let owned = clients::lock(act, client, scope(authority)).await?;
            let id = SecretId::random();
            let input = (client, rotation);
            let first = act
                .claim(idempotency, "client_secret.rotate", &input, id.as_str())
                .await?;
            if let Some(first) = first {
                let all = clients::secrets_of(act.db(), client).await?;
                return Ok(rotated_before(all, &first, act.now())?);
            }
            clients::living(&owned)?;
            let others = end_others(act, &owned, rotation).await?;
            let secret = Secret::generate(SecretKind::Client);
            let info = clients::insert_secret(act, client, (&id, &secret)).await?;
            act.changed(EntityKind::Client, client.as_str());
            let detail = json!({
                "client": client,
                "overlap_s": rotation.overlap.as_secs(),
                "after": { "hint": info.hint, "ended": others.len() },
            });
            clients::note(
                act,
                ("client_secret.rotate", "client_secret"),
                info.id.as_str(),
                (&owned, detail),
            );
            Ok(RotatedSecret {
                info,
                secret: Some(secret),
                others,
            })
        })
    }
}

fn rotated_before(
    all: Vec<ClientSecretInfo>,
    first: &str,
    now: Timestamp,
) -> Result<RotatedSecret, ActError> {
    let (made, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|secret| secret.id.as_str() == first);
    let info = made
        .into_iter()
        .next()
        .ok_or(ActError::NotFound("secret"))?;
    Ok(RotatedSecret {
        info,
        secret: None,
        others: others
            .into_iter()
            .filter(|secret| is_live(secret, now))
            .collect(),
    })
}

/// Sets an end to every live secret, and makes room for a new one.
async fn end_others(
    act: &mut Act,
    owned: &OwnedClient,
    rotation: Rotation,
) -> Result<Vec<ClientSecretInfo>, Fault> {
    let now = act.now();
    let client = &owned.client.id;
    let all = clients::secrets_of(act.db(), client).await?;
    let live: Vec<ClientSecretInfo> = all.into_iter().filter(|s| is_live(s, now)).collect();
    let surplus = if rotation.overlap.is_zero() {
        0
    } else {
        (live.len() + 1).saturating_sub(LIVE_SECRETS_MAX)
    };
    if surplus > 0 && rotation.oldest == Oldest::Kept {
        let hints: Vec<&str> = live.iter().map(|secret| secret.hint.as_str()).collect();
        let detail = format!(
            "two secrets are live already ({}); end one of them first, or let the oldest be replaced",
            hints.join(" and ")
        );
        return Err(ActError::conflict("too_many_secrets", detail).into());
    }
    for (at, secret) in live.iter().enumerate() {
        let end = if at < surplus {
            now
        } else {
            now + rotation.overlap
        };
        let end = secret.expires_at.map_or(end, |own| own.min(end));
        sqlx::query("UPDATE client_secrets SET expires_at_us = $2 WHERE id = $1")
            .bind(secret.id.as_str())
            .bind(end.as_us())
            .execute(act.db())
            .await?;
    }
    let all = clients::secrets_of(act.db(), client).await?;
    let was_live = |secret: &ClientSecretInfo| live.iter().any(|other| other.id == secret.id);
    Ok(all.into_iter().filter(was_live).collect())
}
