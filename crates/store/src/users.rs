//! People and their memberships.

use std::fmt;

use portcullis_core::{
    ids::{OrganizationId, SessionId, UserId},
    organization::{MemberRole, User},
    permissions::Authority,
};
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, Note, act, operators_only, scope},
    check,
    error::ActError,
    idempotency::IdempotencyKey,
    links, organizations,
    page::{Page, PageRequest},
    row::Columns,
    sessions,
    store::{Acted, Store},
};

/// A person to be made.
#[derive(Clone, Serialize)]
pub struct NewUser {
    /// `None` makes a new identifier.
    pub id: Option<UserId>,
    /// Unique sign-in name; stored in lower case.
    pub email: String,
    /// Shown to people.
    pub full_name: String,
    /// In the form of PHC strings; `None` means that the person cannot sign in with a password.
    #[serde(skip)]
    pub password_hash: Option<String>,
    /// Operators act on every organization.
    pub is_operator: bool,
    /// Where the person belongs.
    pub memberships: Vec<(OrganizationId, MemberRole)>,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewUser({}, [redacted])", self.email)
    }
}

impl Store {
    /// Makes a person. Operators only.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `Invalid`, `NotFound` (an organization), or `Conflict` (`email_taken`,
    /// `user_exists`, `idempotency_key_reused`).
    pub async fn create_user(
        &self,
        authority: &Authority,
        new: NewUser,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Acted<User>, ActError> {
        operators_only(authority)?;
        check::email("email", &new.email)?;
        check::text("full_name", &new.full_name, 1..=200)?;
        act!(self, authority.actor(), |act| {
            let id = new.id.clone().unwrap_or_else(UserId::random);
            let first = act
                .claim(idempotency, "user.create", &new, id.as_str())
                .await?;
            if let Some(first) = first {
                return find(act.db(), &first, "").await;
            }
            insert(act, &id, &new, Address::Proved).await?;
            let made = find(act.db(), id.as_str(), "").await?;
            let detail = json!({ "after": {
                "email": made.email,
                "full_name": made.full_name,
                "is_operator": made.is_operator,
                "memberships": made.memberships,
            } });
            note(act, "user.create", &made.id, detail);
            Ok(made)
        })
    }

    /// Sets or replaces the password hash of a person (in the form of PHC strings): one's own, or anybody's by
    /// an operator. Ends every session of the person.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Invalid`.
    pub async fn set_password_hash(
        &self,
        authority: &Authority,
        id: &UserId,
        password_hash: &str,
    ) -> Result<Acted<()>, ActError> {
        check::text("password_hash", password_hash, 1..=500)?;
        act!(self, authority.actor(), |act| {
            themselves_or_operator(authority, id)?;
            replace_password(act, id, password_hash, None).await?;
            note(act, "user.set_password", id, json!({}));
            Ok(())
        })
    }

    /// Writes down that somebody failed to sign in as this person.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn note_failed_sign_ins(
        &self,
        user: &User,
        count: u64,
    ) -> Result<Acted<()>, ActError> {
        act!(self, &user.actor(), |act| {
            note(
                act,
                "user.sign_in_failed",
                &user.id,
                json!({ "failures": count }),
            );
            Ok(())
        })
    }

    /// The person, when a member of an organization within reach.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn user(&self, authority: &Authority, id: &UserId) -> Result<User, ActError> {
        let mut connection = self.reader().await?;
        Ok(find(&mut connection, id.as_str(), scope(authority)).await?)
    }

    /// The person with this sign-in name and the password hash. No authority: sign-in makes one possible.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn user_by_email(
        &self,
        email: &str,
    ) -> Result<Option<(User, Option<String>)>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query("SELECT id, password_hash FROM users WHERE email = $1")
            .bind(email.to_lowercase())
            .fetch_optional(&mut *connection)
            .await
            .map_err(Fault::from)?;
        let Some(row) = row else { return Ok(None) };
        let columns = Columns::of(&row, "users");
        let hash = columns.optional_text("password_hash")?.map(str::to_owned);
        let user = find(&mut connection, columns.text("id")?, "").await?;
        Ok(Some((user, hash)))
    }

    /// People within reach whose name or address holds `search` (empty: all), oldest first.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn users(
        &self,
        authority: &Authority,
        search: &str,
        page: PageRequest,
    ) -> Result<Page<User>, ActError> {
        let mut connection = self.reader().await?;
        let (instant, id) = page.start();
        let rows = sqlx::query(
            "SELECT id, created_at_us FROM users WHERE ($1 = '' OR EXISTS (SELECT 1 FROM memberships m \
             WHERE m.user_id = users.id AND m.organization_id = $1)) AND (created_at_us, id) > ($2, $3) \
             AND ($5 = '' OR LOWER(full_name) LIKE $5 ESCAPE '!' OR email LIKE $5 ESCAPE '!') \
             ORDER BY created_at_us, id LIMIT $4",
        )
        .bind(scope(authority))
        .bind(instant)
        .bind(id)
        .bind(page.rows())
        .bind(check::pattern(search))
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            let columns = Columns::of(row, "users");
            let user = find_any(&mut connection, columns.text("id")?, scope(authority)).await?;
            let made = columns.instant("created_at_us")?;
            items.extend(user.map(|user| (made, user)));
        }
        let page = Page::of(items, &page, |(made, user)| (*made, user.id.to_string()));
        Ok(Page {
            items: page.items.into_iter().map(|(_, user)| user).collect(),
            next: page.next,
        })
    }
}

/// What belongs to a person is that person's and the operators'.
pub(crate) fn themselves_or_operator(authority: &Authority, id: &UserId) -> Result<(), ActError> {
    use portcullis_core::permissions::Actor;
    let own = matches!(authority.actor(), Actor::User { id: own, .. } if own == id);
    if own || authority.actor().is_operator() {
        Ok(())
    } else {
        Err(ActError::NotFound("user"))
    }
}

pub(crate) fn note(act: &mut Act, action: &'static str, id: &UserId, detail: serde_json::Value) {
    act.note(&Note {
        action,
        kind: "user",
        id: id.as_str(),
        organization: None,
        detail,
    });
}

/// Whether somebody vouches for the address of a new person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// An operator does, or a link that was sent there.
    Proved,
    /// Nobody yet.
    Unproved,
}

/// Makes a person.
pub(crate) async fn insert(
    act: &mut Act,
    id: &UserId,
    new: &NewUser,
    address: Address,
) -> Result<(), Fault> {
    let now = act.now().as_us();
    let verified = address == Address::Proved;
    let known = sqlx::query("SELECT id FROM users WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(act.db())
        .await?;
    if known.is_some() {
        let detail = "a person with this identifier exists already";
        return Err(ActError::conflict("user_exists", detail).into());
    }
    let inserted = sqlx::query(
        "INSERT INTO users (id, email, full_name, password_hash, operator_since_us, created_at_us, version, \
         email_verified_at_us) VALUES ($1, $2, $3, $4, $5, $6, 1, $7) ON CONFLICT (email) DO NOTHING",
    )
    .bind(id.as_str())
    .bind(new.email.to_lowercase())
    .bind(new.full_name.as_str())
    .bind(new.password_hash.clone())
    .bind(new.is_operator.then_some(now))
    .bind(now)
    .bind(verified.then_some(now))
    .execute(act.db())
    .await?;
    if inserted.rows_affected() == 0 {
        let detail = "a person with this mail address exists already";
        return Err(ActError::conflict("email_taken", detail).into());
    }
    for (organization, role) in &new.memberships {
        organizations::find(act.db(), organization.as_str(), "").await?;
        set_role(act, id, organization, *role).await?;
    }
    Ok(())
}

/// Makes the person a member with this role, or gives a member this role.
pub(crate) async fn set_role(
    act: &mut Act,
    id: &UserId,
    organization: &OrganizationId,
    role: MemberRole,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO memberships (user_id, organization_id, role) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id, organization_id) DO UPDATE SET role = excluded.role",
    )
    .bind(id.as_str())
    .bind(organization.as_str())
    .bind(role.as_str())
    .execute(act.db())
    .await?;
    Ok(())
}

/// Puts another password hash in the place of a person's, and ends what the old one opened: every session but
/// `kept`, and links that set a password.
pub(crate) async fn replace_password(
    act: &mut Act,
    id: &UserId,
    password_hash: &str,
    kept: Option<&SessionId>,
) -> Result<(), Fault> {
    let updated =
        sqlx::query("UPDATE users SET password_hash = $2, version = version + 1 WHERE id = $1")
            .bind(id.as_str())
            .bind(password_hash)
            .execute(act.db())
            .await?;
    if updated.rows_affected() == 0 {
        return Err(ActError::NotFound("user").into());
    }
    sessions::end_all(act, id, kept).await?;
    links::end_all(act, id).await
}

/// The person; `NotFound` when unknown or out of scope.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<User, Fault> {
    find_any(connection, id, scope)
        .await?
        .ok_or(Fault::Act(ActError::NotFound("user")))
}

async fn find_any(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<Option<User>, Fault> {
    let row = sqlx::query(
        "SELECT id, email, full_name, operator_since_us, email_verified_at_us, disabled_at_us, created_at_us, \
         version FROM users WHERE id = $1 AND ($2 = '' OR EXISTS \
         (SELECT 1 FROM memberships m WHERE m.user_id = users.id AND m.organization_id = $2))",
    )
    .bind(id)
    .bind(scope)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let columns = Columns::of(&row, "users");
    // Whoever may see one organization does not learn of a person's others.
    let rows = sqlx::query(
        "SELECT organization_id, role FROM memberships WHERE user_id = $1 AND ($2 = '' OR organization_id = $2) \
         ORDER BY organization_id",
    )
    .bind(id)
    .bind(scope)
    .fetch_all(connection)
    .await?;
    let mut memberships = Vec::with_capacity(rows.len());
    for row in &rows {
        let columns = Columns::of(row, "memberships");
        memberships.push((
            columns.id("organization_id", OrganizationId::parse)?,
            columns.word("role", MemberRole::parse)?,
        ));
    }
    Ok(Some(User {
        id: columns.id("id", UserId::parse)?,
        email: columns.owned("email")?,
        full_name: columns.owned("full_name")?,
        is_operator: columns.optional_number("operator_since_us")?.is_some(),
        memberships,
        email_verified_at: columns.optional_instant("email_verified_at_us")?,
        disabled_at: columns.optional_instant("disabled_at_us")?,
        created_at: columns.instant("created_at_us")?,
        version: columns.number("version")?,
    }))
}
