//! The credentials of the sample data: made at first start and kept in a 0600 file, so that a second start
//! has the same ones although the store holds digests alone.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result};
use portcullis_core::{
    ids::{AppId, ClientId, OrganizationId, SubscriptionId},
    secret::{Secret, SecretKind},
};
use serde::{Deserialize, Serialize};

/// Everything of the sample data that must be the same after a restart.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The sample provider's organization.
    pub provider_id: OrganizationId,
    /// The app developer's.
    pub developer_id: OrganizationId,
    /// The buyer's.
    pub buyer_id: OrganizationId,
    /// The sample app.
    pub app_id: AppId,
    /// Its API Key.
    pub api_key: ClientId,
    /// Its API Secret.
    pub api_secret: String,
    /// The Client ID of the sample provider's API.
    pub provider_key: ClientId,
    /// Its secret.
    pub provider_secret: String,
    /// The buyer's subscription.
    pub subscription_id: SubscriptionId,
    /// Token of the management API, the operator's.
    pub management_token: String,
    /// Password of each sample user.
    pub operator_password: String,
    /// The app developer's.
    pub developer_password: String,
    /// The provider's.
    pub provider_password: String,
    /// The buyer's.
    pub buyer_password: String,
    /// When the deprecated issuer was deprecated: the first start, in seconds since the epoch.
    pub first_start: i64,
}

impl Credentials {
    fn generate(now: i64) -> Self {
        let client_secret = || Secret::generate(SecretKind::Client).expose().to_owned();
        let password = || {
            ClientId::random()
                .as_str()
                .chars()
                .take(20)
                .collect::<String>()
        };
        Self {
            provider_id: OrganizationId::random(),
            developer_id: OrganizationId::random(),
            buyer_id: OrganizationId::random(),
            app_id: AppId::random(),
            api_key: ClientId::random(),
            api_secret: client_secret(),
            provider_key: ClientId::random(),
            provider_secret: client_secret(),
            subscription_id: SubscriptionId::random(),
            management_token: Secret::generate(SecretKind::ManagementToken)
                .expose()
                .to_owned(),
            operator_password: password(),
            developer_password: password(),
            provider_password: password(),
            buyer_password: password(),
            first_start: now,
        }
    }

    /// Reads the file, or makes it.
    ///
    /// # Errors
    /// When the file cannot be read, written or understood; it is never replaced.
    pub fn load_or_create(path: &Path, now: i64) -> Result<Self> {
        let shown = path.display();
        match fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| {
                format!("{shown} is damaged; delete the data folder to start over")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let credentials = Self::generate(now);
                credentials
                    .write(path)
                    .with_context(|| format!("{shown} cannot be written"))?;
                Ok(credentials)
            }
            Err(error) => Err(error).with_context(|| format!("{shown} cannot be read")),
        }
    }

    fn write(&self, path: &Path) -> Result<()> {
        let temporary = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        Ok(())
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials(app {}, [redacted])", self.app_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_has_the_same_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");

        let first = Credentials::load_or_create(&path, 1).unwrap();
        let second = Credentials::load_or_create(&path, 2).unwrap();

        assert_eq!(
            (first.api_key, first.api_secret),
            (second.api_key, second.api_secret)
        );
        assert_eq!(second.first_start, 1);
    }

    #[test]
    fn a_damaged_file_is_named_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        fs::write(&path, "{").unwrap();

        let error = Credentials::load_or_create(&path, 1).unwrap_err();

        assert!(format!("{error:#}").contains("credentials.json"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{");
    }
}
