//! Accepting an invitation: as somebody who is signed in, or by making an account.

use portcullis_core::organization::User;
use portcullis_store::{Accepting, ShownInvitation};

use super::{
    People, PeopleError, Visit, account::link_digest, checked, sessions::SignedIn, sign_in::SignIn,
};
use crate::{password::Password, rules};

impl People {
    /// What an invitation is, for whoever has its link.
    ///
    /// # Errors
    /// [`PeopleError::LinkUseless`].
    pub async fn invitation(&self, token: &str) -> Result<ShownInvitation, PeopleError> {
        let digest = link_digest(token)?;
        let shown = self.inner.store.shown_invitation(&digest, self.now());
        shown.await?.ok_or(PeopleError::LinkUseless)
    }

    /// Accepts an invitation as the person who is signed in; their address must be the invited one.
    ///
    /// # Errors
    /// [`PeopleError`]: `LinkUseless`, or `Act` with `Conflict` (`other_address`).
    pub async fn accept_invitation(
        &self,
        who: &SignedIn,
        token: &str,
        visit: &Visit,
    ) -> Result<User, PeopleError> {
        let digest = link_digest(token)?;
        let accepting = Accepting::Person(Box::new(who.user.clone()));
        let store = self.store(visit);
        Ok(store.accept_invitation(&digest, accepting).await?.value)
    }

    /// Accepts an invitation by making an account for its address, and signs in.
    ///
    /// # Errors
    /// [`PeopleError`]: `LinkUseless`, `Invalid`, `Busy`, or `Act` with `Conflict` (`email_taken`).
    pub async fn join(
        &self,
        token: &str,
        (full_name, password): (&str, &str),
        visit: &Visit,
    ) -> Result<SignIn, PeopleError> {
        let digest = link_digest(token)?;
        let email = self.invitation(token).await?.invitation.email;
        let (full_name, password) = checked(|findings| {
            let name = findings.take("full_name", rules::name(full_name, 100));
            let own = [email.as_str(), full_name];
            let password = findings.take("password", Password::chosen(password, &own));
            Some((name?, password?))
        })?;
        let accepting = Accepting::Newcomer {
            full_name,
            password_hash: self.hashed(password).await?,
        };
        let store = self.store(visit);
        let user = store.accept_invitation(&digest, accepting).await?.value;
        self.signed_in(user, "invitation", visit).await
    }
}
