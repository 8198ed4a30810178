//! `/account/tokens`: management tokens, with which programs do what the person may.

use askama::Template;
use axum::extract::Path;
use portcullis_registry::wire::{CreatedManagementToken, Gone, Listed, ManagementToken};
use serde_json::json;

use crate::{
    failure::Failure,
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::{
        admin::unless_typed,
        tabs::{self, Tab},
    },
    sent::Sent,
};

/// A token that was just made: its name and the token, shown this once.
struct Created {
    name: String,
    token: String,
    env: String,
}

#[derive(Template)]
#[template(path = "account/tokens.html")]
struct Tokens {
    shell: Shell,
    tabs: Vec<Tab>,
    tokens: Vec<ManagementToken>,
    created: Option<Created>,
    form: Form,
    lifetimes: Vec<Choice>,
}

/// How long a token may be used.
const LIFETIMES: [(&str, &str, u64); 4] = [
    ("30", "30 days", 30),
    ("90", "90 days", 90),
    ("365", "1 year", 365),
    ("never", "Without an end", 0),
];

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

async fn shown(page: &Page, form: Form, created: Option<Created>) -> Answer {
    let api = page.api()?;
    let tokens = api
        .get::<Listed<ManagementToken>>("/v1/management_tokens", &[])
        .await?;
    let mut tokens = tokens.value.items;
    tokens.reverse();
    let status = form.status();
    page.show_with(
        status,
        &Tokens {
            shell: page.shell(Section::Account, "Management tokens"),
            tabs: tabs::account("/account/tokens"),
            tokens,
            created,
            form,
            lifetimes: LIFETIMES
                .map(|(value, label, _)| Choice::new(value, label))
                .to_vec(),
        },
    )
}

/// `GET /account/tokens`.
pub(crate) async fn list(page: Page) -> Answer {
    shown(&page, Form::with([("lifetime", "90")]), None).await
}

/// `POST /account/tokens`. Answers with the token itself, which is never shown again.
pub(crate) async fn create(page: Page, sent: Sent) -> Answer {
    let lifetime = LIFETIMES
        .iter()
        .find(|(value, ..)| *value == sent.get("lifetime"));
    let Some((.., days)) = lifetime else {
        let form = sent
            .form()
            .wrong("lifetime", "Choose how long the token may be used.");
        return shown(&page, form, None).await;
    };
    let mut input = json!({ "name": sent.get("name") });
    if *days > 0 {
        let end =
            page.portal().clock().now() + std::time::Duration::from_secs(days * SECONDS_OF_A_DAY);
        let end = portcullis_registry::wire::instant_text(end);
        input = json!({ "name": sent.get("name"), "expires_at": end });
    }
    let api = page.api()?;
    match api
        .post::<CreatedManagementToken>("/v1/management_tokens", &input)
        .await
    {
        Ok(made) => {
            let token = made.value.token;
            let created = Created {
                name: made.value.name,
                env: format!("MANAGEMENT_TOKEN={token}\n"),
                token,
            };
            shown(&page, Form::with([("lifetime", "90")]), Some(created)).await
        }
        Err(error) => shown(&page, sent.refused(error)?, None).await,
    }
}

#[derive(Template)]
#[template(path = "account/tokens_delete.html")]
struct Delete {
    shell: Shell,
    form: Form,
    action: String,
    token: ManagementToken,
}

const ONE: &str = "/v1/management_tokens/{token_id}";

async fn found(page: &Page, id: &str) -> Result<ManagementToken, Failure> {
    Ok(page.api()?.get((ONE, [id]), &[]).await?.value)
}

fn delete_page(page: &Page, token: ManagementToken, form: Form) -> Answer {
    let status = form.status();
    let shell = page.shell(Section::Account, &format!("Delete token {}", token.name));
    let shell = shell.crumb("Your account", "/account");
    let delete = Delete {
        shell: shell.crumb("Management tokens", "/account/tokens"),
        form,
        action: format!("/account/tokens/{}/delete", token.id),
        token,
    };
    page.show_with(status, &delete)
}

/// `GET /account/tokens/{token_id}/delete`.
pub(crate) async fn ask(page: Page, Path(id): Path<String>) -> Answer {
    let token = found(&page, &id).await?;
    delete_page(&page, token, Form::empty())
}

/// `POST /account/tokens/{token_id}/delete`.
pub(crate) async fn delete(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let token = found(&page, &id).await?;
    if let Some(form) = unless_typed(&sent, &token.name) {
        return delete_page(&page, token, form);
    }
    page.api()?.delete::<Gone>((ONE, [id.as_str()])).await?;
    let flash =
        Flash::success("The token was deleted. Programs that use it are refused from now on.");
    Ok(page.go_saying("/account/tokens", &flash))
}
