//! `/organization/members`: who belongs to the organization, and as what.

use askama::Template;
use axum::extract::{Path, Query};
use portcullis_core::{
    organization::MemberRole,
    permissions::{Action, may_give_ownership},
};
use portcullis_registry::wire::{Gone, Listed, Member};
use serde::Deserialize;
use serde_json::json;

use super::profile::means;
use crate::{
    failure::Failure,
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell, role_word},
    page::{Answer, Page},
    pages::tabs::{self, Tab},
    sent::Sent,
};

const LIST: &str = "/v1/organizations/{organization_id}/members";
const ONE: &str = "/v1/organizations/{organization_id}/members/{user_id}";
/// Entries of a page.
const PAGE: &str = "50";

/// The page of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    pub(super) after: String,
}

#[derive(Template)]
#[template(path = "organization/members.html")]
struct Members {
    shell: Shell,
    tabs: Vec<Tab>,
    members: Listed<Member>,
    after: String,
    own: String,
    may_manage: bool,
    roles: Vec<Choice>,
}

/// The roles that the person may give, each with what it means.
pub(super) fn roles(page: &Page) -> Result<Vec<Choice>, Failure> {
    let (who, organization) = (page.who()?, page.organization()?);
    let gives_ownership = may_give_ownership(&who.actor, organization);
    let given = MemberRole::ALL
        .into_iter()
        .filter(|role| gives_ownership || *role != MemberRole::Owner);
    let choice = |role: MemberRole| {
        Choice::new(role.as_str(), role_word(role.as_str())).detailed(means(role.as_str()))
    };
    Ok(given.map(choice).collect())
}

/// `GET /organization/members`.
pub(crate) async fn list(page: Page, Query(asked): Query<Asked>) -> Answer {
    let id = page.organization()?.to_string();
    let query = [("limit", PAGE), ("after", asked.after.as_str())];
    let query = if asked.after.is_empty() {
        query.get(..1).unwrap_or_default()
    } else {
        &query[..]
    };
    let members = page.api()?.get((LIST, [id.as_str()]), query).await?.value;
    let all = MemberRole::ALL.into_iter();
    page.show(&Members {
        shell: page.shell(Section::Organization, "Members"),
        tabs: tabs::organization(&page, "/organization/members"),
        members,
        after: asked.after,
        own: page.who()?.user.id.to_string(),
        may_manage: page.may(Action::ManageMembers),
        roles: all
            .map(|role| {
                Choice::new(role.as_str(), role_word(role.as_str())).detailed(means(role.as_str()))
            })
            .collect(),
    })
}

#[derive(Template)]
#[template(path = "organization/member.html")]
struct One {
    shell: Shell,
    form: Form,
    member: Member,
    roles: Vec<Choice>,
    /// Why the role cannot be changed, or the member not be removed, by this person; empty when it can.
    reason: &'static str,
    is_own: bool,
}

async fn found(page: &Page, user: &str) -> Result<Member, Failure> {
    let id = page.organization()?.to_string();
    Ok(page
        .api()?
        .get((ONE, [id.as_str(), user]), &[])
        .await?
        .value)
}

async fn one_page(page: &Page, user: &str, form: impl FnOnce(&Member) -> Form) -> Answer {
    let member = found(page, user).await?;
    let form = form(&member);
    let status = form.status();
    let roles = roles(page)?;
    let may_touch = roles.iter().any(|role| role.value == member.role);
    let shell = page.shell(Section::Organization, &member.full_name);
    let shell = shell.crumb("Organization", "/organization");
    let one = One {
        shell: shell.crumb("Members", "/organization/members"),
        form,
        reason: if may_touch {
            ""
        } else {
            "Owners alone decide about owners."
        },
        is_own: page.who()?.user.id.as_str() == member.user_id,
        roles,
        member,
    };
    page.show_with(status, &one)
}

/// `GET /organization/members/{user_id}`.
pub(crate) async fn view(page: Page, Path(user): Path<String>) -> Answer {
    one_page(&page, &user, |member| {
        Form::with([("role", member.role.as_str())])
    })
    .await
}

/// `POST /organization/members/{user_id}`.
pub(crate) async fn set_role(page: Page, Path(user): Path<String>, sent: Sent) -> Answer {
    let id = page.organization()?.to_string();
    let input = json!({ "role": sent.get("role") });
    let api = page.api()?;
    match api
        .patch::<Member>((ONE, [id.as_str(), &user]), None, &input)
        .await
    {
        Ok(changed) => {
            let changed = changed.value;
            let text = format!(
                "{} is {} now.",
                changed.full_name,
                with_article(&changed.role)
            );
            Ok(page.go_saying("/organization/members", &Flash::success(text)))
        }
        Err(error) => {
            let form = sent.refused(error)?;
            one_page(&page, &user, |_| form).await
        }
    }
}

/// `POST /organization/members/{user_id}/remove`.
pub(crate) async fn remove(page: Page, Path(user): Path<String>, sent: Sent) -> Answer {
    let id = page.organization()?.to_string();
    let member = found(&page, &user).await?;
    match page
        .api()?
        .delete::<Gone>((ONE, [id.as_str(), &user]))
        .await
    {
        Ok(_) => {
            let text = format!("{} is no member any more.", member.full_name);
            Ok(page.go_saying("/organization/members", &Flash::success(text)))
        }
        Err(error) => {
            let form = sent.refused(error)?;
            one_page(&page, &user, |_| form).await
        }
    }
}

#[derive(Template)]
#[template(path = "organization/leave.html")]
struct Leave {
    shell: Shell,
    form: Form,
    organization: String,
}

fn leave_page(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let session = page.session().ok_or(Failure::SignInNeeded)?;
    let organization = session.organization_name.clone();
    let shell = page.shell(Section::Organization, &format!("Leave {organization}"));
    let shell = shell.crumb("Organization", "/organization");
    let leave = Leave {
        shell: shell.crumb("Members", "/organization/members"),
        form,
        organization,
    };
    page.show_with(status, &leave)
}

/// `GET /organization/leave`.
pub(crate) async fn ask_leave(page: Page) -> Answer {
    leave_page(&page, Form::empty())
}

/// `POST /organization/leave`.
pub(crate) async fn leave(page: Page, sent: Sent) -> Answer {
    let id = page.organization()?.to_string();
    let own = page.who()?.user.id.to_string();
    match page.api()?.delete::<Gone>((ONE, [id.as_str(), &own])).await {
        Ok(_) => Ok(page.go_saying(
            "/organizations",
            &Flash::success("You have left the organization."),
        )),
        Err(error) => leave_page(&page, sent.refused(error)?),
    }
}

/// A role in a sentence.
fn with_article(role: &str) -> &'static str {
    match role {
        "owner" => "an owner",
        "admin" => "an admin",
        "api_developer" => "an API developer",
        "app_developer" => "an app developer",
        _ => "a viewer",
    }
}
