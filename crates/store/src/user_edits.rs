//! Changes to people: names, who operates, who is disabled.

use portcullis_core::{ids::UserId, organization::User, permissions::Authority};
use serde_json::json;

use crate::{
    act::{Act, Fault, act, operators_only},
    check,
    error::ActError,
    links,
    organizations::stale_unless,
    sessions,
    setup::{one_at_a_time, operators},
    store::{Acted, Store},
    users::{find, note, themselves_or_operator},
};

/// What is to be changed; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// Shown to people.
    pub full_name: Option<String>,
    /// Operators act on every organization. Operators alone change this.
    pub is_operator: Option<bool>,
}

/// Whether a person may use the installation at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    /// As it should be.
    Enabled,
    /// Can neither sign in nor use sessions and management tokens.
    Disabled,
}

impl Store {
    /// Changes a person: oneself, or anybody by an operator. The last operator stays one.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Stale`, `Invalid`, `Forbidden` (somebody else's flag), or `Conflict`
    /// (`last_operator`).
    pub async fn update_user(
        &self,
        authority: &Authority,
        id: &UserId,
        version: Option<i64>,
        patch: UserPatch,
    ) -> Result<Acted<User>, ActError> {
        if let Some(name) = &patch.full_name {
            check::text("full_name", name, 1..=100)?;
        }
        if patch.is_operator.is_some() {
            operators_only(authority)?;
        }
        act!(self, authority.actor(), |act| {
            themselves_or_operator(authority, id)?;
            if patch.is_operator.is_some() {
                one_at_a_time(act).await?;
            }
            let before = lock(act, id).await?;
            stale_unless(version, before.version)?;
            let name = patch.full_name.as_ref().unwrap_or(&before.full_name);
            let operates = patch.is_operator.unwrap_or(before.is_operator);
            let now = act.now().as_us();
            sqlx::query(
                "UPDATE users SET full_name = $2, operator_since_us = CASE WHEN $3 = 0 THEN NULL \
                 ELSE COALESCE(operator_since_us, $4) END, version = version + 1 WHERE id = $1",
            )
            .bind(id.as_str())
            .bind(name.as_str())
            .bind(i64::from(operates))
            .bind(now)
            .execute(act.db())
            .await?;
            if before.is_operator && !operates {
                keep_an_operator(act).await?;
                // What the person could do has changed: whoever looks at their screen now signs in again.
                sessions::end_all(act, id, None).await?;
            }
            let after = find(act.db(), id.as_str(), "").await?;
            let told = |user: &User| json!({ "full_name": user.full_name, "is_operator": user.is_operator });
            let detail = json!({ "before": told(&before), "after": told(&after) });
            note(act, "user.update", id, detail);
            Ok(after)
        })
    }

    /// Disables a person, or lets them sign in again. Operators only; never the last operator. Ends their
    /// sessions and links; their management tokens open nothing while they are disabled.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `NotFound`, or `Conflict` (`last_operator`).
    pub async fn set_user_state(
        &self,
        authority: &Authority,
        id: &UserId,
        state: UserState,
    ) -> Result<Acted<User>, ActError> {
        operators_only(authority)?;
        act!(self, authority.actor(), |act| {
            one_at_a_time(act).await?;
            let before = lock(act, id).await?;
            if before.disabled_at.is_some() == (state == UserState::Disabled) {
                return Ok(before);
            }
            let disabled_at = (state == UserState::Disabled).then_some(act.now().as_us());
            sqlx::query(
                "UPDATE users SET disabled_at_us = $2, version = version + 1 WHERE id = $1",
            )
            .bind(id.as_str())
            .bind(disabled_at)
            .execute(act.db())
            .await?;
            if state == UserState::Disabled {
                if before.is_operator {
                    keep_an_operator(act).await?;
                }
                sessions::end_all(act, id, None).await?;
                links::end_all(act, id).await?;
                note(act, "user.disable", id, json!({}));
            } else {
                note(act, "user.enable", id, json!({}));
            }
            find(act.db(), id.as_str(), "").await
        })
    }
}

/// Locks the person until the end of the act.
pub(crate) async fn lock(act: &mut Act, id: &UserId) -> Result<User, Fault> {
    sqlx::query("UPDATE users SET version = version WHERE id = $1")
        .bind(id.as_str())
        .execute(act.db())
        .await?;
    find(act.db(), id.as_str(), "").await
}

async fn keep_an_operator(act: &mut Act) -> Result<(), Fault> {
    if operators(act).await? > 0 {
        return Ok(());
    }
    let detail = "this is the last operator; make somebody else an operator first";
    Err(ActError::conflict("last_operator", detail).into())
}
