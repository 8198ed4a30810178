//! `/v1/captured_mails`: mails that were kept instead of being sent, for operators of an installation whose mail is
//! captured.

use axum::{Json, extract::State};
use portcullis_core::ids::JobId;
use portcullis_store::CapturedMail as StoredMail;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    RegistryState,
    caller::Caller,
    error::RegistryError,
    mail::MailMode,
    params::{Id, Listed, PageParams, Params, page_request},
    rules,
};

/// A mail in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapturedMail {
    /// The job that owed it.
    pub id: String,
    /// Its template, such as `password_reset`.
    pub topic: String,
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// When it was captured (RFC 3339).
    #[schema(format = DateTime)]
    pub at: String,
}

impl From<&StoredMail> for CapturedMail {
    fn from(of: &StoredMail) -> Self {
        Self {
            id: of.id.to_string(),
            topic: of.topic.clone(),
            to: of.to.clone(),
            subject: of.subject.clone(),
            at: rules::instant_text(of.at),
        }
    }
}

/// A mail in the mailbox, opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenedMail {
    /// What stands on it.
    #[serde(flatten)]
    pub mail: CapturedMail,
    /// The body for readers without HTML. It may hold links that work once.
    pub text: String,
    /// The body in HTML.
    pub html: String,
}

/// The newest 200 mails that were captured, newest first. Operators only; 404 unless `mail.mode` is `capture`.
#[utoipa::path(get, path = "/v1/captured_mails", tag = "jobs", params(PageParams),
    responses((status = 200, body = Listed<CapturedMail>)))]
pub(crate) async fn list(
    State(state): State<RegistryState>,
    caller: Caller,
    Params(params): Params<PageParams>,
) -> Result<Json<Listed<CapturedMail>>, RegistryError> {
    let authority = caller.installation_authority()?;
    there_is_a_mailbox(&state)?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let page = caller.store.captured_mails(&authority, page).await?;
    Ok(Json(Listed::of(page)))
}

/// A captured mail with its bodies. Operators only; 404 unless `mail.mode` is `capture`.
#[utoipa::path(get, path = "/v1/captured_mails/{mail_id}", tag = "jobs",
    params(("mail_id" = String, Path)), responses((status = 200, body = OpenedMail)))]
pub(crate) async fn get(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<JobId>,
) -> Result<Json<OpenedMail>, RegistryError> {
    let authority = caller.installation_authority()?;
    there_is_a_mailbox(&state)?;
    let mail = caller.store.captured_mail(&authority, &id).await?;
    Ok(Json(OpenedMail {
        mail: CapturedMail::from(&mail),
        text: mail.text,
        html: mail.html,
    }))
}

fn there_is_a_mailbox(state: &RegistryState) -> Result<(), RegistryError> {
    match state.settings.mail_mode {
        MailMode::Capture => Ok(()),
        MailMode::Smtp | MailMode::Off => Err(RegistryError::NotFound("mailbox")),
    }
}
