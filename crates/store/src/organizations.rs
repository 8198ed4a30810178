//! Organizations and their namespaces.

use portcullis_core::{
    api::check_namespace,
    change::EntityKind,
    environment::Environment,
    ids::OrganizationId,
    organization::{Organization, OrganizationState},
    permissions::Authority,
};
use serde::Serialize;
use serde_json::json;
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, Note, act, operators_only, scope},
    check,
    error::{ActError, CorruptRow},
    idempotency::IdempotencyKey,
    row::Columns,
    statement::name_key,
    store::{Acted, Store},
};

/// An organization to be made.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewOrganization {
    /// `None` makes a new identifier.
    pub id: Option<OrganizationId>,
    /// Shown to people; not empty.
    pub name: String,
    /// One line.
    pub address: String,
    /// ISO 3166-1 alpha-2, or empty.
    pub country_code: String,
    /// Free text.
    pub phone_number: String,
    /// May be empty.
    pub website: String,
    /// May be empty.
    pub contact_email: String,
    /// API namespaces; may be empty.
    pub namespaces: Vec<String>,
}

/// What is to be changed; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct OrganizationPatch {
    /// Shown to people; not empty.
    pub name: Option<String>,
    /// One line.
    pub address: Option<String>,
    /// ISO 3166-1 alpha-2, or empty.
    pub country_code: Option<String>,
    /// Free text.
    pub phone_number: Option<String>,
    /// May be empty.
    pub website: Option<String>,
    /// May be empty.
    pub contact_email: Option<String>,
}

impl NewOrganization {
    fn check(&self) -> Result<(), ActError> {
        check::text("name", &self.name, 1..=100)?;
        check::line("address", &self.address)?;
        check_country("country_code", &self.country_code)?;
        check::line("phone_number", &self.phone_number)?;
        check::website("website", &self.website)?;
        if !self.contact_email.is_empty() {
            check::email("contact_email", &self.contact_email)?;
        }
        self.namespaces
            .iter()
            .try_for_each(|namespace| check_new_namespace(namespace))
    }
}

fn check_country(field: &'static str, code: &str) -> Result<(), ActError> {
    let fine = code.is_empty() || (code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()));
    if fine {
        Ok(())
    } else {
        Err(ActError::invalid(
            field,
            "is two capital letters (ISO 3166-1), or empty",
        ))
    }
}

fn check_new_namespace(namespace: &str) -> Result<(), ActError> {
    check_namespace(namespace).map_err(|error| ActError::invalid("namespace", error.to_string()))
}

/// What the audit log tells of an organization.
fn told(organization: &Organization) -> serde_json::Value {
    json!({
        "name": organization.name,
        "address": organization.address,
        "country_code": organization.country_code,
        "phone_number": organization.phone_number,
        "website": organization.website,
        "contact_email": organization.contact_email,
        "namespaces": organization.namespaces,
        "state": organization.state.as_str(),
    })
}

impl Store {
    /// Makes an organization. Operators only ([`portcullis_core::permissions::Reach::All`]).
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `Invalid`, or `Conflict` (`organization_exists`, `namespace_taken`,
    /// `idempotency_key_reused`).
    pub async fn create_organization(
        &self,
        authority: &Authority,
        new: NewOrganization,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Acted<Organization>, ActError> {
        operators_only(authority)?;
        new.check()?;
        act!(self, authority.actor(), |act| {
            let id = new.id.clone().unwrap_or_else(OrganizationId::random);
            let first = act
                .claim(idempotency, "organization.create", &new, id.as_str())
                .await?;
            if let Some(first) = first {
                return find(act.db(), &first, "").await;
            }
            make_as(act, &id, &new).await
        })
    }

    /// Changes an organization. `version` is the one that was read; `None` overwrites whatever is there.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Stale`, `Invalid`.
    pub async fn update_organization(
        &self,
        authority: &Authority,
        id: &OrganizationId,
        version: Option<i64>,
        patch: OrganizationPatch,
    ) -> Result<Acted<Organization>, ActError> {
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            stale_unless(version, before.version)?;
            let after = patched(&before, &patch)?;
            sqlx::query(
                "UPDATE organizations SET name = $2, address = $3, country_code = $4, phone_number = $5, \
                 website = $6, contact_email = $7, name_key = $8, version = version + 1 WHERE id = $1",
            )
            .bind(id.as_str())
            .bind(after.name.as_str())
            .bind(after.address.as_str())
            .bind(after.country_code.as_str())
            .bind(after.phone_number.as_str())
            .bind(after.website.as_str())
            .bind(after.contact_email.as_str())
            .bind(name_key(&after.name))
            .execute(act.db())
            .await?;
            let after = find(act.db(), id.as_str(), "").await?;
            let detail = json!({ "before": told(&before), "after": told(&after) });
            note(act, "organization.update", &after, detail);
            Ok(after)
        })
    }

    /// Suspends an organization, or lets it act again. Operators only. Repeated, it gives the first change's
    /// number.
    ///
    /// # Errors
    /// [`ActError`]: `Forbidden`, `NotFound`.
    pub async fn set_organization_state(
        &self,
        authority: &Authority,
        id: &OrganizationId,
        state: OrganizationState,
    ) -> Result<Acted<Organization>, ActError> {
        if !authority.actor().is_operator() {
            return Err(ActError::Forbidden);
        }
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            if before.state == state {
                act.stands_since(EntityKind::Organization, id.as_str())
                    .await?;
                return Ok(before);
            }
            sqlx::query("UPDATE organizations SET state = $2, version = version + 1 WHERE id = $1")
                .bind(id.as_str())
                .bind(state.as_str())
                .execute(act.db())
                .await?;
            act.changed(EntityKind::Organization, id.as_str());
            let after = find(act.db(), id.as_str(), "").await?;
            let detail = json!({ "before": before.state.as_str(), "after": state.as_str() });
            note(act, "organization.set_state", &after, detail);
            Ok(after)
        })
    }

    /// Gives an organization an API namespace, and with it the first path segments of all its environments.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Invalid`, or `Conflict` (`namespace_taken`).
    pub async fn add_namespace(
        &self,
        authority: &Authority,
        id: &OrganizationId,
        namespace: &str,
    ) -> Result<Acted<Organization>, ActError> {
        check_new_namespace(namespace)?;
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            if before.namespaces.iter().any(|own| own == namespace) {
                return Ok(before);
            }
            take_namespace(act, id, namespace).await?;
            sqlx::query("UPDATE organizations SET version = version + 1 WHERE id = $1")
                .bind(id.as_str())
                .execute(act.db())
                .await?;
            let after = find(act.db(), id.as_str(), "").await?;
            note(
                act,
                "organization.add_namespace",
                &after,
                json!({ "after": namespace }),
            );
            Ok(after)
        })
    }

    /// The organization.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn organization(
        &self,
        authority: &Authority,
        id: &OrganizationId,
    ) -> Result<Organization, ActError> {
        let mut connection = self.reader().await?;
        Ok(find(&mut connection, id.as_str(), scope(authority)).await?)
    }
}

/// Refuses an edit of something that was edited since it was read.
pub(crate) fn stale_unless(expected: Option<i64>, current: i64) -> Result<(), ActError> {
    match expected {
        Some(expected) if expected != current => Err(ActError::Stale { current }),
        _ => Ok(()),
    }
}

fn note(
    act: &mut Act,
    action: &'static str,
    organization: &Organization,
    detail: serde_json::Value,
) {
    act.note(&Note {
        action,
        kind: EntityKind::Organization.as_str(),
        id: organization.id.as_str(),
        organization: Some(&organization.id),
        detail,
    });
}

fn patched(before: &Organization, patch: &OrganizationPatch) -> Result<NewOrganization, ActError> {
    let take = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
    let after = NewOrganization {
        id: None,
        name: take(&patch.name, &before.name),
        address: take(&patch.address, &before.address),
        country_code: take(&patch.country_code, &before.country_code),
        phone_number: take(&patch.phone_number, &before.phone_number),
        website: take(&patch.website, &before.website),
        contact_email: take(&patch.contact_email, &before.contact_email),
        namespaces: Vec::new(),
    };
    after.check()?;
    Ok(after)
}

/// Makes an organization as part of another act.
pub(crate) async fn make(act: &mut Act, new: &NewOrganization) -> Result<Organization, Fault> {
    new.check()?;
    make_as(act, &OrganizationId::random(), new).await
}

async fn make_as(
    act: &mut Act,
    id: &OrganizationId,
    new: &NewOrganization,
) -> Result<Organization, Fault> {
    insert(act, id, new).await?;
    for namespace in &new.namespaces {
        take_namespace(act, id, namespace).await?;
    }
    let made = find(act.db(), id.as_str(), "").await?;
    act.changed(EntityKind::Organization, id.as_str());
    let detail = json!({ "after": told(&made) });
    note(act, "organization.create", &made, detail);
    Ok(made)
}

async fn insert(act: &mut Act, id: &OrganizationId, new: &NewOrganization) -> Result<(), Fault> {
    let now = act.now().as_us();
    let inserted = sqlx::query(
        "INSERT INTO organizations (id, name, address, country_code, phone_number, website, contact_email, \
         state, created_at_us, version, name_key) VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', $8, 1, $9) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id.as_str())
    .bind(new.name.as_str())
    .bind(new.address.as_str())
    .bind(new.country_code.as_str())
    .bind(new.phone_number.as_str())
    .bind(new.website.as_str())
    .bind(new.contact_email.as_str())
    .bind(now)
    .bind(name_key(&new.name))
    .execute(act.db())
    .await?;
    if inserted.rows_affected() == 0 {
        let detail = "an organization with this identifier exists already";
        return Err(ActError::conflict("organization_exists", detail).into());
    }
    Ok(())
}

async fn take_namespace(act: &mut Act, id: &OrganizationId, namespace: &str) -> Result<(), Fault> {
    let taken = || {
        ActError::conflict(
            "namespace_taken",
            "this namespace, or a path that begins with it, belongs to an organization already",
        )
    };
    let inserted = sqlx::query(
        "INSERT INTO organization_namespaces (namespace, organization_id) VALUES ($1, $2) \
         ON CONFLICT (namespace) DO NOTHING",
    )
    .bind(namespace)
    .bind(id.as_str())
    .execute(act.db())
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(taken().into());
    }
    for environment in Environment::ALL {
        let root = format!("{namespace}{}", environment.namespace_suffix());
        if !take_path_root(act, id, &root).await? {
            return Err(taken().into());
        }
    }
    Ok(())
}

/// Reserves the first segment of gateway paths; `false` when another organization has it.
pub(crate) async fn take_path_root(
    act: &mut Act,
    id: &OrganizationId,
    root: &str,
) -> Result<bool, Fault> {
    // The update that changes nothing makes the row come back whoever inserted it.
    let row = sqlx::query(
        "INSERT INTO path_roots (first_segment, organization_id) VALUES ($1, $2) \
         ON CONFLICT (first_segment) DO UPDATE SET organization_id = path_roots.organization_id \
         RETURNING organization_id",
    )
    .bind(root)
    .bind(id.as_str())
    .fetch_one(act.db())
    .await?;
    Ok(Columns::of(&row, "path_roots").text("organization_id")? == id.as_str())
}

/// Locks the organization until the end of the act.
pub(crate) async fn lock(
    act: &mut Act,
    id: &OrganizationId,
    scope: &str,
) -> Result<Organization, Fault> {
    sqlx::query(
        "UPDATE organizations SET version = version WHERE id = $1 AND ($2 = '' OR id = $2)",
    )
    .bind(id.as_str())
    .bind(scope)
    .execute(act.db())
    .await?;
    find(act.db(), id.as_str(), scope).await
}

/// The organization; `NotFound` when it is unknown or out of scope.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<Organization, Fault> {
    find_any(connection, id, scope)
        .await?
        .ok_or(Fault::Act(ActError::NotFound("organization")))
}

/// The organization, when it is known and in scope.
pub(crate) async fn find_any(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<Option<Organization>, Fault> {
    let row = sqlx::query(
        "SELECT id, name, address, country_code, phone_number, website, contact_email, state, created_at_us, version \
         FROM organizations WHERE id = $1 AND ($2 = '' OR id = $2)",
    )
    .bind(id)
    .bind(scope)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let namespaces = sqlx::query(
        "SELECT namespace FROM organization_namespaces WHERE organization_id = $1 ORDER BY namespace",
    )
    .bind(id)
    .fetch_all(connection)
    .await?;
    let namespaces = namespaces
        .iter()
        .map(|row| Columns::of(row, "organization_namespaces").owned("namespace"))
        .collect::<Result<_, _>>()?;
    Ok(Some(of_row(
        &Columns::of(&row, "organizations"),
        namespaces,
    )?))
}

/// Reads the columns that [`find_any`] selects.
pub(crate) fn of_row(
    columns: &Columns<'_>,
    namespaces: Vec<String>,
) -> Result<Organization, CorruptRow> {
    Ok(Organization {
        id: columns.id("id", OrganizationId::parse)?,
        name: columns.owned("name")?,
        address: columns.owned("address")?,
        country_code: columns.owned("country_code")?,
        phone_number: columns.owned("phone_number")?,
        website: columns.owned("website")?,
        contact_email: columns.owned("contact_email")?,
        namespaces,
        state: columns.word("state", OrganizationState::parse)?,
        created_at: columns.instant("created_at_us")?,
        version: columns.number("version")?,
    })
}
