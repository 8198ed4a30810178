//! Things as the management API shows them, written by the handlers and read by the pages. Members are
//! `snake_case` and stay; secrets never stand here.

use portcullis_core::{
    api::{Api as CoreApi, ApiInstance},
    app::App as CoreApp,
    client::ClientSecretInfo,
    clock::Timestamp,
    connection::Connection as CoreConnection,
    organization::{Organization as CoreOrganization, User as CoreUser},
    people::{Invitation as CoreInvitation, Member as CoreMember},
    subscription::Subscription as CoreSubscription,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rules::instant_text;

mod catalog;

pub use catalog::{
    ApiSummary, ApiUser, AppSummary, CallCounts, CallsSummary, Directory, DirectoryEntry, Facet,
    Facets, InstanceLine, OrganizationSummary, SelectedApi, SubscriptionSummary,
};

fn optional_instant(instant: Option<Timestamp>) -> Option<String> {
    instant.map(instant_text)
}

/// An organization: it owns apps and APIs, and activates apps of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Organization {
    /// Opaque.
    pub id: String,
    /// Shown to people.
    pub name: String,
    /// One line.
    pub address: String,
    /// ISO 3166-1 alpha-2, or empty.
    pub country_code: String,
    /// As people write it, or empty.
    pub phone_number: String,
    /// A URL, or empty.
    pub website: String,
    /// An address, or empty.
    pub contact_email: String,
    /// First segments of the gateway paths of its APIs.
    pub namespaces: Vec<String>,
    /// `active` or `suspended`.
    pub state: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Counts edits: the `ETag`.
    pub revision: i64,
    /// What lists tell beside it; present when it was asked for with `include=summary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<OrganizationSummary>,
}

impl From<&CoreOrganization> for Organization {
    fn from(of: &CoreOrganization) -> Self {
        Self {
            id: of.id.to_string(),
            name: of.name.clone(),
            address: of.address.clone(),
            country_code: of.country_code.clone(),
            phone_number: of.phone_number.clone(),
            website: of.website.clone(),
            contact_email: of.contact_email.clone(),
            namespaces: of.namespaces.clone(),
            state: of.state.as_str().to_owned(),
            created_at: instant_text(of.created_at),
            revision: of.version,
            summary: None,
        }
    }
}

/// What a person may do in an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// The organization.
    pub organization_id: String,
    /// `owner`, `admin`, `api_developer`, `app_developer` or `viewer`.
    pub role: String,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Opaque.
    pub id: String,
    /// The sign-in name.
    pub email: String,
    /// Shown to people.
    pub full_name: String,
    /// Operators act on every organization.
    pub is_operator: bool,
    /// Where the person belongs.
    pub memberships: Vec<Membership>,
    /// When the address was proved to be the person's; `null`: not yet.
    #[schema(format = DateTime)]
    pub email_verified_at: Option<String>,
    /// Since when the person can neither sign in nor use sessions and tokens; `null`: not disabled.
    #[schema(format = DateTime)]
    pub disabled_at: Option<String>,
    /// When the person was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Counts edits: the `ETag`.
    pub revision: i64,
}

impl From<&CoreUser> for User {
    fn from(of: &CoreUser) -> Self {
        let membership = |(organization, role): &(_, portcullis_core::organization::MemberRole)| {
            let organization: &portcullis_core::ids::OrganizationId = organization;
            Membership {
                organization_id: organization.to_string(),
                role: role.as_str().to_owned(),
            }
        };
        Self {
            id: of.id.to_string(),
            email: of.email.clone(),
            full_name: of.full_name.clone(),
            is_operator: of.is_operator,
            memberships: of.memberships.iter().map(membership).collect(),
            email_verified_at: optional_instant(of.email_verified_at),
            disabled_at: optional_instant(of.disabled_at),
            created_at: instant_text(of.created_at),
            revision: of.version,
        }
    }
}

/// A member of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// The person.
    pub user_id: String,
    /// The sign-in name.
    pub email: String,
    /// Shown to people.
    pub full_name: String,
    /// `owner`, `admin`, `api_developer`, `app_developer` or `viewer`.
    pub role: String,
    /// Since when the person is disabled; `null`: not.
    #[schema(format = DateTime)]
    pub disabled_at: Option<String>,
}

impl From<&CoreMember> for Member {
    fn from(of: &CoreMember) -> Self {
        Self {
            user_id: of.user_id.to_string(),
            email: of.email.clone(),
            full_name: of.full_name.clone(),
            role: of.role.as_str().to_owned(),
            disabled_at: optional_instant(of.disabled_at),
        }
    }
}

/// An invitation to an organization that was not accepted yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// Opaque.
    pub id: String,
    /// Where to.
    pub organization_id: String,
    /// Who.
    pub email: String,
    /// `owner`, `admin`, `api_developer`, `app_developer` or `viewer`.
    pub role: String,
    /// Who invited: a sign-in name, or `system`.
    pub invited_by: String,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Until when it can be accepted.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

impl From<&CoreInvitation> for Invitation {
    fn from(of: &CoreInvitation) -> Self {
        Self {
            id: of.id.to_string(),
            organization_id: of.organization_id.to_string(),
            email: of.email.clone(),
            role: of.role.as_str().to_owned(),
            invited_by: of.invited_by.clone(),
            created_at: instant_text(of.created_at),
            expires_at: instant_text(of.expires_at),
        }
    }
}

/// An app: a program that calls APIs on behalf of the organizations that activated it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct App {
    /// Opaque.
    pub id: String,
    /// The owner.
    pub organization_id: String,
    /// Shown to people.
    pub name: String,
    /// Free text.
    pub description: String,
    /// A URL, or empty.
    pub website: String,
    /// A URL, or empty.
    pub callback_url: String,
    /// The API Key: the OAuth `client_id`.
    pub api_key: String,
    /// Works in the test environment of every API the app selected.
    pub test_subscription_id: String,
    /// Selected APIs.
    pub apis: Vec<String>,
    /// `enabled`, `disabled` or `deleted`.
    pub state: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Counts edits: the `ETag`.
    pub revision: i64,
    /// What lists tell beside it; present when it was asked for with `include=summary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<AppSummary>,
}

impl From<&CoreApp> for App {
    fn from(of: &CoreApp) -> Self {
        Self {
            id: of.id.to_string(),
            organization_id: of.organization_id.to_string(),
            name: of.name.clone(),
            description: of.description.clone(),
            website: of.website.clone(),
            callback_url: of.callback_url.clone(),
            api_key: of.client_id.to_string(),
            test_subscription_id: of.test_subscription_id.to_string(),
            apis: of.apis.iter().map(ToString::to_string).collect(),
            state: of.state.as_str().to_owned(),
            created_at: instant_text(of.created_at),
            revision: of.version,
            summary: None,
        }
    }
}

/// A secret as it can be shown again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    /// Names the secret; not the secret.
    pub id: String,
    /// Prefix and last characters.
    pub hint: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// From when on it is refused; `null` means never.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When it last got a token, to the minute.
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
    /// The address it was last used from.
    pub last_used_from: Option<String>,
}

impl From<&ClientSecretInfo> for Secret {
    fn from(of: &ClientSecretInfo) -> Self {
        Self {
            id: of.id.to_string(),
            hint: of.hint.clone(),
            created_at: instant_text(of.created_at),
            expires_at: optional_instant(of.expires_at),
            last_used_at: optional_instant(of.last_used_at),
            last_used_from: of.last_used_from.clone(),
        }
    }
}

/// An API that is published behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Api {
    /// A slug, such as `v1-vehicles`.
    pub id: String,
    /// The provider.
    pub organization_id: String,
    /// Shown to people.
    pub name: String,
    /// Free text.
    pub description: String,
    /// `public` or `private`.
    pub visibility: String,
    /// The API's own Client ID: `sub` of the tokens its provider receives. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Organizations a private API is shared with. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_with: Option<Vec<String>>,
    /// What it is filed under.
    pub categories: Vec<String>,
    /// An address, or empty.
    pub support_email: String,
    /// As people write it, or empty.
    pub support_phone: String,
    /// A URL, or empty.
    pub support_website: String,
    /// A URL, or empty.
    pub documentation_url: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Counts edits: the `ETag`.
    pub revision: i64,
    /// What lists tell beside it; present when it was asked for with `include=summary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<ApiSummary>,
}

impl Api {
    /// As anybody sees it who may select it.
    pub(crate) fn public(of: &CoreApi) -> Self {
        Self {
            id: of.id.to_string(),
            organization_id: of.organization_id.to_string(),
            name: of.name.clone(),
            description: of.description.clone(),
            visibility: of.visibility.as_str().to_owned(),
            client_id: None,
            shared_with: None,
            categories: of.details.categories.clone(),
            support_email: of.details.support_email.clone(),
            support_phone: of.details.support_phone.clone(),
            support_website: of.details.support_website.clone(),
            documentation_url: of.details.documentation_url.clone(),
            created_at: instant_text(of.created_at),
            revision: of.version,
            summary: None,
        }
    }

    /// As its provider sees it.
    pub(crate) fn whole(of: &CoreApi) -> Self {
        Self {
            client_id: Some(of.client_id.to_string()),
            shared_with: Some(of.shared_with.iter().map(ToString::to_string).collect()),
            ..Self::public(of)
        }
    }
}

/// An API in one environment and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// Opaque.
    pub id: String,
    /// The API.
    pub api_id: String,
    /// `production`, `test` or `dev`.
    pub environment: String,
    /// First segment of the gateway path; may be empty.
    pub namespace: String,
    /// What follows the namespace.
    pub base_path: String,
    /// Prefix of the gateway paths that lead here.
    pub gateway_path: String,
    /// Spec version.
    pub version: String,
    /// Where calls go. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
    /// `platform_token`: a token of ours whose `sub` is the API's Client ID. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_auth: Option<String>,
    /// `keep` or `strip`. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_path_upstream: Option<String>,
    /// Lifts the body limits. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streaming: Option<bool>,
    /// Lets `Set-Cookie`, `Alt-Svc` and `Clear-Site-Data` of the provider through. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_origin_fields: Option<bool>,
    /// Works here with the API's own Client ID. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_subscription_id: Option<String>,
    /// `beta`, `general_release`, `deprecated` or `custom`.
    pub lifecycle_status: String,
    /// The provider's own words when the status is `custom`, else empty.
    pub lifecycle_text: String,
    /// Whether organizations that may select the API find this instance in the directory.
    pub show_in_directory: bool,
    /// Whether a specification is kept: see its `/spec`.
    pub has_spec: bool,
    /// How many answers the simulator knows.
    pub simulations: usize,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Counts edits: the `ETag`.
    pub revision: i64,
}

impl Instance {
    /// As anybody sees it who may select its API.
    pub(crate) fn public(of: &ApiInstance) -> Self {
        Self {
            id: of.id.to_string(),
            api_id: of.api_id.to_string(),
            environment: of.environment.as_str().to_owned(),
            namespace: of.namespace.clone(),
            base_path: of.base_path.clone(),
            gateway_path: of.prefix(),
            version: of.version.clone(),
            target_url: None,
            upstream_auth: None,
            base_path_upstream: None,
            streaming: None,
            pass_origin_fields: None,
            test_subscription_id: None,
            lifecycle_status: of.listing.lifecycle.as_str().to_owned(),
            lifecycle_text: of.listing.lifecycle.text().to_owned(),
            show_in_directory: of.listing.show_in_directory,
            has_spec: of.spec.is_some(),
            simulations: of.simulations.len(),
            created_at: instant_text(of.created_at),
            revision: of.edit_version,
        }
    }

    /// As its provider sees it.
    pub(crate) fn whole(of: &ApiInstance) -> Self {
        Self {
            target_url: Some(of.target_url.clone()),
            upstream_auth: Some(of.policy.upstream_auth.as_str().to_owned()),
            base_path_upstream: Some(of.policy.base_path_upstream.as_str().to_owned()),
            streaming: Some(of.policy.streaming),
            pass_origin_fields: Some(of.policy.pass_origin_fields),
            test_subscription_id: Some(of.test_subscription_id.to_string()),
            ..Self::public(of)
        }
    }
}

/// One API within a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// Opaque.
    pub id: String,
    /// The API.
    pub api_id: String,
    /// `requested`, `pending`, `active`, `rejected` or `deactivated`.
    pub state: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When its state last changed.
    #[schema(format = DateTime)]
    pub changed_at: String,
}

impl From<&CoreConnection> for Connection {
    fn from(of: &CoreConnection) -> Self {
        Self {
            id: of.id.to_string(),
            api_id: of.api_id.to_string(),
            state: of.state.as_str().to_owned(),
            created_at: instant_text(of.created_at),
            changed_at: instant_text(of.changed_at),
        }
    }
}

/// One app activated by one organization, or a test subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscription {
    /// Travels in the `Subscription-Id` header.
    pub id: String,
    /// `real`, `app_test` or `api_test`.
    pub kind: String,
    /// The app; `null` for the test subscription of an API.
    pub app_id: Option<String>,
    /// The API; `null` for subscriptions of an app.
    pub api_id: Option<String>,
    /// The organization that activated the app.
    pub organization_id: String,
    /// `production`, `test` or `dev`.
    pub environment: String,
    /// `pending`, `active`, `suspended`, `rejected`, `cancelled`, `deactivated` or `expired`.
    pub state: String,
    /// When it last became active.
    #[schema(format = DateTime)]
    pub activated_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    pub deactivated_at: Option<String>,
    /// From when on it counts as expired.
    #[schema(format = DateTime)]
    pub ends_at: Option<String>,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Counts edits: the `ETag`.
    pub revision: i64,
    /// What lists tell beside it; present when it was asked for with `include=summary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<SubscriptionSummary>,
}

impl From<&CoreSubscription> for Subscription {
    fn from(of: &CoreSubscription) -> Self {
        Self {
            id: of.id.to_string(),
            kind: of.kind.as_str().to_owned(),
            app_id: of.app_id.as_ref().map(ToString::to_string),
            api_id: of.api_id.as_ref().map(ToString::to_string),
            organization_id: of.organization_id.to_string(),
            environment: of.environment.as_str().to_owned(),
            state: of.state.as_str().to_owned(),
            activated_at: optional_instant(of.activated_at),
            deactivated_at: optional_instant(of.deactivated_at),
            ends_at: optional_instant(of.ends_at),
            created_at: instant_text(of.created_at),
            revision: of.version,
            summary: None,
        }
    }
}
