//! `/v1/management_tokens`: the caller's own tokens.

use axum::{Json, extract::State, response::Response};
use portcullis_core::{
    clock::Timestamp,
    ids::{ManagementTokenId, UserId},
};
use portcullis_store::{Acted, ManagementTokenInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    RegistryState,
    body::{Body, Input},
    caller::Caller,
    effect::{Done, Gone, Wait, created, done},
    error::RegistryError,
    findings::Findings,
    params::{Id, Listed},
    rules,
};

/// A management token as it can be shown again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManagementToken {
    /// Names the token; not the token.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Prefix and last characters.
    pub hint: String,
    /// When it was made (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// From when on it is refused; `null` means never.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

impl From<&ManagementTokenInfo> for ManagementToken {
    fn from(of: &ManagementTokenInfo) -> Self {
        Self {
            id: of.id.to_string(),
            name: of.name.clone(),
            hint: of.hint.clone(),
            created_at: rules::instant_text(of.created_at),
            expires_at: of.expires_at.map(rules::instant_text),
        }
    }
}

/// The caller's tokens, oldest first.
#[utoipa::path(get, path = "/v1/management_tokens", tag = "management_tokens",
    responses((status = 200, body = Listed<ManagementToken>)))]
pub(crate) async fn list(caller: Caller) -> Result<Json<Listed<ManagementToken>>, RegistryError> {
    let authority = caller.own_authority()?;
    let tokens = caller
        .store
        .management_tokens(&authority, caller.user()?)
        .await?;
    Ok(Json(Listed::whole(&tokens)))
}

/// One of the caller's tokens.
#[utoipa::path(get, path = "/v1/management_tokens/{token_id}", tag = "management_tokens",
    params(("token_id" = String, Path)), responses((status = 200, body = ManagementToken)))]
pub(crate) async fn get(
    caller: Caller,
    Id(id): Id<ManagementTokenId>,
) -> Result<Json<ManagementToken>, RegistryError> {
    Ok(Json(ManagementToken::from(&own(&caller, &id).await?)))
}

async fn own(
    caller: &Caller,
    id: &ManagementTokenId,
) -> Result<ManagementTokenInfo, RegistryError> {
    let authority = caller.own_authority()?;
    let tokens = caller
        .store
        .management_tokens(&authority, caller.user()?)
        .await?;
    tokens
        .into_iter()
        .find(|token| token.id == *id)
        .ok_or(RegistryError::NotFound("management token"))
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[schema(as = ManagementTokenInput)]
pub(crate) struct NewInput {
    /// What its owner calls it; 1 to 100 characters.
    name: String,
    /// From when on it is refused; left out means never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// For whom; left out means for the caller. Operators alone make tokens for others.
    user_id: Option<String>,
}

/// A token to be made, checked.
pub(crate) struct CheckedToken {
    name: String,
    expires_at: Option<Timestamp>,
    user: Option<UserId>,
}

impl Input for NewInput {
    type Checked = CheckedToken;

    fn check(self, findings: &mut Findings) -> Option<CheckedToken> {
        let name = findings.take("name", rules::name(&self.name, 100));
        let expires_at =
            findings.take_some("expires_at", self.expires_at, |text| rules::instant(&text));
        let user = findings.take_some("user_id", self.user_id, |text| UserId::parse(&text));
        Some(CheckedToken {
            name: name?,
            expires_at: expires_at?,
            user: user?,
        })
    }
}

/// A token that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedManagementToken {
    /// Names the token; not the token.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The token itself, shown this once.
    pub token: String,
    /// From when on it is refused; `null` means never.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// Makes a token. It may do what the person may whom it is for.
#[utoipa::path(post, path = "/v1/management_tokens", tag = "management_tokens",
    request_body = NewInput, responses((status = 201, body = Done<CreatedManagementToken>)))]
pub(crate) async fn create(
    State(state): State<RegistryState>,
    caller: Caller,
    Body(new): Body<NewInput>,
) -> Result<Response, RegistryError> {
    let CheckedToken {
        name,
        expires_at,
        user,
    } = new;
    if expires_at.is_some_and(|end| end <= state.clock.now()) {
        return Err(RegistryError::invalid(
            "expires_at",
            "This instant has passed.",
        ));
    }
    let user = match user {
        Some(user) if user == *caller.user()? || caller.actor().is_operator() => user,
        Some(_) => return Err(RegistryError::Forbidden),
        None => caller.user()?.clone(),
    };
    let authority = caller.own_authority()?;
    let acted = caller
        .store
        .create_management_token(&authority, &user, &name, expires_at)
        .await?;
    let (id, token) = acted.value;
    let location = format!("/v1/management_tokens/{id}");
    let acted = Acted {
        value: CreatedManagementToken {
            id: id.to_string(),
            name,
            token: token.expose().to_owned(),
            expires_at: expires_at.map(rules::instant_text),
        },
        seq: acted.seq,
    };
    Ok(created(&state, acted, Wait::None, &location).await)
}

/// Ends one of the caller's tokens at once.
#[utoipa::path(delete, path = "/v1/management_tokens/{token_id}", tag = "management_tokens",
    params(("token_id" = String, Path)), responses((status = 200, body = Done<Gone>)))]
pub(crate) async fn delete(
    State(state): State<RegistryState>,
    caller: Caller,
    Id(id): Id<ManagementTokenId>,
) -> Result<Response, RegistryError> {
    own(&caller, &id).await?;
    let authority = caller.own_authority()?;
    let acted = caller
        .store
        .delete_management_token(&authority, &id)
        .await?;
    let acted = Acted {
        value: Gone {},
        seq: acted.seq,
    };
    Ok(done(&state, acted, Wait::None).await)
}
