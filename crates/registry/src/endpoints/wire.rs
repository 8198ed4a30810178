//! Things as the management API shows them. Members are `snake_case` and stay; secrets never stand here.

use portcullis_core::{
    api::{Api as CoreApi, ApiInstance},
    app::App as CoreApp,
    client::ClientSecretInfo,
    clock::Timestamp,
    connection::Connection as CoreConnection,
    organization::{Organization as CoreOrganization, User as CoreUser},
    subscription::Subscription as CoreSubscription,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rules::instant_text;

fn optional_instant(instant: Option<Timestamp>) -> Option<String> {
    instant.map(instant_text)
}

/// An organization: it owns apps and APIs, and activates apps of others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    /// One line.
    pub(crate) address: String,
    /// ISO 3166-1 alpha-2, or empty.
    pub(crate) country_code: String,
    pub(crate) phone_number: String,
    pub(crate) website: String,
    pub(crate) contact_email: String,
    /// First segments of the gateway paths of its APIs.
    pub(crate) namespaces: Vec<String>,
    /// `active` or `suspended`.
    pub(crate) state: &'static str,
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
    /// Counts edits: the `ETag`.
    pub(crate) revision: i64,
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
            state: of.state.as_str(),
            created_at: instant_text(of.created_at),
            revision: of.version,
        }
    }
}

/// What a person may do in an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Membership {
    pub(crate) organization_id: String,
    /// `owner`, `admin`, `api_developer`, `app_developer` or `viewer`.
    pub(crate) role: &'static str,
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    pub(crate) id: String,
    /// The sign-in name.
    pub(crate) email: String,
    pub(crate) full_name: String,
    /// Operators act on every organization.
    pub(crate) is_operator: bool,
    pub(crate) memberships: Vec<Membership>,
}

impl From<&CoreUser> for User {
    fn from(of: &CoreUser) -> Self {
        let membership = |(organization, role): &(_, portcullis_core::organization::MemberRole)| {
            let organization: &portcullis_core::ids::OrganizationId = organization;
            Membership {
                organization_id: organization.to_string(),
                role: role.as_str(),
            }
        };
        Self {
            id: of.id.to_string(),
            email: of.email.clone(),
            full_name: of.full_name.clone(),
            is_operator: of.is_operator,
            memberships: of.memberships.iter().map(membership).collect(),
        }
    }
}

/// An app: a program that calls APIs on behalf of the organizations that activated it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct App {
    pub(crate) id: String,
    /// The owner.
    pub(crate) organization_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) website: String,
    pub(crate) callback_url: String,
    /// The API Key: the OAuth `client_id`.
    pub(crate) api_key: String,
    /// Works in the test environment of every API the app selected.
    pub(crate) test_subscription_id: String,
    /// Selected APIs.
    pub(crate) apis: Vec<String>,
    /// `enabled`, `disabled` or `deleted`.
    pub(crate) state: &'static str,
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
    /// Counts edits: the `ETag`.
    pub(crate) revision: i64,
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
            state: of.state.as_str(),
            created_at: instant_text(of.created_at),
            revision: of.version,
        }
    }
}

/// A secret as it can be shown again and again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Secret {
    pub(crate) id: String,
    /// Prefix and last characters.
    pub(crate) hint: String,
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
    /// From when on it is refused; `null` means never.
    #[schema(format = DateTime)]
    pub(crate) expires_at: Option<String>,
    /// When it last got a token, to the minute.
    #[schema(format = DateTime)]
    pub(crate) last_used_at: Option<String>,
    /// The address it was last used from.
    pub(crate) last_used_from: Option<String>,
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
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Api {
    pub(crate) id: String,
    /// The provider.
    pub(crate) organization_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// `public` or `private`.
    pub(crate) visibility: &'static str,
    /// The API's own Client ID: `sub` of the tokens its provider receives. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// Organizations a private API is shared with. For the provider alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shared_with: Option<Vec<String>>,
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
    /// Counts edits: the `ETag`.
    pub(crate) revision: i64,
}

impl Api {
    /// As anybody sees it who may select it.
    pub(crate) fn public(of: &CoreApi) -> Self {
        Self {
            id: of.id.to_string(),
            organization_id: of.organization_id.to_string(),
            name: of.name.clone(),
            description: of.description.clone(),
            visibility: of.visibility.as_str(),
            client_id: None,
            shared_with: None,
            created_at: instant_text(of.created_at),
            revision: of.version,
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
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) api_id: String,
    /// `production`, `test` or `dev`.
    pub(crate) environment: &'static str,
    pub(crate) namespace: String,
    pub(crate) base_path: String,
    /// Prefix of the gateway paths that lead here.
    pub(crate) gateway_path: String,
    /// Spec version.
    pub(crate) version: String,
    pub(crate) target_url: String,
    /// `platform_token`: a token of ours whose `sub` is the API's Client ID.
    pub(crate) upstream_auth: &'static str,
    /// `keep` or `strip`.
    pub(crate) base_path_upstream: &'static str,
    /// Lifts the body limits.
    pub(crate) streaming: bool,
    /// Lets `Set-Cookie`, `Alt-Svc` and `Clear-Site-Data` of the provider through.
    pub(crate) pass_origin_fields: bool,
    /// Works here with the API's own Client ID.
    pub(crate) test_subscription_id: String,
    /// Whether a specification is kept: see its `/spec`.
    pub(crate) has_spec: bool,
    /// How many answers the simulator knows.
    pub(crate) simulations: usize,
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
    /// Counts edits: the `ETag`.
    pub(crate) revision: i64,
}

impl From<&ApiInstance> for Instance {
    fn from(of: &ApiInstance) -> Self {
        Self {
            id: of.id.to_string(),
            api_id: of.api_id.to_string(),
            environment: of.environment.as_str(),
            namespace: of.namespace.clone(),
            base_path: of.base_path.clone(),
            gateway_path: of.prefix(),
            version: of.version.clone(),
            target_url: of.target_url.clone(),
            upstream_auth: of.policy.upstream_auth.as_str(),
            base_path_upstream: of.policy.base_path_upstream.as_str(),
            streaming: of.policy.streaming,
            pass_origin_fields: of.policy.pass_origin_fields,
            test_subscription_id: of.test_subscription_id.to_string(),
            has_spec: of.spec.is_some(),
            simulations: of.simulations.len(),
            created_at: instant_text(of.created_at),
            revision: of.edit_version,
        }
    }
}

/// One API within a subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) api_id: String,
    /// `requested`, `pending`, `active`, `rejected` or `deactivated`.
    pub(crate) state: &'static str,
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
    /// When its state last changed.
    #[schema(format = DateTime)]
    pub(crate) changed_at: String,
}

impl From<&CoreConnection> for Connection {
    fn from(of: &CoreConnection) -> Self {
        Self {
            id: of.id.to_string(),
            api_id: of.api_id.to_string(),
            state: of.state.as_str(),
            created_at: instant_text(of.created_at),
            changed_at: instant_text(of.changed_at),
        }
    }
}

/// One app activated by one organization, or a test subscription.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Subscription {
    /// Travels in the `Subscription-Id` header.
    pub(crate) id: String,
    /// `real`, `app_test` or `api_test`.
    pub(crate) kind: &'static str,
    pub(crate) app_id: Option<String>,
    pub(crate) api_id: Option<String>,
    /// The organization that activated the app.
    pub(crate) organization_id: String,
    pub(crate) environment: &'static str,
    /// `pending`, `active`, `suspended`, `rejected`, `cancelled`, `deactivated` or `expired`.
    pub(crate) state: &'static str,
    #[schema(format = DateTime)]
    pub(crate) activated_at: Option<String>,
    #[schema(format = DateTime)]
    pub(crate) deactivated_at: Option<String>,
    /// From when on it counts as expired.
    #[schema(format = DateTime)]
    pub(crate) ends_at: Option<String>,
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
    /// Counts edits: the `ETag`.
    pub(crate) revision: i64,
}

impl From<&CoreSubscription> for Subscription {
    fn from(of: &CoreSubscription) -> Self {
        Self {
            id: of.id.to_string(),
            kind: of.kind.as_str(),
            app_id: of.app_id.as_ref().map(ToString::to_string),
            api_id: of.api_id.as_ref().map(ToString::to_string),
            organization_id: of.organization_id.to_string(),
            environment: of.environment.as_str(),
            state: of.state.as_str(),
            activated_at: optional_instant(of.activated_at),
            deactivated_at: optional_instant(of.deactivated_at),
            ends_at: optional_instant(of.ends_at),
            created_at: instant_text(of.created_at),
            revision: of.version,
        }
    }
}
