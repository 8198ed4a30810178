//! Sessions of browsers: found by their cookie on every request, with their person as they are at that moment.

use portcullis_core::{
    ids::{OrganizationId, SessionId},
    organization::{MemberRole, User},
    people::{SESSION_TOUCH, Session},
    permissions::Actor,
    secret::{Secret, SecretDigest, SecretKind},
};
use portcullis_store::FoundSession;

use super::{People, PeopleError, Visit, links::presented};

/// Who a request of a browser speaks for.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Names the session.
    pub session: SessionId,
    /// The person as an actor.
    pub actor: Actor,
    /// The person.
    pub user: User,
    /// The organization chosen in the switcher, while the person belongs to it (operators: to any). Without a
    /// choice the first one.
    pub organization: Option<OrganizationId>,
    /// Where the person belongs, by name.
    pub organizations: Vec<(OrganizationId, String, MemberRole)>,
    /// The session itself.
    pub details: Session,
    /// Whether the person proved who they are within the last ten minutes: what sensitive acts take.
    pub is_recent: bool,
}

impl SignedIn {
    /// # Errors
    /// [`PeopleError::ProofNeeded`] unless the person proved who they are just now.
    pub fn recently(&self) -> Result<(), PeopleError> {
        if self.is_recent {
            Ok(())
        } else {
            Err(PeopleError::ProofNeeded)
        }
    }
}

/// A session as its person sees it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// The session.
    pub session: Session,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// Sessions of browsers.
#[derive(Debug, Clone)]
pub struct Sessions(pub(crate) People);

impl People {
    /// Sessions of browsers.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions(self.clone())
    }
}

impl Sessions {
    /// Who a cookie speaks for; `None` when it opens nothing: unknown, idle for 30 minutes, older than 12 hours,
    /// ended, or of a disabled person. Notes at most once a minute that it was used.
    ///
    /// # Errors
    /// [`PeopleError::Act`] when the store does not answer.
    pub async fn find(&self, cookie: &str, visit: &Visit) -> Result<Option<SignedIn>, PeopleError> {
        let Some(digest) = presented(cookie, SecretKind::Session) else {
            return Ok(None);
        };
        let now = self.0.now();
        let store = self.0.store(visit);
        let Some(found) = store.session(&digest, now).await? else {
            return Ok(None);
        };
        if now >= found.session.seen_at + SESSION_TOUCH {
            // A request is not refused because its time could not be noted.
            if let Err(error) = store.touch_session(&found.session.id, now).await {
                tracing::warn!(%error, "the use of a session could not be noted");
            }
        }
        Ok(Some(self.signed_in(found)))
    }

    fn signed_in(&self, found: FoundSession) -> SignedIn {
        let FoundSession {
            session,
            user,
            organizations,
        } = found;
        let belongs = |id: &OrganizationId| {
            user.is_operator || organizations.iter().any(|(own, ..)| own == id)
        };
        let chosen = session.organization_id.clone().filter(belongs);
        let first = || organizations.first().map(|(id, ..)| id.clone());
        SignedIn {
            session: session.id.clone(),
            actor: user.actor(),
            organization: chosen.or_else(first),
            is_recent: session.is_recent(self.0.now()),
            user,
            organizations,
            details: session,
        }
    }

    /// Chooses the organization that the person looks at.
    ///
    /// # Errors
    /// [`PeopleError::Act`] with `NotFound` when the person is no member.
    pub async fn switch(
        &self,
        who: &SignedIn,
        organization: &OrganizationId,
    ) -> Result<(), PeopleError> {
        let store = &self.0.inner.store;
        Ok(store
            .choose_organization(&who.user, &who.session, organization)
            .await?)
    }

    /// The person's sessions, newest first.
    ///
    /// # Errors
    /// [`PeopleError::Act`].
    pub async fn list(&self, who: &SignedIn) -> Result<Vec<ListedSession>, PeopleError> {
        let store = &self.0.inner.store;
        let sessions = store.sessions(&who.user.id, self.0.now()).await?;
        let listed = |session: Session| ListedSession {
            is_current: session.id == who.session,
            session,
        };
        Ok(sessions.into_iter().map(listed).collect())
    }

    /// Ends one of the person's sessions; its own is signing out.
    ///
    /// # Errors
    /// [`PeopleError::Act`] with `NotFound` when it is no session of the person's.
    pub async fn end(
        &self,
        who: &SignedIn,
        id: &SessionId,
        visit: &Visit,
    ) -> Result<(), PeopleError> {
        self.0.store(visit).end_session(&who.user, id).await?;
        Ok(())
    }

    /// Ends all sessions of the person but the one that asks. Gives how many.
    ///
    /// # Errors
    /// [`PeopleError::Act`].
    pub async fn end_others(&self, who: &SignedIn, visit: &Visit) -> Result<u64, PeopleError> {
        let store = self.0.store(visit);
        let acted = store.end_other_sessions(&who.user, &who.session).await?;
        Ok(acted.value)
    }

    /// Proves once more that it is the person, by the password: gives a new cookie for the same session, whose
    /// proof is recent. The old cookie opens nothing any more.
    ///
    /// # Errors
    /// [`PeopleError`]: `WrongCredentials`, `Throttled`, `Busy`.
    pub async fn prove_by_password(
        &self,
        who: &SignedIn,
        password: &str,
        visit: &Visit,
    ) -> Result<Secret, PeopleError> {
        self.0.prove_password(&who.user, password, visit).await?;
        let store = self.0.store(visit);
        let renewed = store
            .renew_session(&who.user, &who.session, "password")
            .await?;
        Ok(renewed.value)
    }
}

/// The digest of a cookie, for what is derived from it: tokens against forged requests.
#[must_use]
pub fn digest_of_cookie(cookie: &str) -> Option<SecretDigest> {
    presented(cookie, SecretKind::Session)
}
