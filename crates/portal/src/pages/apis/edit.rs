//! `/apis/{id}/edit`: what people read of an API.

use askama::Template;
use axum::extract::Path;
use http::StatusCode;
use portcullis_registry::wire::Api;
use serde_json::json;

use super::{Found, find_to_change};
use crate::{
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
};

#[derive(Template)]
#[template(path = "apis/edit.html")]
struct Edit {
    shell: Shell,
    path: String,
    form: Form,
}

/// The values of the form that stand in an API.
fn values(api: &Api) -> Vec<(&'static str, String)> {
    vec![
        ("name", api.name.clone()),
        ("description", api.description.clone()),
        ("categories", api.categories.join(", ")),
        ("documentation_url", api.documentation_url.clone()),
        ("support_email", api.support_email.clone()),
        ("support_phone", api.support_phone.clone()),
        ("support_website", api.support_website.clone()),
    ]
}

/// Categories as people type them: with commas or on lines of their own.
pub(super) fn categories(text: &str) -> Vec<String> {
    let parts = text.split([',', '\n']).map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn show(page: &Page, api: &Api, form: Form) -> Answer {
    let path = format!("/apis/{}", api.id);
    let shell = page.shell(Section::Apis, &format!("Edit {}", api.name));
    let shell = shell.crumb("APIs", "/apis").crumb(&api.name, path.clone());
    page.show_with(form.status(), &Edit { shell, path, form })
}

/// `GET /apis/{api_id}/edit`.
pub(crate) async fn form(page: Page, Path(id): Path<String>) -> Answer {
    let Found { api, .. } = find_to_change(&page, &id).await?;
    let mut fields = values(&api);
    fields.push(("revision", api.revision.to_string()));
    show(&page, &api, Form::with(fields))
}

/// `POST /apis/{api_id}/edit`.
pub(crate) async fn submit(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let Found {
        api, management, ..
    } = find_to_change(&page, &id).await?;
    let input = json!({
        "name": sent.get("name"),
        "description": sent.get("description"),
        "categories": categories(sent.get("categories")),
        "documentation_url": sent.get("documentation_url"),
        "support_email": sent.get("support_email"),
        "support_phone": sent.get("support_phone"),
        "support_website": sent.get("support_website"),
    });
    let path = ("/v1/apis/{api_id}", [id.as_str()]);
    match management.patch::<Api>(path, sent.revision(), &input).await {
        Ok(done) => {
            let text = format!("{} is saved.", done.value.name);
            Ok(page.go_done(&format!("/apis/{}", api.id), &text, &done))
        }
        Err(error) if error.status() == StatusCode::PRECONDITION_FAILED => {
            let Found { api, .. } = find_to_change(&page, &id).await?;
            let form = sent.form().outdated(Some(api.revision), values(&api));
            show(&page, &api, form)
        }
        Err(error) => show(&page, &api, sent.refused(error)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_separated_as_people_do() {
        assert_eq!(
            categories(" Parts, Service &\nSales,,\n"),
            ["Parts", "Service &", "Sales"]
        );
        assert_eq!(categories("  "), Vec::<String>::new());
    }
}
