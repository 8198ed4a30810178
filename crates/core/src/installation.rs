//! What operators decide about the whole installation while it runs.

use serde::{Deserialize, Serialize};

/// Whether strangers may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Anybody may make an account and an organization.
    Open,
    /// New people come by invitation alone.
    Closed,
}

impl Registration {
    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "open" => Some(Self::Open),
            "closed" => Some(Self::Closed),
            _ => None,
        }
    }
}

/// Settings of the whole installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationSettings {
    /// Whether strangers may sign up.
    pub registration: Registration,
    /// What pages and mails call the installation; 1 to 60 characters on one line.
    pub installation_name: String,
    /// Where people are sent with questions; may be empty.
    pub support_email: String,
    /// Counts edits, from 0 for settings that were never changed: the `ETag`.
    pub version: i64,
}

impl Default for InstallationSettings {
    fn default() -> Self {
        Self {
            registration: Registration::Closed,
            installation_name: "Portcullis".to_owned(),
            support_email: String::new(),
            version: 0,
        }
    }
}
