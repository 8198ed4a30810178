//! Apps: programs of an organization that call APIs on behalf of the organizations that activated them.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{ApiId, AppId, ClientId, OrganizationId, SubscriptionId},
};

/// Longest app name, in characters.
pub const APP_NAME_CHARACTERS_MAX: usize = 40;
/// Longest app description, in characters.
pub const APP_DESCRIPTION_CHARACTERS_MAX: usize = 256;

/// Whether an app may get tokens and call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// As it should be.
    Enabled,
    /// Stopped for the time being by its owner or an operator.
    Disabled,
    /// Gone; kept for history.
    Deleted,
}

impl AppState {
    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "enabled" => Some(Self::Enabled),
            "disabled" => Some(Self::Disabled),
            "deleted" => Some(Self::Deleted),
            _ => None,
        }
    }
}

/// An app as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Opaque identifier.
    pub id: AppId,
    /// The owner.
    pub organization_id: OrganizationId,
    /// At most 40 characters.
    pub name: String,
    /// At most 256 characters.
    pub description: String,
    /// Website; may be empty.
    pub website: String,
    /// Registered redirect URL; empty for client credentials alone.
    pub callback_url: String,
    /// The API Key.
    pub client_id: ClientId,
    /// The app's own test subscription.
    pub test_subscription_id: SubscriptionId,
    /// Selected APIs, sorted.
    pub apis: Vec<ApiId>,
    /// Whether it may act.
    pub state: AppState,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Counts edits, from 1: the `ETag`.
    pub version: i64,
}
