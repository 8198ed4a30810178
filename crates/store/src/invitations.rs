//! Invitations to organizations: made with the mail that carries their link, used up when they are accepted.

use std::fmt;

use portcullis_core::{
    clock::Timestamp,
    ids::{InvitationId, OrganizationId, UserId},
    job::Mail,
    organization::{MemberRole, User},
    people::{INVITATION_LIFETIME, Invitation},
    permissions::{Actor, Authority},
    secret::{Secret, SecretDigest, SecretKind},
};
use serde_json::{Value, json};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    accounts::{by_email, prove_address},
    act::{Act, Fault, Note, act, scope},
    check,
    error::{ActError, CorruptRow},
    links::useless,
    members::{self, owners_touch_owners, within},
    organizations::{self, lock},
    page::{Page, PageRequest},
    row::Columns,
    store::{Acted, Store},
    users::{self, Address, NewUser, replace_password},
};

/// An invitation to be made.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Where to.
    pub organization_id: OrganizationId,
    /// Who: a mail address.
    pub email: String,
    /// As what.
    pub role: MemberRole,
}

/// Who accepts an invitation.
#[derive(Clone)]
pub enum Accepting {
    /// Somebody who is signed in, with the invited address.
    Person(Box<User>),
    /// Somebody without an account, who makes one.
    Newcomer {
        /// Shown to people.
        full_name: String,
        /// In the form of PHC strings.
        password_hash: String,
    },
}

impl fmt::Debug for Accepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person(_) => "Accepting(a person)",
            Self::Newcomer { .. } => "Accepting(a newcomer)",
        })
    }
}

/// An invitation as whoever has its link sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// The organization's name.
    pub organization: String,
    /// Whether the invited address has an account, which then accepts.
    pub has_account: bool,
}

impl Store {
    /// Invites somebody and owes the mail. `link_base` and the secret make the link. Owners and operators alone
    /// invite owners.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Forbidden`, `Invalid`, or `Conflict` (`already_member`, `already_invited`).
    pub async fn create_invitation(
        &self,
        authority: &Authority,
        new: NewInvitation,
        link_base: &str,
    ) -> Result<Acted<Invitation>, ActError> {
        check::email("email", &new.email)?;
        within(authority, &new.organization_id)?;
        let email = new.email.to_lowercase();
        act!(self, authority.actor(), |act| {
            let organization = lock(act, &new.organization_id, scope(authority)).await?;
            owners_touch_owners(authority.actor(), &organization.id, &[new.role])?;
            if is_member(act, &organization.id, &email).await? {
                let detail = "this person is a member already; change the role instead";
                return Err(ActError::conflict("already_member", detail).into());
            }
            forget_ended(act, &organization.id, &email).await?;
            let (id, secret) = (InvitationId::random(), Secret::generate(SecretKind::Link));
            let now = act.now();
            let inserted = sqlx::query(
                "INSERT INTO invitations (id, digest, organization_id, email, role, invited_by, created_at_us, \
                 expires_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                 ON CONFLICT (organization_id, email) DO NOTHING",
            )
            .bind(id.as_str())
            .bind(secret.digest().as_bytes().as_slice())
            .bind(organization.id.as_str())
            .bind(email.as_str())
            .bind(new.role.as_str())
            .bind(authority.actor().audit_name())
            .bind(now.as_us())
            .bind((now + INVITATION_LIFETIME).as_us())
            .execute(act.db())
            .await?;
            if inserted.rows_affected() == 0 {
                let detail = "this address is invited already; send that invitation again";
                return Err(ActError::conflict("already_invited", detail).into());
            }
            let made = find(act.db(), &organization.id, &id).await?;
            owe(act, authority, &made, (link_base, &secret)).await?;
            note(act, "invitation.create", &made);
            Ok(made)
        })
    }

    /// Living invitations of an organization within reach, oldest first.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn invitations(
        &self,
        authority: &Authority,
        organization: &OrganizationId,
        page: PageRequest,
    ) -> Result<Page<Invitation>, ActError> {
        let mut connection = self.reader().await?;
        organizations::find(&mut connection, organization.as_str(), scope(authority)).await?;
        let (instant, id) = page.start();
        let rows = sqlx::query(
            "SELECT id, organization_id, email, role, invited_by, created_at_us, expires_at_us FROM invitations \
             WHERE organization_id = $1 AND expires_at_us > $2 AND (created_at_us, id) > ($3, $4) \
             ORDER BY created_at_us, id LIMIT $5",
        )
        .bind(organization.as_str())
        .bind(self.clock().now().as_us())
        .bind(instant)
        .bind(id)
        .bind(page.rows())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(items, &page, |item: &Invitation| {
            (item.created_at, item.id.to_string())
        }))
    }

    /// One living invitation of an organization within reach.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn invitation(
        &self,
        authority: &Authority,
        organization: &OrganizationId,
        id: &InvitationId,
    ) -> Result<Invitation, ActError> {
        within(authority, organization)?;
        let mut connection = self.reader().await?;
        let found = find(&mut connection, organization, id).await?;
        if found.expires_at <= self.clock().now() {
            return Err(ActError::NotFound("invitation"));
        }
        Ok(found)
    }

    /// Sends an invitation again, with a new link that lives its whole time; the link sent before opens nothing
    /// any more.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Forbidden`.
    pub async fn resend_invitation(
        &self,
        authority: &Authority,
        (organization, id): (&OrganizationId, &InvitationId),
        link_base: &str,
    ) -> Result<Acted<Invitation>, ActError> {
        within(authority, organization)?;
        act!(self, authority.actor(), |act| {
            let before = find(act.db(), organization, id).await?;
            owners_touch_owners(authority.actor(), organization, &[before.role])?;
            let secret = Secret::generate(SecretKind::Link);
            let ends = (act.now() + INVITATION_LIFETIME).as_us();
            sqlx::query("UPDATE invitations SET digest = $2, expires_at_us = $3 WHERE id = $1")
                .bind(id.as_str())
                .bind(secret.digest().as_bytes().as_slice())
                .bind(ends)
                .execute(act.db())
                .await?;
            let after = find(act.db(), organization, id).await?;
            owe(act, authority, &after, (link_base, &secret)).await?;
            note(act, "invitation.resend", &after);
            Ok(after)
        })
    }

    /// Revokes an invitation: its link opens nothing any more.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn revoke_invitation(
        &self,
        authority: &Authority,
        organization: &OrganizationId,
        id: &InvitationId,
    ) -> Result<Acted<()>, ActError> {
        within(authority, organization)?;
        act!(self, authority.actor(), |act| {
            let before = find(act.db(), organization, id).await?;
            sqlx::query("DELETE FROM invitations WHERE id = $1")
                .bind(id.as_str())
                .execute(act.db())
                .await?;
            note(act, "invitation.revoke", &before);
            Ok(())
        })
    }

    /// What a presented invitation is; `None` when it is unknown, was used, or has ended. No authority: whoever
    /// has the link may see that.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn shown_invitation(
        &self,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<ShownInvitation>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query(
            "SELECT i.id AS id, i.organization_id AS organization_id, i.email AS email, i.role AS role, \
             i.invited_by AS invited_by, i.created_at_us AS created_at_us, i.expires_at_us AS expires_at_us, \
             o.name AS organization, (SELECT COUNT(*) FROM users u WHERE u.email = i.email \
             AND u.email_verified_at_us IS NOT NULL) AS accounts \
             FROM invitations i JOIN organizations o ON o.id = i.organization_id \
             WHERE i.digest = $1 AND i.expires_at_us > $2",
        )
        .bind(presented.as_bytes().as_slice())
        .bind(now.as_us())
        .fetch_optional(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let shown = |row: &AnyRow| {
            let columns = Columns::of(row, "invitations");
            Ok(ShownInvitation {
                invitation: read(row)?,
                organization: columns.owned("organization")?,
                has_account: columns.number("accounts")? > 0,
            })
        };
        row.as_ref().map(shown).transpose()
    }

    /// Accepts an invitation: uses its link up and makes the person a member. Whoever is a member already keeps
    /// the role they have.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid`, or `Conflict` (`link_used`, `other_address`, `email_taken`).
    pub async fn accept_invitation(
        &self,
        presented: &SecretDigest,
        who: Accepting,
    ) -> Result<Acted<User>, ActError> {
        if let Accepting::Newcomer { full_name, .. } = &who {
            check::text("full_name", full_name, 1..=100)?;
        }
        let actor = match &who {
            Accepting::Person(user) => user.actor(),
            Accepting::Newcomer { .. } => Actor::System,
        };
        act!(self, &actor, |act| {
            let invitation = use_up(act, presented).await?;
            let user = match &who {
                Accepting::Person(user) if user.email == invitation.email => user.id.clone(),
                Accepting::Person(_) => {
                    let detail =
                        "the invitation is for another email address; sign in with that one";
                    return Err(ActError::conflict("other_address", detail).into());
                }
                Accepting::Newcomer {
                    full_name,
                    password_hash,
                } => newcomer(act, &invitation.email, (full_name, password_hash)).await?,
            };
            sqlx::query(
                "INSERT INTO memberships (user_id, organization_id, role) VALUES ($1, $2, $3) \
                 ON CONFLICT (user_id, organization_id) DO NOTHING",
            )
            .bind(user.as_str())
            .bind(invitation.organization_id.as_str())
            .bind(invitation.role.as_str())
            .execute(act.db())
            .await?;
            let place = (&invitation.organization_id, &user);
            members::note(act, "member.join", place, told(&invitation));
            users::find(act.db(), user.as_str(), "").await
        })
    }
}

/// The account of an invited address: a new one, or one whose address nobody had proved yet.
async fn newcomer(
    act: &mut Act,
    email: &str,
    (full_name, password_hash): (&str, &str),
) -> Result<UserId, Fault> {
    let Some(user) = by_email(act, email).await? else {
        let id = UserId::random();
        let new = NewUser {
            id: None,
            email: email.to_owned(),
            full_name: full_name.to_owned(),
            password_hash: Some(password_hash.to_owned()),
            is_operator: false,
            memberships: Vec::new(),
        };
        users::insert(act, &id, &new, Address::Proved).await?;
        let detail = json!({ "after": { "email": email, "full_name": full_name } });
        users::note(act, "user.create", &id, detail);
        return Ok(id);
    };
    if user.email_verified_at.is_some() || user.disabled_at.is_some() {
        let detail = "this address has an account; sign in to accept the invitation";
        return Err(ActError::conflict("email_taken", detail).into());
    }
    replace_password(act, &user.id, password_hash, None).await?;
    sqlx::query("UPDATE users SET full_name = $2 WHERE id = $1")
        .bind(user.id.as_str())
        .bind(full_name)
        .execute(act.db())
        .await?;
    prove_address(act, &user, None).await?;
    Ok(user.id)
}

async fn use_up(act: &mut Act, presented: &SecretDigest) -> Result<Invitation, Fault> {
    let now = act.now().as_us();
    let row = sqlx::query(
        "DELETE FROM invitations WHERE digest = $1 AND expires_at_us > $2 \
         RETURNING id, organization_id, email, role, invited_by, created_at_us, expires_at_us",
    )
    .bind(presented.as_bytes().as_slice())
    .bind(now)
    .fetch_optional(act.db())
    .await?;
    Ok(read(&row.ok_or_else(useless)?)?)
}

async fn is_member(
    act: &mut Act,
    organization: &OrganizationId,
    email: &str,
) -> Result<bool, Fault> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS n FROM memberships m JOIN users u ON u.id = m.user_id \
         WHERE m.organization_id = $1 AND u.email = $2",
    )
    .bind(organization.as_str())
    .bind(email)
    .fetch_one(act.db())
    .await?;
    Ok(Columns::of(&row, "memberships").number("n")? > 0)
}

async fn forget_ended(
    act: &mut Act,
    organization: &OrganizationId,
    email: &str,
) -> Result<(), Fault> {
    let now = act.now().as_us();
    sqlx::query(
        "DELETE FROM invitations WHERE organization_id = $1 AND email = $2 AND expires_at_us <= $3",
    )
    .bind(organization.as_str())
    .bind(email)
    .bind(now)
    .execute(act.db())
    .await?;
    Ok(())
}

async fn owe(
    act: &mut Act,
    authority: &Authority,
    invitation: &Invitation,
    (link_base, secret): (&str, &Secret),
) -> Result<(), Fault> {
    let id = invitation.organization_id.as_str();
    let organization = organizations::find(act.db(), id, "").await?;
    let invited_by = match authority.actor() {
        Actor::User { id, .. } => users::find(act.db(), id.as_str(), "").await?.full_name,
        Actor::System => "An operator".to_owned(),
    };
    let mail = Mail::Invitation {
        organization: organization.name,
        role: invitation.role,
        invited_by,
        link: format!("{link_base}{}", secret.expose()),
    };
    act.owe_mail(&invitation.email, Some(&organization.id), &mail)
        .await?;
    Ok(())
}

fn told(invitation: &Invitation) -> Value {
    json!({ "email": invitation.email, "role": invitation.role })
}

fn note(act: &mut Act, action: &'static str, invitation: &Invitation) {
    act.note(&Note {
        action,
        kind: "invitation",
        id: invitation.id.as_str(),
        organization: Some(&invitation.organization_id),
        detail: told(invitation),
    });
}

async fn find(
    connection: &mut AnyConnection,
    organization: &OrganizationId,
    id: &InvitationId,
) -> Result<Invitation, Fault> {
    let row = sqlx::query(
        "SELECT id, organization_id, email, role, invited_by, created_at_us, expires_at_us FROM invitations \
         WHERE id = $1 AND organization_id = $2",
    )
    .bind(id.as_str())
    .bind(organization.as_str())
    .fetch_optional(connection)
    .await?;
    let row = row.ok_or(ActError::NotFound("invitation"))?;
    Ok(read(&row)?)
}

fn read(row: &AnyRow) -> Result<Invitation, CorruptRow> {
    let columns = Columns::of(row, "invitations");
    Ok(Invitation {
        id: columns.id("id", InvitationId::parse)?,
        organization_id: columns.id("organization_id", OrganizationId::parse)?,
        email: columns.owned("email")?,
        role: columns.word("role", MemberRole::parse)?,
        invited_by: columns.owned("invited_by")?,
        created_at: columns.instant("created_at_us")?,
        expires_at: columns.instant("expires_at_us")?,
    })
}
