//! `GET /apps`.

use askama::Template;
use portcullis_core::permissions::Action;
use portcullis_registry::wire::{App, Listed};

use super::{asked, filtered, given, path_of};
use crate::{
    layout::{Section, Shell},
    page::{Answer, Page},
    view,
};

/// Apps of one page.
const LIMIT: &str = "25";
/// Deleted apps stay in the store and are shown when they are asked for.
const NOT_DELETED: &str = "enabled,disabled";

struct Line {
    path: String,
    name: String,
    organization: String,
    state: String,
    api_key: String,
    apis: usize,
    subscriptions: u64,
    last_used_at: Option<String>,
}

impl From<App> for Line {
    fn from(app: App) -> Self {
        let summary = app.summary;
        Self {
            path: path_of(&app.id),
            name: app.name,
            state: app.state,
            api_key: app.api_key,
            apis: app.apis.len(),
            subscriptions: summary.as_ref().map_or(0, |s| s.living_subscriptions),
            organization: summary
                .as_ref()
                .map(|s| s.organization_name.clone())
                .unwrap_or_default(),
            last_used_at: summary.and_then(|s| s.last_used_at),
        }
    }
}

#[derive(Template)]
#[template(path = "apps/list.html")]
struct List {
    shell: Shell,
    lines: Vec<Line>,
    q: String,
    state: String,
    after: String,
    /// The list with its filters.
    path: String,
    next: Option<String>,
    is_filtered: bool,
    /// Whether apps of several organizations stand in the list.
    of_all: bool,
    may_register: bool,
}

/// `GET /apps`.
pub(crate) async fn show(page: Page) -> Answer {
    let (q, state, after) = (
        asked(&page, "q"),
        asked(&page, "state"),
        asked(&page, "after"),
    );
    let organization = page.who()?.organization.clone();
    let of = organization.as_ref().map_or("", |id| id.as_str());
    let states = if state.is_empty() {
        NOT_DELETED
    } else {
        &state
    };
    let query = given(&[
        ("organization_id", of),
        ("q", &q),
        ("state", states),
        ("order", "newest"),
        ("include", "summary"),
        ("limit", LIMIT),
        ("after", &after),
    ]);
    let listed = page.api()?.get::<Listed<App>>("/v1/apps", &query).await?;
    let Listed { items, next } = listed.value;
    page.show(&List {
        shell: page.shell(Section::Apps, "Apps"),
        lines: items.into_iter().map(Line::from).collect(),
        path: filtered("/apps", &[("q", &q), ("state", &state)]),
        is_filtered: !q.is_empty() || !state.is_empty(),
        of_all: organization.is_none(),
        may_register: organization.is_some() && page.may(Action::ManageApps),
        q,
        state,
        after,
        next,
    })
}
