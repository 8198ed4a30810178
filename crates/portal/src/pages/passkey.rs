//! `/login/passkey`: signing in with a passkey. The browser asks its person; scripts carry the answer here.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use portcullis_registry::people::Ceremony;
use serde_json::{Value, json};

use super::sign_in;
use crate::{
    failure::Failure,
    page::{Answer, Page},
    sent::Sent,
};

/// `POST /login/passkey/begin`: what the browser is to ask its person for.
pub(crate) async fn begin(page: Page) -> Result<Response, Failure> {
    let ceremony = page
        .portal()
        .people()
        .begin_passkey_sign_in(page.visit())
        .await?;
    Ok(begun(&ceremony))
}

/// A ceremony for `static/passkey.js`.
pub(crate) fn begun(ceremony: &Ceremony) -> Response {
    let Ceremony { pending, options } = ceremony;
    Json(json!({ "pending": pending.expose(), "options": options })).into_response()
}

/// What the browser answered; `Null` when it is no JSON, which no ceremony takes.
pub(crate) fn answered(sent: &Sent) -> Value {
    serde_json::from_str(sent.raw("answer")).unwrap_or_default()
}

/// `POST /login/passkey`.
pub(crate) async fn finish(page: Page, sent: Sent) -> Answer {
    let people = page.portal().people();
    let (pending, answer) = (sent.get("pending"), answered(&sent));
    match people
        .sign_in_with_passkey(pending, &answer, page.visit())
        .await
    {
        Ok(step) => sign_in::go_on(&page, step, sent.get("next"), None),
        Err(error) => {
            let form = crate::form::Form::with([("next", sent.get("next"))]);
            sign_in::show(&page, sign_in::refused(form, &error)?).await
        }
    }
}
