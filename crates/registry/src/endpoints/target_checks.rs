//! `POST /v1/target_checks`: whether the gateway could reach a target, and how quickly.

use std::{net::IpAddr, time::Duration};

use axum::{Json, extract::State};
use portcullis_core::{ids::OrganizationId, target::Target};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    error::RegistryError,
    findings::Findings,
    rules,
    targets::{Outcome, Probed},
};

/// A target to be tested.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TargetCheckInput {
    /// The provider on whose behalf it is tested: what addresses it may reach.
    organization_id: String,
    /// Public base URL of the provider's API.
    target_url: String,
}

impl Input for TargetCheckInput {
    type Checked = (OrganizationId, Target);

    fn check(self, findings: &mut Findings) -> Option<(OrganizationId, Target)> {
        let id = rules::organization_id(&self.organization_id);
        let id = findings.take("organization_id", id);
        let target = findings.take("target_url", Target::parse(&self.target_url));
        Some((id?, target?))
    }
}

/// How a connection test went. What a step took is `null` when it did not come to that step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetCheck {
    /// Whether there was an answer, whatever its status.
    pub reachable: bool,
    /// `answered`, `refused_by_policy`, `dns_failed`, `connect_failed`, `tls_failed`, `no_http` or `timed_out`.
    pub outcome: String,
    /// Why there was no answer, a sentence for people; empty when there was one.
    pub reason: String,
    /// Status of the answer. A 401 or 404 is fine: somebody is there.
    pub status: Option<u16>,
    /// What kind of address was connected to: `public`, `private`, `loopback` or `link_local`.
    pub address_class: Option<String>,
    /// Milliseconds until the name was resolved.
    pub resolve_ms: Option<u64>,
    /// Milliseconds until the connection stood.
    pub connect_ms: Option<u64>,
    /// Milliseconds of the TLS handshake.
    pub tls_ms: Option<u64>,
    /// Milliseconds from the request to the head of its answer.
    pub first_byte_ms: Option<u64>,
}

impl From<Probed> for TargetCheck {
    fn from(probed: Probed) -> Self {
        let (outcome, reason) = match &probed.outcome {
            Outcome::Answered => ("answered", String::new()),
            Outcome::Refused(why) => (
                "refused_by_policy",
                format!("The gateway may not reach the target: {why}."),
            ),
            Outcome::Dns(why) => ("dns_failed", format!("The name was not found: {why}.")),
            Outcome::Connect(why) => ("connect_failed", format!("There is no connection: {why}.")),
            Outcome::Tls(why) => ("tls_failed", format!("TLS failed: {why}.")),
            Outcome::Http(why) => ("no_http", format!("There was no answer: {why}.")),
            Outcome::TimedOut => (
                "timed_out",
                "The target did not answer within five seconds.".to_owned(),
            ),
        };
        let ms = |taken: Option<Duration>| {
            taken.map(|taken| u64::try_from(taken.as_millis()).unwrap_or(u64::MAX))
        };
        Self {
            reachable: probed.outcome == Outcome::Answered,
            outcome: outcome.to_owned(),
            reason,
            status: probed.status,
            address_class: probed.address.map(|address| class(address).to_owned()),
            resolve_ms: ms(probed.resolve),
            connect_ms: ms(probed.connect),
            tls_ms: ms(probed.tls),
            first_byte_ms: ms(probed.first_byte),
        }
    }
}

/// In words, what kind of address this is; everything that is not public and nothing else is private.
fn class(address: IpAddr) -> &'static str {
    let nobody = portcullis_core::address_policy::AddressPolicy::default();
    if address.is_loopback() {
        return "loopback";
    }
    match nobody.check(address, 443, None) {
        Ok(()) => "public",
        Err(portcullis_core::address_policy::BlockedAddress::LinkLocal) => "link_local",
        Err(_) => "private",
    }
}

/// Tests whether the gateway could reach a target: resolves its name, looks at every address as the gateway does,
/// connects, and sends one GET. Redirects are not followed, and nothing of the answer but its status is told. Each
/// person has ten tests a minute.
#[utoipa::path(post, path = "/v1/target_checks", tag = "apis", request_body = TargetCheckInput,
    responses((status = 200, body = TargetCheck)))]
pub(crate) async fn check(
    State(state): State<RegistryState>,
    caller: Caller,
    Body((organization, target)): Body<TargetCheckInput>,
) -> Result<Json<TargetCheck>, RegistryError> {
    caller.authority(&organization)?;
    let checks = &state.settings.target_checks;
    checks
        .count(caller.user()?, state.clock.boot_time())
        .map_err(|many| RegistryError::TooManyTargetChecks(many.retry_after))?;
    let policy = &state.settings.address_policy;
    let probed = checks.probe(&target, policy, &organization).await;
    Ok(Json(TargetCheck::from(probed)))
}
