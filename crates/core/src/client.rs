//! OAuth clients (RFC 6749 section 2): the identity of an app (API Key) or of an API (its own Client ID).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{ApiId, AppId, ClientId, IdKey, SecretId},
    secret::SecretDigest,
};

/// How many secrets of a client may be live at once: two, so that one can be rotated without a gap.
pub const LIVE_SECRETS_MAX: usize = 2;

/// Whom a client belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum ClientOwner {
    /// The client is an app's API Key.
    App(AppId),
    /// The client is an API's Client ID.
    Api(ApiId),
}

/// The same, in the form of snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOwnerKey {
    /// An app.
    App(IdKey),
    /// An API.
    Api(IdKey),
}

impl ClientOwner {
    /// The form of snapshots.
    #[must_use]
    pub fn key(&self) -> ClientOwnerKey {
        match self {
            Self::App(id) => ClientOwnerKey::App(id.key()),
            Self::Api(id) => ClientOwnerKey::Api(id.key()),
        }
    }
}

/// Whether a client may get tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// As it should be.
    Enabled,
    /// Stopped; issued tokens open nothing while this lasts.
    Disabled,
}

/// A client as decisions see it. `Copy`, held inline in the snapshot.
#[derive(Debug, Clone, Copy)]
pub struct ClientRecord {
    /// Whom it belongs to.
    pub owner: ClientOwnerKey,
    /// Whether it may act. A deleted client is absent.
    pub state: ClientState,
    /// Tokens of a lower generation are refused.
    pub generation: u32,
    /// Lifetime of its access tokens.
    pub token_lifetime: Duration,
    /// Live secrets. Empty on nodes that issue no tokens.
    pub secrets: [Option<SecretRecord>; LIVE_SECRETS_MAX],
}

/// One secret as decisions see it.
#[derive(Debug, Clone, Copy)]
pub struct SecretRecord {
    /// Which secret: what its last use is recorded under.
    pub id: IdKey,
    /// SHA-256 of the secret.
    pub digest: SecretDigest,
    /// From when on it is refused; `None` means never.
    pub expires_at: Option<Timestamp>,
}

impl ClientRecord {
    /// The secret that `presented` is the digest of, when it is live at `now`.
    ///
    /// Every secret is compared, also after a match, so that the time taken says nothing.
    #[must_use]
    pub fn matching_secret(&self, presented: &SecretDigest, now: Timestamp) -> Option<IdKey> {
        let mut found = None;
        for secret in self.secrets.iter().flatten() {
            let live = secret.expires_at.is_none_or(|end| now < end);
            if secret.digest.matches(presented) && live {
                found = Some(secret.id);
            }
        }
        found
    }
}

/// A client as it is stored, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The `client_id`.
    pub id: ClientId,
    /// Whom it belongs to.
    pub owner: ClientOwner,
    /// Whether it may act.
    pub state: ClientState,
    /// Tokens of a lower generation are refused.
    pub generation: u32,
}

/// A secret as people see it after it was shown once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecretInfo {
    /// Names it in paths.
    pub id: SecretId,
    /// The client.
    pub client_id: ClientId,
    /// Prefix and last characters.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// When it last got a token, to the minute; `None` means never.
    pub last_used_at: Option<Timestamp>,
    /// The address it was last used from.
    pub last_used_from: Option<String>,
}
