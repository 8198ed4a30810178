//! The first operator: made by the link that `serve` prints while there is none.

use std::fmt;

use portcullis_core::{people::LinkPurpose, secret::SecretKind};
use portcullis_store::{ActError, FirstOperator, Store};

use super::{
    People, PeopleError, Visit, checked,
    links::{link, presented},
    sign_in::SignIn,
};
use crate::{password::Password, rules};

/// What the first operator types.
#[derive(Clone)]
pub struct Setup {
    /// The sign-in name.
    pub email: String,
    /// Shown to people.
    pub full_name: String,
    /// In clear.
    pub password: String,
    /// The name of the first organization.
    pub organization: String,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setup({}, [redacted])", self.email)
    }
}

/// The link with which the first operator is made, for the terminal; `None` when there is an operator.
///
/// # Errors
/// [`ActError`].
pub async fn setup_link(store: &Store, public_url: &str) -> Result<Option<String>, ActError> {
    let secret = store.make_setup_link().await?;
    Ok(secret.map(|secret| link(public_url, LinkPurpose::Setup, &secret)))
}

impl People {
    /// Whether a setup link still works.
    ///
    /// # Errors
    /// [`PeopleError::LinkUseless`].
    pub async fn check_setup_link(&self, token: &str) -> Result<(), PeopleError> {
        let digest = presented(token, SecretKind::Link).ok_or(PeopleError::LinkUseless)?;
        let link = self
            .inner
            .store
            .link(LinkPurpose::Setup, &digest, self.now());
        link.await?.map(|_| ()).ok_or(PeopleError::LinkUseless)
    }

    /// Makes the first operator with the first organization, and signs in.
    ///
    /// # Errors
    /// [`PeopleError`]: `LinkUseless`, `Invalid`, `Busy`.
    pub async fn set_up(
        &self,
        token: &str,
        form: &Setup,
        visit: &Visit,
    ) -> Result<SignIn, PeopleError> {
        let digest = presented(token, SecretKind::Link).ok_or(PeopleError::LinkUseless)?;
        self.check_setup_link(token).await?;
        let (email, full_name, password, organization) = checked(|findings| {
            let email = findings.take("email", rules::email(&form.email));
            let full_name = findings.take("full_name", rules::name(&form.full_name, 100));
            let own = [form.email.as_str(), form.full_name.as_str()];
            let password = findings.take("password", Password::chosen(&form.password, &own));
            let organization = findings.take("organization", rules::name(&form.organization, 100));
            Some((email?, full_name?, password?, organization?))
        })?;
        let new = FirstOperator {
            email,
            full_name,
            password_hash: self.hashed(password).await?,
            organization,
        };
        let (user, _) = self.store(visit).set_up(&digest, new).await?.value;
        self.signed_in(user, "setup link", visit).await
    }
}
