//! `/v1/settings`: what operators decide about the whole installation.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use portcullis_core::{
    installation::{InstallationSettings, Registration},
    job::check_mail_address,
};
use portcullis_store::{Acted, InstallationPatch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, WaitParams, done},
    error::RegistryError,
    findings::Findings,
    params::{IfMatch, Params, with_etag},
    rules,
};

const NAME_CHARACTERS_MAX: usize = 60;

/// The settings of the whole installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    /// `open`: anybody may sign up; `closed`: new people come by invitation alone.
    pub registration: String,
    /// What pages and mails call the installation.
    pub installation_name: String,
    /// Where people are sent with questions; may be empty.
    pub support_email: String,
    /// Counts edits: the `ETag`.
    pub revision: i64,
}

impl From<&InstallationSettings> for Settings {
    fn from(of: &InstallationSettings) -> Self {
        Self {
            registration: of.registration.as_str().to_owned(),
            installation_name: of.installation_name.clone(),
            support_email: of.support_email.clone(),
            revision: of.version,
        }
    }
}

/// The settings. Operators only.
#[utoipa::path(get, path = "/v1/settings", tag = "settings",
    responses((status = 200, body = Settings)))]
pub(crate) async fn get(caller: Caller) -> Result<Response, RegistryError> {
    caller.installation_authority()?;
    let settings = caller.store.installation_settings().await?;
    let body = Json(Settings::from(&settings));
    Ok(with_etag(body.into_response(), settings.version))
}

/// What is to be changed; members left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[schema(as = SettingsPatch)]
pub(crate) struct PatchInput {
    /// `open` or `closed`.
    registration: Option<String>,
    /// 1 to 60 characters.
    installation_name: Option<String>,
    /// A mail address, or empty.
    support_email: Option<String>,
}

impl Input for PatchInput {
    type Checked = InstallationPatch;

    fn check(self, findings: &mut Findings) -> Option<InstallationPatch> {
        let registration = |text: String| {
            Registration::parse(&text).ok_or("registration is either open or closed")
        };
        let name = |text: String| rules::name(&text, NAME_CHARACTERS_MAX);
        let email = |text: String| {
            let text = text.trim();
            if !text.is_empty() {
                check_mail_address(text)?;
            }
            Ok::<_, portcullis_core::job::InvalidMailAddress>(text.to_owned())
        };
        let registration = findings.take_some("registration", self.registration, registration);
        let name = findings.take_some("installation_name", self.installation_name, name);
        let support_email = findings.take_some("support_email", self.support_email, email);
        Some(InstallationPatch {
            registration: registration?,
            installation_name: name?,
            support_email: support_email?,
        })
    }
}

/// Changes settings. Operators only.
#[utoipa::path(patch, path = "/v1/settings", tag = "settings", params(WaitParams),
    request_body = PatchInput,
    responses((status = 200, body = Done<Settings>)))]
pub(crate) async fn update(
    State(state): State<RegistryState>,
    caller: Caller,
    Params(wait): Params<WaitParams>,
    IfMatch(version): IfMatch,
    Body(patch): Body<PatchInput>,
) -> Result<Response, RegistryError> {
    let authority = caller.installation_authority()?;
    let acted = caller
        .store
        .update_installation_settings(&authority, version, patch)
        .await?;
    let version = acted.value.version;
    let acted = Acted {
        value: Settings::from(&acted.value),
        seq: acted.seq,
    };
    Ok(with_etag(done(&state, acted, wait.wait).await, version))
}
