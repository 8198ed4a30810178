//! What is sent to make or change an instance, and its checks.

use portcullis_core::{
    api::{BasePathUpstream, InstancePolicy, UpstreamAuth, check_base_path, check_namespace},
    catalog::{LIFECYCLE_CHARACTERS_MAX, Lifecycle, Listing},
    environment::Environment,
};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::{body::Input, findings::Findings, rules};

/// What the gateway does with calls; members left out stay as they are, or at their defaults.
#[derive(Default)]
pub(super) struct PolicyChange {
    upstream_auth: Option<UpstreamAuth>,
    base_path_upstream: Option<BasePathUpstream>,
    streaming: Option<bool>,
    pass_origin_fields: Option<bool>,
}

impl PolicyChange {
    pub(super) fn applied_to(&self, policy: &InstancePolicy) -> InstancePolicy {
        InstancePolicy {
            upstream_auth: self.upstream_auth.unwrap_or(policy.upstream_auth),
            base_path_upstream: self.base_path_upstream.unwrap_or(policy.base_path_upstream),
            streaming: self.streaming.unwrap_or(policy.streaming),
            pass_origin_fields: self.pass_origin_fields.unwrap_or(policy.pass_origin_fields),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.upstream_auth.is_none()
            && self.base_path_upstream.is_none()
            && self.streaming.is_none()
            && self.pass_origin_fields.is_none()
    }
}

fn upstream_auth(text: &str) -> Result<UpstreamAuth, &'static str> {
    UpstreamAuth::parse(text).ok_or("upstream_auth is platform_token")
}

fn base_path_upstream(text: &str) -> Result<BasePathUpstream, &'static str> {
    BasePathUpstream::parse(text).ok_or("base_path_upstream is keep or strip")
}

/// What an instance is made of. What stands in the specification may be left out.
#[derive(Deserialize, ToSchema)]
#[schema(as = InstanceInput)]
pub(crate) struct NewInput {
    /// `production`, `test` or `dev`; fixed from now on.
    environment: String,
    /// One of the provider's namespaces; may be left out when there is only one. Fixed from now on.
    namespace: Option<String>,
    /// `/vehicles/v1`; left out, the one of the specification. Fixed from now on.
    base_path: Option<String>,
    /// Public base URL of the provider's API, without namespace.
    target_url: String,
    /// Left out, the one of the specification.
    version: Option<String>,
    /// Swagger 2.0, OpenAPI 3.0 or 3.1, as JSON or YAML text of at most 1 MiB.
    spec: Option<String>,
    /// `platform_token`, the default.
    upstream_auth: Option<String>,
    /// `keep` (the default) or `strip`.
    base_path_upstream: Option<String>,
    /// Lifts the body limits.
    streaming: Option<bool>,
    /// Lets `Set-Cookie`, `Alt-Svc` and `Clear-Site-Data` of the provider through.
    pass_origin_fields: Option<bool>,
    /// `beta`, `general_release` (the default), `deprecated`, or `custom` with `lifecycle_text`.
    lifecycle_status: Option<String>,
    /// The provider's own words for a `custom` status: 1 to 40 characters.
    lifecycle_text: Option<String>,
    /// Whether organizations that may select the API find this instance in the directory; left out, they do.
    show_in_directory: Option<bool>,
}

/// The status that was sent, with its text.
#[expect(clippy::option_option, reason = "absent is allowed, refused is not")]
fn lifecycle(
    (status, text): (Option<String>, Option<String>),
    findings: &mut Findings,
) -> Option<Option<Lifecycle>> {
    let Some(status) = status else {
        if text.is_some_and(|text| !text.trim().is_empty()) {
            findings.add(
                "lifecycle_status",
                "A text of one's own goes with lifecycle_status: custom.",
            );
            return None;
        }
        return Some(None);
    };
    let text = match (status.as_str(), text) {
        ("custom", text) => {
            let text = rules::name(
                text.as_deref().unwrap_or_default(),
                LIFECYCLE_CHARACTERS_MAX,
            );
            findings.take("lifecycle_text", text)?
        }
        (_, Some(text)) if !text.trim().is_empty() => {
            findings.add(
                "lifecycle_text",
                "Only the status custom has a text of one's own.",
            );
            return None;
        }
        _ => String::new(),
    };
    let lifecycle = Lifecycle::parse(&status, &text)
        .ok_or("a lifecycle status is beta, general_release, deprecated or custom");
    findings.take("lifecycle_status", lifecycle).map(Some)
}

/// An instance to be made, before its specification was read.
pub(crate) struct CheckedInstance {
    pub(super) environment: Environment,
    pub(super) namespace: Option<String>,
    pub(super) base_path: Option<String>,
    pub(super) target_url: String,
    pub(super) version: Option<String>,
    pub(super) spec: Option<String>,
    pub(super) policy: InstancePolicy,
    pub(super) listing: Listing,
}

impl Input for NewInput {
    type Checked = CheckedInstance;

    fn check(self, findings: &mut Findings) -> Option<CheckedInstance> {
        let environment = Environment::parse(&self.environment)
            .ok_or("an environment is production, test or dev");
        let environment = findings.take("environment", environment);
        let namespace = findings.take_some("namespace", self.namespace, |text| {
            // Without a namespace the base path begins the gateway path; that is for operators.
            if !text.is_empty() {
                check_namespace(&text).map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(text)
        });
        let base_path = findings.take_some("base_path", self.base_path, |text| {
            check_base_path(&text).map(|()| text)
        });
        let version = findings.take_some("version", self.version, |text| rules::name(&text, 40));
        let auth = |text: String| upstream_auth(&text);
        let upstream_auth = findings.take_some("upstream_auth", self.upstream_auth, auth);
        let keep = |text: String| base_path_upstream(&text);
        let keep = findings.take_some("base_path_upstream", self.base_path_upstream, keep);
        let change = PolicyChange {
            upstream_auth: upstream_auth?,
            base_path_upstream: keep?,
            streaming: self.streaming,
            pass_origin_fields: self.pass_origin_fields,
        };
        let texts = (self.lifecycle_status, self.lifecycle_text);
        let lifecycle = lifecycle(texts, findings);
        Some(CheckedInstance {
            environment: environment?,
            namespace: namespace?,
            base_path: base_path?,
            target_url: self.target_url,
            version: version?,
            spec: self.spec,
            policy: change.applied_to(&InstancePolicy::default()),
            listing: Listing {
                lifecycle: lifecycle?.unwrap_or_default(),
                show_in_directory: self.show_in_directory.unwrap_or(true),
            },
        })
    }
}

/// What is to be changed; members left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[schema(as = InstancePatch)]
pub(crate) struct PatchInput {
    target_url: Option<String>,
    version: Option<String>,
    /// A new specification; `null` removes the old one. Its version is taken unless one is named here.
    #[serde(default, deserialize_with = "null_or_value")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "null removes, absent keeps")]
    spec: Option<Option<String>>,
    /// `platform_token`.
    upstream_auth: Option<String>,
    /// `keep` or `strip`.
    base_path_upstream: Option<String>,
    streaming: Option<bool>,
    pass_origin_fields: Option<bool>,
    /// `beta`, `general_release`, `deprecated`, or `custom` with `lifecycle_text`.
    lifecycle_status: Option<String>,
    /// The provider's own words for a `custom` status: 1 to 40 characters.
    lifecycle_text: Option<String>,
    show_in_directory: Option<bool>,
}

/// Tells a member that is `null` from one that is absent.
#[expect(clippy::option_option, reason = "null removes, absent keeps")]
fn null_or_value<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(value).map(Some)
}

/// A change of an instance, before its specification was read.
pub(crate) struct CheckedPatch {
    pub(super) target_url: Option<String>,
    pub(super) version: Option<String>,
    #[expect(clippy::option_option, reason = "null removes, absent keeps")]
    pub(super) spec: Option<Option<String>>,
    pub(super) policy: PolicyChange,
    pub(super) lifecycle: Option<Lifecycle>,
    pub(super) show_in_directory: Option<bool>,
}

impl Input for PatchInput {
    type Checked = CheckedPatch;

    fn check(self, findings: &mut Findings) -> Option<CheckedPatch> {
        let version = findings.take_some("version", self.version, |text| rules::name(&text, 40));
        let auth = |text: String| upstream_auth(&text);
        let upstream_auth = findings.take_some("upstream_auth", self.upstream_auth, auth);
        let keep = |text: String| base_path_upstream(&text);
        let keep = findings.take_some("base_path_upstream", self.base_path_upstream, keep);
        let texts = (self.lifecycle_status, self.lifecycle_text);
        let lifecycle = lifecycle(texts, findings);
        Some(CheckedPatch {
            target_url: self.target_url,
            version: version?,
            spec: self.spec,
            policy: PolicyChange {
                upstream_auth: upstream_auth?,
                base_path_upstream: keep?,
                streaming: self.streaming,
                pass_origin_fields: self.pass_origin_fields,
            },
            lifecycle: lifecycle?,
            show_in_directory: self.show_in_directory,
        })
    }
}
