//! Opaque tokens of the management API: digested at rest, shown once.

use portcullis_core::{
    clock::Timestamp,
    ids::{ManagementTokenId, UserId},
    permissions::{Actor, Authority},
    secret::{Secret, SecretDigest, SecretKind},
};
use serde_json::json;

use crate::{
    act::{Act, Fault, Note, act},
    check,
    error::ActError,
    row::Columns,
    store::{Acted, Store},
    users::{self, themselves_or_operator},
};

/// A management token as people see it after it was shown once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementTokenInfo {
    /// Names it.
    pub id: ManagementTokenId,
    /// Whose it is.
    pub user_id: UserId,
    /// What its owner calls it.
    pub name: String,
    /// Prefix and last characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused; `None` means never.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Makes a token for a person: for oneself, or for anybody by an operator.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Invalid`.
    pub async fn create_management_token(
        &self,
        authority: &Authority,
        user: &UserId,
        name: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<Acted<(ManagementTokenId, Secret)>, ActError> {
        check::text("name", name, 1..=100)?;
        act!(self, authority.actor(), |act| {
            themselves_or_operator(authority, user)?;
            let secret = Secret::generate(SecretKind::ManagementToken);
            let id = insert(act, user, name, (&secret, expires_at)).await?;
            Ok((id, secret))
        })
    }

    /// Makes a given token valid for a person; when it is so already, this changes nothing.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, or `Conflict` (`token_taken`) when it is another person's.
    pub async fn import_management_token(
        &self,
        authority: &Authority,
        user: &UserId,
        token: &Secret,
    ) -> Result<Acted<ManagementTokenId>, ActError> {
        act!(self, authority.actor(), |act| {
            themselves_or_operator(authority, user)?;
            let row = sqlx::query("SELECT id, user_id FROM management_tokens WHERE digest = $1")
                .bind(token.digest().as_bytes().as_slice())
                .fetch_optional(act.db())
                .await?;
            let Some(row) = row else {
                return insert(act, user, "imported", (token, None)).await;
            };
            let columns = Columns::of(&row, "management_tokens");
            if columns.text("user_id")? != user.as_str() {
                let detail = "this token is another person's";
                return Err(ActError::conflict("token_taken", detail).into());
            }
            Ok(columns.id("id", ManagementTokenId::parse)?)
        })
    }

    /// A person's tokens, oldest first.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn management_tokens(
        &self,
        authority: &Authority,
        user: &UserId,
    ) -> Result<Vec<ManagementTokenInfo>, ActError> {
        themselves_or_operator(authority, user)?;
        let mut connection = self.reader().await?;
        let rows = sqlx::query(
            "SELECT id, user_id, name, hint, created_at_us, expires_at_us FROM management_tokens \
             WHERE user_id = $1 ORDER BY created_at_us, id",
        )
        .bind(user.as_str())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let read = |row| {
            let columns = Columns::of(row, "management_tokens");
            Ok(ManagementTokenInfo {
                id: columns.id("id", ManagementTokenId::parse)?,
                user_id: columns.id("user_id", UserId::parse)?,
                name: columns.owned("name")?,
                hint: columns.owned("hint")?,
                created_at: columns.instant("created_at_us")?,
                expires_at: columns.optional_instant("expires_at_us")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Ends a token at once. Management tokens are read from the database at each use, so nothing is to be
    /// waited for.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn delete_management_token(
        &self,
        authority: &Authority,
        id: &ManagementTokenId,
    ) -> Result<Acted<()>, ActError> {
        act!(self, authority.actor(), |act| {
            let unknown = || Fault::Act(ActError::NotFound("management token"));
            let row =
                sqlx::query("DELETE FROM management_tokens WHERE id = $1 RETURNING id, user_id")
                    .bind(id.as_str())
                    .fetch_optional(act.db())
                    .await?
                    .ok_or_else(unknown)?;
            let user = Columns::of(&row, "management_tokens").id("user_id", UserId::parse)?;
            // Refused after the fact: the act is rolled back.
            themselves_or_operator(authority, &user).map_err(|_| unknown())?;
            note(act, "management_token.delete", id, &user);
            Ok(())
        })
    }

    /// Whom a presented token speaks for; `None` when it is unknown or past its end, or its owner is disabled.
    /// No authority: it makes one possible.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn actor_by_management_token(
        &self,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Actor>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query(
            "SELECT id, user_id, expires_at_us FROM management_tokens WHERE digest = $1",
        )
        .bind(presented.as_bytes().as_slice())
        .fetch_optional(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let Some(row) = row else { return Ok(None) };
        let columns = Columns::of(&row, "management_tokens");
        let end = columns.optional_instant("expires_at_us")?;
        if end.is_some_and(|end| now >= end) {
            return Ok(None);
        }
        let user = users::find(&mut connection, columns.text("user_id")?, "").await?;
        if user.disabled_at.is_some() {
            return Ok(None);
        }
        Ok(Some(Actor::User {
            id: user.id,
            email: user.email,
            is_operator: user.is_operator,
            memberships: user.memberships,
            token: Some(columns.id("id", ManagementTokenId::parse)?),
        }))
    }
}

fn note(act: &mut Act, action: &'static str, id: &ManagementTokenId, user: &UserId) {
    act.note(&Note {
        action,
        kind: "management_token",
        id: id.as_str(),
        organization: None,
        detail: json!({ "user": user }),
    });
}

async fn insert(
    act: &mut Act,
    user: &UserId,
    name: &str,
    token: (&Secret, Option<Timestamp>),
) -> Result<ManagementTokenId, Fault> {
    let (secret, expires_at) = token;
    let now = act.now().as_us();
    users::find(act.db(), user.as_str(), "").await?;
    let id = ManagementTokenId::random();
    sqlx::query(
        "INSERT INTO management_tokens (id, user_id, name, digest, hint, created_at_us, expires_at_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(id.as_str())
    .bind(user.as_str())
    .bind(name)
    .bind(secret.digest().as_bytes().as_slice())
    .bind(secret.hint())
    .bind(now)
    .bind(expires_at.map(Timestamp::as_us))
    .execute(act.db())
    .await?;
    note(act, "management_token.create", &id, user);
    Ok(id)
}
