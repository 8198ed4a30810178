//! `/apps/{app_id}/edit`: the fields of an app and the APIs it selects.

use askama::Template;
use axum::extract::Path;
use portcullis_core::permissions::Action;
use portcullis_registry::wire::{App, SelectedApi};
use serde_json::json;

use super::{may_in, new::offered, path_of, read, selected};
use crate::{
    failure::Failure,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
};

#[derive(Template)]
#[template(path = "apps/edit.html")]
struct Edit {
    shell: Shell,
    form: Form,
    app: App,
    path: String,
    apis: Vec<Choice>,
    /// Customers' subscriptions that live: while there are any, no API can be taken away.
    living: u64,
}

fn values(app: &App) -> Vec<(String, String)> {
    let texts = [
        ("name", &app.name),
        ("description", &app.description),
        ("website", &app.website),
        ("callback_url", &app.callback_url),
    ];
    let texts = texts.map(|(name, value)| (name.to_owned(), value.clone()));
    let apis = app.apis.iter().map(|id| ("apis".to_owned(), id.clone()));
    let revision = ("revision".to_owned(), app.revision.to_string());
    texts.into_iter().chain(apis).chain([revision]).collect()
}

/// The texts alone: what is compared when somebody else saved meanwhile.
fn texts(app: &App) -> Vec<(String, String)> {
    let texts = values(app).into_iter();
    texts
        .filter(|(name, _)| name != "apis" && name != "revision")
        .collect()
}

/// What can be ticked: the directory, and what is selected already though it is not there any more.
fn choices(directory: Vec<Choice>, selected: &[SelectedApi]) -> Vec<Choice> {
    let mut choices = directory;
    for one in selected {
        if choices.iter().any(|choice| choice.value == one.api.id) {
            continue;
        }
        let detail = if one.available {
            "Not in the directory"
        } else {
            "No longer shared with you: calls are refused"
        };
        choices.push(Choice::new(&one.api.id, &one.api.name).detailed(detail));
    }
    let is_selected = |choice: &Choice| selected.iter().any(|one| one.api.id == choice.value);
    choices.sort_by_key(|choice| (!is_selected(choice), choice.label.to_lowercase()));
    choices
}

/// `GET /apps/{app_id}/edit`.
pub(crate) async fn form(page: Page, Path(app_id): Path<String>) -> Answer {
    let app = read(&page.api()?, &app_id).await?.value;
    let form = Form::with(values(&app));
    show(&page, app, form).await
}

async fn show(page: &Page, app: App, form: Form) -> Answer {
    if app.state == "deleted" {
        return Err(Failure::NotFound);
    }
    if !may_in(page, Action::ManageApps, &app.organization_id) {
        return Err(Failure::Forbidden);
    }
    let api = page.api()?;
    let offer = offered(&api, &app.organization_id).await?;
    let selected = selected(&api, &app.id).await?;
    let template = Edit {
        shell: page
            .shell(Section::Apps, &format!("Edit {}", app.name))
            .crumb("Apps", "/apps")
            .crumb(&app.name, path_of(&app.id)),
        path: path_of(&app.id),
        apis: choices(offer.choices, &selected),
        living: app.summary.as_ref().map_or(0, |s| s.living_subscriptions),
        form,
        app,
    };
    page.show_with(template.form.status(), &template)
}

/// `POST /apps/{app_id}/edit`.
pub(crate) async fn submit(page: Page, Path(app_id): Path<String>, sent: Sent) -> Answer {
    let input = json!({
        "name": sent.get("name"),
        "description": sent.get("description"),
        "website": sent.get("website"),
        "callback_url": sent.get("callback_url"),
        "apis": sent.all("apis"),
    });
    let api = page.api()?;
    let path = ("/v1/apps/{app_id}", [app_id.as_str()]);
    let edited = api.patch::<App>(path, sent.revision(), &input).await;
    let error = match edited {
        Ok(edited) => return Ok(page.go_done(&path_of(&app_id), "App saved.", &edited)),
        Err(error) => error,
    };
    let app = read(&api, &app_id).await?.value;
    let form = if error.status().as_u16() == 412 {
        sent.form().outdated(Some(app.revision), texts(&app))
    } else {
        sent.refused(error)?
    };
    show(&page, app, form).await
}
