//! `/admin/apps` and `/admin/apis`: the apps and APIs of every organization.

use askama::Template;
use axum::extract::Query;
use portcullis_registry::wire::{Api, App, Listed};
use serde::Deserialize;

use crate::{
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::{filters::Filters, tabs::Tab},
};

/// Entries of a page.
const PAGE: &str = "25";

/// What a list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    q: String,
    state: String,
    visibility: String,
    after: String,
}

fn tabs(current: &str) -> Vec<Tab> {
    [("Apps", "/admin/apps"), ("APIs", "/admin/apis")]
        .map(|(label, path)| Tab {
            label,
            path,
            is_current: path == current,
        })
        .into()
}

#[derive(Template)]
#[template(path = "admin/apps.html")]
struct Apps {
    shell: Shell,
    tabs: Vec<Tab>,
    list: Listed<App>,
    form: Form,
    states: Vec<Choice>,
    path: String,
    after: String,
    is_filtered: bool,
}

/// `GET /admin/apps`.
pub(crate) async fn apps(page: Page, Query(asked): Query<Asked>) -> Answer {
    let filters = Filters::default()
        .and("q", &asked.q)
        .and("state", &asked.state);
    let sent = filters
        .clone()
        .and("after", &asked.after)
        .and("limit", PAGE);
    let sent = sent.and("order", "newest").and("include", "summary");
    let list = page.api()?.get("/v1/apps", &sent.query()).await?.value;
    page.show(&Apps {
        shell: page.shell(Section::Everything, "Apps of all organizations"),
        tabs: tabs("/admin/apps"),
        list,
        form: Form::with([("q", asked.q), ("state", asked.state)]),
        states: vec![
            Choice::new("", "Any state"),
            Choice::new("enabled", "Enabled"),
            Choice::new("disabled", "Disabled"),
            Choice::new("deleted", "Deleted"),
        ],
        path: filters.path("/admin/apps"),
        after: asked.after,
        is_filtered: !filters.are_none(),
    })
}

#[derive(Template)]
#[template(path = "admin/apis.html")]
struct Apis {
    shell: Shell,
    tabs: Vec<Tab>,
    list: Listed<Api>,
    form: Form,
    visibilities: Vec<Choice>,
    path: String,
    after: String,
    is_filtered: bool,
}

/// `GET /admin/apis`.
pub(crate) async fn apis(page: Page, Query(asked): Query<Asked>) -> Answer {
    let filters = Filters::default()
        .and("q", &asked.q)
        .and("visibility", &asked.visibility);
    let sent = filters
        .clone()
        .and("after", &asked.after)
        .and("limit", PAGE);
    let sent = sent.and("order", "newest").and("include", "summary");
    let list = page.api()?.get("/v1/apis", &sent.query()).await?.value;
    page.show(&Apis {
        shell: page.shell(Section::Everything, "APIs of all organizations"),
        tabs: tabs("/admin/apis"),
        list,
        form: Form::with([("q", asked.q), ("visibility", asked.visibility)]),
        visibilities: vec![
            Choice::new("", "Any visibility"),
            Choice::new("public", "Public"),
            Choice::new("private", "Private"),
        ],
        path: filters.path("/admin/apis"),
        after: asked.after,
        is_filtered: !filters.are_none(),
    })
}
