//! The configuration: one TOML file, then the environment (`PORTCULLIS_SECTION__KEY`), then flags.
//!
//! One file and one struct for each section; values arrive in their final types, unknown keys are errors that
//! name the key, and the docstring of a field is its documentation in `config/reference.toml`.

/// The token server.
pub mod auth;
/// Several nodes.
pub mod cluster;
/// The gateway.
pub mod gateway;
/// Keys at rest.
pub mod keys;
/// Ports and public addresses.
pub mod listeners;
/// Mails to people.
pub mod mail;
/// Calls that we make.
pub mod outgoing;
/// `config/reference.toml`.
pub mod reference;
/// The database.
pub mod store;
/// Logs and request records.
pub mod telemetry;
/// Durations and sizes as people write them.
pub mod units;

use std::{collections::BTreeMap, fmt, fs, path::Path, str::FromStr};

use anyhow::{Context, Result, anyhow, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The token server.
    Auth,
    /// The API gateway.
    Gateway,
    /// Organizations, apps, APIs, subscriptions; management API and portal.
    Registry,
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auth" => Ok(Self::Auth),
            "gateway" => Ok(Self::Gateway),
            "registry" => Ok(Self::Registry),
            other => Err(format!(
                "{other:?} is no role; roles are auth, gateway and registry"
            )),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth => "auth",
            Self::Gateway => "gateway",
            Self::Registry => "registry",
        })
    }
}

/// Every setting. All of them have defaults, so an empty file is a valid configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Ports, TLS and public addresses.
    pub listeners: listeners::Listeners,
    /// The database.
    pub store: store::StoreConfig,
    /// What matters when several nodes share one database.
    pub cluster: cluster::Cluster,
    /// The token server.
    pub auth: auth::Auth,
    /// The gateway.
    pub gateway: gateway::Gateway,
    /// Mails to people: links that confirm, reset and invite.
    pub mail: mail::Mail,
    /// Calls that the installation itself makes.
    pub outgoing: outgoing::Outgoing,
    /// The key that seals everything secret in the store.
    pub keys: keys::Keys,
    /// Logs and request records.
    pub telemetry: telemetry::Telemetry,
}

/// The prefix of environment variables that override settings.
const ENVIRONMENT_PREFIX: &str = "PORTCULLIS_";

impl Config {
    /// Reads the file, if one is named, then the environment.
    ///
    /// # Errors
    /// One line that names the file, the key and the reason.
    pub fn load(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Self> {
        let text = file.map(read).transpose()?.unwrap_or_default();
        let shown = file.map_or_else(
            || "the built-in configuration".to_owned(),
            |f| f.display().to_string(),
        );
        Self::parse(&text, &shown, environment)
    }

    /// The same from text; `shown` names its origin in errors.
    ///
    /// # Errors
    /// One line that names the origin, the key and the reason.
    pub fn parse(text: &str, shown: &str, environment: &BTreeMap<String, String>) -> Result<Self> {
        // Once from the text itself, because only there errors have a line.
        let _: Self =
            toml::from_str(text).map_err(|error| anyhow!("{}", located(shown, text, &error)))?;
        let mut tree: toml::Table = toml::from_str(text).with_context(|| shown.to_owned())?;
        let origins = apply_environment(&mut tree, environment)?;
        let config: Self =
            serde_path_to_error::deserialize(toml::Value::Table(tree)).map_err(|error| {
                let key = error.path().to_string();
                let origin = origins
                    .get(&key)
                    .cloned()
                    .unwrap_or_else(|| shown.to_owned());
                anyhow!("{origin}: {key}: {}", error.inner().to_string().trim())
            })?;
        config.check(shown)?;
        Ok(config)
    }

    /// Rules that span several settings.
    fn check(&self, shown: &str) -> Result<()> {
        self.listeners
            .check()
            .with_context(|| format!("{shown}: listeners"))?;
        self.auth
            .check()
            .with_context(|| format!("{shown}: auth"))?;
        self.cluster
            .check()
            .with_context(|| format!("{shown}: cluster"))?;
        self.store
            .check()
            .with_context(|| format!("{shown}: store"))?;
        self.mail
            .check()
            .with_context(|| format!("{shown}: mail"))?;
        self.gateway
            .check()
            .with_context(|| format!("{shown}: gateway"))?;
        Ok(())
    }
}

/// The environment of this process: the one place that reads it.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn read(file: &Path) -> Result<String> {
    let shown = file.display();
    let bytes = fs::read(file)
        .with_context(|| format!("{shown}: the configuration file cannot be read"))?;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bail!("{shown}: the file begins with a byte order mark; save it as plain UTF-8");
    }
    String::from_utf8(bytes).map_err(|_| anyhow!("{shown}: the file is not UTF-8 text"))
}

/// `file:line:column: message`, on one line.
fn located(shown: &str, text: &str, error: &toml::de::Error) -> String {
    let message = error.message().replace('\n', " ");
    let Some(span) = error.span() else {
        return format!("{shown}: {message}");
    };
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("{shown}:{line}:{column}: {message}")
}

/// Puts `PORTCULLIS_SECTION__KEY` variables into the tree; returns which key came from which variable.
fn apply_environment(
    tree: &mut toml::Table,
    environment: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut origins = BTreeMap::new();
    for (name, value) in environment {
        let Some((section, key)) = name
            .strip_prefix(ENVIRONMENT_PREFIX)
            .and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        let (section, key) = (section.to_lowercase(), key.to_lowercase());
        let table = tree
            .entry(section.clone())
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let Some(table) = table.as_table_mut() else {
            bail!("{name}: {section} is no section of the configuration");
        };
        // A password is text, whatever it looks like.
        let value = if key.ends_with("password") {
            toml::Value::String(value.clone())
        } else {
            value_of(value)
        };
        table.insert(key.clone(), value);
        origins.insert(
            format!("{section}.{key}"),
            format!("the environment variable {name}"),
        );
    }
    Ok(origins)
}

/// A list, number or boolean where the text is one in TOML; otherwise the text itself.
fn value_of(text: &str) -> toml::Value {
    let parsed: Option<toml::Table> = toml::from_str(&format!("value = {text}")).ok();
    match parsed.and_then(|mut table| table.remove("value")) {
        Some(
            value @ (toml::Value::Array(_) | toml::Value::Boolean(_) | toml::Value::Integer(_)),
        ) => value,
        _ => toml::Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests;
