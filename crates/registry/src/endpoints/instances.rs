//! `/v1/apis/{id}/instances`: an API in one environment and version, made of a specification or by hand.

mod input;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use input::{CheckedInstance, NewInput, PatchInput};
use portcullis_core::{
    api::{Api as CoreApi, ApiInstance, Simulation},
    ids::{ApiId, InstanceId},
};
use portcullis_store::{Acted, InstancePatch, NewInstance, Remains};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    apis::{is_provider, provided},
    spec_checks,
    wire::Instance,
};
use crate::{
    RegistryState,
    body::Body,
    caller::Caller,
    effect::{Done, WaitParams, created, done},
    error::RegistryError,
    findings::Findings,
    params::{Id, Idempotency, Ids, IfMatch, Listed, Params, with_etag},
    spec::{Finding, Severity, Spec, reference},
    targets,
};

/// Every instance of an API that the caller provides or may select; oldest first.
#[utoipa::path(get, path = "/v1/apis/{api_id}/instances", tag = "instances",
    params(("api_id" = String, Path)), responses((status = 200, body = Listed<Instance>)))]
pub(crate) async fn list(
    caller: Caller,
    Id(id): Id<ApiId>,
) -> Result<Json<Listed<Instance>>, RegistryError> {
    let (store, id) = (&caller.store, &id);
    let read = |authority| async move {
        let api = store.api(&authority, id).await?;
        let instances = store.visible_instances(&authority, id).await?;
        Ok((api, instances))
    };
    let (api, instances) = caller.find("API", read).await?;
    let seen = |instance| seen_by(&caller, &api, instance);
    Ok(Json(Listed {
        items: instances.iter().map(seen).collect(),
        next: None,
    }))
}

/// The instance as this caller may see it.
fn seen_by(caller: &Caller, api: &CoreApi, instance: &ApiInstance) -> Instance {
    if is_provider(caller, api) {
        Instance::whole(instance)
    } else {
        Instance::public(instance)
    }
}

/// The instance and its API, when the caller provides the API or may select it.
async fn visible(
    caller: &Caller,
    (api, id): (&ApiId, &InstanceId),
) -> Result<(CoreApi, ApiInstance), RegistryError> {
    let store = &caller.store;
    let read = |authority| async move {
        let found = store.api(&authority, api).await?;
        let instance = store.visible_instance(&authority, id).await?;
        Ok((found, instance))
    };
    let (found, instance) = caller.find("instance", read).await?;
    if instance.api_id == found.id {
        Ok((found, instance))
    } else {
        Err(RegistryError::NotFound("instance"))
    }
}

/// An instance, and what its provider should know although it is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceWithWarnings {
    /// The instance.
    #[serde(flatten)]
    pub instance: Instance,
    /// Sentences for people.
    pub warnings: Vec<String>,
    /// What is to be said of the specification that was sent.
    pub spec_findings: Vec<Finding>,
}

/// Puts an API into an environment, under a path of the gateway.
#[utoipa::path(post, path = "/v1/apis/{api_id}/instances", tag = "instances",
    params(("api_id" = String, Path), WaitParams), request_body = NewInput,
    responses((status = 201, body = Done<InstanceWithWarnings>)))]
pub(crate) async fn create(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<ApiId>,
    Params(wait): Params<WaitParams>,
    (Idempotency(key), Body(input)): (Idempotency, Body<NewInput>),
) -> Result<Response, RegistryError> {
    let api = provided(&caller, &id).await?;
    let authority = caller.authority(&api.organization_id)?;
    let mut findings = Findings::default();
    let target = targets::check(
        &input.target_url,
        &state.settings.address_policy,
        &api.organization_id,
    );
    let target = findings.take("target_url", target.await);
    let (spec, spec_findings) = read_spec(input.spec.clone(), &mut findings).await?;
    let namespace = namespace(&caller, &api, input.namespace.clone(), &mut findings).await?;
    let new = complete(&id, input, spec, namespace, &mut findings);
    findings.refuse()?;
    let (Some(new), Some(target)) = (new, target) else {
        return Err(RegistryError::Internal("an instance was refused silently"));
    };
    let acted = caller
        .store
        .create_instance(&authority, new, key.as_ref())
        .await?;
    let location = format!("/v1/apis/{id}/instances/{}", acted.value.id);
    let version = acted.value.edit_version;
    let acted = with_warnings(&acted, target.warnings, spec_findings);
    let response = created(&state, acted, wait.wait, &location).await;
    Ok(with_etag(response, version))
}

/// Reads the specification: errors are findings of the request, everything else is told with the answer.
async fn read_spec(
    text: Option<String>,
    findings: &mut Findings,
) -> Result<(Option<Spec>, Vec<Finding>), RegistryError> {
    let Some(text) = text else {
        return Ok((None, Vec::new()));
    };
    let report = spec_checks::report(text).await?;
    if report.spec.is_some() {
        return Ok((report.spec, report.findings));
    }
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    for f in report.findings.iter().filter(is_error) {
        let detail = format!("Line {}, column {}: {}", f.line, f.column, f.message);
        findings.add("spec", detail);
    }
    Ok((None, Vec::new()))
}

/// The namespace that was named, or the provider's only one.
async fn namespace(
    caller: &Caller,
    api: &CoreApi,
    named: Option<String>,
    findings: &mut Findings,
) -> Result<Option<String>, RegistryError> {
    let authority = caller.authority(&api.organization_id)?;
    let provider = caller
        .store
        .organization(&authority, &api.organization_id)
        .await?;
    match (named, provider.namespaces.as_slice()) {
        (Some(named), _) if named.is_empty() && !caller.actor().is_operator() => {
            findings.add(
                "namespace",
                "Only operators make instances without a namespace.",
            );
            Ok(None)
        }
        (Some(named), own) if !named.is_empty() && !own.contains(&named) => {
            findings.add(
                "namespace",
                format!("The provider's namespaces are: {}.", own.join(", ")),
            );
            Ok(None)
        }
        (Some(named), _) => Ok(Some(named)),
        (None, [only]) => Ok(Some(only.clone())),
        (None, []) => {
            findings.add(
                "namespace",
                "The provider has no namespace yet: an operator can give it one.",
            );
            Ok(None)
        }
        (None, several) => {
            findings.add(
                "namespace",
                format!(
                    "Name one of the provider's namespaces: {}.",
                    several.join(", ")
                ),
            );
            Ok(None)
        }
    }
}

/// What was sent, completed by what the specification says.
fn complete(
    api: &ApiId,
    input: CheckedInstance,
    spec: Option<Spec>,
    namespace: Option<String>,
    findings: &mut Findings,
) -> Option<NewInstance> {
    let (mut spec_path, mut spec_version, mut simulations) = (None, None, Vec::new());
    let mut categories = Vec::new();
    // Of a specification that was refused, nothing is known to be missing.
    let readable = input.spec.is_none() || spec.is_some();
    if let Some(spec) = spec {
        spec_path = spec.base_path;
        spec_version = Some(spec.version);
        simulations = spec.simulations;
        categories = spec.categories;
    }
    let base_path = input.base_path.or(spec_path);
    if base_path.is_none() && readable {
        findings.add(
            "base_path",
            "This member is required, because no specification names a base path.",
        );
    }
    let version = input.version.or(spec_version);
    if version.is_none() && readable {
        findings.add(
            "version",
            "This member is required, because no specification is given.",
        );
    }
    Some(NewInstance {
        api_id: api.clone(),
        environment: input.environment,
        namespace: namespace?,
        base_path: base_path?,
        version: version?,
        target_url: input.target_url,
        policy: input.policy,
        spec: input.spec,
        simulations,
        listing: input.listing,
        categories,
    })
}

async fn readable(
    caller: &Caller,
    api: &CoreApi,
    id: &InstanceId,
) -> Result<ApiInstance, RegistryError> {
    let authority = caller.authority(&api.organization_id)?;
    let instance = caller.store.instance(&authority, id).await?;
    if instance.api_id == api.id {
        Ok(instance)
    } else {
        Err(RegistryError::NotFound("instance"))
    }
}

/// An instance.
#[utoipa::path(get, path = "/v1/apis/{api_id}/instances/{instance_id}", tag = "instances",
    params(("api_id" = String, Path), ("instance_id" = String, Path)),
    responses((status = 200, body = Instance)))]
pub(crate) async fn get(
    caller: Caller,
    Ids(api, id): Ids<ApiId, InstanceId>,
) -> Result<Response, RegistryError> {
    let (api, instance) = visible(&caller, (&api, &id)).await?;
    let body = Json(seen_by(&caller, &api, &instance));
    Ok(with_etag(body.into_response(), instance.edit_version))
}

/// The specification as it was uploaded.
#[utoipa::path(get, path = "/v1/apis/{api_id}/instances/{instance_id}/spec", tag = "instances",
    params(("api_id" = String, Path), ("instance_id" = String, Path)),
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn spec(
    caller: Caller,
    Ids(api, id): Ids<ApiId, InstanceId>,
) -> Result<Response, RegistryError> {
    let (_, instance) = visible(&caller, (&api, &id)).await?;
    let text = instance
        .spec
        .ok_or(RegistryError::NotFound("specification"))?;
    let mut response = text.into_response();
    // Never rendered by a browser, whatever stands in it.
    response.headers_mut().insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
    Ok(response)
}

/// Which part of a reference.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReferenceParams {
    /// `outline` gives operations without what goes in and comes out; left out, everything.
    #[param(inline)]
    view: Option<View>,
    /// The `index` of the one operation that is wanted.
    operation: Option<usize>,
}

/// How much of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum View {
    /// Operations without what goes in and comes out.
    Outline,
}

/// The specification made ready to be read: operations with parameters, bodies, answers and schemas, whatever
/// dialect it is written in. For whoever may select the API.
#[utoipa::path(get, path = "/v1/apis/{api_id}/instances/{instance_id}/reference", tag = "instances",
    params(("api_id" = String, Path), ("instance_id" = String, Path), ReferenceParams),
    responses((status = 200, body = reference::Reference)))]
pub(crate) async fn reference_of(
    caller: Caller,
    Ids(api, id): Ids<ApiId, InstanceId>,
    Params(params): Params<ReferenceParams>,
) -> Result<Response, RegistryError> {
    let (_, instance) = visible(&caller, (&api, &id)).await?;
    let text = instance
        .spec
        .ok_or(RegistryError::NotFound("specification"))?;
    let part = match (params.operation, params.view) {
        (Some(index), _) => reference::Part::Operation(index),
        (None, Some(View::Outline)) => reference::Part::Outline,
        (None, None) => reference::Part::Whole,
    };
    let made = spec_checks::on_a_thread(move || reference::reference(&text, part)).await?;
    let made = made.map_err(|_| RegistryError::NotFound("specification that can be read"))?;
    Ok(with_etag(Json(made).into_response(), instance.edit_version))
}

/// Changes an instance. Environment, namespace and base path never change: make another instance.
#[utoipa::path(patch, path = "/v1/apis/{api_id}/instances/{instance_id}", tag = "instances",
    params(("api_id" = String, Path), ("instance_id" = String, Path), WaitParams),
    request_body = PatchInput, responses((status = 200, body = Done<InstanceWithWarnings>)))]
pub(crate) async fn update(
    State(state): State<RegistryState>,
    caller: Caller,
    Ids(api, id): Ids<ApiId, InstanceId>,
    Params(wait): Params<WaitParams>,
    (IfMatch(version), Body(patch)): (IfMatch, Body<PatchInput>),
) -> Result<Response, RegistryError> {
    let api = provided(&caller, &api).await?;
    let instance = readable(&caller, &api, &id).await?;
    let authority = caller.authority(&api.organization_id)?;
    let mut findings = Findings::default();
    let mut warnings = Vec::new();
    if let Some(url) = &patch.target_url {
        let policy = &state.settings.address_policy;
        let checked = targets::check(url, policy, &api.organization_id).await;
        if let Some(checked) = findings.take("target_url", checked) {
            warnings = checked.warnings;
        }
    }
    let (spec, spec_findings) = read_spec(patch.spec.clone().flatten(), &mut findings).await?;
    findings.refuse()?;
    let simulations: Option<Vec<Simulation>> = patch.spec.as_ref().map(|_| {
        spec.as_ref()
            .map(|spec| spec.simulations.clone())
            .unwrap_or_default()
    });
    // The policy is one column: what is left out is taken from the version that was read, and so that nobody
    // else's change is overwritten by that, the act is tied to this version.
    let policy_changes = !patch.policy.is_empty();
    let version = version.or(policy_changes.then_some(instance.edit_version));
    let change = InstancePatch {
        version: patch.version.or(spec.map(|spec| spec.version)),
        target_url: patch.target_url,
        policy: policy_changes.then(|| patch.policy.applied_to(&instance.policy)),
        spec: patch.spec,
        simulations,
        lifecycle: patch.lifecycle,
        show_in_directory: patch.show_in_directory,
    };
    let acted = caller
        .store
        .update_instance(&authority, &id, version, change)
        .await?;
    let version = acted.value.edit_version;
    let acted = with_warnings(&acted, warnings, spec_findings);
    Ok(with_etag(done(&state, acted, wait.wait).await, version))
}

/// What became of an API with one of its instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedInstance {
    /// Whether that was the last: the API is gone with it, for good.
    pub api_deleted: bool,
}

/// Deletes an instance: its gateway path answers no more. With its last instance the API itself is deleted, for
/// good; the answer says so.
#[utoipa::path(delete, path = "/v1/apis/{api_id}/instances/{instance_id}", tag = "instances",
    params(("api_id" = String, Path), ("instance_id" = String, Path), WaitParams),
    responses((status = 200, body = Done<DeletedInstance>)))]
pub(crate) async fn delete(
    State(state): State<RegistryState>,
    caller: Caller,
    Ids(api, id): Ids<ApiId, InstanceId>,
    Params(wait): Params<WaitParams>,
) -> Result<Response, RegistryError> {
    let api = provided(&caller, &api).await?;
    readable(&caller, &api, &id).await?;
    let authority = caller.authority(&api.organization_id)?;
    let acted = caller.store.delete_instance(&authority, &id).await?;
    let acted = Acted {
        value: DeletedInstance {
            api_deleted: acted.value == Remains::Nothing,
        },
        seq: acted.seq,
    };
    Ok(done(&state, acted, wait.wait).await)
}

fn with_warnings(
    acted: &Acted<ApiInstance>,
    warnings: Vec<String>,
    spec_findings: Vec<Finding>,
) -> Acted<InstanceWithWarnings> {
    Acted {
        value: InstanceWithWarnings {
            instance: Instance::whole(&acted.value),
            warnings,
            spec_findings,
        },
        seq: acted.seq,
    }
}
