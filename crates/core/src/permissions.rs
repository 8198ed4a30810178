//! Who may do what: one `match`, and the proof that it was asked.
//!
//! Every act on an organization's data takes an `Authority`, as forwarding takes a permit; the store puts
//! the authority's organization into its SQL, so a forgotten check finds nothing rather than everything.

use crate::{
    ids::{ManagementTokenId, OrganizationId, UserId},
    organization::MemberRole,
};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person, or a management token of that person.
    User {
        /// Who.
        id: UserId,
        /// Sign-in name, for the audit log.
        email: String,
        /// Operators act on every organization.
        is_operator: bool,
        /// Where the person belongs.
        memberships: Vec<(OrganizationId, MemberRole)>,
        /// The token it came with; `None` from a page.
        token: Option<ManagementTokenId>,
    },
    /// The installation itself: first start, sample data, jobs.
    System,
}

impl Actor {
    /// How the audit log names it.
    #[must_use]
    pub fn audit_name(&self) -> String {
        match self {
            Self::User { email, .. } => email.clone(),
            Self::System => "system".to_owned(),
        }
    }

    /// Whether it acts on every organization.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        matches!(
            self,
            Self::System
                | Self::User {
                    is_operator: true,
                    ..
                }
        )
    }

    fn role_in(&self, organization: &OrganizationId) -> Option<MemberRole> {
        match self {
            Self::User { memberships, .. } => memberships
                .iter()
                .find(|(member_of, _)| member_of == organization)
                .map(|(_, role)| *role),
            Self::System => None,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See what the organization has.
    Read,
    /// Make and change its apps and their secrets.
    ManageApps,
    /// Make and change its APIs and their secrets.
    ManageApis,
    /// Activate apps for it, and end its subscriptions.
    ManageSubscriptions,
    /// Change the organization.
    ManageOrganization,
    /// Invite members, change their roles, remove them. Ownership is the owners' own to give.
    ManageMembers,
    /// Read its audit log.
    ReadAudit,
    /// What only operators do: signing keys, organizations, instances without a namespace.
    Operate,
}

/// Whose data an act may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// This organization's.
    One(OrganizationId),
    /// Every organization's: operators.
    All,
    /// No organization's: what belongs to the actor alone.
    Oneself,
}

/// Proof that [`may`] allowed an action: who, what, and whose data.
///
/// Its fields are private, so this does not compile:
///
/// ```compile_fail,E0451
/// use portcullis_core::permissions::{Action, Actor, Authority, Reach};
///
/// let forged = Authority { actor: Actor::System, action: Action::Operate, reach: Reach::All };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    actor: Actor,
    action: Action,
    reach: Reach,
}

impl Authority {
    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// What was allowed.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Whose data it may touch.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }
}

/// The action is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The actor has nothing to do with the organization: answer as if it did not exist.
    #[error("not a member of this organization")]
    Stranger,
    /// A member, whose role does not allow this.
    #[error("the role does not allow this")]
    Role,
}

/// Whether `actor` may do `action` on the data of `organization`; `None` means on every organization's.
///
/// # Errors
/// [`Forbidden`].
pub fn may(
    actor: &Actor,
    action: Action,
    organization: Option<&OrganizationId>,
) -> Result<Authority, Forbidden> {
    let authority = |reach| Authority {
        actor: actor.clone(),
        action,
        reach,
    };
    if actor.is_operator() {
        return Ok(authority(
            organization.map_or(Reach::All, |id| Reach::One(id.clone())),
        ));
    }
    let organization = organization.ok_or(Forbidden::Role)?;
    let role = actor.role_in(organization).ok_or(Forbidden::Stranger)?;
    if role_allows(role, action) {
        Ok(authority(Reach::One(organization.clone())))
    } else {
        Err(Forbidden::Role)
    }
}

/// What everybody may do to what is their own: account, sessions, tokens. It reaches no organization's data.
#[must_use]
pub fn oneself(actor: &Actor) -> Authority {
    Authority {
        actor: actor.clone(),
        action: Action::Read,
        reach: Reach::Oneself,
    }
}

/// Whether `actor` may make somebody an owner of an organization, or end that: its owners, and operators.
#[must_use]
pub fn may_give_ownership(actor: &Actor, organization: &OrganizationId) -> bool {
    actor.is_operator() || actor.role_in(organization) == Some(MemberRole::Owner)
}

const fn role_allows(role: MemberRole, action: Action) -> bool {
    use Action as A;
    match role {
        MemberRole::Owner | MemberRole::Admin => !matches!(action, A::Operate),
        MemberRole::ApiDeveloper => matches!(action, A::Read | A::ManageApis),
        MemberRole::AppDeveloper => matches!(action, A::Read | A::ManageApps),
        MemberRole::Viewer => matches!(action, A::Read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [Action; 8] = [
        Action::Read,
        Action::ManageApps,
        Action::ManageApis,
        Action::ManageSubscriptions,
        Action::ManageOrganization,
        Action::ManageMembers,
        Action::ReadAudit,
        Action::Operate,
    ];

    fn member(organization: &OrganizationId, role: MemberRole) -> Actor {
        Actor::User {
            id: UserId::random(),
            email: "member@example.com".to_owned(),
            is_operator: false,
            memberships: vec![(organization.clone(), role)],
            token: None,
        }
    }

    #[test]
    fn nobody_reaches_another_organization() {
        let (own, other) = (OrganizationId::random(), OrganizationId::random());

        for role in [MemberRole::Owner, MemberRole::Viewer] {
            for action in ACTIONS {
                assert_eq!(
                    may(&member(&own, role), action, Some(&other)),
                    Err(Forbidden::Stranger)
                );
                assert_eq!(may(&member(&own, role), action, None), Err(Forbidden::Role));
            }
        }
    }

    #[test]
    fn roles_allow_what_the_table_says() {
        let own = OrganizationId::random();
        let allowed = |role, action| may(&member(&own, role), action, Some(&own)).is_ok();

        for action in ACTIONS {
            assert_eq!(
                allowed(MemberRole::Owner, action),
                action != Action::Operate
            );
            assert_eq!(allowed(MemberRole::Viewer, action), action == Action::Read);
        }
        assert!(allowed(MemberRole::AppDeveloper, Action::ManageApps));
        assert!(!allowed(MemberRole::AppDeveloper, Action::ManageApis));
        assert!(allowed(MemberRole::ApiDeveloper, Action::ManageApis));
        assert!(!allowed(MemberRole::ApiDeveloper, Action::ManageApps));
    }

    #[test]
    fn only_owners_and_operators_give_ownership() {
        let (own, other) = (OrganizationId::random(), OrganizationId::random());

        for role in MemberRole::ALL {
            let gives = may_give_ownership(&member(&own, role), &own);
            assert_eq!(gives, role == MemberRole::Owner, "{role}");
            assert!(!may_give_ownership(&member(&own, role), &other));
            let manages = may(&member(&own, role), Action::ManageMembers, Some(&own)).is_ok();
            let expected = matches!(role, MemberRole::Owner | MemberRole::Admin);
            assert_eq!(manages, expected, "{role}");
        }
        assert!(may_give_ownership(&Actor::System, &own));
    }

    #[test]
    fn an_operator_reaches_one_organization_or_all() {
        let organization = OrganizationId::random();

        let one = may(&Actor::System, Action::ManageApps, Some(&organization)).unwrap();
        let all = may(&Actor::System, Action::Operate, None).unwrap();

        assert_eq!(one.reach(), &Reach::One(organization));
        assert_eq!(all.reach(), &Reach::All);
    }
}
