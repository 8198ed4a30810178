//! Passkeys (`WebAuthn` level 3): made by a signed-in person, and signed in with on their own, because each asks
//! for the person's finger, face or code: both factors in one. All are discoverable, so nobody has to say first
//! who they are. What a ceremony needs to be finished is kept in the store: any node finishes it.

use portcullis_core::{
    ids::{PasskeyId, UserId},
    organization::User,
    people::{Passkey, PendingPurpose},
    permissions::{Action, Actor, may},
    secret::{Secret, SecretDigest, SecretKind},
};
use portcullis_store::{ActError, NewPasskey, PasskeyUse, StoredPasskey};
use serde_json::Value;
use url::Url;
use uuid::Uuid;
use webauthn_rs::{
    Webauthn, WebauthnBuilder,
    prelude::{
        DiscoverableAuthentication, DiscoverableKey, Passkey as Credential, PasskeyRegistration,
        PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError,
    },
};

use super::{
    People, PeopleError, Visit, checked,
    links::presented,
    sessions::SignedIn,
    sign_in::{NewlySignedIn, SignIn},
};
use crate::rules;

/// A ceremony that the browser is to go on with.
#[derive(Debug)]
pub struct Ceremony {
    /// Names it when it is finished: for a hidden field.
    pub pending: Secret,
    /// What the browser's `navigator.credentials` takes, as JSON, with binary members in base64url.
    pub options: Value,
}

impl People {
    /// The person's passkeys, oldest first.
    ///
    /// # Errors
    /// [`PeopleError::Act`].
    pub async fn passkeys(&self, who: &SignedIn) -> Result<Vec<Passkey>, PeopleError> {
        let kept = self.inner.store.passkeys(&who.user.id).await?;
        Ok(kept.into_iter().map(|kept| kept.passkey).collect())
    }

    /// Begins to make a passkey. Takes a recent proof.
    ///
    /// # Errors
    /// [`PeopleError`]: `ProofNeeded`.
    pub async fn begin_passkey(&self, who: &SignedIn) -> Result<Ceremony, PeopleError> {
        who.recently()?;
        let store = &self.inner.store;
        let kept = store.passkeys(&who.user.id).await?;
        let known = kept
            .iter()
            .map(|kept| Ok(credential(kept)?.cred_id().clone()))
            .collect::<Result<Vec<_>, PeopleError>>()?;
        let (challenge, state) = self
            .webauthn()?
            .start_passkey_registration(
                handle(&who.user.id),
                &who.user.email,
                &who.user.full_name,
                Some(known),
            )
            .map_err(|error| broken(&error))?;
        let mut options = json(&challenge)?;
        // Found without a name typed first: the passkey itself says whose it is.
        if let Some(Value::Object(selection)) =
            options.pointer_mut("/publicKey/authenticatorSelection")
        {
            selection.insert("residentKey".to_owned(), "required".into());
            selection.insert("requireResidentKey".to_owned(), true.into());
        }
        let purpose = PendingPurpose::PasskeyRegistration;
        let pending = store
            .begin_pending(purpose, Some(&who.user.id), Some(&json(&state)?))
            .await?;
        Ok(Ceremony { pending, options })
    }

    /// Finishes making a passkey with what the browser gave. Takes a recent proof.
    ///
    /// # Errors
    /// [`PeopleError`]: `ProofNeeded`, `Invalid` (`name`, `passkey`), `Ended`, or `Act` with `Conflict`.
    pub async fn finish_passkey(
        &self,
        who: &SignedIn,
        (pending, name, answer): (&str, &str, &Value),
        visit: &Visit,
    ) -> Result<PasskeyId, PeopleError> {
        who.recently()?;
        let name = checked(|findings| findings.take("name", rules::name(name, 100)))?;
        let digest = pending_digest(pending)?;
        let begun = self
            .begun(PendingPurpose::PasskeyRegistration, &digest)
            .await?;
        let state: PasskeyRegistration =
            serde_json::from_value(begun).map_err(|_| PeopleError::Ended)?;
        let answer: RegisterPublicKeyCredential =
            serde_json::from_value(answer.clone()).map_err(|_| unreadable())?;
        let made = self
            .webauthn()?
            .finish_passkey_registration(&answer, &state)
            .map_err(|error| refused(&error))?;
        let new = NewPasskey {
            name,
            credential_id: Vec::clone(made.cred_id()),
            credential: json(&made)?,
        };
        let store = self.store(visit);
        Ok(store.add_passkey(&who.user, &digest, new).await?.value)
    }

    /// Gives a passkey another name.
    ///
    /// # Errors
    /// [`PeopleError`]: `Invalid`, or `Act` with `NotFound`.
    pub async fn rename_passkey(
        &self,
        who: &SignedIn,
        (id, name): (&PasskeyId, &str),
        visit: &Visit,
    ) -> Result<(), PeopleError> {
        let name = checked(|findings| findings.take("name", rules::name(name, 100)))?;
        self.store(visit)
            .rename_passkey(&who.user, id, &name)
            .await?;
        Ok(())
    }

    /// Forgets a passkey. Takes a recent proof.
    ///
    /// # Errors
    /// [`PeopleError`]: `ProofNeeded`, or `Act` with `NotFound`.
    pub async fn remove_passkey(
        &self,
        who: &SignedIn,
        id: &PasskeyId,
        visit: &Visit,
    ) -> Result<(), PeopleError> {
        who.recently()?;
        self.store(visit).remove_passkey(&who.user, id).await?;
        Ok(())
    }

    /// Begins a sign-in with a passkey. Nobody says first who they are, so there is nothing to find out by
    /// asking; the same options serve the browser's autofill and a button.
    ///
    /// # Errors
    /// [`PeopleError`]: `Throttled`.
    pub async fn begin_passkey_sign_in(&self, visit: &Visit) -> Result<Ceremony, PeopleError> {
        self.unless_source_throttled(visit)?;
        let (challenge, state) = self
            .webauthn()?
            .start_discoverable_authentication()
            .map_err(|error| broken(&error))?;
        let purpose = PendingPurpose::PasskeySignIn;
        let store = &self.inner.store;
        let pending = store
            .begin_pending(purpose, None, Some(&json(&state)?))
            .await?;
        Ok(Ceremony {
            pending,
            options: json(&challenge)?,
        })
    }

    /// Signs a person in with a passkey.
    ///
    /// # Errors
    /// [`PeopleError`]: `WrongPasskey`, `Ended`, `Throttled`.
    pub async fn sign_in_with_passkey(
        &self,
        pending: &str,
        answer: &Value,
        visit: &Visit,
    ) -> Result<SignIn, PeopleError> {
        self.unless_source_throttled(visit)?;
        let digest = pending_digest(pending)?;
        let verified = self.verified(&digest, answer, visit).await;
        let (user, passkey_use) = match verified {
            Ok(verified) => verified,
            Err(error) => {
                self.source_failed(visit);
                return Err(error);
            }
        };
        let id = passkey_use.id.clone();
        let store = self.store(visit);
        let made = store.finish_passkey_sign_in(&digest, &user, passkey_use, visit.device());
        match made.await {
            Ok(acted) => {
                let (session, cookie) = acted.value;
                Ok(SignIn::Done(Box::new(NewlySignedIn {
                    cookie,
                    session,
                    user,
                })))
            }
            Err(ActError::Conflict {
                code: "passkey_copied",
                ..
            }) => Err(self.copied(&user, &id, visit).await),
            Err(ActError::NotFound(_)) => Err(PeopleError::WrongPasskey),
            Err(error) => Err(error.into()),
        }
    }

    /// Whose passkey has signed the challenge of a ceremony.
    async fn verified(
        &self,
        digest: &SecretDigest,
        answer: &Value,
        visit: &Visit,
    ) -> Result<(User, PasskeyUse), PeopleError> {
        let begun = self.begun(PendingPurpose::PasskeySignIn, digest).await?;
        let state: DiscoverableAuthentication =
            serde_json::from_value(begun).map_err(|_| PeopleError::Ended)?;
        let answer: PublicKeyCredential =
            serde_json::from_value(answer.clone()).map_err(|_| PeopleError::WrongPasskey)?;
        let webauthn = self.webauthn()?;
        let (claimed, credential_id) = webauthn
            .identify_discoverable_authentication(&answer)
            .map_err(|error| wrong(&error))?;
        let store = &self.inner.store;
        let kept = store.passkey_of_credential(credential_id).await?;
        let kept = kept
            .filter(|kept| handle(&kept.user_id) == claimed)
            .ok_or(PeopleError::WrongPasskey)?;
        let mut credential = credential(&kept)?;
        let system = may(&Actor::System, Action::Read, None).map_err(|_| ActError::Forbidden)?;
        let user = store.user(&system, &kept.user_id).await?;
        if user.disabled_at.is_some() {
            return Err(PeopleError::WrongPasskey);
        }
        let key = DiscoverableKey::from(&credential);
        let result = match webauthn.finish_discoverable_authentication_v2(&answer, state, &key) {
            Ok(result) if result.user_verified() => result,
            Ok(_) => return Err(PeopleError::WrongPasskey),
            Err(WebauthnError::CredentialPossibleCompromise) => {
                return Err(self.copied(&user, &kept.passkey.id, visit).await);
            }
            Err(error) => return Err(wrong(&error)),
        };
        credential.update_credential(&result);
        let passkey_use = PasskeyUse {
            id: kept.passkey.id,
            credential: json(&credential)?,
            sign_count: result.counter(),
        };
        Ok((user, passkey_use))
    }

    /// Writes down that a passkey has signed less often than before: it may have been copied.
    async fn copied(&self, user: &User, id: &PasskeyId, visit: &Visit) -> PeopleError {
        tracing::warn!(user = %user.id, passkey = %id, "a passkey signed less often than before; it may have been copied");
        match self.store(visit).note_copied_passkey(user, id).await {
            Ok(_) => PeopleError::WrongPasskey,
            Err(error) => error.into(),
        }
    }

    async fn begun(
        &self,
        purpose: PendingPurpose,
        digest: &SecretDigest,
    ) -> Result<Value, PeopleError> {
        let begun = self
            .inner
            .store
            .pending(purpose, digest, self.now())
            .await?;
        begun
            .and_then(|begun| begun.state)
            .ok_or(PeopleError::Ended)
    }

    /// The verifier for the portal's own address: what a request says of its host is never looked at.
    fn webauthn(&self) -> Result<Webauthn, PeopleError> {
        let failed = || {
            PeopleError::Act(ActError::Unavailable(
                "the public URL of the portal is no address that passkeys can be made for"
                    .to_owned(),
            ))
        };
        let origin = Url::parse(&self.inner.settings.public_url).map_err(|_| failed())?;
        let host = origin.domain().ok_or_else(failed)?.to_owned();
        WebauthnBuilder::new(&host, &origin)
            .map(|builder| builder.rp_name("Portcullis"))
            .and_then(WebauthnBuilder::build)
            .map_err(|_| failed())
    }
}

/// The digest of what names something that was begun.
pub(super) fn pending_digest(pending: &str) -> Result<SecretDigest, PeopleError> {
    presented(pending, SecretKind::Pending).ok_or(PeopleError::Ended)
}

/// How a passkey names its owner: 16 bytes that say nothing of the person.
fn handle(user: &UserId) -> Uuid {
    Uuid::from_bytes(*user.key().bytes())
}

fn credential(kept: &StoredPasskey) -> Result<Credential, PeopleError> {
    serde_json::from_value(kept.credential.clone()).map_err(|_| {
        PeopleError::Act(ActError::Unavailable(format!(
            "the passkey {} cannot be read",
            kept.passkey.id
        )))
    })
}

fn json(value: &impl serde::Serialize) -> Result<Value, PeopleError> {
    serde_json::to_value(value).map_err(|_| {
        PeopleError::Act(ActError::Unavailable(
            "a ceremony could not be written".to_owned(),
        ))
    })
}

fn unreadable() -> PeopleError {
    PeopleError::invalid("passkey", "the browser's answer cannot be read; try again")
}

fn refused(error: &impl std::fmt::Display) -> PeopleError {
    tracing::debug!(%error, "a passkey was refused");
    PeopleError::invalid(
        "passkey",
        "this passkey cannot be used here; try another one",
    )
}

fn wrong(error: &impl std::fmt::Display) -> PeopleError {
    tracing::debug!(%error, "a sign-in with a passkey was refused");
    PeopleError::WrongPasskey
}

fn broken(error: &impl std::fmt::Display) -> PeopleError {
    PeopleError::Act(ActError::Unavailable(format!(
        "a ceremony could not be begun: {error}"
    )))
}
