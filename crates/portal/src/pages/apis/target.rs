//! The connection test of a target, in words.

use axum::extract::Path;
use portcullis_registry::{
    in_process::{Management, ManagementError},
    wire::{Instance, TargetCheck},
};
use serde_json::json;

use super::{find_to_change, show};
use crate::{
    failure::Failure,
    page::{Answer, Page},
};

/// How a target answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Of the alert.
    pub(crate) tone: &'static str,
    /// The outcome, a sentence.
    pub(crate) title: String,
    /// What else is to be known.
    pub(crate) lines: Vec<String>,
}

impl From<&TargetCheck> for Reached {
    fn from(check: &TargetCheck) -> Self {
        let steps = [
            ("name resolved", check.resolve_ms),
            ("connected", check.connect_ms),
            ("TLS", check.tls_ms),
            ("first byte", check.first_byte_ms),
        ];
        let steps = steps
            .iter()
            .filter_map(|(step, ms)| Some(format!("{step} {} ms", (*ms)?)));
        let mut lines = vec![steps.collect::<Vec<_>>().join(", ")];
        lines.retain(|line| !line.is_empty());
        let status = check.status.unwrap_or_default();
        if !check.reachable {
            return Self {
                tone: "error",
                title: check.reason.clone(),
                lines,
            };
        }
        match status {
            500.. => lines.push("It is there, but says that it has a problem.".to_owned()),
            300..400 => lines.push(
                "It redirects. The gateway does not follow redirects: it hands them to the app."
                    .to_owned(),
            ),
            400..500 => lines.push(
                "That is fine: the test sends no token, and asks for the base URL alone."
                    .to_owned(),
            ),
            _ => {}
        }
        Self {
            tone: if status >= 500 { "warning" } else { "success" },
            title: format!("The target answers with status {status}."),
            lines,
        }
    }
}

/// Tests a target for a provider. What the test itself refuses is told like its outcome.
pub(super) async fn reached(
    management: &Management,
    organization: &str,
    url: &str,
) -> Result<Reached, Failure> {
    let input = json!({ "organization_id": organization, "target_url": url });
    match management
        .post::<TargetCheck>("/v1/target_checks", &input)
        .await
    {
        Ok(check) => Ok(Reached::from(&check.value)),
        Err(ManagementError::Problem(problem)) if matches!(problem.status, 422 | 429) => {
            let errors = problem.errors.iter().map(|error| error.detail.clone());
            let mut lines: Vec<String> = errors.collect();
            if lines.is_empty() {
                lines.push(problem.remedy.clone());
            }
            Ok(Reached {
                tone: "warning",
                title: format!("{}.", problem.title.trim_end_matches('.')),
                lines,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /apis/{api_id}/instances/{instance_id}/test`. Shows the page of the API with the outcome beside the URL.
pub(crate) async fn test(page: Page, Path((id, instance_id)): Path<(String, String)>) -> Answer {
    let found = find_to_change(&page, &id).await?;
    let path = (
        "/v1/apis/{api_id}/instances/{instance_id}",
        [id.as_str(), instance_id.as_str()],
    );
    let instance = found.management.get::<Instance>(path, &[]).await?.value;
    let url = instance.target_url.unwrap_or_default();
    let reached = reached(&found.management, &found.api.organization_id, &url).await?;
    let beside = show::Beside {
        reached: Some((instance.id, reached)),
        ..show::Beside::default()
    };
    show::shown(&page, found, beside, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: Option<u16>) -> TargetCheck {
        TargetCheck {
            reachable: status.is_some(),
            outcome: "answered".to_owned(),
            reason: "There is no connection: refused.".to_owned(),
            status,
            address_class: None,
            resolve_ms: Some(1),
            connect_ms: Some(2),
            tls_ms: None,
            first_byte_ms: status.map(|_| 3),
        }
    }

    #[test]
    fn an_outcome_is_told_in_words() {
        let reached = Reached::from(&check(Some(401)));
        assert_eq!(
            (reached.tone, reached.title.as_str()),
            ("success", "The target answers with status 401.")
        );
        assert_eq!(
            reached.lines[0],
            "name resolved 1 ms, connected 2 ms, first byte 3 ms"
        );
        assert!(reached.lines[1].contains("That is fine"));
        assert_eq!(Reached::from(&check(Some(503))).tone, "warning");
        let lost = Reached::from(&check(None));
        assert_eq!(
            (lost.tone, lost.title.as_str()),
            ("error", "There is no connection: refused.")
        );
    }
}
