//! Members of organizations and their roles.

use portcullis_core::{
    ids::{OrganizationId, UserId},
    organization::MemberRole,
    people::Member,
    permissions::{Actor, Authority, may_give_ownership},
};
use serde_json::json;
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    act::{Act, Fault, Note, act, reaches, scope},
    error::{ActError, CorruptRow},
    organizations::lock,
    page::{Page, PageRequest},
    row::Columns,
    store::{Acted, Store},
    users::set_role,
};

impl Store {
    /// Members of an organization within reach, the oldest account first.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn members(
        &self,
        authority: &Authority,
        organization: &OrganizationId,
        page: PageRequest,
    ) -> Result<Page<Member>, ActError> {
        let mut connection = self.reader().await?;
        crate::organizations::find(&mut connection, organization.as_str(), scope(authority))
            .await?;
        let (instant, id) = page.start();
        let rows = sqlx::query(
            "SELECT u.id AS id, u.email AS email, u.full_name AS full_name, u.disabled_at_us AS disabled_at_us, \
             u.created_at_us AS created_at_us, m.role AS role FROM memberships m JOIN users u ON u.id = m.user_id \
             WHERE m.organization_id = $1 AND (u.created_at_us, u.id) > ($2, $3) \
             ORDER BY u.created_at_us, u.id LIMIT $4",
        )
        .bind(organization.as_str())
        .bind(instant)
        .bind(id)
        .bind(page.rows())
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let with_age = |row: &AnyRow| {
            let made = Columns::of(row, "users").instant("created_at_us")?;
            Ok((made, read(row)?))
        };
        let items = rows
            .iter()
            .map(with_age)
            .collect::<Result<Vec<_>, ActError>>()?;
        let page = Page::of(items, &page, |(made, member)| {
            (*made, member.user_id.to_string())
        });
        Ok(Page {
            items: page.items.into_iter().map(|(_, member)| member).collect(),
            next: page.next,
        })
    }

    /// One member.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn member(
        &self,
        authority: &Authority,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Member, ActError> {
        within(authority, organization)?;
        let mut connection = self.reader().await?;
        Ok(find(&mut connection, organization, user).await?)
    }

    /// Gives a member another role. Ownership is given and ended by owners and operators alone; the last owner
    /// stays one.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Forbidden`, or `Conflict` (`last_owner`).
    pub async fn set_member_role(
        &self,
        authority: &Authority,
        organization: &OrganizationId,
        user: &UserId,
        role: MemberRole,
    ) -> Result<Acted<Member>, ActError> {
        within(authority, organization)?;
        act!(self, authority.actor(), |act| {
            lock(act, organization, scope(authority)).await?;
            let before = find(act.db(), organization, user).await?;
            if before.role == role {
                return Ok(before);
            }
            owners_touch_owners(authority.actor(), organization, &[before.role, role])?;
            set_role(act, user, organization, role).await?;
            keep_an_owner(act, organization).await?;
            let after = find(act.db(), organization, user).await?;
            let detail = json!({ "email": after.email, "before": before.role, "after": role });
            note(act, "member.set_role", (organization, user), detail);
            Ok(after)
        })
    }

    /// Removes a member: somebody who may manage members does, or the person leaves. Access is lost at once:
    /// sessions and tokens look at memberships on each request.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Forbidden`, or `Conflict` (`last_owner`).
    pub async fn remove_member(
        &self,
        authority: &Authority,
        organization: &OrganizationId,
        user: &UserId,
    ) -> Result<Acted<()>, ActError> {
        within(authority, organization)?;
        act!(self, authority.actor(), |act| {
            lock(act, organization, scope(authority)).await?;
            let before = find(act.db(), organization, user).await?;
            let leaves = matches!(authority.actor(), Actor::User { id, .. } if id == user);
            if !leaves {
                owners_touch_owners(authority.actor(), organization, &[before.role])?;
            }
            sqlx::query("DELETE FROM memberships WHERE user_id = $1 AND organization_id = $2")
                .bind(user.as_str())
                .bind(organization.as_str())
                .execute(act.db())
                .await?;
            if before.role == MemberRole::Owner {
                keep_an_owner(act, organization).await?;
            }
            sqlx::query(
                "UPDATE sessions SET organization_id = NULL WHERE user_id = $1 AND organization_id = $2",
            )
            .bind(user.as_str())
            .bind(organization.as_str())
            .execute(act.db())
            .await?;
            let action = if leaves {
                "member.leave"
            } else {
                "member.remove"
            };
            let detail = json!({ "email": before.email, "role": before.role });
            note(act, action, (organization, user), detail);
            Ok(())
        })
    }
}

/// Refuses an organization out of reach as if it did not exist.
pub(crate) fn within(authority: &Authority, organization: &OrganizationId) -> Result<(), ActError> {
    if reaches(authority, organization) {
        Ok(())
    } else {
        Err(ActError::NotFound("organization"))
    }
}

/// Refuses whoever is neither owner nor operator when one of the roles is ownership.
pub(crate) fn owners_touch_owners(
    actor: &Actor,
    organization: &OrganizationId,
    roles: &[MemberRole],
) -> Result<(), ActError> {
    if roles.contains(&MemberRole::Owner) && !may_give_ownership(actor, organization) {
        return Err(ActError::Forbidden);
    }
    Ok(())
}

/// Refuses what left an organization without an owner who can sign in, unless it had none before.
async fn keep_an_owner(act: &mut Act, organization: &OrganizationId) -> Result<(), Fault> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS n FROM memberships m JOIN users u ON u.id = m.user_id \
         WHERE m.organization_id = $1 AND m.role = 'owner' AND u.disabled_at_us IS NULL",
    )
    .bind(organization.as_str())
    .fetch_one(act.db())
    .await?;
    if Columns::of(&row, "memberships").number("n")? > 0 {
        return Ok(());
    }
    let detail = "this is the last owner; make another member an owner first";
    Err(ActError::conflict("last_owner", detail).into())
}

pub(crate) fn note(
    act: &mut Act,
    action: &'static str,
    (organization, user): (&OrganizationId, &UserId),
    detail: serde_json::Value,
) {
    act.note(&Note {
        action,
        kind: "member",
        id: user.as_str(),
        organization: Some(organization),
        detail,
    });
}

async fn find(
    connection: &mut AnyConnection,
    organization: &OrganizationId,
    user: &UserId,
) -> Result<Member, Fault> {
    let row = sqlx::query(
        "SELECT u.id AS id, u.email AS email, u.full_name AS full_name, u.disabled_at_us AS disabled_at_us, \
         m.role AS role FROM memberships m JOIN users u ON u.id = m.user_id \
         WHERE m.organization_id = $1 AND m.user_id = $2",
    )
    .bind(organization.as_str())
    .bind(user.as_str())
    .fetch_optional(connection)
    .await?;
    let row = row.ok_or(ActError::NotFound("member"))?;
    Ok(read(&row)?)
}

fn read(row: &AnyRow) -> Result<Member, CorruptRow> {
    let columns = Columns::of(row, "users");
    Ok(Member {
        user_id: columns.id("id", UserId::parse)?,
        email: columns.owned("email")?,
        full_name: columns.owned("full_name")?,
        role: columns.word("role", MemberRole::parse)?,
        disabled_at: columns.optional_instant("disabled_at_us")?,
    })
}
