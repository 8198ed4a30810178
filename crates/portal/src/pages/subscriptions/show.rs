//! `GET /subscriptions/{subscription_id}`.

use askama::Template;
use axum::extract::Path;
use portcullis_core::permissions::Action;
use portcullis_registry::{
    in_process::{Management, ManagementError},
    wire::{Api, AuditEntry, Connection, Listed, Subscription, SubscriptionWithConnections},
};

use super::path_of;
use crate::{
    failure::Failure,
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::apps::may_in,
    view,
};

/// Most acts that are told.
const HISTORY: &str = "50";

struct ConnectionLine {
    api: String,
    /// Where its API is shown; empty when the person may not see it.
    path: String,
    id: String,
    state: String,
    created_at: String,
    changed_at: String,
}

struct Act {
    at: String,
    actor: String,
    what: String,
}

/// What the person may do with a subscription.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowed {
    /// The end that is the person's to bring about.
    pub(super) end: Option<End>,
    /// Suspending or resuming it, whichever its state allows.
    pub(super) pause: Option<Pause>,
}

/// How a subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By its buyer.
    Deactivate,
    /// By the owner of the app, or an operator.
    Cancel,
}

/// What the owner of the app does for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    Suspend,
    Resume,
}

impl Allowed {
    fn ends(self, end: End) -> bool {
        self.end == Some(end)
    }

    fn pauses(self, pause: Pause) -> bool {
        self.pause == Some(pause)
    }
}

#[derive(Template)]
#[template(path = "subscriptions/show.html")]
struct Show {
    shell: Shell,
    of: Subscription,
    path: String,
    /// The app, or the API whose own test subscription it is.
    name: String,
    owner: String,
    buyer: String,
    /// Where the app is shown; empty when the person may not see it.
    app_path: String,
    connections: Vec<ConnectionLine>,
    /// `None` when the person may not read the audit log.
    history: Option<Vec<Act>>,
    allowed: Allowed,
}

/// A subscription with the names that belong to it.
pub(super) async fn read(
    api: &Management,
    id: &str,
) -> Result<SubscriptionWithConnections, ManagementError> {
    let path = ("/v1/subscriptions/{subscription_id}", [id]);
    let query = [("include", "summary")];
    let read = api.get::<SubscriptionWithConnections>(path, &query).await?;
    Ok(read.value)
}

/// What the person may do: the buyer ends, the owner of the app ends, suspends and resumes. Test subscriptions
/// live as long as their app or API.
pub(super) fn allowed(page: &Page, of: &Subscription) -> Allowed {
    let is_living = matches!(of.state.as_str(), "pending" | "active" | "suspended");
    let summary = of.summary.as_ref();
    let Some(summary) = summary.filter(|_| of.kind == "real" && is_living) else {
        return Allowed::default();
    };
    let as_owner = may_in(page, Action::ManageApps, &summary.owner_organization_id);
    let as_buyer = may_in(page, Action::ManageSubscriptions, &of.organization_id);
    let end = match (as_buyer && !page.is_operator(), as_owner) {
        (true, _) => Some(End::Deactivate),
        (false, true) => Some(End::Cancel),
        (false, false) => None,
    };
    let pause = match of.state.as_str() {
        "active" => Some(Pause::Suspend),
        "suspended" => Some(Pause::Resume),
        _ => None,
    };
    Allowed {
        end,
        pause: pause.filter(|_| as_owner),
    }
}

/// `GET /subscriptions/{subscription_id}`.
pub(crate) async fn show(page: Page, Path(id): Path<String>) -> Answer {
    let api = page.api()?;
    let read = read(&api, &id).await?;
    let of = read.subscription;
    let mut connections = Vec::new();
    for one in read.connections {
        connections.push(connection_line(&api, one).await?);
    }
    let (mut name, mut owner, mut buyer) = (String::new(), String::new(), String::new());
    let mut app_id = None;
    if let Some(summary) = of.summary.clone() {
        let may_see = may_in(&page, Action::Read, &summary.owner_organization_id);
        app_id = of.app_id.as_deref().filter(|_| may_see);
        name = summary.app_name.or(summary.api_name).unwrap_or_default();
        owner = summary.owner_organization_name;
        buyer = summary.organization_name;
    }
    let template = Show {
        shell: page
            .shell(Section::Subscriptions, &format!("{name} for {buyer}"))
            .crumb("Subscriptions", "/subscriptions"),
        path: path_of(&of.id),
        app_path: app_id.map_or_else(String::new, |id| format!("/apps/{}", view::encoded(id))),
        allowed: allowed(&page, &of),
        history: history(&page, &api, &of).await?,
        name,
        owner,
        buyer,
        connections,
        of,
    };
    page.show(&template)
}

async fn connection_line(api: &Management, of: Connection) -> Result<ConnectionLine, Failure> {
    let path = ("/v1/apis/{api_id}", [of.api_id.as_str()]);
    let (name, path) = match api.get::<Api>(path, &[]).await {
        Ok(found) => {
            let path = format!("/apis/{}", view::encoded(&of.api_id));
            (found.value.name, path)
        }
        Err(error) if error.status().as_u16() == 404 => (of.api_id, String::new()),
        Err(error) => return Err(error.into()),
    };
    Ok(ConnectionLine {
        api: name,
        path,
        id: of.id,
        state: of.state,
        created_at: of.created_at,
        changed_at: of.changed_at,
    })
}

/// What was done with it, newest first: it stands in the audit log of the buyer. `None` for whoever may not read
/// that.
async fn history(
    page: &Page,
    api: &Management,
    of: &Subscription,
) -> Result<Option<Vec<Act>>, Failure> {
    if !may_in(page, Action::ReadAudit, &of.organization_id) {
        return Ok(None);
    }
    let query = [
        ("organization_id", of.organization_id.as_str()),
        ("entity_kind", "subscription"),
        ("entity_id", &of.id),
        ("limit", HISTORY),
    ];
    let listed = api.get::<Listed<AuditEntry>>("/v1/audit", &query).await?;
    let acts = listed.value.items.into_iter().map(|entry| Act {
        at: entry.at,
        actor: entry.actor,
        what: act_word(&entry.action).to_owned(),
    });
    Ok(Some(acts.collect()))
}

/// An act as people say it.
fn act_word(action: &str) -> &str {
    match action {
        "subscription.activate" => "Activated",
        "subscription.suspend" => "Suspended",
        "subscription.resume" => "Resumed",
        "subscription.end" => "Ended",
        other => other,
    }
}
