//! `/apis/{id}`: what an API is and where it runs; for its provider everything that hangs on it.

use askama::Template;
use axum::extract::Path;
use http::HeaderMap;
use portcullis_core::{permissions::Action, secret::Secret};
use portcullis_registry::{
    in_process::Management,
    wire::{Api, ApiUser, Instance, Listed, Organization},
};

use super::{
    Asked, ENVIRONMENTS, Found, environment_word, find, lifecycle_pill, secrets, target::Reached,
};
use crate::{
    failure::Failure,
    form::Form,
    layout::{Section, Shell},
    markdown,
    page::{Answer, Page},
    secrets_panel::Secrets,
    view::{self, Markup},
};

/// How many of the apps that use an API its page names.
const USERS: &str = "10";
/// How many of the organizations that an API is shared with are named; the others are listed by their ids.
const NAMED_SHARES: usize = 20;

/// An environment that can be looked at.
struct Tab {
    environment: &'static str,
    word: &'static str,
    count: usize,
    is_current: bool,
}

/// An instance as everybody sees it who may select the API.
struct Version {
    id: String,
    version: String,
    lifecycle: Markup,
    proxy_url: String,
    has_spec: bool,
    /// What its provider alone sees.
    provided: Option<Provided>,
}

/// What the provider of an instance sees of it.
struct Provided {
    target_url: String,
    passes: &'static str,
    is_listed: bool,
    is_streaming: bool,
    subscription: String,
    reached: Option<Reached>,
}

/// An organization that an API is shared with.
struct Share {
    id: String,
    /// Its id when the person may not know its name.
    name: String,
}

/// Credentials that are shown this once.
struct Once {
    /// Name, word of the standard, value.
    lines: Vec<(&'static str, &'static str, String)>,
    file: String,
    env: String,
}

/// What the provider of an API sees beside its versions.
struct Provider {
    client_id: String,
    may_add_secret: bool,
    users: Vec<ApiUser>,
    users_count: String,
    has_more_users: bool,
    shares: Vec<Share>,
    share: Form,
    is_public: bool,
    snippet: Option<String>,
}

#[derive(Template)]
#[template(path = "apis/show.html")]
struct ApiPage {
    shell: Shell,
    path: String,
    api: Api,
    publisher: String,
    about: Markup,
    tabs: Vec<Tab>,
    versions: Vec<Version>,
    environment: &'static str,
    may_build: bool,
    may_manage: bool,
    provider: Option<Provider>,
    secrets: Option<Secrets>,
    /// The secret that is shown this once.
    once: Option<Once>,
}

/// What is shown beside the API itself.
#[derive(Default)]
pub(super) struct Beside {
    /// The form that shares it, when it was refused.
    pub(super) share: Option<Form>,
    /// How the target of an instance answered.
    pub(super) reached: Option<(String, Reached)>,
}

/// `GET /apis/{id}`.
pub(crate) async fn show(page: Page, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let found = find(&page, &id).await?;
    let secret = page.secret_once(&headers, &found.api.id);
    let is_shown = secret.is_some();
    let response = shown(&page, found, Beside::default(), secret).await?;
    Ok(if is_shown {
        page.without_secret(response)
    } else {
        response
    })
}

/// The page of an API, with what an act on it gave.
pub(super) async fn shown(
    page: &Page,
    found: Found,
    beside: Beside,
    secret: Option<Secret>,
) -> Answer {
    let Found {
        api,
        management,
        is_provider,
        may_manage,
    } = found;
    let path = ("/v1/apis/{api_id}/instances", [api.id.as_str()]);
    let instances = management
        .get::<Listed<Instance>>(path, &[])
        .await?
        .value
        .items;
    let (status, reached) = match &beside {
        Beside {
            share: Some(form), ..
        } => (form.status(), None),
        Beside { reached, .. } => (http::StatusCode::OK, reached.clone()),
    };
    let looked_at = reached
        .as_ref()
        .and_then(|(id, _)| instances.iter().find(|one| one.id == *id));
    let asked = looked_at.map_or_else(
        || Asked::of(page).get("environment"),
        |one| one.environment.clone(),
    );
    let tabs = tabs(&instances, &asked);
    let current = tabs.iter().find(|tab| tab.is_current);
    let environment = current.map_or("production", |tab| tab.environment);
    let gateway = page.portal().site().gateway_url.clone();
    let versions: Vec<Version> = instances
        .iter()
        .filter(|instance| instance.environment == environment)
        .map(|instance| version(instance, &gateway, reached.as_ref()))
        .collect();
    let (mut provider, mut held_secrets, mut once) = (None, None, None);
    if is_provider {
        let own = Own {
            page,
            management: &management,
            api: &api,
        };
        let mut held = secrets::holder(&api).secrets(page, &management).await?;
        held.may_manage = may_manage;
        provider = Some(Provider {
            snippet: versions.first().and_then(|version| own.snippet(version)),
            may_add_secret: held.live.len() < 2,
            ..own.provider(beside.share).await?
        });
        once = secret.map(|secret| own.once(&secret));
        held_secrets = Some(held);
    }
    let summary = api.summary.as_ref();
    let template = ApiPage {
        shell: page.shell(Section::Apis, &api.name).crumb("APIs", "/apis"),
        path: format!("/apis/{}", api.id),
        publisher: summary.map_or_else(String::new, |summary| summary.organization_name.clone()),
        about: markdown::html(&api.description),
        tabs,
        versions,
        environment,
        may_build: page.organization().is_ok() && page.may(Action::ManageApps),
        may_manage,
        provider,
        secrets: held_secrets,
        once,
        api,
    };
    page.show_with(status, &template)
}

/// The environments with their counts. The one that was asked for is current, else the first that has anything.
fn tabs(instances: &[Instance], asked: &str) -> Vec<Tab> {
    let count = |environment: &str| {
        instances
            .iter()
            .filter(|instance| instance.environment == environment)
            .count()
    };
    let current = ENVIRONMENTS
        .into_iter()
        .find(|environment| *environment == asked)
        .or_else(|| {
            ENVIRONMENTS
                .into_iter()
                .find(|environment| count(environment) > 0)
        })
        .unwrap_or("production");
    let tab = |environment: &'static str| Tab {
        environment,
        word: environment_word(environment),
        count: count(environment),
        is_current: environment == current,
    };
    ENVIRONMENTS.into_iter().map(tab).collect()
}

fn version(instance: &Instance, gateway: &str, reached: Option<&(String, Reached)>) -> Version {
    let reached = reached
        .filter(|(id, _)| *id == instance.id)
        .map(|(_, reached)| reached.clone());
    let provided = instance.target_url.clone().map(|target_url| Provided {
        target_url,
        passes: match instance.base_path_upstream.as_deref() {
            Some("strip") => "Left out of the path that the target sees",
            _ => "Kept in the path that the target sees",
        },
        is_listed: instance.show_in_directory,
        is_streaming: instance.streaming.unwrap_or_default(),
        subscription: instance.test_subscription_id.clone().unwrap_or_default(),
        reached,
    });
    Version {
        id: instance.id.clone(),
        version: instance.version.clone(),
        lifecycle: lifecycle_pill(&instance.lifecycle_status, &instance.lifecycle_text),
        proxy_url: format!("{gateway}{}", instance.gateway_path),
        has_spec: instance.has_spec,
        provided,
    }
}

/// An API before the eyes of its provider.
struct Own<'a> {
    page: &'a Page,
    management: &'a Management,
    api: &'a Api,
}

impl Own<'_> {
    async fn provider(&self, share: Option<Form>) -> Result<Provider, Failure> {
        let api = self.api;
        let query = [("limit", USERS)];
        let path = ("/v1/apis/{api_id}/apps", [api.id.as_str()]);
        let listed = self
            .management
            .get::<Listed<ApiUser>>(path, &query)
            .await?
            .value;
        let count = api
            .summary
            .as_ref()
            .and_then(|summary| summary.apps)
            .unwrap_or_default();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(Provider {
            client_id: api.client_id.clone().unwrap_or_default(),
            may_add_secret: false,
            has_more_users: listed.next.is_some(),
            users: listed.items,
            users_count: view::count(count, "app uses it", "apps use it"),
            shares: self.shares().await,
            share: share.unwrap_or_else(Form::empty),
            is_public: api.visibility == "public",
            snippet: None,
        })
    }

    fn once(&self, secret: &Secret) -> Once {
        let client_id = self.api.client_id.clone().unwrap_or_default();
        let secret = secret.expose();
        Once {
            file: format!("{}.env", self.api.id),
            env: format!("CLIENT_ID={client_id}\nCLIENT_SECRET={secret}\n"),
            lines: vec![
                ("Client ID", "client_id", client_id),
                ("Client Secret", "client_secret", secret.to_owned()),
            ],
        }
    }

    /// With whom it is shared. The name of an organization is told to its members and to operators.
    async fn shares(&self) -> Vec<Share> {
        let ids = self.api.shared_with.clone().unwrap_or_default();
        let mut shares = Vec::with_capacity(ids.len());
        for (at, id) in ids.into_iter().enumerate() {
            let path = ("/v1/organizations/{organization_id}", [id.as_str()]);
            let named = if at < NAMED_SHARES {
                self.management.get::<Organization>(path, &[]).await.ok()
            } else {
                None
            };
            let name = named.map_or_else(|| id.clone(), |named| named.value.name);
            shares.push(Share { id, name });
        }
        shares
    }

    /// How the provider calls its own API: with the API's own Client ID and its test Subscription-Id.
    fn snippet(&self, version: &Version) -> Option<String> {
        let provided = version.provided.as_ref()?;
        let client_id = self.api.client_id.as_deref()?;
        let issuer = &self.page.portal().site().issuer;
        let (url, subscription) = (&version.proxy_url, &provided.subscription);
        Some(format!(
            "export CLIENT_ID={client_id}\n\
             read -rs -p 'Client Secret: ' CLIENT_SECRET && export CLIENT_SECRET\n\n\
             TOKEN=$(curl -s -u \"$CLIENT_ID:$CLIENT_SECRET\" {issuer}/v1/token \\\n  \
             -d grant_type=client_credentials -d scope=anonymous \\\n  \
             | sed -E 's/.*\"access_token\" *: *\"([^\"]+)\".*/\\1/')\n\n\
             curl -i {url}/ \\\n  \
             -H \"Authorization: Bearer $TOKEN\" \\\n  \
             -H \"Subscription-Id: {subscription}\"\n"
        ))
    }
}
