//! Organizations: they own apps and APIs, and activate apps of others. And the people in them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{OrganizationId, UserId},
    permissions::Actor,
};

/// Whether an organization may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationState {
    /// As it should be.
    Active,
    /// Stopped by an operator: nothing of it is let through.
    Suspended,
}

impl OrganizationState {
    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "suspended" => Some(Self::Suspended),
            _ => None,
        }
    }
}

/// An organization as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Opaque identifier.
    pub id: OrganizationId,
    /// Shown to people.
    pub name: String,
    /// One line, not structured.
    pub address: String,
    /// `US`, `CA` or another ISO 3166-1 alpha-2 code; may be empty.
    pub country_code: String,
    /// Free text.
    pub phone_number: String,
    /// Free text URL; may be empty.
    pub website: String,
    /// Mail address of the primary contact; may be empty.
    pub contact_email: String,
    /// API namespaces, sorted; may be empty.
    pub namespaces: Vec<String>,
    /// Whether it may act.
    pub state: OrganizationState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts edits, from 1: the `ETag`.
    pub version: i64,
}

/// What a member may do in an organization, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Everything, and who else is a member.
    Owner,
    /// Everything but ownership.
    Admin,
    /// APIs.
    ApiDeveloper,
    /// Apps.
    AppDeveloper,
    /// Looks, changes nothing.
    Viewer,
}

impl MemberRole {
    /// Every role, from most to least.
    pub const ALL: [Self; 5] = [
        Self::Owner,
        Self::Admin,
        Self::ApiDeveloper,
        Self::AppDeveloper,
        Self::Viewer,
    ];

    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::ApiDeveloper => "api_developer",
            Self::AppDeveloper => "app_developer",
            Self::Viewer => "viewer",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "owner" => Some(Self::Owner),
            "admin" => Some(Self::Admin),
            "api_developer" => Some(Self::ApiDeveloper),
            "app_developer" => Some(Self::AppDeveloper),
            "viewer" => Some(Self::Viewer),
            _ => None,
        }
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Opaque identifier.
    pub id: UserId,
    /// Unique sign-in name, lower case.
    pub email: String,
    /// Shown to people.
    pub full_name: String,
    /// Operators act on every organization.
    pub is_operator: bool,
    /// Organizations the person belongs to, each with the role there.
    pub memberships: Vec<(OrganizationId, MemberRole)>,
    /// When the address was proved to be the person's; `None`: not yet, and until then no password signs in.
    pub email_verified_at: Option<Timestamp>,
    /// Since when the person can neither sign in nor use sessions and tokens; `None`: not disabled.
    pub disabled_at: Option<Timestamp>,
    /// When the person was made.
    pub created_at: Timestamp,
    /// Counts edits, from 1: the `ETag`.
    pub version: i64,
}

impl User {
    /// The person as an actor, from a page.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::User {
            id: self.id.clone(),
            email: self.email.clone(),
            is_operator: self.is_operator,
            memberships: self.memberships.clone(),
            token: None,
        }
    }
}
