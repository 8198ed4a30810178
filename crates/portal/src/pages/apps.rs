//! `/apps`: the apps of an organization, from registering one to deleting it.

use portcullis_core::{
    ids::OrganizationId,
    permissions::{Action, may},
};
use portcullis_registry::{
    in_process::{self, Management, ManagementError},
    wire::{App, SelectedApi},
};

use crate::{failure::Failure, form::Choice, page::Page};

pub(crate) mod activate;
pub(crate) mod calls;
pub(crate) mod edit;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod secrets;
pub(crate) mod show;
mod snippets;
pub(crate) mod state;

/// The path of an app's page.
fn path_of(app_id: &str) -> String {
    format!("/apps/{}", crate::view::encoded(app_id))
}

/// The app with what lists tell beside it.
async fn read(api: &Management, app_id: &str) -> Result<in_process::Answer<App>, ManagementError> {
    let path = ("/v1/apps/{app_id}", [app_id]);
    api.get::<App>(path, &[("include", "summary")]).await
}

/// The APIs that an app selected, with their instances.
async fn selected(api: &Management, app_id: &str) -> Result<Vec<SelectedApi>, ManagementError> {
    let path = ("/v1/apps/{app_id}/apis", [app_id]);
    let listed = api
        .get::<portcullis_registry::wire::Listed<SelectedApi>>(path, &[])
        .await?;
    Ok(listed.value.items)
}

/// Whether the person may do this to things of an organization, whichever is chosen in the switcher.
pub(crate) fn may_in(page: &Page, action: Action, organization_id: &str) -> bool {
    let Some(session) = page.session() else {
        return false;
    };
    let organization = OrganizationId::parse(organization_id).ok();
    organization.is_some_and(|id| may(&session.who.actor, action, Some(&id)).is_ok())
}

/// A parameter of the query; empty when it is not there. Parameters that are unknown mean nothing.
pub(crate) fn asked(page: &Page, name: &str) -> String {
    let query = page.inner().uri.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(key, _)| key == name);
    found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// The path of a list with its filters, without those that are empty and without the place in it.
pub(crate) fn filtered(path: &str, filters: &[(&str, &str)]) -> String {
    let filters = filters.iter().filter(|(_, value)| !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(filters)
        .finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// What is asked of a list: these parameters without the empty ones.
pub(crate) fn given<'a>(parameters: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    given.copied().collect()
}

/// The environments of an API as people read them, each once, in the order calls move on.
pub(crate) fn environments<'a>(of: impl Iterator<Item = &'a str>) -> String {
    let found: Vec<&str> = of.collect();
    let known = [
        ("dev", "Development"),
        ("test", "Test"),
        ("production", "Production"),
    ];
    let words = known
        .iter()
        .filter(|(name, _)| found.contains(name))
        .map(|(_, word)| *word);
    words.collect::<Vec<_>>().join(", ")
}

/// A lifecycle status as people read it. `text` is the provider's own when the status is `custom`.
pub(crate) fn lifecycle_word<'a>(status: &'a str, text: &'a str) -> &'a str {
    match status {
        "beta" => "Beta",
        "general_release" => "General release",
        "deprecated" => "Deprecated",
        "custom" => text,
        other => other,
    }
}

/// Organizations of the person in which they may do this, to choose from.
fn organizations(page: &Page, action: Action) -> Result<Vec<Choice>, Failure> {
    let who = page.who()?;
    let allowed = who
        .organizations
        .iter()
        .filter(|(id, ..)| may(&who.actor, action, Some(id)).is_ok());
    let mut choices: Vec<Choice> = allowed
        .map(|(id, name, _)| Choice::new(id.to_string(), name.clone()))
        .collect();
    // Operators may act for an organization that they chose without belonging to it.
    if let Some(chosen) = &who.organization
        && may(&who.actor, action, Some(chosen)).is_ok()
        && !choices.iter().any(|choice| choice.value == chosen.as_str())
        && let Some(session) = page.session()
    {
        choices.push(Choice::new(
            chosen.to_string(),
            session.organization_name.clone(),
        ));
    }
    Ok(choices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_stay_in_the_address_and_empty_ones_do_not() {
        assert_eq!(filtered("/apps", &[("q", ""), ("state", "")]), "/apps");
        assert_eq!(
            filtered("/apps", &[("q", "a&b c"), ("state", "disabled")]),
            "/apps?q=a%26b+c&state=disabled"
        );
    }

    #[test]
    fn environments_are_named_once_and_in_order() {
        let found = ["production", "test", "production"];

        assert_eq!(environments(found.into_iter()), "Test, Production");
    }
}
