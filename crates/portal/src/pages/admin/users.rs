//! `/admin/users`: everybody who can sign in to the installation.

use askama::Template;
use axum::extract::{Path, Query};
use portcullis_registry::wire::{Gone, Listed, Organization, User};
use serde::Deserialize;
use serde_json::json;

use super::{lagging, unless_typed};
use crate::{
    failure::Failure,
    flash::Flash,
    form::Form,
    layout::{Section, Shell, role_word},
    page::{Answer, Page},
    pages::filters::Filters,
    sent::Sent,
    view,
};

const ONE: &str = "/v1/users/{user_id}";
/// Entries of a page.
const PAGE: &str = "25";

/// What a list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    q: String,
    after: String,
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct Users {
    shell: Shell,
    list: Listed<User>,
    form: Form,
    path: String,
    after: String,
    is_filtered: bool,
}

/// Whether a person may use the installation.
pub(crate) fn state(user: &User) -> view::Markup {
    if user.disabled_at.is_some() {
        view::pill("disabled")
    } else if user.email_verified_at.is_none() {
        view::status("wait", "clock", "Address not confirmed")
    } else {
        view::pill("active")
    }
}

/// `GET /admin/users`.
pub(crate) async fn list(page: Page, Query(asked): Query<Asked>) -> Answer {
    let filters = Filters::default().and("q", &asked.q);
    let sent = filters
        .clone()
        .and("after", &asked.after)
        .and("limit", PAGE);
    let list = page.api()?.get("/v1/users", &sent.query()).await?.value;
    page.show(&Users {
        shell: page.shell(Section::Users, "Users"),
        list,
        form: Form::with([("q", asked.q)]),
        path: filters.path("/admin/users"),
        after: asked.after,
        is_filtered: !filters.are_none(),
    })
}

#[derive(Template)]
#[template(path = "admin/users_new.html")]
struct New {
    shell: Shell,
    form: Form,
}

fn new_page(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = page
        .shell(Section::Users, "New user")
        .crumb("Users", "/admin/users");
    page.show_with(status, &New { shell, form })
}

/// `GET /admin/users/new`.
pub(crate) async fn new(page: Page) -> Answer {
    new_page(&page, Form::empty())
}

/// `POST /admin/users/new`. The person chooses the password by a link that is sent at once.
pub(crate) async fn create(page: Page, sent: Sent) -> Answer {
    let input = json!({
        "email": sent.get("email"),
        "full_name": sent.get("full_name"),
        "is_operator": sent.is_checked("is_operator"),
    });
    let api = page.api()?;
    let made = match api
        .post_once::<User>("/v1/users", sent.once(), &input)
        .await
    {
        Ok(made) => made.value,
        Err(error) => return new_page(&page, sent.refused(error)?),
    };
    send_reset(&page, &made.id).await?;
    let text = format!(
        "{} was made. A link with which they choose a password is on its way.",
        made.full_name
    );
    Ok(page.go_saying(&format!("/admin/users/{}", made.id), &Flash::success(text)))
}

async fn send_reset(page: &Page, id: &str) -> Result<(), Failure> {
    let path = ("/v1/users/{user_id}/send_password_reset", [id]);
    page.api()?.post::<Gone>(path, &()).await?;
    Ok(())
}

/// An organization that the person belongs to.
struct Belongs {
    id: String,
    name: String,
    role: &'static str,
}

#[derive(Template)]
#[template(path = "admin/users_one.html")]
struct One {
    shell: Shell,
    user: User,
    belongs: Vec<Belongs>,
    form: Form,
    is_own: bool,
}

async fn found(page: &Page, id: &str) -> Result<User, Failure> {
    Ok(page.api()?.get((ONE, [id]), &[]).await?.value)
}

async fn one_page(page: &Page, id: &str, form: impl FnOnce(&User) -> Form) -> Answer {
    let user = found(page, id).await?;
    let api = page.api()?;
    let mut belongs = Vec::new();
    for membership in &user.memberships {
        let path = (
            "/v1/organizations/{organization_id}",
            [membership.organization_id.as_str()],
        );
        belongs.push(Belongs {
            id: membership.organization_id.clone(),
            name: api.get::<Organization>(path, &[]).await?.value.name,
            role: role_word(&membership.role),
        });
    }
    let form = form(&user);
    let status = form.status();
    let shell = page.shell(Section::Users, &user.full_name);
    let one = One {
        shell: shell.crumb("Users", "/admin/users"),
        is_own: page.who()?.user.id.as_str() == user.id,
        user,
        belongs,
        form,
    };
    page.show_with(status, &one)
}

fn values(user: &User) -> Form {
    Form::with([
        ("full_name", user.full_name.clone()),
        (
            "is_operator",
            if user.is_operator {
                "yes".to_owned()
            } else {
                String::new()
            },
        ),
        ("revision", user.revision.to_string()),
    ])
}

/// `GET /admin/users/{user_id}`.
pub(crate) async fn view(page: Page, Path(id): Path<String>) -> Answer {
    one_page(&page, &id, values).await
}

/// `POST /admin/users/{user_id}`.
pub(crate) async fn save(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let input = json!({
        "full_name": sent.get("full_name"),
        "is_operator": sent.is_checked("is_operator"),
    });
    let api = page.api()?;
    match api
        .patch::<User>((ONE, [id.as_str()]), sent.revision(), &input)
        .await
    {
        Ok(_) => Ok(page.go_saying(
            &format!("/admin/users/{id}"),
            &Flash::success("The user was saved."),
        )),
        Err(error) if error.status().as_u16() == 412 => {
            let form = sent.form();
            one_page(&page, &id, |user| {
                form.outdated(
                    Some(user.revision),
                    [("full_name", user.full_name.as_str())],
                )
            })
            .await
        }
        Err(error) => {
            let form = sent.refused(error)?;
            one_page(&page, &id, |_| form).await
        }
    }
}

/// `POST /admin/users/{user_id}/send_password_reset`.
pub(crate) async fn reset(page: Page, Path(id): Path<String>) -> Answer {
    let user = found(&page, &id).await?;
    send_reset(&page, &id).await?;
    let text = format!(
        "A link that sets a new password is on its way to {}.",
        user.email
    );
    Ok(page.go_saying(&format!("/admin/users/{id}"), &Flash::success(text)))
}

#[derive(Template)]
#[template(path = "admin/users_disable.html")]
struct Disable {
    shell: Shell,
    form: Form,
    action: String,
    back: String,
    user: User,
}

async fn asked(page: &Page, id: &str, form: Form) -> Answer {
    let user = found(page, id).await?;
    let status = form.status();
    let path = format!("/admin/users/{id}");
    let shell = page.shell(Section::Users, &format!("Disable {}", user.full_name));
    let shell = shell.crumb("Users", "/admin/users");
    let disable = Disable {
        shell: shell.crumb(&user.full_name, path.clone()),
        form,
        action: format!("{path}/disable"),
        back: path,
        user,
    };
    page.show_with(status, &disable)
}

/// `GET /admin/users/{user_id}/disable`.
pub(crate) async fn ask(page: Page, Path(id): Path<String>) -> Answer {
    asked(&page, &id, Form::empty()).await
}

/// `POST /admin/users/{user_id}/disable`.
pub(crate) async fn disable(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let user = found(&page, &id).await?;
    if let Some(form) = unless_typed(&sent, &user.email) {
        return asked(&page, &id, form).await;
    }
    match page
        .api()?
        .post::<User>(("/v1/users/{user_id}/disable", [id.as_str()]), &())
        .await
    {
        Ok(done) => {
            let text = format!("{} is disabled.{}", user.full_name, lagging(done.lagging()));
            Ok(page.go_saying(&format!("/admin/users/{id}"), &Flash::warning(text)))
        }
        Err(error) => asked(&page, &id, sent.refused(error)?).await,
    }
}

/// `POST /admin/users/{user_id}/enable`.
pub(crate) async fn enable(page: Page, Path(id): Path<String>) -> Answer {
    let done = page
        .api()?
        .post::<User>(("/v1/users/{user_id}/enable", [id.as_str()]), &())
        .await?;
    let text = format!("{} can sign in again.", done.value.full_name);
    Ok(page.go_saying(&format!("/admin/users/{id}"), &Flash::success(text)))
}
