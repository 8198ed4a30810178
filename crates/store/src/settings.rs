//! Settings of the whole installation.

use portcullis_core::permissions::Authority;
use serde_json::json;

use crate::{
    act::{Fault, Note, act, operators_only},
    check,
    error::ActError,
    row::Columns,
    schema,
    store::{Acted, Store},
};

impl Store {
    /// Names this installation: random, made with the database.
    #[must_use]
    pub fn installation_id(&self) -> String {
        self.installation().to_owned()
    }

    /// A setting; `None` when it was never set.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn get_setting(&self, name: &str) -> Result<Option<String>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query("SELECT name, value FROM settings WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *connection)
            .await
            .map_err(Fault::from)?;
        let value = row.map(|row| Columns::of(&row, "settings").owned("value"));
        Ok(value.transpose()?)
    }

    /// Sets a setting. Operators only. The value stands in the audit log, so it is never a secret.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `Invalid`.
    pub async fn set_setting(
        &self,
        authority: &Authority,
        name: &str,
        value: &str,
    ) -> Result<Acted<()>, ActError> {
        operators_only(authority)?;
        check::text("name", name, 1..=100)?;
        check::size("value", value)?;
        if schema::is_reserved(name) {
            return Err(ActError::invalid("name", "is set by the store itself"));
        }
        act!(self, authority.actor(), |act| {
            let now = act.now().as_us();
            sqlx::query(
                "INSERT INTO settings (name, value, changed_at_us) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at_us = excluded.changed_at_us",
            )
            .bind(name)
            .bind(value)
            .bind(now)
            .execute(act.db())
            .await?;
            act.note(&Note {
                action: "setting.set",
                kind: "setting",
                id: name,
                organization: None,
                detail: json!({ "after": value }),
            });
            Ok(())
        })
    }
}
