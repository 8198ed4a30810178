//! Settings of the whole installation.

use portcullis_core::{
    installation::{InstallationSettings, Registration},
    job::check_mail_address,
    permissions::Authority,
};
use serde_json::json;
use sqlx::AnyConnection;

use crate::{
    act::{Fault, Note, act, operators_only},
    check,
    error::ActError,
    organizations::stale_unless,
    row::Columns,
    schema,
    store::{Acted, Store},
};

/// What is to be changed of the settings of the installation; `None` leaves a value as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstallationPatch {
    /// Whether strangers may sign up.
    pub registration: Option<Registration>,
    /// What pages and mails call the installation.
    pub installation_name: Option<String>,
    /// Where people are sent with questions.
    pub support_email: Option<String>,
}

impl Store {
    /// Names this installation: random, made with the database.
    #[must_use]
    pub fn installation_id(&self) -> String {
        self.installation().to_owned()
    }

    /// The settings of the whole installation. No authority: pages show them to everybody.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn installation_settings(&self) -> Result<InstallationSettings, ActError> {
        let mut connection = self.reader().await?;
        Ok(installation_settings(&mut connection).await?)
    }

    /// Changes the settings of the whole installation. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `Invalid`, `Stale`.
    pub async fn update_installation_settings(
        &self,
        authority: &Authority,
        version: Option<i64>,
        patch: InstallationPatch,
    ) -> Result<Acted<InstallationSettings>, ActError> {
        operators_only(authority)?;
        act!(self, authority.actor(), |act| {
            // The row is there from now on, and locked: of two edits at once the other one waits.
            sqlx::query(
                "INSERT INTO settings (name, value, changed_at_us) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO UPDATE SET value = settings.value",
            )
            .bind(schema::INSTALLATION)
            .bind(json!(InstallationSettings::default()).to_string())
            .bind(act.now().as_us())
            .execute(act.db())
            .await?;
            let before = installation_settings(act.db()).await?;
            stale_unless(version, before.version)?;
            let after = patched(&before, &patch)?;
            sqlx::query("UPDATE settings SET value = $2, changed_at_us = $3 WHERE name = $1")
                .bind(schema::INSTALLATION)
                .bind(json!(after).to_string())
                .bind(act.now().as_us())
                .execute(act.db())
                .await?;
            act.note(&Note {
                action: "setting.update",
                kind: "setting",
                id: schema::INSTALLATION,
                organization: None,
                detail: json!({ "before": before, "after": after }),
            });
            Ok(after)
        })
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

fn patched(
    before: &InstallationSettings,
    patch: &InstallationPatch,
) -> Result<InstallationSettings, ActError> {
    let take = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
    let after = InstallationSettings {
        registration: patch.registration.unwrap_or(before.registration),
        installation_name: take(&patch.installation_name, &before.installation_name),
        support_email: take(&patch.support_email, &before.support_email),
        version: before.version + 1,
    };
    check::text("installation_name", &after.installation_name, 1..=60)?;
    if after.installation_name.chars().any(char::is_control) {
        return Err(ActError::invalid(
            "installation_name",
            "holds control characters",
        ));
    }
    if !after.support_email.is_empty() {
        check_mail_address(&after.support_email)
            .map_err(|error| ActError::invalid("support_email", error.to_string()))?;
    }
    Ok(after)
}

async fn installation_settings(
    connection: &mut AnyConnection,
) -> Result<InstallationSettings, Fault> {
    let row = sqlx::query("SELECT name, value FROM settings WHERE name = $1")
        .bind(schema::INSTALLATION)
        .fetch_optional(connection)
        .await?;
    match row {
        Some(row) => Ok(Columns::of(&row, "settings").json("value")?),
        None => Ok(InstallationSettings::default()),
    }
}
