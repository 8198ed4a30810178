//! `GET /apps/{app_id}`: everything about an app on one page.

use askama::Template;
use axum::extract::Path;
use http::{HeaderMap, StatusCode};
use portcullis_core::{permissions::Action, secret::Secret};
use portcullis_registry::{
    in_process::Management,
    wire::{App, CallsSummary, Listed, Reference, SelectedApi, Subscription},
};

use super::{asked, calls, may_in, path_of, read, secrets, selected, snippets};
use crate::{
    Site,
    failure::Failure,
    form::{Choice, Snippet},
    layout::{Section, Shell},
    page::{Answer, Page},
    secrets_panel::Secrets,
    view,
};

/// Subscriptions on the page of an app; the list has the others.
const SUBSCRIPTIONS: usize = 10;

/// An API the app selected.
struct ApiLine {
    path: String,
    name: String,
    publisher: String,
    is_available: bool,
    /// Environment, version and proxy URL.
    instances: Vec<(String, String, String)>,
}

/// A secret that is shown this once, and the file to keep it in.
struct Once {
    lines: Vec<(&'static str, &'static str, String)>,
    file: String,
    env: String,
}

/// Where the snippets could call.
struct Target {
    /// In the query: instance and subscription.
    value: String,
    label: String,
    api_id: String,
    instance_id: String,
    gateway_path: String,
    has_spec: bool,
    subscription_id: String,
}

struct SubscriptionLine {
    path: String,
    id: String,
    organization: String,
    state: String,
    is_test: bool,
    activated_at: Option<String>,
    ended_at: Option<String>,
}

#[derive(Template)]
#[template(path = "apps/show.html")]
struct Show {
    shell: Shell,
    app: App,
    path: String,
    owner: String,
    once: Option<Once>,
    secrets: Secrets,
    apis: Vec<ApiLine>,
    calls: CallsSummary,
    targets: Vec<Choice>,
    target: String,
    snippets: Vec<Snippet>,
    /// Why the snippets end with the token; empty when they call.
    no_call: &'static str,
    subscriptions: Vec<SubscriptionLine>,
    has_more_subscriptions: bool,
    may_manage: bool,
    may_activate: bool,
}

/// `GET /apps/{app_id}`.
pub(crate) async fn show(page: Page, Path(app_id): Path<String>, headers: HeaderMap) -> Answer {
    let api = page.api()?;
    let app = read(&api, &app_id).await?.value;
    let apis = selected(&api, &app.id).await?;
    let (subscriptions, has_more_subscriptions) = subscriptions(&api, &app).await?;
    let may_manage =
        app.state != "deleted" && may_in(&page, Action::ManageApps, &app.organization_id);
    let mut secrets = secrets::holder(&app).secrets(&page, &api).await?;
    secrets.may_manage = may_manage;
    let targets = targets(&app, &apis, &subscriptions);
    let wanted = asked(&page, "call");
    let target = targets
        .iter()
        .find(|target| target.value == wanted)
        .or(targets.first());
    let site = page.portal().site();
    let secret = page.secret_once(&headers, &app.id);
    let template = Show {
        shell: page.shell(Section::Apps, &app.name).crumb("Apps", "/apps"),
        path: path_of(&app.id),
        owner: app
            .summary
            .as_ref()
            .map(|summary| summary.organization_name.clone())
            .unwrap_or_default(),
        once: secret.as_ref().map(|secret| once(site, &app, secret)),
        secrets,
        calls: calls::read(&api, &app.id).await?,
        target: target.map_or_else(String::new, |target| target.value.clone()),
        snippets: snippets_of(&api, (site, &app, target)).await?,
        no_call: no_call(&app, target),
        targets: targets
            .iter()
            .map(|target| Choice::new(&target.value, &target.label))
            .collect(),
        apis: apis.iter().map(|one| api_line(site, one)).collect(),
        subscriptions: subscriptions.into_iter().map(subscription_line).collect(),
        has_more_subscriptions,
        may_manage,
        may_activate: app.state == "enabled"
            && !apis.is_empty()
            && !super::organizations(&page, Action::ManageSubscriptions)?.is_empty(),
        app,
    };
    let response = page.show(&template)?;
    Ok(if secret.is_some() {
        page.without_secret(response)
    } else {
        response
    })
}

/// The newest subscriptions of the app, and whether there are more.
async fn subscriptions(api: &Management, app: &App) -> Result<(Vec<Subscription>, bool), Failure> {
    let limit = SUBSCRIPTIONS.to_string();
    let query = [
        ("organization_id", app.organization_id.as_str()),
        ("app_id", &app.id),
        ("order", "newest"),
        ("include", "summary"),
        ("limit", &limit),
    ];
    let listed = api
        .get::<Listed<Subscription>>("/v1/subscriptions", &query)
        .await?;
    Ok((listed.value.items, listed.value.next.is_some()))
}

fn subscription_line(of: Subscription) -> SubscriptionLine {
    SubscriptionLine {
        path: crate::pages::subscriptions::path_of(&of.id),
        organization: of
            .summary
            .map(|summary| summary.organization_name)
            .unwrap_or_default(),
        is_test: of.kind != "real",
        id: of.id,
        state: of.state,
        activated_at: of.activated_at,
        ended_at: of.deactivated_at,
    }
}

fn api_line(site: &Site, of: &SelectedApi) -> ApiLine {
    let summary = of.api.summary.as_ref();
    let instances = summary.map_or(&[][..], |summary| &summary.instances);
    ApiLine {
        path: format!("/apis/{}", view::encoded(&of.api.id)),
        name: of.api.name.clone(),
        publisher: summary
            .map(|summary| summary.organization_name.clone())
            .unwrap_or_default(),
        is_available: of.available,
        instances: instances
            .iter()
            .map(|one| {
                let proxy = format!("{}{}", site.gateway_url, one.gateway_path);
                (one.environment.clone(), one.version.clone(), proxy)
            })
            .collect(),
    }
}

/// What the person keeps: the secret with everything that belongs to it, and the same as a file.
fn once(site: &Site, app: &App, secret: &Secret) -> Once {
    let values = [
        ("API_KEY", app.api_key.as_str()),
        ("API_SECRET", secret.expose()),
        ("AUTH_URL", &site.issuer),
        ("API_URL", &site.gateway_url),
        ("TEST_SUBSCRIPTION_ID", &app.test_subscription_id),
    ];
    Once {
        lines: vec![
            ("API Key", "client_id", app.api_key.clone()),
            ("API Secret", "client_secret", secret.expose().to_owned()),
        ],
        // Browsers take the dot from the front of a name, so this one has a word before it.
        file: "app.env".to_owned(),
        env: values
            .map(|(name, value)| format!("{name}={value}\n"))
            .concat(),
    }
}

/// Where the app can call: Test with its own test subscription, Production for customers that activated it.
fn targets(app: &App, apis: &[SelectedApi], subscriptions: &[Subscription]) -> Vec<Target> {
    let living: Vec<&Subscription> = subscriptions
        .iter()
        .filter(|one| one.kind == "real" && one.state == "active")
        .collect();
    let mut targets = Vec::new();
    for one in apis.iter().filter(|one| one.available) {
        let instances = one.api.summary.as_ref().map_or(&[][..], |s| &s.instances);
        for instance in instances {
            let target = |subscription_id: &str, words: &str| Target {
                value: format!("{}.{subscription_id}", instance.id),
                label: format!("{} {} · {words}", one.api.name, instance.version),
                api_id: one.api.id.clone(),
                instance_id: instance.id.clone(),
                gateway_path: instance.gateway_path.clone(),
                has_spec: instance.has_spec,
                subscription_id: subscription_id.to_owned(),
            };
            match instance.environment.as_str() {
                "test" => targets.push((
                    0,
                    target(&app.test_subscription_id, "Test, your test subscription"),
                )),
                "production" => targets.extend(living.iter().map(|one| {
                    let name = one
                        .summary
                        .as_ref()
                        .map_or("a customer", |s| &s.organization_name);
                    (1, target(&one.id, &format!("Production, for {name}")))
                })),
                _ => {}
            }
        }
    }
    targets.sort_by_key(|(order, _)| *order);
    targets.into_iter().map(|(_, target)| target).collect()
}

fn no_call(app: &App, target: Option<&Target>) -> &'static str {
    match target {
        Some(_) => "",
        None if app.apis.is_empty() => {
            "The app selects no API yet, so these end with the token. Edit the app to select one."
        }
        None => {
            "No API of this app is published in Test, and no customer has activated the app, so these end with the token."
        }
    }
}

async fn snippets_of(
    api: &Management,
    (site, app, target): (&Site, &App, Option<&Target>),
) -> Result<Vec<Snippet>, Failure> {
    let token_url = format!("{}/v1/token", site.issuer);
    let call = match target {
        Some(target) => Some(snippets::Call {
            url: snippets::url(&site.gateway_url, &called_path(api, target).await?),
            subscription_id: target.subscription_id.clone(),
        }),
        None => None,
    };
    Ok(snippets::all(&snippets::Values {
        token_url: &token_url,
        api_key: &app.api_key,
        call,
    }))
}

/// The path to call, behind the gateway: an operation of the specification that needs no value, where there is
/// one, else the prefix, which the gateway knows as well.
async fn called_path(api: &Management, target: &Target) -> Result<String, Failure> {
    let prefix = &target.gateway_path;
    if !target.has_spec {
        return Ok(prefix.clone());
    }
    let Some(outline) = reference(api, target, ("view", "outline")).await? else {
        return Ok(prefix.clone());
    };
    let candidates = snippets::candidates(&outline);
    for (index, path) in &candidates {
        let of = index.to_string();
        let operation = reference(api, target, ("operation", &of)).await?;
        if operation.is_some_and(|one| !snippets::needs_values(&one)) {
            return Ok(format!("{prefix}{path}"));
        }
    }
    Ok(prefix.clone())
}

/// A part of the reference; `None` when the specification cannot be read.
async fn reference(
    api: &Management,
    target: &Target,
    part: (&str, &str),
) -> Result<Option<Reference>, Failure> {
    let path = (
        "/v1/apis/{api_id}/instances/{instance_id}/reference",
        [target.api_id.as_str(), target.instance_id.as_str()],
    );
    match api.get::<Reference>(path, &[part]).await {
        Ok(found) => Ok(Some(found.value)),
        Err(error) if error.status() == StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(error.into()),
    }
}
