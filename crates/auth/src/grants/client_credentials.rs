//! The client credentials grant (RFC 6749 section 4.4): a client asks for itself.

use std::time::Duration;

use portcullis_core::{
    access_token::{ClientTokenClaims, TokenRules, sign_for_client},
    clock::Timestamp,
    keys::SigningKey,
    scope,
};

use crate::{
    client_authentication::AuthenticatedClient, error::TokenError, parameters::Parameters,
};

/// What was granted: nothing of it comes from the request but the choice of scope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant {
    scope: &'static str,
}

/// A signed token and what the answer says about it.
pub(crate) struct IssuedToken {
    pub(crate) access_token: String,
    pub(crate) lifetime: Duration,
    pub(crate) scope: &'static str,
}

/// What the client may have of what it asks for.
///
/// # Errors
/// [`TokenError::Scope`].
pub(crate) fn grant(parameters: &Parameters) -> Result<Grant, TokenError> {
    let scope = scope::narrow(parameters.scope.as_deref()).map_err(TokenError::Scope)?;
    Ok(Grant { scope })
}

impl Grant {
    /// Signs the token.
    ///
    /// # Errors
    /// [`TokenError::Sign`].
    pub(crate) fn sign(
        self,
        client: &AuthenticatedClient<'_>,
        rules: &TokenRules,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<IssuedToken, TokenError> {
        let lifetime = client.record().token_lifetime;
        let claims = ClientTokenClaims {
            client_id: client.client_id(),
            scope: self.scope,
            issued_at: now,
            lifetime,
            generation: client.record().generation,
        };
        let access_token = sign_for_client(rules, key, &claims).map_err(TokenError::Sign)?;
        Ok(IssuedToken {
            access_token,
            lifetime,
            scope: self.scope,
        })
    }
}
