//! `/apis`: the API Directory, the page of an API, and what its provider does with it.

use portcullis_core::{
    ids::OrganizationId,
    permissions::{Action, may},
};
use portcullis_registry::{in_process::Management, wire::Api};

use crate::{
    failure::Failure,
    page::Page,
    view::{self, Markup},
};

pub(crate) mod acts;
pub(crate) mod directory;
pub(crate) mod edit;
pub(crate) mod instances;
pub(crate) mod new;
pub(crate) mod reference;
pub(crate) mod secrets;
pub(crate) mod show;
mod spec_form;
pub(crate) mod target;

/// What stands in the query of a page. Whatever it is, a page is shown: of a field that stands twice the first
/// counts.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn of(page: &Page) -> Self {
        let query = page.here().split_once('?').map_or("", |(_, query)| query);
        Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The value of a field, without space around it; empty when there is none.
    fn get(&self, name: &str) -> String {
        let field = self.0.iter().find(|(key, _)| key == name);
        field.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    }
}

/// An environment as people say it.
fn environment_word(environment: &str) -> &'static str {
    match environment {
        "production" => "Production",
        "test" => "Test",
        _ => "Dev",
    }
}

/// How far an instance has come in its life.
fn lifecycle_pill(status: &str, text: &str) -> Markup {
    match status {
        "beta" => view::status("wait", "clock", "Beta"),
        "deprecated" => view::status("wait", "warning", "Deprecated"),
        "custom" => view::status("neutral", "info", text),
        _ => view::status("good", "check", "General Release"),
    }
}

/// The environments, in the order of their tabs.
const ENVIRONMENTS: [&str; 3] = ["production", "test", "dev"];

/// What everything about one API begins with.
struct Found {
    api: Api,
    management: Management,
    /// Whether the person belongs to its provider.
    is_provider: bool,
    /// Whether the person may change it.
    may_manage: bool,
}

/// The API, when the person may see it.
async fn find(page: &Page, id: &str) -> Result<Found, Failure> {
    let management = page.api()?;
    let query = [("include", "summary")];
    let api = management
        .get::<Api>(("/v1/apis/{api_id}", [id]), &query)
        .await?
        .value;
    let provider = OrganizationId::parse(&api.organization_id).ok();
    let actor = &page.who()?.actor;
    let may_manage =
        provider.is_some_and(|provider| may(actor, Action::ManageApis, Some(&provider)).is_ok());
    Ok(Found {
        is_provider: api.client_id.is_some(),
        may_manage,
        api,
        management,
    })
}

/// The same for its provider's people with the role to change it. For others there is no such page.
async fn find_to_change(page: &Page, id: &str) -> Result<Found, Failure> {
    match find(page, id).await? {
        found if found.may_manage => Ok(found),
        found if found.is_provider => Err(Failure::Forbidden),
        _ => Err(Failure::NotFound),
    }
}
