//! `/admin/audit` and `/organization/audit`: who did what, newest first, with filters in the URL, and exports.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::Query,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use portcullis_registry::wire::{AuditEntry, Listed, Organization};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    failure::Failure,
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::{
        filters::Filters,
        tabs::{self, Tab},
    },
};

/// Entries of a page.
const PAGE: &str = "50";
/// Of how many organizations a page looks up the name.
const NAMES_MAX: usize = 12;

/// Which entries.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    actor: String,
    action: String,
    entity_id: String,
    organization_id: String,
    from: String,
    to: String,
    after: String,
    format: String,
}

impl Asked {
    /// The filters as they stand in the URL of the page.
    fn filters(&self, scope: Scope) -> Filters {
        let filters = Filters::default()
            .and("actor", &self.actor)
            .and("action", &self.action)
            .and("entity_id", &self.entity_id)
            .and("from", &self.from)
            .and("to", &self.to);
        match scope {
            Scope::Installation => filters.and("organization_id", &self.organization_id),
            Scope::Organization => filters,
        }
    }

    /// The same as the management API takes them: of instants without a zone the zone is UTC.
    fn wanted(&self, organization: &str) -> Filters {
        Filters::default()
            .and("actor", &self.actor)
            .and("action", &self.action)
            .and("entity_id", &self.entity_id)
            .and("organization_id", organization)
            .and("from", &instant(&self.from))
            .and("to", &instant(&self.to))
    }
}

/// `2026-11-22T10:30` of a field for an instant as RFC 3339; anything else stays as it is and is refused.
fn instant(text: &str) -> String {
    let text = text.trim();
    match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        19 if !text.ends_with('Z') => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Installation,
    Organization,
}

impl Scope {
    const fn path(self) -> &'static str {
        match self {
            Self::Installation => "/admin/audit",
            Self::Organization => "/organization/audit",
        }
    }

    const fn export(self) -> &'static str {
        match self {
            Self::Installation => "/admin/audit/export",
            Self::Organization => "/organization/audit/export",
        }
    }
}

/// What a value was, and what it is.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    name: String,
    before: String,
    after: String,
}

/// An entry as the list shows it.
struct Line {
    entry: AuditEntry,
    said: String,
    organization: String,
    /// The page of the thing; empty when there is none.
    path: String,
    differences: Vec<Difference>,
    facts: Vec<(String, String)>,
}

impl Line {
    fn new(entry: AuditEntry, names: &BTreeMap<String, String>, scope: Scope) -> Self {
        let organization = entry.organization_id.as_ref();
        let organization = organization
            .map_or("", |id| names.get(id).unwrap_or(id))
            .to_owned();
        let (differences, facts) = told(&entry.detail);
        Self {
            said: said(&entry.action),
            path: path_of(&entry, scope),
            organization,
            differences,
            facts,
            entry,
        }
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    shell: Shell,
    tabs: Vec<Tab>,
    form: Form,
    lines: Vec<Line>,
    next: Option<String>,
    after: String,
    path: String,
    ndjson: String,
    csv: String,
    action: &'static str,
    lead: &'static str,
    is_installation: bool,
    is_filtered: bool,
}

/// `GET /admin/audit`.
pub(crate) async fn installation(page: Page, Query(asked): Query<Asked>) -> Answer {
    let organization = asked.organization_id.clone();
    shown(&page, asked, &organization, Scope::Installation).await
}

/// `GET /organization/audit`.
pub(crate) async fn organization(page: Page, Query(asked): Query<Asked>) -> Answer {
    let organization = page.organization()?.to_string();
    shown(&page, asked, &organization, Scope::Organization).await
}

#[expect(clippy::too_many_lines, reason = "one page, read top to bottom")]
async fn shown(page: &Page, asked: Asked, organization: &str, scope: Scope) -> Answer {
    let api = page.api()?;
    let filters = asked.filters(scope);
    let wanted = asked
        .wanted(organization)
        .and("after", &asked.after)
        .and("limit", PAGE);
    let form = Form::with([
        ("actor", asked.actor),
        ("action", asked.action),
        ("entity_id", asked.entity_id),
        ("organization_id", asked.organization_id),
        ("from", asked.from),
        ("to", asked.to),
    ]);
    let (form, list) = match api
        .get::<Listed<AuditEntry>>("/v1/audit", &wanted.query())
        .await
    {
        Ok(list) => (form, list.value),
        Err(portcullis_registry::in_process::ManagementError::Problem(problem))
            if problem.status == 422 =>
        {
            (
                form.refused(&problem),
                Listed {
                    items: Vec::new(),
                    next: None,
                },
            )
        }
        Err(error) => return Err(error.into()),
    };
    let names = match scope {
        Scope::Installation => names(page, &list.items).await?,
        Scope::Organization => BTreeMap::new(),
    };
    let exported = |format: &str| filters.clone().and("format", format).path(scope.export());
    let (section, tabs, lead) = match scope {
        Scope::Installation => (
            Section::Audit,
            Vec::new(),
            "Every act of people and programs on this installation, newest first.",
        ),
        Scope::Organization => (
            Section::Organization,
            tabs::organization(page, "/organization/audit"),
            "Every act on what your organization has, newest first.",
        ),
    };
    let lines = list
        .items
        .into_iter()
        .map(|entry| Line::new(entry, &names, scope));
    let audit = Audit {
        shell: page.shell(section, "Audit log"),
        tabs,
        lines: lines.collect(),
        next: list.next,
        after: asked.after,
        path: filters.path(scope.path()),
        ndjson: exported("ndjson"),
        csv: exported("csv"),
        action: scope.path(),
        lead,
        is_installation: scope == Scope::Installation,
        is_filtered: !filters.are_none(),
        form,
    };
    page.show_with(audit.form.status(), &audit)
}

/// The names of the organizations of a page of entries.
async fn names(page: &Page, entries: &[AuditEntry]) -> Result<BTreeMap<String, String>, Failure> {
    let api = page.api()?;
    let mut names = BTreeMap::new();
    for id in entries
        .iter()
        .filter_map(|entry| entry.organization_id.as_ref())
    {
        if names.contains_key(id) || names.len() >= NAMES_MAX {
            continue;
        }
        let path = ("/v1/organizations/{organization_id}", [id.as_str()]);
        let name = match api.get::<Organization>(path, &[]).await {
            Ok(organization) => organization.value.name,
            Err(error) if error.status().as_u16() == 404 => id.clone(),
            Err(error) => return Err(error.into()),
        };
        names.insert(id.clone(), name);
    }
    Ok(names)
}

/// `GET /admin/audit/export`.
pub(crate) async fn export_installation(page: Page, Query(asked): Query<Asked>) -> Answer {
    let organization = asked.organization_id.clone();
    exported(&page, &asked, &organization).await
}

/// `GET /organization/audit/export`.
pub(crate) async fn export_organization(page: Page, Query(asked): Query<Asked>) -> Answer {
    let organization = page.organization()?.to_string();
    exported(&page, &asked, &organization).await
}

async fn exported(page: &Page, asked: &Asked, organization: &str) -> Result<Response, Failure> {
    let (format, accept, name) = match asked.format.as_str() {
        "csv" => ("csv", "text/csv", "attachment; filename=\"audit.csv\""),
        _ => (
            "ndjson",
            "application/x-ndjson",
            "attachment; filename=\"audit.ndjson\"",
        ),
    };
    let wanted = asked.wanted(organization).and("format", format);
    let download = page
        .api()?
        .download("/v1/audit/export", &wanted.query(), accept)
        .await?;
    let mut response = download.body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, download.content_type);
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    Ok(response)
}

/// `app.set_state` as `App: set state`, what people read.
fn said(action: &str) -> String {
    let (thing, act) = action.split_once('.').unwrap_or((action, ""));
    let thing = thing.replace('_', " ");
    let mut letters = thing.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    let thing = match thing.as_str() {
        "api" => "API".to_owned(),
        _ => format!("{}{}", first.unwrap_or_default(), letters.as_str()),
    };
    let act = match act {
        "create" => "created",
        "update" => "changed",
        "delete" => "deleted",
        "set_state" => "state changed",
        "set_role" => "role changed",
        "install" => "made",
        "rotate" => "rotated",
        "forget" => "forgotten",
        "retry" => "tried again",
        "set" => "set",
        "add" => "added",
        "add_namespace" => "namespace added",
        "remove" => "removed",
        "leave" => "left",
        "end" => "ended",
        "expire" => "expired",
        "activate" => "activated",
        "suspend" => "suspended",
        "resume" => "resumed",
        "resend" => "sent again",
        "revoke" => "revoked",
        "accept" => "accepted",
        "share" => "shared",
        "unshare" => "no longer shared",
        "sign_in" => "signed in",
        "sign_out" => "signed out",
        "prove" => "proved again who it is",
        "rename" => "renamed",
        "disable" => "disabled",
        "enable" => "enabled",
        "change_password" => "changed the password",
        "reset_password" => "set a new password",
        "change_email" => "changed the address",
        "request_email_change" => "asked for another address",
        "verify_email" => "confirmed the address",
        "test" => "tested",
        other => {
            return format!("{thing}: {}", other.replace('_', " "))
                .trim_end_matches([':', ' '])
                .to_owned();
        }
    };
    format!("{thing} {act}")
}

/// The page of the thing that was acted on.
fn path_of(entry: &AuditEntry, scope: Scope) -> String {
    let id = &entry.entity_id;
    match (entry.entity_kind.as_str(), scope) {
        ("app", _) => format!("/apps/{id}"),
        ("api", _) => format!("/apis/{id}"),
        ("subscription", _) => format!("/subscriptions/{id}"),
        ("organization", Scope::Installation) => format!("/admin/organizations/{id}"),
        ("organization", Scope::Organization) => "/organization".to_owned(),
        ("user", Scope::Installation) => format!("/admin/users/{id}"),
        ("job", Scope::Installation) => format!("/admin/jobs/{id}"),
        ("node", Scope::Installation) => "/admin/nodes".to_owned(),
        ("setting", Scope::Installation) => "/admin/settings".to_owned(),
        _ => String::new(),
    }
}

/// The detail of an entry: what changed, and what else is told.
fn told(detail: &Value) -> (Vec<Difference>, Vec<(String, String)>) {
    let Some(members) = detail.as_object() else {
        return match detail {
            Value::Null => (Vec::new(), Vec::new()),
            value => (Vec::new(), vec![("Detail".to_owned(), text(value))]),
        };
    };
    let (before, after) = (members.get("before"), members.get("after"));
    let differences = match (before, after) {
        (None, None) => Vec::new(),
        (before, after) => differences(
            before.unwrap_or(&Value::Null),
            after.unwrap_or(&Value::Null),
        ),
    };
    let others = members
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "before" | "after"));
    let facts = others.map(|(name, value)| (words(name), text(value)));
    (differences, facts.collect())
}

fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let empty = serde_json::Map::new();
    let (old, new) = match (before, after) {
        (Value::Object(old), Value::Object(new)) => (old, new),
        (Value::Object(old), Value::Null) => (old, &empty),
        (Value::Null, Value::Object(new)) => (&empty, new),
        (before, after) => {
            return vec![Difference {
                name: "Value".to_owned(),
                before: text(before),
                after: text(after),
            }];
        }
    };
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let of = |values: &serde_json::Map<String, Value>, name: &str| {
        text(values.get(name).unwrap_or(&Value::Null))
    };
    let all = names.into_iter().map(|name| Difference {
        name: words(name),
        before: of(old, name),
        after: of(new, name),
    });
    all.filter(|difference| difference.before != difference.after)
        .collect()
}

/// `callback_url` as `Callback url`.
fn words(name: &str) -> String {
    let name = name.replace('_', " ");
    let mut letters = name.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}

/// A value as people read it; empty when there is none.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let pair =
                |(name, value): (&String, &Value)| format!("{}: {}", words(name), text(value));
            members.iter().map(pair).collect::<Vec<_>>().join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_edit_tells_only_what_changed() {
        let detail = json!({
            "before": { "name": "Old", "website": "same", "apis": ["a"] },
            "after": { "name": "New", "website": "same", "apis": ["a", "b"] },
            "reason": "asked for",
        });

        let (differences, facts) = told(&detail);

        let names: Vec<&str> = differences.iter().map(|of| of.name.as_str()).collect();
        assert_eq!(names, ["Apis", "Name"]);
        assert_eq!(differences[0].after, "a, b");
        assert_eq!(facts, [("Reason".to_owned(), "asked for".to_owned())]);
    }

    #[test]
    fn what_was_made_or_set_is_told_as_well() {
        let (made, _) = told(&json!({ "after": { "name": "Fleet" } }));
        let (set, _) = told(&json!({ "before": "active", "after": "suspended" }));

        assert_eq!(
            (made[0].before.as_str(), made[0].after.as_str()),
            ("", "Fleet")
        );
        assert_eq!(
            (set[0].before.as_str(), set[0].after.as_str()),
            ("active", "suspended")
        );
        assert_eq!(told(&Value::Null), (Vec::new(), Vec::new()));
    }

    #[test]
    fn acts_are_said_in_words() {
        assert_eq!(said("api.create"), "API created");
        assert_eq!(said("organization.set_state"), "Organization state changed");
        assert_eq!(said("secret.mark_compromised"), "Secret: mark compromised");
        assert_eq!(said("start"), "Start");
    }

    #[test]
    fn an_instant_of_a_form_is_in_utc() {
        assert_eq!(instant("2026-11-22T10:30"), "2026-11-22T10:30:00Z");
        assert_eq!(instant("2026-11-22"), "2026-11-22T00:00:00Z");
        assert_eq!(instant("2026-11-22T10:30:05Z"), "2026-11-22T10:30:05Z");
        assert_eq!(instant("yesterday"), "yesterday");
    }
}
