//! `GET /subscriptions`.

use askama::Template;
use portcullis_registry::wire::{App, Listed, Subscription};

use super::path_of;
use crate::{
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::apps::{asked, filtered, given},
    view,
};

/// Subscriptions of one page.
const LIMIT: &str = "25";

/// States to choose from, as people read them.
const STATES: [(&str, &str); 7] = [
    ("active", "Active"),
    ("pending", "Pending"),
    ("suspended", "Suspended"),
    ("cancelled", "Cancelled"),
    ("deactivated", "Deactivated"),
    ("rejected", "Rejected"),
    ("expired", "Expired"),
];

struct Line {
    path: String,
    id: String,
    /// The app, or the API whose own test subscription it is.
    of: String,
    owner: String,
    buyer: String,
    state: String,
    is_test: bool,
    activated_at: Option<String>,
    ended_at: Option<String>,
}

impl From<Subscription> for Line {
    fn from(of: Subscription) -> Self {
        let (mut name, mut owner, mut buyer) = (String::new(), String::new(), String::new());
        if let Some(summary) = of.summary {
            name = summary.app_name.or(summary.api_name).unwrap_or_default();
            owner = summary.owner_organization_name;
            buyer = summary.organization_name;
        }
        Self {
            path: path_of(&of.id),
            id: of.id,
            of: name,
            owner,
            buyer,
            state: of.state,
            is_test: of.kind != "real",
            activated_at: of.activated_at,
            ended_at: of.deactivated_at,
        }
    }
}

#[derive(Template)]
#[template(path = "subscriptions/list.html")]
struct List {
    shell: Shell,
    lines: Vec<Line>,
    states: [(&'static str, &'static str); 7],
    q: String,
    state: String,
    side: String,
    /// The app that the list is narrowed to: its id and name; empty when it is not.
    app_id: String,
    app_name: String,
    has_organization: bool,
    after: String,
    /// The list with its filters.
    path: String,
    next: Option<String>,
    is_filtered: bool,
}

/// `GET /subscriptions`.
pub(crate) async fn show(page: Page) -> Answer {
    let [q, state, side, app_id, after] =
        ["q", "state", "side", "app_id", "after"].map(|name| asked(&page, name));
    let organization = page.who()?.organization.clone();
    let of = organization.as_ref().map_or("", |id| id.as_str());
    let query = given(&[
        ("organization_id", of),
        ("buyer_id", if side == "buyer" { of } else { "" }),
        ("app_id", &app_id),
        ("q", &q),
        ("state", &state),
        ("order", "newest"),
        ("include", "summary"),
        ("limit", LIMIT),
        ("after", &after),
    ]);
    let api = page.api()?;
    let listed = api.get::<Listed<Subscription>>("/v1/subscriptions", &query);
    let Listed { items, next } = listed.await?.value;
    let app_name = if app_id.is_empty() {
        String::new()
    } else {
        let path = ("/v1/apps/{app_id}", [app_id.as_str()]);
        let app = api.get::<App>(path, &[]).await;
        app.map_or_else(|_| app_id.clone(), |app| app.value.name)
    };
    let filters = [
        ("q", q.as_str()),
        ("state", &state),
        ("side", &side),
        ("app_id", &app_id),
    ];
    page.show(&List {
        shell: page.shell(Section::Subscriptions, "Subscriptions"),
        lines: items.into_iter().map(Line::from).collect(),
        states: STATES,
        path: filtered("/subscriptions", &filters),
        is_filtered: filters.iter().any(|(_, value)| !value.is_empty()),
        has_organization: organization.is_some(),
        q,
        state,
        side,
        app_id,
        app_name,
        after,
        next,
    })
}
