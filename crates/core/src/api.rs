//! APIs, and their instances: an API in one environment and version behind the gateway.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    catalog::{ApiDetails, Listing},
    clock::Timestamp,
    environment::Environment,
    ids::{ApiId, ClientId, InstanceId, OrganizationId, SubscriptionId},
};

/// Who may select an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Every organization.
    Public,
    /// The owner, and organizations it was shared with.
    Private,
}

impl Visibility {
    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "public" => Some(Self::Public),
            "private" => Some(Self::Private),
            _ => None,
        }
    }
}

/// An API as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Slug, unique in the installation.
    pub id: ApiId,
    /// The provider.
    pub organization_id: OrganizationId,
    /// Spec title.
    pub name: String,
    /// Spec description; may be empty.
    pub description: String,
    /// The API's own Client ID: `sub` of the tokens its provider receives.
    pub client_id: ClientId,
    /// Who may select it.
    pub visibility: Visibility,
    /// Organizations a private API is shared with, sorted.
    pub shared_with: Vec<OrganizationId>,
    /// What people read before they use it.
    pub details: ApiDetails,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Counts edits, from 1: the `ETag`.
    pub version: i64,
}

/// How the gateway authorizes itself at the provider (`UpstreamAuth` of later issues has more kinds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamAuth {
    /// An `outbound` token of ours whose `sub` is the API's Client ID.
    PlatformToken,
}

impl UpstreamAuth {
    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformToken => "platform_token",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text == "platform_token").then_some(Self::PlatformToken)
    }
}

/// What becomes of the base path on the way to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasePathUpstream {
    /// Target URL, then base path, then endpoint.
    Keep,
    /// Target URL, then endpoint.
    Strip,
}

impl BasePathUpstream {
    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Strip => "strip",
        }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "keep" => Some(Self::Keep),
            "strip" => Some(Self::Strip),
            _ => None,
        }
    }
}

/// The part of an instance's settings that the gateway reads for each call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstancePolicy {
    /// How the gateway authorizes itself at the provider.
    pub upstream_auth: UpstreamAuth,
    /// What becomes of the base path.
    pub base_path_upstream: BasePathUpstream,
    /// Lifts the body limits.
    pub streaming: bool,
    /// Lets `Set-Cookie`, `Alt-Svc` and `Clear-Site-Data` of the provider through to the caller.
    pub pass_origin_fields: bool,
}

impl Default for InstancePolicy {
    fn default() -> Self {
        Self {
            upstream_auth: UpstreamAuth::PlatformToken,
            base_path_upstream: BasePathUpstream::Keep,
            streaming: false,
            pass_origin_fields: false,
        }
    }
}

/// An API in one environment and version, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiInstance {
    /// Opaque identifier.
    pub id: InstanceId,
    /// The API.
    pub api_id: ApiId,
    /// Fixed at creation.
    pub environment: Environment,
    /// First path segment without its environment suffix, fixed at creation; empty for operators' instances.
    pub namespace: String,
    /// `/vehicles/v1`: begins with `/`, has no trailing `/`.
    pub base_path: String,
    /// Spec version.
    pub version: String,
    /// Public base URL of the provider.
    pub target_url: String,
    /// What the gateway does with calls.
    pub policy: InstancePolicy,
    /// The API's own test subscription in this environment.
    pub test_subscription_id: SubscriptionId,
    /// The specification, as it was uploaded; may be absent.
    pub spec: Option<String>,
    /// Answers for the literal `Subscription-Id: test`, taken from the examples of the specification.
    pub simulations: Vec<Simulation>,
    /// How it stands in the directory.
    pub listing: Listing,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts edits, from 1: the `ETag`.
    pub edit_version: i64,
}

impl ApiInstance {
    /// The prefix of gateway paths that belong to this instance.
    #[must_use]
    pub fn prefix(&self) -> String {
        path_prefix(&self.namespace, self.environment, &self.base_path)
    }
}

/// `/{namespace}{suffix}{base_path}`; without namespace just the base path.
#[must_use]
pub fn path_prefix(namespace: &str, environment: Environment, base_path: &str) -> String {
    if namespace.is_empty() {
        return base_path.to_owned();
    }
    format!("/{namespace}{}{base_path}", environment.namespace_suffix())
}

/// One answer of the simulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulation {
    /// Upper-case method.
    pub method: String,
    /// Path template below the base path, such as `/vehicles/{id}`.
    pub path: String,
    /// Status of the example, normally the first 2xx.
    pub status: u16,
    /// `Content-Type` of the body.
    pub content_type: String,
    /// The body; empty when the answer has none.
    pub body: String,
}

/// Why a namespace or base path was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not 2 to 40 characters of `[a-z0-9-]`, or a hyphen first or last.
    #[error("a namespace is 2 to 40 characters of a to z, 0 to 9 and inner hyphens")]
    Namespace,
    /// Ends in `-dev` or `-test`, which are environments.
    #[error("a namespace cannot end in -dev or -test, which name environments in gateway paths")]
    NamespaceSuffix,
    /// One of the words we keep for ourselves.
    #[error("this namespace is reserved")]
    Reserved,
    /// Not `/segment/segment` of unreserved characters.
    #[error(
        "a base path starts with /, does not end in /, and its segments are of A to Z, a to z, 0 to 9, '-', '.', '_' and '~', none of them '.' or '..'"
    )]
    BasePath,
}

/// Checks a namespace.
///
/// # Errors
/// [`PathError`] naming the rule that it breaks.
pub fn check_namespace(namespace: &str) -> Result<(), PathError> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(2..=40).contains(&namespace.len())
        || !namespace.bytes().all(legal)
        || namespace.starts_with('-')
        || namespace.ends_with('-')
    {
        return Err(PathError::Namespace);
    }
    if namespace.ends_with("-dev") || namespace.ends_with("-test") {
        return Err(PathError::NamespaceSuffix);
    }
    match namespace {
        "v1" | "v2" | "admin" | "oauth2" | "connections" | "subscriptions" => {
            Err(PathError::Reserved)
        }
        _ => Ok(()),
    }
}

/// Checks a base path such as `/vehicles/v1`.
///
/// # Errors
/// [`PathError::BasePath`].
pub fn check_base_path(base_path: &str) -> Result<(), PathError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let segments = base_path.strip_prefix('/').ok_or(PathError::BasePath)?;
    let fine = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(legal)
    };
    if base_path.len() <= 200 && segments.split('/').count() <= 12 && segments.split('/').all(fine)
    {
        Ok(())
    } else {
        Err(PathError::BasePath)
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_glued_to_the_namespace() {
        assert_eq!(
            path_prefix("cars", Environment::Production, "/v/v1"),
            "/cars/v/v1"
        );
        assert_eq!(
            path_prefix("cars", Environment::Test, "/v/v1"),
            "/cars-test/v/v1"
        );
        assert_eq!(
            path_prefix("cars", Environment::Dev, "/v/v1"),
            "/cars-dev/v/v1"
        );
        assert_eq!(path_prefix("", Environment::Production, "/v/v1"), "/v/v1");
    }

    #[test]
    fn a_namespace_that_could_be_mistaken_is_refused() {
        assert_eq!(check_namespace("cars"), Ok(()));
        assert_eq!(check_namespace("cars-dev"), Err(PathError::NamespaceSuffix));
        assert_eq!(
            check_namespace("cars-test"),
            Err(PathError::NamespaceSuffix)
        );
        assert_eq!(check_namespace("v1"), Err(PathError::Reserved));
        for bad in [
            "", "c", "Cars", "-cars", "cars-", "ca rs", "..", "a/b", "ü1",
        ] {
            assert_eq!(check_namespace(bad), Err(PathError::Namespace), "{bad}");
        }
    }

    #[test]
    fn a_base_path_is_plain_segments() {
        assert_eq!(check_base_path("/vehicles/v1"), Ok(()));
        for bad in [
            "", "/", "vehicles", "/v/", "//v", "/v//w", "/../v", "/v/.", "/v%2f", "/v;x", "/v?x",
            "/é",
        ] {
            assert_eq!(check_base_path(bad), Err(PathError::BasePath), "{bad}");
        }
    }
}
