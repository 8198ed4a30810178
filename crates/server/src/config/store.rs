//! `[store]`: the database.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite:PATH` for one process, or `postgres://user@host/database` for several nodes.
    pub url: String,
    /// A file that holds the URL, for one with a password in it. Takes the place of `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// A URL that reaches PostgreSQL without a transaction pooler, for LISTEN. Needed only behind one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_url: Option<String>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: "sqlite:./data/portcullis.db".to_owned(),
            url_file: None,
            listen_url: None,
        }
    }
}

impl StoreConfig {
    pub(super) fn check(&self) -> Result<()> {
        if self.url_file.is_none() && !is_known(&self.url) {
            bail!("url begins with sqlite: or postgres://");
        }
        Ok(())
    }

    /// The URL, from the file where one is named.
    ///
    /// # Errors
    /// When the file cannot be read or holds no such URL.
    pub fn effective_url(&self) -> Result<String> {
        let Some(file) = &self.url_file else {
            return Ok(self.url.clone());
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("store.url_file: {} cannot be read", file.display()))?;
        let url = text.trim();
        if !is_known(url) {
            bail!(
                "store.url_file: {} holds no URL that begins with sqlite: or postgres://",
                file.display()
            );
        }
        Ok(url.to_owned())
    }
}

fn is_known(url: &str) -> bool {
    ["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|start| url.starts_with(start))
}
