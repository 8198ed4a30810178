//! The unit of invalidation: what changed, numbered in the order of commits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a change. Taken from one counter row as the last statements of a transaction, so numbers
/// become visible in order and without gaps. 0 stands before the first change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ChangeSeq(i64);

impl ChangeSeq {
    /// From its number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ChangeSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A random 64-bit number that each change carries: a follower that finds another one under its own number
/// is looking at another history (a restored or failed-over database).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangeStamp(i64);

impl ChangeStamp {
    /// From its stored form.
    #[must_use]
    pub const fn new(bits: i64) -> Self {
        Self(bits)
    }

    /// A new random stamp.
    #[must_use]
    pub fn random() -> Self {
        Self(i64::from_le_bytes(crate::secret::random_bytes::<8>()))
    }

    /// Its stored form.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// What kind of thing changed. Only what decisions depend on has a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityKind {
    /// An organization.
    Organization,
    /// An app, its selected APIs included.
    App,
    /// An API, its shares included.
    Api,
    /// An API instance.
    Instance,
    /// A client, its secrets included.
    Client,
    /// A subscription.
    Subscription,
    /// A connection.
    Connection,
    /// A signing key.
    Key,
}

impl EntityKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Organization,
        Self::App,
        Self::Api,
        Self::Instance,
        Self::Client,
        Self::Subscription,
        Self::Connection,
        Self::Key,
    ];

    /// The stored form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::App => "app",
            Self::Api => "api",
            Self::Instance => "instance",
            Self::Client => "client",
            Self::Subscription => "subscription",
            Self::Connection => "connection",
            Self::Key => "key",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The thing that changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityRef {
    /// Its kind.
    pub kind: EntityKind,
    /// Its identifier as text.
    pub id: String,
}

impl EntityRef {
    /// Names a thing.
    #[must_use]
    pub fn new(kind: EntityKind, id: &str) -> Self {
        Self {
            kind,
            id: id.to_owned(),
        }
    }
}
