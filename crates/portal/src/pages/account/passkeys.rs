//! `/account/security/passkeys`: making, naming and removing passkeys.

use askama::Template;
use axum::{Json, extract::Path, response::IntoResponse};
use portcullis_core::ids::PasskeyId;
use serde_json::{Value, json};

use super::security::{Line, passkeys};
use crate::{
    failure::Failure,
    flash::Flash,
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::sign_in::refused,
    sent::Sent,
};

fn shell(page: &Page, title: &str) -> Shell {
    let shell = page
        .shell(Section::Account, title)
        .crumb("Your account", "/account");
    shell.crumb("Security", "/account/security")
}

#[derive(Template)]
#[template(path = "account/passkey_new.html")]
struct New {
    shell: Shell,
    form: Form,
}

fn new_page(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = shell(page, "Add a passkey").script("passkey.js");
    page.show_with(status, &New { shell, form })
}

/// `GET /account/security/passkeys/new`.
pub(crate) async fn new(page: Page) -> Answer {
    page.who()?.recently()?;
    new_page(&page, Form::empty())
}

/// `POST /account/security/passkeys/begin`. What the script on the page asks for, as JSON.
pub(crate) async fn begin(page: Page) -> Answer {
    let ceremony = page.portal().people().begin_passkey(page.who()?).await?;
    let answer = json!({ "pending": ceremony.pending.expose(), "options": ceremony.options });
    Ok(Json(answer).into_response())
}

/// `POST /account/security/passkeys/new`.
pub(crate) async fn finish(page: Page, sent: Sent) -> Answer {
    let name = sent.get("name");
    let form = || Form::with([("name", name)]);
    let Ok(answer) = serde_json::from_str::<Value>(sent.raw("answer")) else {
        let detail = "Your browser did not make a passkey. Try again, or use another browser.";
        return new_page(&page, form().wrong_altogether("That did not work", detail));
    };
    let made = (sent.get("pending"), name, &answer);
    let people = page.portal().people();
    match people.finish_passkey(page.who()?, made, page.visit()).await {
        Ok(_) => {
            let text = format!("The passkey “{name}” was added. You can sign in with it.");
            Ok(page.go_saying("/account/security", &Flash::success(text)))
        }
        Err(error) => new_page(&page, refused(form(), &error)?),
    }
}

#[derive(Template)]
#[template(path = "account/passkey.html")]
struct One {
    shell: Shell,
    form: Form,
    passkey: Line,
}

async fn one_page(page: &Page, id: &str, form: impl FnOnce(&Line) -> Form) -> Answer {
    let passkey = passkeys(page)
        .await?
        .into_iter()
        .find(|passkey| passkey.id == id);
    let passkey = passkey.ok_or(Failure::NotFound)?;
    let form = form(&passkey);
    let status = form.status();
    let shell = shell(page, &passkey.name);
    page.show_with(
        status,
        &One {
            shell,
            form,
            passkey,
        },
    )
}

/// `GET /account/security/passkeys/{passkey_id}`.
pub(crate) async fn view(page: Page, Path(id): Path<String>) -> Answer {
    one_page(&page, &id, |passkey| {
        Form::with([("name", passkey.name.as_str())])
    })
    .await
}

/// `POST /account/security/passkeys/{passkey_id}`.
pub(crate) async fn rename(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let key = PasskeyId::parse(&id).map_err(|_| Failure::NotFound)?;
    let people = page.portal().people();
    match people
        .rename_passkey(page.who()?, (&key, sent.get("name")), page.visit())
        .await
    {
        Ok(()) => Ok(page.go_saying(
            "/account/security",
            &Flash::success("The passkey has its new name."),
        )),
        Err(error) => {
            let form = refused(sent.form(), &error)?;
            one_page(&page, &id, |_| form).await
        }
    }
}

/// `POST /account/security/passkeys/{passkey_id}/remove`.
pub(crate) async fn remove(page: Page, Path(id): Path<String>) -> Answer {
    let key = PasskeyId::parse(&id).map_err(|_| Failure::NotFound)?;
    let who = page.who()?;
    if !who.is_recent {
        let back = format!("/prove?next=/account/security/passkeys/{key}");
        return Ok(page.go(&back));
    }
    page.portal()
        .people()
        .remove_passkey(who, &key, page.visit())
        .await?;
    let text =
        "The passkey was removed here. Remove it from your device or password manager as well.";
    Ok(page.go_saying("/account/security", &Flash::success(text)))
}
