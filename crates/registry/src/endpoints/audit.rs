//! `/v1/audit`: who did what. As pages of JSON, or all of it as one JSON object per line.

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use portcullis_core::permissions::Authority;
use portcullis_store::{ActError, AuditEntry as StoredEntry, AuditFilter, PageRequest, Store};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::apps::named_organization;
use crate::{
    RegistryState,
    caller::Caller,
    error::RegistryError,
    params::{Listed, Params, page_request},
    rules,
};

const LINES: &str = "application/x-ndjson";
/// Entries of one read of an export.
const EXPORT_PAGE: u32 = 500;

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Opaque.
    pub id: String,
    /// When (RFC 3339).
    #[schema(format = DateTime)]
    pub at: String,
    /// A sign-in name, or `system`.
    pub actor: String,
    /// Such as `app.create`.
    pub action: String,
    /// The kind of thing acted on.
    pub entity_kind: String,
    /// The thing acted on.
    pub entity_id: String,
    /// Whose thing; `null` for the installation's own.
    pub organization_id: Option<String>,
    /// Where the request came from.
    pub address: Option<String>,
    /// What changed, without secrets.
    pub detail: serde_json::Value,
}

impl From<&StoredEntry> for AuditEntry {
    fn from(of: &StoredEntry) -> Self {
        Self {
            id: of.id.clone(),
            at: rules::instant_text(of.at),
            actor: of.actor.clone(),
            action: of.action.clone(),
            entity_kind: of.entity_kind.clone(),
            entity_id: of.entity_id.clone(),
            organization_id: of.organization_id.as_ref().map(ToString::to_string),
            address: of.address.clone(),
            detail: serde_json::from_str(&of.detail).unwrap_or_default(),
        }
    }
}

/// Which entries, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// About things of this organization; may be left out by operators, and by members of one alone.
    organization_id: Option<String>,
    /// By this actor.
    actor: Option<String>,
    /// Of this action.
    action: Option<String>,
    /// On things of this kind.
    entity_kind: Option<String>,
    /// On this thing.
    entity_id: Option<String>,
    /// How many entries at most; 1 to 500, 50 when left out.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Acts, newest first. With `Accept: application/x-ndjson`, every one from `after` on, a JSON object per line.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(ListParams),
    responses((status = 200, content(
        (Listed<AuditEntry> = "application/json"),
        (String = "application/x-ndjson")))))]
pub(crate) async fn list(
    State(_): State<RegistryState>,
    caller: Caller,
    Params(params): Params<ListParams>,
    headers: HeaderMap,
) -> Result<Response, RegistryError> {
    let organization = named_organization(params.organization_id.as_deref())?;
    let authority = caller.list_authority(organization.as_ref())?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let filter = AuditFilter {
        organization_id: organization,
        actor: params.actor,
        action: params.action,
        entity_kind: params.entity_kind,
        entity_id: params.entity_id,
    };
    let accept = headers.get(header::ACCEPT);
    let wants_lines = accept
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains(LINES));
    if wants_lines {
        return Ok(export(caller.store, authority, filter, page));
    }
    let page = caller.store.audit_entries(&authority, filter, page).await?;
    Ok(Json(Listed::<AuditEntry>::of(page)).into_response())
}

/// Every entry from the page on, read as the reader takes it.
fn export(store: Store, authority: Authority, filter: AuditFilter, first: PageRequest) -> Response {
    let first = PageRequest {
        limit: EXPORT_PAGE,
        ..first
    };
    let lines = stream::try_unfold(Some(first), move |request| {
        let (store, authority, filter) = (store.clone(), authority.clone(), filter.clone());
        async move {
            let Some(request) = request else {
                return Ok::<_, ActError>(None);
            };
            let page = store.audit_entries(&authority, filter, request).await?;
            let mut lines = String::new();
            for entry in &page.items {
                let line = serde_json::to_string(&AuditEntry::from(entry));
                lines.push_str(&line.unwrap_or_default());
                lines.push('\n');
            }
            let next = page.next.map(|after| PageRequest {
                after: Some(after),
                limit: EXPORT_PAGE,
            });
            Ok(Some((Bytes::from(lines), next)))
        }
    });
    let mut response = Body::from_stream(lines).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES));
    response
}
