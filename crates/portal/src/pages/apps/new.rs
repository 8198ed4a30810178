//! `/apps/new`: Register a New App.

use askama::Template;
use portcullis_core::{permissions::Action, secret::Secret};
use portcullis_registry::{
    in_process::Management,
    wire::{CreatedApp, Directory, DirectoryEntry},
};
use serde_json::json;

use super::{asked, environments, lifecycle_word, organizations, path_of};
use crate::{
    done::effect_line,
    failure::Failure,
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
};

/// Most APIs that are offered: further pages of the directory are left out, and said to be.
const OFFERED_MAX: usize = 1_000;

/// The APIs that an organization may select.
pub(super) struct Offer {
    pub(super) choices: Vec<Choice>,
    /// Whether there are more than are offered.
    pub(super) is_cut: bool,
}

/// The API directory as a check list.
pub(super) async fn offered(api: &Management, organization_id: &str) -> Result<Offer, Failure> {
    let mut entries: Vec<DirectoryEntry> = Vec::new();
    let mut after = String::new();
    loop {
        let query = super::given(&[
            ("organization_id", organization_id),
            ("limit", "500"),
            ("after", &after),
        ]);
        let page = api.get::<Directory>("/v1/directory", &query).await?.value;
        entries.extend(page.items);
        match page.next {
            Some(next) if entries.len() < OFFERED_MAX => after = next,
            next => {
                let mut choices: Vec<Choice> = entries.iter().map(choice).collect();
                choices.sort_by_key(|choice| choice.label.to_lowercase());
                let is_cut = next.is_some();
                return Ok(Offer { choices, is_cut });
            }
        }
    }
}

fn choice(entry: &DirectoryEntry) -> Choice {
    let api = &entry.api;
    let Some(summary) = &api.summary else {
        return Choice::new(&api.id, &api.name);
    };
    let label = format!("{} ({})", api.name, summary.organization_name);
    let instances = &summary.instances;
    let mut words: Vec<&str> = instances
        .iter()
        .map(|one| lifecycle_word(&one.lifecycle_status, &one.lifecycle_text))
        .collect();
    words.dedup();
    let parts = [
        environments(instances.iter().map(|one| one.environment.as_str())),
        words.join(", "),
        if api.visibility == "private" {
            "Private".to_owned()
        } else {
            String::new()
        },
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let detail = if instances.is_empty() {
        "Not published yet".to_owned()
    } else {
        parts.join(" · ")
    };
    Choice::new(&api.id, label).detailed(detail)
}

#[derive(Template)]
#[template(path = "apps/new.html")]
struct New {
    shell: Shell,
    form: Form,
    organizations: Vec<Choice>,
    /// The name of the organization whose directory is offered.
    organization: String,
    apis: Vec<Choice>,
    is_cut: bool,
}

/// `GET /apps/new`. With `?apis=` that API is ticked: "Build with this API" leads here.
pub(crate) async fn form(page: Page) -> Answer {
    let organization = page.organization()?.to_string();
    let form = Form::with([
        ("organization_id", organization),
        ("apis", asked(&page, "apis")),
    ]);
    show(&page, form).await
}

async fn show(page: &Page, form: Form) -> Answer {
    let organizations = organizations(page, Action::ManageApps)?;
    let chosen = organizations
        .iter()
        .find(|choice| form.has("organization_id", &choice.value))
        .cloned()
        .unwrap_or_else(|| Choice::new(form.value("organization_id"), ""));
    let offer = offered(&page.api()?, &chosen.value).await?;
    let template = New {
        shell: page
            .shell(Section::Apps, "Register a New App")
            .crumb("Apps", "/apps"),
        organizations,
        organization: chosen.label,
        apis: offer.choices,
        is_cut: offer.is_cut,
        form,
    };
    page.show_with(template.form.status(), &template)
}

/// `POST /apps/new`. Sent twice, it registers one app.
pub(crate) async fn submit(page: Page, sent: Sent) -> Answer {
    let organization = match sent.some("organization_id") {
        Some(named) => named.to_owned(),
        None => page.organization()?.to_string(),
    };
    let input = json!({
        "organization_id": organization,
        "name": sent.get("name"),
        "description": sent.get("description"),
        "website": sent.get("website"),
        "callback_url": sent.get("callback_url"),
        "apis": sent.all("apis"),
    });
    let api = page.api()?;
    let made = api
        .post_once::<CreatedApp>("/v1/apps", sent.once(), &input)
        .await;
    let made = match made {
        Ok(made) => made,
        Err(error) => return show(&page, sent.refused(error)?).await,
    };
    let path = path_of(&made.value.app.id);
    let name = &made.value.app.name;
    let Some(secret) = made.value.api_secret.clone().map(Secret::from_text) else {
        let text = format!(
            "{name} was registered already by this form, once. If you did not see its API Secret, make another with Rotate."
        );
        return Ok(page.go_saying(&path, &Flash::warning(text)));
    };
    let text = format!("{name} is registered. {}", effect_line(&made));
    let response = page.go_saying(&path, &Flash::success(text.trim_end()));
    Ok(page.with_secret(response, &made.value.app.id, &secret))
}
