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
    findings::Findings,
    params::{Listed, Params, page_request},
    rules,
};

const LINES: &str = "application/x-ndjson";
/// Longest word of a filter, in characters.
const WORD_CHARACTERS_MAX: usize = 300;
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
    /// Of this action, or of every action that begins with this: `app.`.
    action: Option<String>,
    /// On things of this kind.
    entity_kind: Option<String>,
    /// On this thing.
    entity_id: Option<String>,
    /// At this instant or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this instant.
    #[param(format = DateTime)]
    to: Option<String>,
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
    let page = page_request(params.limit, params.after.as_deref())?;
    let (authority, filter) = asked(&caller, params.into())?;
    let accept = headers.get(header::ACCEPT);
    let wants_lines = accept
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains(LINES));
    if wants_lines {
        return Ok(streamed(Export {
            store: caller.store,
            authority,
            filter,
            format: Format::Ndjson,
            first: page,
        }));
    }
    let page = caller.store.audit_entries(&authority, filter, page).await?;
    Ok(Json(Listed::<AuditEntry>::of(page)).into_response())
}

/// Which entries, without a page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportParams {
    /// `ndjson` (the default), a JSON object per line, or `csv`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// About things of this organization; may be left out by operators, and by members of one alone.
    organization_id: Option<String>,
    /// By this actor.
    actor: Option<String>,
    /// Of this action, or of every action that begins with this: `app.`.
    action: Option<String>,
    /// On things of this kind.
    entity_kind: Option<String>,
    /// On this thing.
    entity_id: Option<String>,
    /// At this instant or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this instant.
    #[param(format = DateTime)]
    to: Option<String>,
}

/// How an export is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// A JSON object per line.
    #[default]
    Ndjson,
    /// RFC 4180, with a line of names first.
    Csv,
}

/// Every entry that is asked for, newest first, read page by page as the reader takes it.
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit", params(ExportParams),
    responses((status = 200, content(
        (String = "application/x-ndjson"),
        (String = "text/csv")))))]
pub(crate) async fn export(
    caller: Caller,
    Params(params): Params<ExportParams>,
) -> Result<Response, RegistryError> {
    let format = params.format;
    let (authority, filter) = asked(&caller, params.into())?;
    let mut response = streamed(Export {
        store: caller.store,
        authority,
        filter,
        format,
        first: PageRequest::default(),
    });
    let name = match format {
        Format::Ndjson => "attachment; filename=\"audit.ndjson\"",
        Format::Csv => "attachment; filename=\"audit.csv\"",
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    Ok(response)
}

/// A filter as it was sent.
struct Sent {
    organization_id: Option<String>,
    actor: Option<String>,
    action: Option<String>,
    kind: Option<String>,
    entity_id: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl From<ListParams> for Sent {
    fn from(params: ListParams) -> Self {
        Self {
            organization_id: params.organization_id,
            actor: params.actor,
            action: params.action,
            kind: params.entity_kind,
            entity_id: params.entity_id,
            from: params.from,
            to: params.to,
        }
    }
}

impl From<ExportParams> for Sent {
    fn from(params: ExportParams) -> Self {
        Self {
            organization_id: params.organization_id,
            actor: params.actor,
            action: params.action,
            kind: params.entity_kind,
            entity_id: params.entity_id,
            from: params.from,
            to: params.to,
        }
    }
}

/// What is asked for, and the authority to read it.
fn asked(caller: &Caller, sent: Sent) -> Result<(Authority, AuditFilter), RegistryError> {
    let organization = named_organization(sent.organization_id.as_deref())?;
    let authority = caller.list_authority(organization.as_ref())?;
    let mut findings = Findings::default();
    let line = |text: String| rules::optional_line(&text, WORD_CHARACTERS_MAX);
    let actor = findings.take_some("actor", sent.actor, line);
    let action = findings.take_some("action", sent.action, line);
    let kind = findings.take_some("entity_kind", sent.kind, line);
    let entity_id = findings.take_some("entity_id", sent.entity_id, line);
    let from = findings.take_some("from", sent.from, |text| rules::instant(&text));
    let to = findings.take_some("to", sent.to, |text| rules::instant(&text));
    findings.refuse()?;
    let named = |text: Option<Option<String>>| text.flatten().filter(|text| !text.is_empty());
    let filter = AuditFilter {
        organization_id: organization,
        actor: named(actor).map(|actor| actor.to_lowercase()),
        action: named(action),
        entity_kind: named(kind),
        entity_id: named(entity_id),
        from: from.flatten(),
        to: to.flatten(),
    };
    Ok((authority, filter))
}

/// Entries that are written as the reader takes them.
struct Export {
    store: Store,
    authority: Authority,
    filter: AuditFilter,
    format: Format,
    first: PageRequest,
}

fn streamed(export: Export) -> Response {
    let format = export.format;
    let first = PageRequest {
        limit: EXPORT_PAGE,
        ..export.first
    };
    let (store, authority, filter) = (export.store, export.authority, export.filter);
    let pages = stream::try_unfold(Some(first), move |request| {
        let (store, authority, filter) = (store.clone(), authority.clone(), filter.clone());
        async move {
            let Some(request) = request else {
                return Ok::<_, ActError>(None);
            };
            let is_first = request.after.is_none();
            let page = store.audit_entries(&authority, filter, request).await?;
            let text = written(&page.items, format, is_first.then_some(CSV_NAMES));
            let next = page.next.map(|after| PageRequest {
                after: Some(after),
                limit: EXPORT_PAGE,
            });
            Ok(Some((Bytes::from(text), next)))
        }
    });
    let mut response = Body::from_stream(pages).into_response();
    let kind = match format {
        Format::Ndjson => LINES,
        Format::Csv => "text/csv; charset=utf-8",
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn written(entries: &[StoredEntry], format: Format, names: Option<&str>) -> String {
    let mut text = String::new();
    if format == Format::Csv {
        text.push_str(names.unwrap_or_default());
    }
    for entry in entries {
        match format {
            Format::Ndjson => {
                let line = serde_json::to_string(&AuditEntry::from(entry));
                text.push_str(&line.unwrap_or_default());
                text.push('\n');
            }
            Format::Csv => push_row(&mut text, entry),
        }
    }
    text
}

const CSV_NAMES: &str =
    "id,at,actor,action,entity_kind,entity_id,organization_id,address,detail\r\n";

fn push_row(text: &mut String, entry: &StoredEntry) {
    let at = rules::instant_text(entry.at);
    let organization = entry.organization_id.as_ref().map(ToString::to_string);
    let cells = [
        entry.id.as_str(),
        &at,
        &entry.actor,
        &entry.action,
        &entry.entity_kind,
        &entry.entity_id,
        organization.as_deref().unwrap_or_default(),
        entry.address.as_deref().unwrap_or_default(),
        &entry.detail,
    ];
    for (column, cell) in cells.into_iter().enumerate() {
        if column > 0 {
            text.push(',');
        }
        push_cell(text, cell);
    }
    text.push_str("\r\n");
}

/// A quoted cell. One that a spreadsheet would take for a formula begins with an apostrophe, so that it is text.
fn push_cell(text: &mut String, cell: &str) {
    text.push('"');
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        text.push('\'');
    }
    text.push_str(&cell.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::push_cell;

    #[test]
    fn a_cell_is_never_a_formula() {
        for (cell, written) in [
            ("plain", "\"plain\""),
            ("a \"b\", c\r\nd", "\"a \"\"b\"\", c\r\nd\""),
            ("=1+1", "\"'=1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-2+3", "\"'-2+3\""),
            ("+1", "\"'+1\""),
            ("\t=1", "\"'\t=1\""),
            ("", "\"\""),
        ] {
            let mut text = String::new();
            push_cell(&mut text, cell);
            assert_eq!(text, written);
        }
    }
}
