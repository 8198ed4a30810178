//! Signing in with an email address and a password, and with a second factor where the person has one.

use portcullis_core::{
    ids::SessionId,
    organization::User,
    people::PendingPurpose,
    permissions::{Action, Actor, may},
    secret::Secret,
};
use portcullis_store::{ActError, NewSession};

use super::{People, PeopleError, Visit, passkeys::pending_digest};
use crate::password::PASSWORD_BYTES_MAX;

/// How far a sign-in has come.
#[derive(Debug)]
pub enum SignIn {
    /// Done.
    Done(Box<NewlySignedIn>),
    /// The password was right; a code of the authenticator app, or a recovery code, is to come:
    /// [`People::finish_sign_in`] takes it with this secret, within five minutes and at most five times.
    SecondFactor(Secret),
}

/// A person who has just signed in.
#[derive(Debug)]
pub struct NewlySignedIn {
    /// The value of the cookie, shown this once.
    pub cookie: Secret,
    /// Names the session.
    pub session: SessionId,
    /// The person.
    pub user: User,
}

impl People {
    /// Signs a person in. Says the same in the same time whether or not the account exists.
    ///
    /// # Errors
    /// [`PeopleError`]: `WrongCredentials`, `EmailUnverified` (only after the right password), `Throttled`,
    /// `Busy`.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        visit: &Visit,
    ) -> Result<SignIn, PeopleError> {
        let email = email.trim();
        self.unless_throttled(email, visit)?;
        // What is too long to be either is not looked up, hashed or kept.
        if email.len() > 254 || password.len() > PASSWORD_BYTES_MAX {
            return Err(PeopleError::WrongCredentials);
        }
        let found = self.inner.store.user_by_email(email).await?;
        let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
        let is_right = self.matches(password, hash).await?;
        let user = match user {
            Some(user) if is_right && user.disabled_at.is_none() => user,
            other => {
                self.failed(email, visit);
                if let Some(user) = other {
                    self.note_failure(&user, visit);
                }
                return Err(PeopleError::WrongCredentials);
            }
        };
        if user.email_verified_at.is_none() {
            return Err(PeopleError::EmailUnverified);
        }
        let store = &self.inner.store;
        if store.factors(&user.id).await?.authenticator {
            let purpose = PendingPurpose::SecondFactor;
            let pending = store.begin_pending(purpose, Some(&user.id), None).await?;
            return Ok(SignIn::SecondFactor(pending));
        }
        self.signed_in(user, "password", visit).await
    }

    /// Finishes a sign-in with a code of the authenticator app, or a recovery code.
    ///
    /// # Errors
    /// [`PeopleError`]: `WrongCode`, `Ended` (too late, or the fifth wrong code), `Throttled`.
    pub async fn finish_sign_in(
        &self,
        pending: &str,
        code: &str,
        visit: &Visit,
    ) -> Result<SignIn, PeopleError> {
        let digest = pending_digest(pending)?;
        let store = self.store(visit);
        let purpose = PendingPurpose::SecondFactor;
        let begun = store.pending(purpose, &digest, self.now()).await?;
        let id = begun.and_then(|begun| begun.user_id);
        let id = id.ok_or(PeopleError::Ended)?;
        let system = may(&Actor::System, Action::Read, None).map_err(|_| ActError::Forbidden)?;
        let user = store.user(&system, &id).await?;
        self.unless_throttled(&user.email, visit)?;
        let done = match self.factor(&user, code).await? {
            Some(factor) => {
                let finished = store.finish_sign_in(&digest, &user, factor, visit.device());
                finished.await.map_err(PeopleError::from)
            }
            None => Err(PeopleError::WrongCode),
        };
        match done {
            Ok(acted) => {
                let (session, cookie) = acted.value;
                Ok(SignIn::Done(Box::new(NewlySignedIn {
                    cookie,
                    session,
                    user,
                })))
            }
            Err(PeopleError::WrongCode) => {
                self.failed(&user.email, visit);
                self.note_failure(&user, visit);
                let goes_on = store.fail_pending(&digest).await?;
                Err(if goes_on {
                    PeopleError::WrongCode
                } else {
                    PeopleError::Ended
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the session of a person who has proved everything there is to prove.
    pub(super) async fn signed_in(
        &self,
        user: User,
        proof: &'static str,
        visit: &Visit,
    ) -> Result<SignIn, PeopleError> {
        let new = NewSession {
            device: visit.device(),
            proof,
        };
        let (session, cookie) = self.store(visit).create_session(&user, new).await?.value;
        Ok(SignIn::Done(Box::new(NewlySignedIn {
            cookie,
            session,
            user,
        })))
    }

    /// Whether this is the person's password.
    pub(super) async fn prove_password(
        &self,
        user: &User,
        password: &str,
        visit: &Visit,
    ) -> Result<(), PeopleError> {
        self.unless_throttled(&user.email, visit)?;
        let found = self.inner.store.user_by_email(&user.email).await?;
        let hash = found.and_then(|(_, hash)| hash);
        if password.len() <= PASSWORD_BYTES_MAX && self.matches(password, hash).await? {
            return Ok(());
        }
        self.failed(&user.email, visit);
        self.note_failure(user, visit);
        Err(PeopleError::WrongCredentials)
    }

    /// Writes a failure down, after the answer: the time of the answer must not tell that the account exists.
    pub(super) fn note_failure(&self, user: &User, visit: &Visit) {
        let Some(count) = self.inner.failures.count(&user.id, self.now()) else {
            return;
        };
        let (store, user) = (self.store(visit), user.clone());
        self.inner.background.spawn(async move {
            if let Err(error) = store.note_failed_sign_ins(&user, count).await {
                tracing::warn!(%error, user = %user.id, count, "failed sign-ins could not be noted");
            }
        });
    }
}
