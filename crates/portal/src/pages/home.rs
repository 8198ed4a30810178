//! Home: how far the person has come, what there is, what needs a look, what happened last.

use std::time::Duration;

use askama::Template;
use axum::response::Response;
use http::Method;
use portcullis_core::{clock::Timestamp, permissions::Action};
use portcullis_registry::{
    in_process::{Management, ManagementError},
    wire::{Api, App, AuditEntry, CallsSummary, Listed, Secret, Subscription},
};

use crate::{
    Address,
    failure::Failure,
    layout::{Section, Shell},
    page::{Answer, Page},
    routes, view,
};

/// How many of each thing are counted one by one; beyond, there are more.
const COUNTED_MAX: usize = 100;
/// How many apps are looked at more closely.
const LOOKED_AT: usize = 10;
/// From what age on a secret should be rotated.
const SECRET_AGE: Duration = Duration::from_hours(24 * 90);

/// A step of the way to the first call.
struct Step {
    title: &'static str,
    detail: &'static str,
    is_done: bool,
    /// Where to take it; empty while there is no page for it, or once it is done.
    path: String,
    verb: &'static str,
}

/// A number with the list behind it.
struct Tile {
    label: &'static str,
    icon: &'static str,
    value: String,
    path: &'static str,
}

/// Something that needs a look.
struct Attention {
    text: String,
    path: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    shell: Shell,
    greeting: String,
    lead: String,
    has_organization: bool,
    steps: Vec<Step>,
    tiles: Vec<Tile>,
    attention: Vec<Attention>,
    entries: Vec<AuditEntry>,
    sees_log: bool,
    addresses: &'a [Address],
}

/// What is read for the page.
struct Overview {
    apps: Listed<App>,
    apis: Listed<Api>,
    subscriptions: Listed<Subscription>,
    entries: Vec<AuditEntry>,
    has_called: bool,
    attention: Vec<Attention>,
}

/// `GET /` of somebody who is signed in.
pub(crate) async fn show(page: &Page) -> Answer {
    let who = page.who()?;
    let organization = who.organization.as_ref().map(ToString::to_string);
    let name = who
        .user
        .full_name
        .split_whitespace()
        .next()
        .unwrap_or_default();
    let mut home = Home {
        shell: page.shell(Section::Home, "Home"),
        greeting: if name.is_empty() {
            "Welcome".to_owned()
        } else {
            format!("Welcome, {name}")
        },
        lead: page
            .session()
            .map(|session| session.organization_name.clone())
            .unwrap_or_default(),
        has_organization: organization.is_some() || page.is_operator(),
        steps: Vec::new(),
        tiles: Vec::new(),
        attention: Vec::new(),
        entries: Vec::new(),
        sees_log: page.may(Action::ReadAudit) || page.is_operator(),
        addresses: &page.portal().site().addresses,
    };
    if home.lead.is_empty() && page.is_operator() {
        home.lead.push_str("All organizations of this installation");
    }
    if home.has_organization {
        let overview = read(page, organization.as_deref(), home.sees_log).await?;
        home.steps = steps(page, &overview);
        home.tiles = tiles(&overview);
        home.attention = overview.attention;
        home.entries = overview.entries;
    }
    shown(page, &home)
}

fn shown(page: &Page, home: &Home<'_>) -> Result<Response, Failure> {
    page.show(home)
}

async fn read(
    page: &Page,
    organization: Option<&str>,
    sees_log: bool,
) -> Result<Overview, Failure> {
    let api = page.api()?;
    let limit = COUNTED_MAX.to_string();
    let of = |more: &[(&'static str, &'static str)]| {
        let own = organization.map(|id| ("organization_id", id.to_owned()));
        let more = more
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        own.into_iter()
            .chain([("limit", limit.clone())])
            .chain(more)
            .collect::<Vec<_>>()
    };
    let living = ("state", "enabled,disabled");
    let apps: Listed<App> = list(
        &api,
        "/v1/apps",
        &of(&[("order", "newest"), ("include", "summary"), living]),
    )
    .await?;
    let mut query = of(&[]);
    query.extend(organization.map(|id| ("provider_id", id.to_owned())));
    let apis = list(&api, "/v1/apis", &query).await?;
    let subscriptions = list(&api, "/v1/subscriptions", &of(&[("state", "active")])).await?;
    let mut entries = Vec::new();
    if sees_log {
        let mut query = of(&[]);
        query.retain(|(name, _)| *name != "limit");
        query.push(("limit", "8".to_owned()));
        entries = list::<AuditEntry>(&api, "/v1/audit", &query).await?.items;
    }
    let (mut has_called, mut attention) = (false, Vec::new());
    for app in apps.items.iter().take(LOOKED_AT) {
        if !has_called {
            let path = ("/v1/apps/{app_id}/calls_summary", [app.id.as_str()]);
            has_called = api
                .get::<CallsSummary>(path, &[])
                .await?
                .value
                .first_call_at
                .is_some();
        }
        let path = ("/v1/apps/{app_id}/secrets", [app.id.as_str()]);
        let secrets = api.get::<Listed<Secret>>(path, &[]).await?.value.items;
        attention.extend(worn_out(app, &secrets, page.portal().clock().now()));
    }
    Ok(Overview {
        apps,
        apis,
        subscriptions,
        entries,
        has_called,
        attention,
    })
}

async fn list<T: serde::de::DeserializeOwned>(
    api: &Management,
    path: &'static str,
    query: &[(&'static str, String)],
) -> Result<Listed<T>, ManagementError> {
    let query: Vec<(&str, &str)> = query.iter().map(|(n, v)| (*n, v.as_str())).collect();
    Ok(api.get::<Listed<T>>(path, &query).await?.value)
}

/// What to say of an app whose living secrets are all old.
fn worn_out(app: &App, secrets: &[Secret], now: Timestamp) -> Option<Attention> {
    let is_living = |secret: &&Secret| {
        let end = secret.expires_at.as_deref().and_then(view::instant);
        end.is_none_or(|end| now < end)
    };
    let living = secrets.iter().filter(is_living);
    let newest = living
        .filter_map(|secret| view::instant(&secret.created_at))
        .max()?;
    (newest + SECRET_AGE < now).then(|| Attention {
        text: format!(
            "The API Secret of {} is older than 90 days. Rotate it; both work during the overlap.",
            app.name
        ),
        path: format!("/apps/{}", app.id),
    })
}

fn steps(page: &Page, overview: &Overview) -> Vec<Step> {
    let app = overview.apps.items.first();
    let used = |app: &App| {
        app.summary
            .as_ref()
            .is_some_and(|summary| summary.last_used_at.is_some())
    };
    let has_token = overview.apps.items.iter().any(used);
    let there = |path: &str| routes::who(&Method::GET, path).is_some();
    let new = if there("/apps/new") && page.may(Action::ManageApps) {
        "/apps/new".to_owned()
    } else {
        String::new()
    };
    let own = app
        .filter(|_| there("/apps/{app_id}"))
        .map(|app| format!("/apps/{}", app.id));
    let own = own.unwrap_or_default();
    let steps = [
        (
            "Register an app",
            "An app is the program that calls APIs. Name it and choose the APIs it integrates.",
            app.is_some(),
            new,
            "New app",
        ),
        (
            "Keep its API Key and API Secret",
            "The secret is shown once, when it is made.",
            app.is_some(),
            own.clone(),
            "Credentials",
        ),
        (
            "Get a token",
            "With key and secret, from the token server. The app's page has the command.",
            has_token,
            own.clone(),
            "Show how",
        ),
        (
            "Make the first call",
            "With the token and a Subscription-Id, through the gateway.",
            overview.has_called,
            own,
            "Show how",
        ),
    ];
    let steps = steps.map(|(title, detail, is_done, path, verb)| Step {
        title,
        detail,
        is_done,
        path: if is_done { String::new() } else { path },
        verb,
    });
    if steps.iter().all(|step| step.is_done) {
        Vec::new()
    } else {
        steps.into()
    }
}

fn tiles(overview: &Overview) -> Vec<Tile> {
    let counted = |number: usize, has_more: bool| {
        if has_more {
            format!("{number}+")
        } else {
            number.to_string()
        }
    };
    let tile = |label, icon, value, path| Tile {
        label,
        icon,
        value,
        path: if routes::who(&Method::GET, path).is_some() {
            path
        } else {
            ""
        },
    };
    let Overview {
        apps,
        apis,
        subscriptions,
        ..
    } = overview;
    vec![
        tile(
            "Apps",
            "app",
            counted(apps.items.len(), apps.next.is_some()),
            "/apps",
        ),
        tile(
            "Published APIs",
            "api",
            counted(apis.items.len(), apis.next.is_some()),
            "/apis",
        ),
        tile(
            "Active subscriptions",
            "link",
            counted(subscriptions.items.len(), subscriptions.next.is_some()),
            "/subscriptions",
        ),
    ]
}
