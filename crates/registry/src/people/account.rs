//! A person's own account: signing up, proving an address, setting a new password, changing name, address and
//! password. Requests by people who are not signed in answer alike whether or not the account exists.

use std::fmt;

use portcullis_core::{
    installation::Registration,
    organization::User,
    people::LinkPurpose,
    permissions::{Action, Actor, may, oneself},
    secret::{SecretDigest, SecretKind},
};
use portcullis_store::{ActError, Link, SignUp, UserPatch};

use super::{
    People, PeopleError, Visit, checked,
    links::{base, presented},
    sessions::SignedIn,
};
use crate::{password::Password, rules};

/// What somebody types to sign up.
#[derive(Clone)]
pub struct SignUpForm {
    /// Shown to people.
    pub full_name: String,
    /// The sign-in name.
    pub email: String,
    /// In clear.
    pub password: String,
    /// The name of the organization.
    pub organization: String,
}

impl fmt::Debug for SignUpForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignUpForm({}, [redacted])", self.email)
    }
}

impl People {
    /// Whether anybody may sign up by themselves. Closed unless an operator opened it.
    ///
    /// # Errors
    /// [`PeopleError::Act`].
    pub async fn registration_is_open(&self) -> Result<bool, PeopleError> {
        let settings = self.inner.store.installation_settings().await?;
        Ok(settings.registration == Registration::Open)
    }

    /// Notes a sign-up and owes the mail that proves the address. The same answer whether or not the address
    /// has an account.
    ///
    /// # Errors
    /// [`PeopleError`]: `RegistrationClosed`, `Invalid`, `Throttled`, `Busy`.
    pub async fn sign_up(&self, form: &SignUpForm, visit: &Visit) -> Result<(), PeopleError> {
        if !self.registration_is_open().await? {
            return Err(PeopleError::RegistrationClosed);
        }
        let (email, full_name, password, organization) = checked(|findings| {
            let full_name = findings.take("full_name", rules::name(&form.full_name, 100));
            let email = findings.take("email", rules::email(&form.email));
            let own = [form.email.as_str(), form.full_name.as_str()];
            let password = findings.take("password", Password::chosen(&form.password, &own));
            let organization = findings.take("organization", rules::name(&form.organization, 100));
            Some((email?, full_name?, password?, organization?))
        })?;
        self.asks(&email, visit)?;
        let new = SignUp {
            email,
            full_name,
            password_hash: self.hashed(password).await?,
            organization,
        };
        let link_base = self.link_base(LinkPurpose::EmailVerification);
        self.store(visit).sign_up(new, &link_base).await?;
        Ok(())
    }

    /// Uses the link that proves the address of a new account. The person then signs in.
    ///
    /// # Errors
    /// [`PeopleError::LinkUseless`].
    pub async fn verify_email(&self, token: &str, visit: &Visit) -> Result<User, PeopleError> {
        let digest = link_digest(token)?;
        Ok(self.store(visit).verify_email(&digest).await?.value)
    }

    /// Owes the person of this address a link that sets a new password. Answers at once and alike for every
    /// address; what there is to do is done after the answer.
    ///
    /// # Errors
    /// [`PeopleError`]: `Invalid`, `Throttled`.
    pub fn request_password_reset(&self, email: &str, visit: &Visit) -> Result<(), PeopleError> {
        let email = checked(|findings| findings.take("email", rules::email(email)))?;
        self.asks(&email, visit)?;
        let store = self.store(visit);
        let link_base = self.link_base(LinkPurpose::PasswordReset);
        self.inner.background.spawn(async move {
            if let Err(error) = store.request_password_reset(&email, &link_base).await {
                tracing::error!(%error, "a password reset that was asked for could not be noted");
            }
        });
        Ok(())
    }

    /// What a link that was sent by mail stands for, before it is used.
    ///
    /// # Errors
    /// [`PeopleError::LinkUseless`].
    pub async fn link(&self, purpose: LinkPurpose, token: &str) -> Result<Link, PeopleError> {
        let digest = link_digest(token)?;
        let link = self.inner.store.link(purpose, &digest, self.now()).await?;
        link.ok_or(PeopleError::LinkUseless)
    }

    /// Uses a link that sets a new password. Ends every session of the person, who then signs in.
    ///
    /// # Errors
    /// [`PeopleError`]: `LinkUseless`, `Invalid`, `Busy`.
    pub async fn reset_password(
        &self,
        token: &str,
        password: &str,
        visit: &Visit,
    ) -> Result<User, PeopleError> {
        let digest = link_digest(token)?;
        let link = self.link(LinkPurpose::PasswordReset, token).await?;
        let name = self.name_of(&link).await?;
        let password = chosen(password, &[&link.email, &name])?;
        let hash = self.hashed(password).await?;
        let store = self.store(visit);
        Ok(store.reset_password(&digest, &hash).await?.value)
    }

    async fn name_of(&self, link: &Link) -> Result<String, PeopleError> {
        let id = link.user_id.as_ref().ok_or(PeopleError::LinkUseless)?;
        let system = may(&Actor::System, Action::Read, None).map_err(|_| ActError::Forbidden)?;
        Ok(self.inner.store.user(&system, id).await?.full_name)
    }

    /// Changes the person's own password; takes the present one. Ends every other session.
    ///
    /// # Errors
    /// [`PeopleError`]: `Invalid` (`current_password`, `password`), `Throttled`, `Busy`.
    pub async fn change_password(
        &self,
        who: &SignedIn,
        (current, new): (&str, &str),
        visit: &Visit,
    ) -> Result<(), PeopleError> {
        let wrong = |error| match error {
            PeopleError::WrongCredentials => {
                PeopleError::invalid("current_password", "this is not your present password")
            }
            other => other,
        };
        let password = chosen(new, &[&who.user.email, &who.user.full_name])?;
        self.prove_password(&who.user, current, visit)
            .await
            .map_err(wrong)?;
        let hash = self.hashed(password).await?;
        let store = self.store(visit);
        store
            .change_password(&who.user, &who.session, &hash)
            .await?;
        Ok(())
    }

    /// Changes the person's own name.
    ///
    /// # Errors
    /// [`PeopleError::Invalid`].
    pub async fn rename(
        &self,
        who: &SignedIn,
        full_name: &str,
        visit: &Visit,
    ) -> Result<(), PeopleError> {
        let full_name =
            checked(|findings| findings.take("full_name", rules::name(full_name, 100)))?;
        let own = oneself(&who.actor);
        let patch = UserPatch {
            full_name: Some(full_name),
            is_operator: None,
        };
        let store = self.store(visit);
        store.update_user(&own, &who.user.id, None, patch).await?;
        Ok(())
    }

    /// Owes a mail to a new address of the person, whose link makes it the sign-in name. The same answer
    /// whether or not the address has an account. Takes a recent proof.
    ///
    /// # Errors
    /// [`PeopleError`]: `ProofNeeded`, `Invalid`, `Throttled`.
    pub async fn request_email_change(
        &self,
        who: &SignedIn,
        email: &str,
        visit: &Visit,
    ) -> Result<(), PeopleError> {
        who.recently()?;
        let email = checked(|findings| findings.take("email", rules::email(email)))?;
        self.asks(&email, visit)?;
        let link_base = self.link_base(LinkPurpose::EmailChange);
        let store = self.store(visit);
        store
            .request_email_change(&who.user, &email, &link_base)
            .await?;
        Ok(())
    }

    /// Uses the link that was sent to a new address.
    ///
    /// # Errors
    /// [`PeopleError`]: `LinkUseless`, or `Act` with `Conflict` (`email_taken`).
    pub async fn change_email(&self, token: &str, visit: &Visit) -> Result<User, PeopleError> {
        let digest = link_digest(token)?;
        Ok(self.store(visit).change_email(&digest).await?.value)
    }

    /// What a link of this purpose begins with.
    fn link_base(&self, purpose: LinkPurpose) -> String {
        base(&self.inner.settings.public_url, purpose)
    }
}

/// The digest of a presented link.
pub(super) fn link_digest(token: &str) -> Result<SecretDigest, PeopleError> {
    presented(token, SecretKind::Link).ok_or(PeopleError::LinkUseless)
}

/// A password that a person chose, as the field `password`.
pub(super) fn chosen(password: &str, own: &[&str]) -> Result<Password, PeopleError> {
    checked(|findings| findings.take("password", Password::chosen(password, own)))
}
