//! Who calls the management API, and the authority for what the route does. From outside, callers come with a
//! management token; pages of this process come through [`crate::in_process`].
//!
//! A management token is looked up in the store on each request, never cached: one that was deleted opens
//! nothing from that moment on. The action comes from the table of routes, so a handler cannot ask for less.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, MatchedPath},
    http::request::Parts,
};
use http::{HeaderMap, header};
use portcullis_core::{
    ids::{ManagementTokenId, OrganizationId, UserId},
    organization::MemberRole,
    permissions::{Action, Actor, Authority, may, oneself},
    secret::{SecretDigest, SecretKind},
};
use portcullis_store::{ActContext, ActError, Store};

use crate::{
    RegistryState,
    error::{RegistryError, TokenError},
    routes::{self, Needs},
};

/// Longest token we look at, in bytes. An access token is longer than ours and told apart by its dots.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Who acts through the pages: authenticated by a session instead of a token. An extension of a request, so it
/// is made in this process alone: nothing that arrives over a connection becomes one, and no other crate can
/// name the type.
#[derive(Debug, Clone)]
pub(crate) struct InProcess {
    /// Who.
    pub(crate) actor: Actor,
    /// Where the page was asked for from.
    pub(crate) address: Option<IpAddr>,
}

/// An authenticated caller of one route.
#[derive(Debug)]
pub(crate) struct Caller {
    actor: Actor,
    needs: Needs,
    /// The store, told where the request came from.
    pub(crate) store: Store,
}

impl FromRequestParts<RegistryState> for Caller {
    type Rejection = RegistryError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &RegistryState,
    ) -> Result<Self, RegistryError> {
        let path = parts
            .extensions
            .get::<MatchedPath>()
            .map_or("", MatchedPath::as_str);
        let needs = routes::needs(parts.method.as_str(), path)
            .ok_or(RegistryError::Internal("the route is not in the table"))?;
        let (actor, address) = match parts.extensions.get::<InProcess>() {
            Some(InProcess { actor, address }) => (actor.clone(), *address),
            None => authenticated(parts, state).await?,
        };
        Ok(Self {
            actor,
            needs,
            store: state.store.within(ActContext { address }),
        })
    }
}

/// Who the management token of a request speaks for, and where the request came from.
async fn authenticated(
    parts: &Parts,
    state: &RegistryState,
) -> Result<(Actor, Option<IpAddr>), RegistryError> {
    let digest = presented(&parts.headers)?;
    let actor = state
        .store
        .actor_by_management_token(&digest, state.clock.now())
        .await?
        .ok_or(RegistryError::Token(TokenError::Refused))?;
    let address = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip());
    Ok((actor, address))
}

/// The digest of the one management token in the `Authorization` header.
fn presented(headers: &HeaderMap) -> Result<SecretDigest, RegistryError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(RegistryError::Token(TokenError::Missing));
    };
    if values.next().is_some() {
        return Err(RegistryError::Malformed(
            "the Authorization header stands twice".to_owned(),
        ));
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(RegistryError::Token(TokenError::Scheme))?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return Err(RegistryError::Token(TokenError::Scheme));
    }
    if !token.starts_with(SecretKind::ManagementToken.prefix()) {
        return Err(RegistryError::Token(TokenError::OtherKind));
    }
    Ok(SecretDigest::of(token.as_bytes()))
}

impl Caller {
    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The person behind the token.
    pub(crate) fn user(&self) -> Result<&UserId, RegistryError> {
        match &self.actor {
            Actor::User { id, .. } => Ok(id),
            Actor::System => Err(RegistryError::Internal("a token of the system")),
        }
    }

    /// The token it came with.
    pub(crate) fn token(&self) -> Option<&ManagementTokenId> {
        match &self.actor {
            Actor::User { token, .. } => token.as_ref(),
            Actor::System => None,
        }
    }

    pub(crate) fn memberships(&self) -> &[(OrganizationId, MemberRole)] {
        match &self.actor {
            Actor::User { memberships, .. } => memberships,
            Actor::System => &[],
        }
    }

    fn action(&self) -> Result<Action, RegistryError> {
        match self.needs {
            Needs::Action(action) => Ok(action),
            _ => Err(RegistryError::Internal("the route names no single action")),
        }
    }

    /// The authority to do what the route does to things of this organization.
    pub(crate) fn authority(
        &self,
        organization: &OrganizationId,
    ) -> Result<Authority, RegistryError> {
        Ok(may(&self.actor, self.action()?, Some(organization))?)
    }

    /// The authority to do what the route does to a member of an organization: for the caller's own membership,
    /// being a member is enough.
    pub(crate) fn member_authority(
        &self,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Authority, RegistryError> {
        let Needs::OneselfOr(action) = self.needs else {
            return Err(RegistryError::Internal("the route is not about a member"));
        };
        let is_own = self.user().is_ok_and(|own| own == user);
        let action = if is_own { Action::Read } else { action };
        Ok(may(&self.actor, action, Some(organization))?)
    }

    /// The authority to do what the route does to the installation.
    pub(crate) fn installation_authority(&self) -> Result<Authority, RegistryError> {
        Ok(may(&self.actor, self.action()?, None)?)
    }

    /// The authority to manage what is one's own: for oneself, as a member of anything.
    pub(crate) fn own_authority(&self) -> Result<Authority, RegistryError> {
        if self.actor.is_operator() {
            return Ok(may(&self.actor, Action::Read, None)?);
        }
        let organization = self.memberships().first().map(|(id, _)| id);
        match organization {
            Some(organization) => Ok(may(&self.actor, Action::Read, Some(organization))?),
            None => Ok(oneself(&self.actor)),
        }
    }

    /// The authority to list: of one organization when it is named, of the only one a member belongs to, of
    /// all for operators.
    pub(crate) fn list_authority(
        &self,
        organization: Option<&OrganizationId>,
    ) -> Result<Authority, RegistryError> {
        match (organization, self.memberships()) {
            (Some(organization), _) => self.authority(organization),
            (None, _) if self.actor.is_operator() => self.installation_authority(),
            (None, [(only, _)]) => self.authority(only),
            (None, []) => Err(RegistryError::Forbidden),
            (None, _) => Err(RegistryError::invalid(
                "organization_id",
                "You belong to several organizations: name the one you mean.",
            )),
        }
    }

    /// What `read` finds with the authority to read of some organization of the caller's. Things of all others
    /// are not found.
    pub(crate) async fn find<T, F>(
        &self,
        what: &'static str,
        read: impl Fn(Authority) -> F + Send,
    ) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, ActError>> + Send,
    {
        if self.actor.is_operator() {
            return Ok(read(may(&self.actor, Action::Read, None)?).await?);
        }
        for (organization, _) in self.memberships() {
            match read(may(&self.actor, Action::Read, Some(organization))?).await {
                Err(ActError::NotFound(_)) => {}
                other => return Ok(other?),
            }
        }
        Err(RegistryError::NotFound(what))
    }

    /// Every authority the caller has for `action`: one for operators, else one for each membership whose
    /// role allows it.
    pub(crate) fn authorities_for(&self, action: Action) -> Vec<Authority> {
        if self.actor.is_operator() {
            return may(&self.actor, action, None).into_iter().collect();
        }
        self.memberships()
            .iter()
            .filter_map(|(organization, _)| may(&self.actor, action, Some(organization)).ok())
            .collect()
    }

    /// What either party of a subscription needs: the buyer's action and the owner's.
    pub(crate) fn party_actions(&self) -> Result<(Action, Action), RegistryError> {
        match self.needs {
            Needs::EitherParty { buyer, owner } => Ok((buyer, owner)),
            Needs::Action(action) => Ok((action, action)),
            _ => Err(RegistryError::Internal("the route is not about a party")),
        }
    }
}
