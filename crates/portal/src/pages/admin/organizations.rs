//! `/admin/organizations`: every organization of the installation.

use askama::Template;
use axum::extract::{Path, Query};
use portcullis_registry::wire::{Listed, Organization, OrganizationSummary};
use serde::Deserialize;
use serde_json::json;

use super::{lagging, unless_typed};
use crate::{
    failure::Failure,
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::filters::Filters,
    sent::Sent,
    view as views,
};

/// Entries of a page.
const PAGE: &str = "25";

/// What a list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    q: String,
    state: String,
    after: String,
}

#[derive(Template)]
#[template(path = "admin/organizations.html")]
struct Organizations {
    shell: Shell,
    list: Listed<Organization>,
    form: Form,
    states: Vec<Choice>,
    path: String,
    after: String,
    is_filtered: bool,
}

/// `GET /admin/organizations`.
pub(crate) async fn list(page: Page, Query(asked): Query<Asked>) -> Answer {
    let filters = Filters::default()
        .and("q", &asked.q)
        .and("state", &asked.state);
    let sent = filters
        .clone()
        .and("after", &asked.after)
        .and("limit", PAGE);
    let sent = sent.and("order", "newest").and("include", "summary");
    let list = page
        .api()?
        .get("/v1/organizations", &sent.query())
        .await?
        .value;
    page.show(&Organizations {
        shell: page.shell(Section::Organizations, "Organizations"),
        list,
        form: Form::with([("q", asked.q), ("state", asked.state)]),
        states: vec![
            Choice::new("", "Any state"),
            Choice::new("active", "Active"),
            Choice::new("suspended", "Suspended"),
        ],
        path: filters.path("/admin/organizations"),
        after: asked.after,
        is_filtered: !filters.are_none(),
    })
}

#[derive(Template)]
#[template(path = "admin/organizations_new.html")]
struct New {
    shell: Shell,
    form: Form,
}

fn new_page(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = page.shell(Section::Organizations, "New organization");
    let shell = shell.crumb("Organizations", "/admin/organizations");
    page.show_with(status, &New { shell, form })
}

/// `GET /admin/organizations/new`.
pub(crate) async fn new(page: Page) -> Answer {
    new_page(&page, Form::empty())
}

/// `POST /admin/organizations/new`.
pub(crate) async fn create(page: Page, sent: Sent) -> Answer {
    let namespaces = sent.get("namespaces").split([',', ' ', '\n']);
    let namespaces: Vec<&str> = namespaces.filter(|name| !name.is_empty()).collect();
    let input = json!({
        "name": sent.get("name"),
        "contact_email": sent.get("contact_email"),
        "website": sent.get("website"),
        "phone_number": sent.get("phone_number"),
        "address": sent.get("address"),
        "country_code": sent.get("country_code").to_uppercase(),
        "namespaces": namespaces,
    });
    let api = page.api()?;
    match api
        .post_once::<Organization>("/v1/organizations", sent.once(), &input)
        .await
    {
        Ok(made) => {
            let path = format!("/admin/organizations/{}", made.value.id);
            let text = format!("{} was made. Invite its owner next.", made.value.name);
            Ok(page.go_saying(&path, &Flash::success(text)))
        }
        Err(error) => new_page(&page, sent.refused(error)?),
    }
}

#[derive(Template)]
#[template(path = "admin/organizations_one.html")]
struct One {
    shell: Shell,
    organization: Organization,
    summary: OrganizationSummary,
    form: Form,
}

/// The organization with what hangs together with it.
async fn found(page: &Page, id: &str) -> Result<(Organization, OrganizationSummary), Failure> {
    let api = page.api()?;
    let path = ("/v1/organizations/{organization_id}", [id]);
    let organization = api.get::<Organization>(path, &[]).await?.value;
    let query = [("q", id), ("include", "summary"), ("limit", "500")];
    let list = api
        .get::<Listed<Organization>>("/v1/organizations", &query)
        .await?
        .value;
    let own = list.items.into_iter().find(|item| item.id == id);
    let summary = own.and_then(|item| item.summary);
    let summary =
        summary.ok_or_else(|| Failure::Internal("an organization without a summary".to_owned()))?;
    Ok((organization, summary))
}

async fn one_page(page: &Page, id: &str, form: Form) -> Answer {
    let (organization, summary) = found(page, id).await?;
    let status = form.status();
    let shell = page.shell(Section::Organizations, &organization.name);
    let one = One {
        shell: shell.crumb("Organizations", "/admin/organizations"),
        organization,
        summary,
        form,
    };
    page.show_with(status, &one)
}

/// `GET /admin/organizations/{organization_id}`.
pub(crate) async fn view(page: Page, Path(id): Path<String>) -> Answer {
    one_page(&page, &id, Form::empty()).await
}

/// `POST /admin/organizations/{organization_id}/namespaces`.
pub(crate) async fn add_namespace(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let path = (
        "/v1/organizations/{organization_id}/namespaces",
        [id.as_str()],
    );
    let input = json!({ "namespace": sent.get("namespace") });
    match page.api()?.post::<Organization>(path, &input).await {
        Ok(_) => {
            let text = format!("The namespace {} is theirs now.", sent.get("namespace"));
            Ok(page.go_saying(&format!("/admin/organizations/{id}"), &Flash::success(text)))
        }
        Err(error) => one_page(&page, &id, sent.refused(error)?).await,
    }
}

#[derive(Template)]
#[template(path = "admin/organizations_suspend.html")]
struct Suspend {
    shell: Shell,
    form: Form,
    action: String,
    back: String,
    organization: Organization,
    summary: OrganizationSummary,
}

/// `1 app`, `2 apps`.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "templates hand over references"
)]
pub(crate) fn counted(number: &u64, one: &str, several: &str) -> String {
    views::count(usize::try_from(*number).unwrap_or(usize::MAX), one, several)
}

async fn asked(page: &Page, id: &str, form: Form) -> Answer {
    let (organization, summary) = found(page, id).await?;
    let status = form.status();
    let path = format!("/admin/organizations/{id}");
    let shell = page.shell(
        Section::Organizations,
        &format!("Suspend {}", organization.name),
    );
    let shell = shell.crumb("Organizations", "/admin/organizations");
    let suspend = Suspend {
        shell: shell.crumb(&organization.name, path.clone()),
        form,
        action: format!("{path}/suspend"),
        back: path,
        organization,
        summary,
    };
    page.show_with(status, &suspend)
}

/// `GET /admin/organizations/{organization_id}/suspend`.
pub(crate) async fn ask(page: Page, Path(id): Path<String>) -> Answer {
    asked(&page, &id, Form::empty()).await
}

/// `POST /admin/organizations/{organization_id}/suspend`.
pub(crate) async fn suspend(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let (organization, _) = found(&page, &id).await?;
    if let Some(form) = unless_typed(&sent, &organization.name) {
        return asked(&page, &id, form).await;
    }
    let path = ("/v1/organizations/{organization_id}/suspend", [id.as_str()]);
    match page.api()?.post::<Organization>(path, &()).await {
        Ok(done) => {
            let text = format!(
                "{} is suspended.{}",
                organization.name,
                lagging(done.lagging())
            );
            Ok(page.go_saying(&format!("/admin/organizations/{id}"), &Flash::warning(text)))
        }
        Err(error) => asked(&page, &id, sent.refused(error)?).await,
    }
}

/// `POST /admin/organizations/{organization_id}/resume`.
pub(crate) async fn resume(page: Page, Path(id): Path<String>) -> Answer {
    let path = ("/v1/organizations/{organization_id}/resume", [id.as_str()]);
    let done = page.api()?.post::<Organization>(path, &()).await?;
    let text = format!(
        "{} may act again.{}",
        done.value.name,
        lagging(done.lagging())
    );
    Ok(page.go_saying(&format!("/admin/organizations/{id}"), &Flash::success(text)))
}
