//! What lists and the directory tell beside the things themselves, so that a page asks once.

use portcullis_store as store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Api, optional_instant};

/// What lists tell of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrganizationSummary {
    /// Apps that were not deleted.
    pub apps: u64,
    /// APIs that were not deleted.
    pub apis: u64,
    /// People who belong to it.
    pub members: u64,
}

impl From<&store::OrganizationSummary> for OrganizationSummary {
    fn from(of: &store::OrganizationSummary) -> Self {
        Self {
            apps: of.apps,
            apis: of.apis,
            members: of.members,
        }
    }
}

/// What lists tell of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AppSummary {
    /// The owner's name.
    pub organization_name: String,
    /// Customers' subscriptions that have not ended.
    pub living_subscriptions: u64,
    /// When one of its secrets last got a token, to the minute.
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
}

impl From<&store::AppSummary> for AppSummary {
    fn from(of: &store::AppSummary) -> Self {
        Self {
            organization_name: of.organization_name.clone(),
            living_subscriptions: of.living_subscriptions,
            last_used_at: optional_instant(of.last_used_at),
        }
    }
}

/// An instance as lists tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceLine {
    /// Opaque.
    pub id: String,
    /// `production`, `test` or `dev`.
    pub environment: String,
    /// Spec version.
    pub version: String,
    /// Prefix of the gateway paths that lead there.
    pub gateway_path: String,
    /// `beta`, `general_release`, `deprecated` or `custom`.
    pub lifecycle_status: String,
    /// The provider's own words when the status is `custom`, else empty.
    pub lifecycle_text: String,
    /// Whether it is found in the directory.
    pub show_in_directory: bool,
    /// Whether a specification is kept.
    pub has_spec: bool,
}

impl From<&store::InstanceLine> for InstanceLine {
    fn from(of: &store::InstanceLine) -> Self {
        Self {
            id: of.id.to_string(),
            environment: of.environment.as_str().to_owned(),
            version: of.version.clone(),
            gateway_path: of.prefix.clone(),
            lifecycle_status: of.listing.lifecycle.as_str().to_owned(),
            lifecycle_text: of.listing.lifecycle.text().to_owned(),
            show_in_directory: of.listing.show_in_directory,
            has_spec: of.has_spec,
        }
    }
}

/// What lists tell of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiSummary {
    /// The provider's name.
    pub organization_name: String,
    /// Its instances, by age.
    pub instances: Vec<InstanceLine>,
    /// How many apps selected it. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apps: Option<u64>,
    /// When one of its secrets last got a token, to the minute. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
}

impl From<&store::ApiSummary> for ApiSummary {
    fn from(of: &store::ApiSummary) -> Self {
        Self {
            organization_name: of.organization_name.clone(),
            instances: of.instances.iter().map(InstanceLine::from).collect(),
            apps: of.apps,
            last_used_at: optional_instant(of.last_used_at),
        }
    }
}

/// What lists tell of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionSummary {
    /// The name of the organization that has it.
    pub organization_name: String,
    /// The owner of the app or API.
    pub owner_organization_id: String,
    /// Its name.
    pub owner_organization_name: String,
    /// The app's name; `null` for an API's own test subscription.
    pub app_name: Option<String>,
    /// The API's name, for its own test subscription alone.
    pub api_name: Option<String>,
}

impl From<&store::SubscriptionSummary> for SubscriptionSummary {
    fn from(of: &store::SubscriptionSummary) -> Self {
        Self {
            organization_name: of.organization_name.clone(),
            owner_organization_id: of.owner_organization_id.to_string(),
            owner_organization_name: of.owner_organization_name.clone(),
            app_name: of.app_name.clone(),
            api_name: of.api_name.clone(),
        }
    }
}

/// An API that an app selected, with its `summary`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SelectedApi {
    /// The API.
    #[serde(flatten)]
    pub api: Api,
    /// Whether the app's owner may still select it; when not, calls are refused.
    pub available: bool,
}

impl From<&store::SelectedApi> for SelectedApi {
    fn from(of: &store::SelectedApi) -> Self {
        Self {
            api: Api {
                summary: Some(ApiSummary::from(&of.summary)),
                ..Api::public(&of.api)
            },
            available: of.available,
        }
    }
}

/// An app that uses an API, as the API's provider sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiUser {
    /// The app.
    pub app_id: String,
    /// Its name.
    pub name: String,
    /// `enabled`, `disabled` or `deleted`.
    pub state: String,
    /// The app's owner.
    pub organization_id: String,
    /// The owner's name.
    pub organization_name: String,
    /// Customers' subscriptions that reach the API through the app and have not ended.
    pub living_subscriptions: u64,
}

impl From<&store::ApiUser> for ApiUser {
    fn from(of: &store::ApiUser) -> Self {
        Self {
            app_id: of.app_id.to_string(),
            name: of.name.clone(),
            state: of.state.as_str().to_owned(),
            organization_id: of.organization_id.to_string(),
            organization_name: of.organization_name.clone(),
            living_subscriptions: of.living_subscriptions,
        }
    }
}

/// An API in the directory, with its `summary`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DirectoryEntry {
    /// The API, as anybody sees it.
    #[serde(flatten)]
    pub api: Api,
    /// Why it is there: `own`, `public` or `shared`.
    pub access: String,
}

/// A value that the directory can be narrowed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Facet {
    /// What to ask for.
    pub id: String,
    /// What people read.
    pub name: String,
    /// How many APIs it leaves.
    pub count: u64,
}

impl From<&store::Facet> for Facet {
    fn from(of: &store::Facet) -> Self {
        Self {
            id: of.id.clone(),
            name: of.name.clone(),
            count: of.count,
        }
    }
}

/// By what the directory can be narrowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Facets {
    /// For `category`, sorted.
    pub categories: Vec<Facet>,
    /// For `provider_id`, sorted by name.
    pub providers: Vec<Facet>,
}

impl From<&store::Facets> for Facets {
    fn from(of: &store::Facets) -> Self {
        Self {
            categories: of.categories.iter().map(Facet::from).collect(),
            providers: of.providers.iter().map(Facet::from).collect(),
        }
    }
}

/// A page of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Directory {
    /// Its entries.
    pub items: Vec<DirectoryEntry>,
    /// What to send as `after` for the next page; `null` when this is the last.
    pub next: Option<String>,
    /// By what it can be narrowed; present when it was asked for with `include=facets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facets: Option<Facets>,
}

/// Calls of an app, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallCounts {
    /// Every one.
    pub calls: u64,
    /// Those that were answered 400 and above.
    pub errors: u64,
    /// Those of these that the gateway itself answered.
    pub refusals: u64,
}

/// What the gateway saw of an app, on every node. A call is seen within seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallsSummary {
    /// When its first call came; `null` when there was none yet.
    #[schema(format = DateTime)]
    pub first_call_at: Option<String>,
    /// When its last call came.
    #[schema(format = DateTime)]
    pub last_call_at: Option<String>,
    /// Calls of the last 24 hours, counted by whole hours with the present one.
    pub last_24_hours: CallCounts,
}

impl From<&store::CallsSummary> for CallsSummary {
    fn from(of: &store::CallsSummary) -> Self {
        Self {
            first_call_at: optional_instant(of.first_at),
            last_call_at: optional_instant(of.last_at),
            last_24_hours: CallCounts {
                calls: of.calls,
                errors: of.errors,
                refusals: of.refusals,
            },
        }
    }
}
