//! `/apps/{app_id}/activate`: activating an app for an organization one acts for.

use askama::Template;
use axum::extract::Path;
use portcullis_core::permissions::Action;
use portcullis_registry::wire::{App, SelectedApi, Subscription};
use serde_json::json;

use super::{organizations, path_of, read, selected};
use crate::{
    failure::Failure,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::subscriptions,
    sent::Sent,
};

#[derive(Template)]
#[template(path = "apps/activate.html")]
struct Activate {
    shell: Shell,
    form: Form,
    app: App,
    path: String,
    owner: String,
    apis: Vec<SelectedApi>,
    organizations: Vec<Choice>,
    /// Why it cannot be activated; empty when it can.
    obstacle: &'static str,
}

/// `GET /apps/{app_id}/activate`.
pub(crate) async fn form(page: Page, Path(app_id): Path<String>) -> Answer {
    let chosen = page.who()?.organization.clone();
    let chosen = chosen.map(|id| id.to_string()).unwrap_or_default();
    show(&page, &app_id, Form::with([("organization_id", chosen)])).await
}

async fn show(page: &Page, app_id: &str, form: Form) -> Answer {
    let api = page.api()?;
    let app = read(&api, app_id).await?.value;
    let organizations = organizations(page, Action::ManageSubscriptions)?;
    if organizations.is_empty() {
        return Err(Failure::Forbidden);
    }
    let template = Activate {
        shell: page
            .shell(Section::Apps, &format!("Activate {}", app.name))
            .crumb("Apps", "/apps")
            .crumb(&app.name, path_of(&app.id)),
        apis: selected(&api, &app.id).await?,
        organizations,
        path: path_of(&app.id),
        owner: app
            .summary
            .as_ref()
            .map(|summary| summary.organization_name.clone())
            .unwrap_or_default(),
        obstacle: match app.state.as_str() {
            _ if app.apis.is_empty() => "The app selects no API yet: there is nothing to activate.",
            "enabled" => "",
            _ => "The app is disabled: its owner has to enable it first.",
        },
        form,
        app,
    };
    page.show_with(template.form.status(), &template)
}

/// `POST /apps/{app_id}/activate`. Sent twice, it makes one subscription.
pub(crate) async fn submit(page: Page, Path(app_id): Path<String>, sent: Sent) -> Answer {
    let api = page.api()?;
    // Only an app that its page shows can be activated here.
    read(&api, &app_id).await?;
    let input = json!({ "organization_id": sent.get("organization_id") });
    let path = ("/v1/apps/{app_id}/subscriptions", [app_id.as_str()]);
    let made = api
        .post_once::<Subscription>(path, sent.once(), &input)
        .await;
    match made {
        Ok(made) => {
            let path = subscriptions::path_of(&made.value.id);
            let text = "The app is activated. It sends this Subscription-Id with each call.";
            Ok(page.go_done(&path, text, &made))
        }
        Err(error) => show(&page, &app_id, sent.refused(error)?).await,
    }
}
