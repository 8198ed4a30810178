//! What a provider does with an API beside editing it: who may see it, sharing, revoking, deleting. What others feel
//! shows first whom it touches.

use axum::extract::Path;
use http::StatusCode;
use portcullis_registry::{
    in_process::Management,
    wire::{Api, ApiUser, Gone, Listed, RevokedTokens},
};
use serde_json::json;

use super::{Found, find_to_change, show};
use crate::{
    failure::Failure,
    form::Form,
    layout::Section,
    page::{Answer, Page},
    pages::confirmation::{Confirmation, unconfirmed},
    sent::Sent,
    view::{self, count},
};

/// How many apps are named before the others are counted.
const NAMED: usize = 8;

/// What is asked before.
enum Act {
    MakePublic,
    MakePrivate,
    Unshare(String),
    RevokeTokens,
    Delete,
}

impl Act {
    fn segment(&self) -> String {
        match self {
            Self::MakePublic => "make-public".to_owned(),
            Self::MakePrivate => "make-private".to_owned(),
            Self::Unshare(organization) => format!("shares/{}", view::encoded(organization)),
            Self::RevokeTokens => "revoke-tokens".to_owned(),
            Self::Delete => "delete".to_owned(),
        }
    }

    fn title(&self, name: &str) -> String {
        match self {
            Self::MakePublic => format!("Make {name} public?"),
            Self::MakePrivate => format!("Revert {name} to private?"),
            Self::Unshare(_) => format!("Stop sharing {name}?"),
            Self::RevokeTokens => format!("Revoke all tokens of {name}?"),
            Self::Delete => format!("Delete {name}?"),
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::MakePublic => "Make Public",
            Self::MakePrivate => "Revert to Private",
            Self::Unshare(_) => "Remove share",
            Self::RevokeTokens => "Revoke all tokens",
            Self::Delete => "Delete API",
        }
    }

    /// Whether the name has to be typed.
    fn is_danger(&self) -> bool {
        matches!(self, Self::MakePrivate | Self::Unshare(_) | Self::Delete)
    }

    fn consequences(&self) -> Vec<String> {
        let said: &[&str] = match self {
            Self::MakePublic => &[
                "Every organization finds it in the API Directory, with the versions that are shown there.",
                "Every app may select and call it.",
            ],
            Self::MakePrivate => {
                &["Only your organization, and those it is shared with, see and call it."]
            }
            Self::Unshare(_) => &["Apps of that organization may select and call it no more."],
            Self::RevokeTokens => &[
                "Tokens issued so far to the API's own Client ID are refused at their next use, whoever holds them.",
                "Calls of apps go on. With its Client Secret the API gets a new token at once; if the secret may be known, end the secret instead.",
            ],
            Self::Delete => &[
                "Every version is deleted, in every environment. Their gateway paths answer no more.",
                "Its Client ID, its secrets and its test subscriptions end. Its API ID stays taken.",
                "This cannot be taken back.",
            ],
        };
        said.iter().map(|sentence| (*sentence).to_owned()).collect()
    }

    /// Whether an app of this organization loses the API.
    fn takes_from(&self, api: &Api, organization: &str) -> bool {
        let is_own = api.organization_id == organization;
        let shared = api.shared_with.as_deref().unwrap_or_default();
        match self {
            Self::MakePublic | Self::RevokeTokens => false,
            Self::MakePrivate => !is_own && !shared.iter().any(|id| id == organization),
            Self::Unshare(id) => !is_own && api.visibility != "public" && id == organization,
            Self::Delete => true,
        }
    }
}

/// The apps that use an API: those of the first page, which is long.
async fn users(management: &Management, api: &Api) -> Result<Listed<ApiUser>, Failure> {
    let path = ("/v1/apis/{api_id}/apps", [api.id.as_str()]);
    Ok(management
        .get::<Listed<ApiUser>>(path, &[("limit", "500")])
        .await?
        .value)
}

/// Whom it touches when these apps lose an API.
pub(super) fn blast_radius(users: &[&ApiUser], is_cut: bool) -> Vec<String> {
    if users.is_empty() {
        return vec!["No app loses anything by that.".to_owned()];
    }
    let subscriptions: u64 = users.iter().map(|user| user.living_subscriptions).sum();
    let subscriptions = usize::try_from(subscriptions).unwrap_or(usize::MAX);
    let at_least = if is_cut { "at least " } else { "" };
    let mut said = vec![format!(
        "It touches {at_least}{} and {}: their calls are refused from the moment it is in effect.",
        count(users.len(), "app", "apps"),
        count(
            subscriptions,
            "subscription of a customer",
            "subscriptions of customers"
        ),
    )];
    let named = users.iter().take(NAMED);
    let mut names: Vec<String> = named
        .map(|user| format!("{} ({})", user.name, user.organization_name))
        .collect();
    if users.len() > NAMED {
        names.push(format!("and {} more", users.len() - NAMED));
    }
    said.push(format!("Apps: {}.", names.join(", ")));
    said
}

/// The sentences about apps, for an act that takes the API from all of them.
pub(super) async fn touched_by_all(
    management: &Management,
    api: &Api,
) -> Result<Vec<String>, Failure> {
    let listed = users(management, api).await?;
    Ok(blast_radius(
        &listed.items.iter().collect::<Vec<_>>(),
        listed.next.is_some(),
    ))
}

async fn ask(page: &Page, found: Found, act: Act, form: Form) -> Answer {
    let Found {
        api, management, ..
    } = found;
    let path = format!("/apis/{}", api.id);
    let title = act.title(&api.name);
    let mut consequences = act.consequences();
    if act.is_danger() {
        let listed = users(&management, &api).await?;
        let losing = listed
            .items
            .iter()
            .filter(|user| act.takes_from(&api, &user.organization_id));
        consequences.extend(blast_radius(
            &losing.collect::<Vec<_>>(),
            listed.next.is_some(),
        ));
    }
    let has_help = !(api.support_email.is_empty() && api.support_website.is_empty());
    if matches!(act, Act::MakePublic) && (!has_help || api.documentation_url.is_empty()) {
        consequences.push(
            "It names no documentation or nobody to ask yet. Edit it first, so that those who find it can use it.".to_owned(),
        );
    }
    let obstacle = match (&act, api.visibility.as_str()) {
        (Act::MakePublic, "public") => "This API is public already.",
        (Act::MakePrivate, "private") => "This API is private already.",
        _ => "",
    };
    let confirmation = Confirmation {
        shell: page
            .shell(Section::Apis, &title)
            .crumb("APIs", "/apis")
            .crumb(&api.name, path.clone()),
        form,
        action: format!("{path}/{}", act.segment()),
        back: path,
        title,
        consequences,
        obstacle: obstacle.to_owned(),
        question: None,
        word: if act.is_danger() {
            api.name
        } else {
            String::new()
        },
        verb: act.verb(),
        is_danger: act.is_danger(),
    };
    confirmation.show(page)
}

/// Does it, when its name was typed.
async fn act(page: Page, id: String, act: Act, sent: Sent) -> Answer {
    let found = find_to_change(&page, &id).await?;
    if act.is_danger()
        && let Some(form) = unconfirmed(&sent, &found.api.name)
    {
        return ask(&page, found, act, form).await;
    }
    let (api, name) = (&found.management, &found.api.name);
    let path = format!("/apis/{}", found.api.id);
    let one = ("/v1/apis/{api_id}", [id.as_str()]);
    let done = match &act {
        Act::MakePublic | Act::MakePrivate => {
            let (visibility, word) = match act {
                Act::MakePublic => ("public", "public"),
                _ => ("private", "private"),
            };
            let input = json!({ "visibility": visibility });
            let patched = api.patch::<Api>(one, None, &input).await;
            patched.map(|done| page.go_done(&path, &format!("{name} is {word}."), &done))
        }
        Act::Unshare(organization) => {
            let share = (
                "/v1/apis/{api_id}/shares/{organization_id}",
                [id.as_str(), organization.as_str()],
            );
            let text = format!("{name} is no longer shared with that organization.");
            api.delete::<Api>(share)
                .await
                .map(|done| page.go_done(&path, &text, &done))
        }
        Act::RevokeTokens => {
            let revoke = ("/v1/apis/{api_id}/revoke_tokens", [id.as_str()]);
            let text = format!("Every token issued so far to the Client ID of {name} is refused.");
            let done = api.post::<RevokedTokens>(revoke, &()).await;
            done.map(|done| page.go_done(&path, &text, &done))
        }
        Act::Delete => {
            let text = format!("{name} is deleted.");
            let done = api.delete::<Gone>(one).await;
            done.map(|done| page.go_done("/apis?mine=1", &text, &done))
        }
    };
    match done {
        Ok(response) => Ok(response),
        Err(error) => ask(&page, found, act, sent.refused(error)?).await,
    }
}

macro_rules! asked_first {
    ($($ask:ident, $do:ident, $act:expr, $path:literal;)*) => {$(
        #[doc = concat!("`GET ", $path, "`.")]
        pub(crate) async fn $ask(page: Page, Path(id): Path<String>) -> Answer {
            let found = find_to_change(&page, &id).await?;
            ask(&page, found, $act, Form::empty()).await
        }

        #[doc = concat!("`POST ", $path, "`.")]
        pub(crate) async fn $do(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
            act(page, id, $act, sent).await
        }
    )*};
}

asked_first! {
    ask_make_public, make_public, Act::MakePublic, "/apis/{api_id}/make-public";
    ask_make_private, make_private, Act::MakePrivate, "/apis/{api_id}/make-private";
    ask_revoke_tokens, revoke_tokens, Act::RevokeTokens, "/apis/{api_id}/revoke-tokens";
    ask_delete, delete, Act::Delete, "/apis/{api_id}/delete";
}

/// `GET /apis/{api_id}/shares/{organization_id}`.
pub(crate) async fn ask_unshare(
    page: Page,
    Path((id, organization)): Path<(String, String)>,
) -> Answer {
    let found = find_to_change(&page, &id).await?;
    let shared = found.api.shared_with.as_deref().unwrap_or_default();
    if !shared.contains(&organization) {
        return Err(Failure::NotFound);
    }
    ask(&page, found, Act::Unshare(organization), Form::empty()).await
}

/// `POST /apis/{api_id}/shares/{organization_id}`.
pub(crate) async fn unshare(
    page: Page,
    Path((id, organization)): Path<(String, String)>,
    sent: Sent,
) -> Answer {
    act(page, id, Act::Unshare(organization), sent).await
}

/// `POST /apis/{api_id}/shares`: Share API by Org Id.
pub(crate) async fn share(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let found = find_to_change(&page, &id).await?;
    let organization = sent.get("organization_id");
    let path = ("/v1/apis/{api_id}/shares", [id.as_str()]);
    let input = json!({ "organization_id": organization });
    let said = match found.management.post::<Api>(path, &input).await {
        Ok(done) => {
            let text = format!("{} is shared with {organization}.", found.api.name);
            return Ok(page.go_done(&format!("/apis/{}", found.api.id), &text, &done));
        }
        // The management API says of the share what it would say of the API: the API was just found.
        Err(error) if error.status() == StatusCode::NOT_FOUND => sent
            .form()
            .wrong("organization_id", "There is no organization with this id."),
        Err(error) => sent.refused(error)?,
    };
    let beside = show::Beside {
        share: Some(said),
        ..show::Beside::default()
    };
    show::shown(&page, found, beside, None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, subscriptions: u64) -> ApiUser {
        ApiUser {
            app_id: name.to_owned(),
            name: name.to_owned(),
            state: "enabled".to_owned(),
            organization_id: "o".to_owned(),
            organization_name: "Org".to_owned(),
            living_subscriptions: subscriptions,
        }
    }

    #[test]
    fn whom_an_act_touches_is_counted_and_named() {
        let users: Vec<ApiUser> = (0..10).map(|n| user(&format!("App {n}"), 2)).collect();
        let all: Vec<&ApiUser> = users.iter().collect();

        let said = blast_radius(&all, true);

        assert!(
            said[0].contains("at least 10 apps and 20 subscriptions"),
            "{said:?}"
        );
        assert!(said[1].starts_with("Apps: App 0 (Org), ") && said[1].ends_with("and 2 more."));
        assert!(blast_radius(&all[..1], false)[0].contains("touches 1 app and 2 subscriptions"));
        assert_eq!(blast_radius(&[], false), ["No app loses anything by that."]);
    }
}
