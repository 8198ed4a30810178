//! `POST /v1/spec_checks`: what a specification says, and what is wrong with it, before anything is made of it.

use axum::Json;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::{
    body::{Body, Input},
    caller::Caller,
    error::RegistryError,
    findings::Findings,
    spec::{self, Finding, Report, SPEC_BYTES_MAX, Spec},
};

/// Specifications take CPU: so many are read at once, and the others wait.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Does work that takes CPU on a thread where it holds nobody up.
pub(super) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RegistryError> {
    let failed = |_| RegistryError::Internal("reading a specification failed");
    let _turn = TURNS
        .acquire()
        .await
        .map_err(|_| RegistryError::Internal("nobody closes the turns"))?;
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

/// Everything there is to say about a specification.
pub(super) async fn report(text: String) -> Result<Report, RegistryError> {
    if text.len() > SPEC_BYTES_MAX {
        return Err(RegistryError::TooLarge);
    }
    on_a_thread(move || spec::check(&text)).await
}

/// A specification to be looked at.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SpecCheckInput {
    /// Swagger 2.0, OpenAPI 3.0 or 3.1, as JSON or YAML text of at most 1 MiB.
    spec: String,
}

impl Input for SpecCheckInput {
    type Checked = String;

    fn check(self, findings: &mut Findings) -> Option<String> {
        if self.spec.trim().is_empty() {
            findings.add("spec", "It is empty: send the text of the specification.");
            return None;
        }
        Some(self.spec)
    }
}

/// What a specification says, and what is to be said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpecCheck {
    /// Whether it can be taken: there are no errors.
    pub usable: bool,
    /// `swagger_2_0`, `openapi_3_0` or `openapi_3_1`; empty when it is not usable, as the members after it.
    pub dialect: String,
    /// Name of the API.
    pub name: String,
    /// Free text; may be empty.
    pub description: String,
    /// Its version.
    pub version: String,
    /// Its base path; `null` when it names none.
    pub base_path: Option<String>,
    /// Names of its tags, at most ten.
    pub categories: Vec<String>,
    /// How many operations it describes.
    pub operations: usize,
    /// How many of them the simulator can answer.
    pub simulations: usize,
    /// Errors first, then by place.
    pub findings: Vec<Finding>,
}

impl From<Spec> for SpecCheck {
    fn from(spec: Spec) -> Self {
        Self {
            usable: true,
            dialect: spec.dialect.to_owned(),
            name: spec.title,
            description: spec.description,
            version: spec.version,
            base_path: spec.base_path,
            categories: spec.categories,
            operations: spec.operations,
            simulations: spec.simulations.len(),
            findings: Vec::new(),
        }
    }
}

/// Looks at a specification without keeping it: what it says, and every finding with its line. Nothing it refers
/// to is fetched.
#[utoipa::path(post, path = "/v1/spec_checks", tag = "apis", request_body = SpecCheckInput,
    responses((status = 200, body = SpecCheck)))]
pub(crate) async fn check(
    _: Caller,
    Body(text): Body<SpecCheckInput>,
) -> Result<Json<SpecCheck>, RegistryError> {
    let report = report(text).await?;
    Ok(Json(SpecCheck {
        findings: report.findings,
        ..report.spec.map(SpecCheck::from).unwrap_or_default()
    }))
}
