//! `/admin/keys`: the keys that sign tokens, and their rotation.

use askama::Template;
use axum::extract::Query;
use portcullis_registry::wire::{Key, Listed};
use serde::Deserialize;
use serde_json::json;

use super::{lagging, unless_typed};
use crate::{
    failure::Failure,
    flash::Flash,
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
};

/// Keys of one purpose.
struct Group {
    purpose: &'static str,
    title: &'static str,
    text: &'static str,
    keys: Vec<Key>,
}

const PURPOSES: [(&str, &str, &str); 2] = [
    (
        "client",
        "Tokens for apps",
        "Sign what the token endpoint issues. The gateway, and whoever verifies tokens with the published keys, \
         trusts them.",
    ),
    (
        "outbound",
        "Tokens for providers",
        "Sign what is sent to the targets of APIs. Providers verify it with the published keys; no endpoint of \
         this installation accepts it.",
    ),
];

#[derive(Template)]
#[template(path = "admin/keys.html")]
struct Keys {
    shell: Shell,
    groups: Vec<Group>,
    published_at: String,
}

#[derive(Template)]
#[template(path = "admin/keys_rotate.html")]
struct Rotate {
    shell: Shell,
    form: Form,
    group: Group,
    /// The key that signs, and the one that would.
    current: Option<Key>,
    next: Option<Key>,
}

async fn groups(page: &Page) -> Result<Vec<Group>, Failure> {
    let keys = page
        .api()?
        .get::<Listed<Key>>("/v1/keys", &[])
        .await?
        .value
        .items;
    let order = |key: &Key| match key.state.as_str() {
        "current" => 0,
        "next" => 1,
        _ => 2,
    };
    let group = |(purpose, title, text): (&'static str, &'static str, &'static str)| {
        let mut keys: Vec<Key> = keys
            .iter()
            .filter(|key| key.purpose == purpose)
            .cloned()
            .collect();
        keys.sort_by(|a, b| {
            order(a)
                .cmp(&order(b))
                .then_with(|| b.created_at.cmp(&a.created_at))
        });
        Group {
            purpose,
            title,
            text,
            keys,
        }
    };
    Ok(PURPOSES.map(group).into())
}

/// `GET /admin/keys`.
pub(crate) async fn list(page: Page) -> Answer {
    page.show(&Keys {
        shell: page.shell(Section::Keys, "Signing keys"),
        groups: groups(&page).await?,
        published_at: format!("{}/v1/keys", page.portal().site().issuer),
    })
}

/// Which keys.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    purpose: String,
}

async fn asked(page: &Page, form: Form) -> Answer {
    let groups = groups(page).await?;
    let group = groups
        .into_iter()
        .find(|group| group.purpose == form.value("purpose"));
    let group = group.ok_or(Failure::NotFound)?;
    let of = |state: &str| group.keys.iter().find(|key| key.state == state).cloned();
    let (current, next) = (of("current"), of("next"));
    let status = form.status();
    let shell = page.shell(Section::Keys, "Rotate the signing key");
    let rotate = Rotate {
        shell: shell.crumb("Signing keys", "/admin/keys"),
        form,
        group,
        current,
        next,
    };
    page.show_with(status, &rotate)
}

/// `GET /admin/keys/rotate`.
pub(crate) async fn ask(page: Page, Query(which): Query<Which>) -> Answer {
    asked(&page, Form::with([("purpose", which.purpose)])).await
}

/// `POST /admin/keys/rotate`.
pub(crate) async fn rotate(page: Page, sent: Sent) -> Answer {
    if let Some(form) = unless_typed(&sent, "rotate") {
        return asked(&page, form).await;
    }
    let input = json!({ "purpose": sent.get("purpose"), "force": sent.is_checked("force") });
    match page.api()?.post::<Key>("/v1/keys/rotate", &input).await {
        Ok(rotated) => {
            let lagging = lagging(rotated.lagging());
            let text =
                format!("The next key signs now, and a new one is published behind it.{lagging}");
            Ok(page.go_saying("/admin/keys", &Flash::success(text)))
        }
        Err(error) => asked(&page, sent.refused(error)?).await,
    }
}
