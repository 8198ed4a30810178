//! `/admin/settings`: what operators decide about the whole installation.

use askama::Template;
use portcullis_registry::wire::Settings;
use serde_json::json;

use super::lagging;
use crate::{
    failure::Failure,
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
};

#[derive(Template)]
#[template(path = "admin/settings.html")]
struct SettingsPage {
    shell: Shell,
    form: Form,
    registrations: [Choice; 2],
    email: String,
    captures_mail: bool,
}

async fn current(page: &Page) -> Result<Settings, Failure> {
    Ok(page
        .api()?
        .get::<Settings>("/v1/settings", &[])
        .await?
        .value)
}

fn values(of: &Settings) -> [(&'static str, String); 3] {
    [
        ("registration", of.registration.clone()),
        ("installation_name", of.installation_name.clone()),
        ("support_email", of.support_email.clone()),
    ]
}

fn shown(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let settings = SettingsPage {
        shell: page.shell(Section::Settings, "Settings"),
        form,
        registrations: [
            Choice::new("closed", "Closed")
                .detailed("New people come by the invitation of a member or an operator alone."),
            Choice::new("open", "Open").detailed(
                "Anybody may make an account and an organization, once the address is confirmed.",
            ),
        ],
        email: page.who()?.user.email.clone(),
        captures_mail: page.portal().site().captures_mail,
    };
    page.show_with(status, &settings)
}

/// `GET /admin/settings`.
pub(crate) async fn show(page: Page) -> Answer {
    let settings = current(&page).await?;
    let revision = ("revision", settings.revision.to_string());
    shown(
        &page,
        Form::with(values(&settings).into_iter().chain([revision])),
    )
}

/// `POST /admin/settings`.
pub(crate) async fn save(page: Page, sent: Sent) -> Answer {
    let input = json!({
        "registration": sent.get("registration"),
        "installation_name": sent.get("installation_name"),
        "support_email": sent.get("support_email"),
    });
    let api = page.api()?;
    match api
        .patch::<Settings>("/v1/settings", sent.revision(), &input)
        .await
    {
        Ok(saved) => {
            let text = format!("The settings were saved.{}", lagging(saved.lagging()));
            Ok(page.go_saying("/admin/settings", &Flash::success(text)))
        }
        Err(error) if error.status().as_u16() == 412 => {
            let current = current(&page).await?;
            shown(
                &page,
                sent.form()
                    .outdated(Some(current.revision), values(&current)),
            )
        }
        Err(error) => shown(&page, sent.refused(error)?),
    }
}
