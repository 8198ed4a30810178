//! APIs: who provides them and who may select them.

use portcullis_core::{
    api::{Api, Visibility},
    catalog::{ApiDetails, CATEGORIES_MAX, CATEGORY_CHARACTERS_MAX},
    change::EntityKind,
    client::{ClientOwner, ClientSecretInfo},
    ids::{ApiId, AppId, ClientId, OrganizationId},
    permissions::Authority,
    secret::{Secret, SecretKind},
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, Note, act, reaches, scope},
    apps::GivenCredentials,
    check, clients, connections,
    error::{ActError, CorruptRow},
    idempotency::IdempotencyKey,
    instances,
    organizations::{self, stale_unless},
    row::Columns,
    statement::name_key,
    store::{Acted, Store},
};

/// An API to be made.
#[derive(Debug, Clone, Serialize)]
pub struct NewApi {
    /// Slug; `None` makes one of the name.
    pub id: Option<ApiId>,
    /// The provider.
    pub organization_id: OrganizationId,
    /// 1 to 100 characters.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Who may select it.
    pub visibility: Visibility,
    /// What people read before they use it.
    pub details: ApiDetails,
    /// `None` makes new ones.
    #[serde(skip)]
    pub credentials: Option<GivenCredentials>,
}

/// An API that was made.
#[derive(Debug, Clone)]
pub struct CreatedApi {
    /// The API.
    pub api: Api,
    /// Its first secret as it can be shown later.
    pub secret_info: ClientSecretInfo,
    /// The secret, shown this once; `None` when an idempotency key was used again.
    pub secret: Option<Secret>,
}

/// What is to be changed; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ApiPatch {
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// May be empty.
    pub description: Option<String>,
    /// Who may select it.
    pub visibility: Option<Visibility>,
    /// Organizations a private API is shared with.
    pub shared_with: Option<Vec<OrganizationId>>,
    /// At most ten.
    pub categories: Option<Vec<String>>,
    /// May be empty.
    pub support_email: Option<String>,
    /// May be empty.
    pub support_phone: Option<String>,
    /// May be empty.
    pub support_website: Option<String>,
    /// May be empty.
    pub documentation_url: Option<String>,
}

impl ApiPatch {
    fn applied_to(&self, before: &ApiDetails) -> ApiDetails {
        let take = |new: &Option<String>, old: &String| new.as_ref().unwrap_or(old).clone();
        ApiDetails {
            categories: self
                .categories
                .as_ref()
                .unwrap_or(&before.categories)
                .clone(),
            support_email: take(&self.support_email, &before.support_email),
            support_phone: take(&self.support_phone, &before.support_phone),
            support_website: take(&self.support_website, &before.support_website),
            documentation_url: take(&self.documentation_url, &before.documentation_url),
        }
    }
}

fn told(api: &Api) -> Value {
    json!({
        "name": api.name,
        "description": api.description,
        "client_id": api.client_id,
        "visibility": api.visibility.as_str(),
        "shared_with": api.shared_with,
        "details": api.details,
    })
}

fn note(act: &mut Act, action: &'static str, api: &Api, detail: Value) {
    act.note(&Note {
        action,
        kind: EntityKind::Api.as_str(),
        id: api.id.as_str(),
        organization: Some(&api.organization_id),
        detail,
    });
}

fn check_texts(name: &str, description: &str) -> Result<(), ActError> {
    check::text("name", name, 1..=100)?;
    check::text("description", description, 0..=check::TEXT_CHARACTERS_MAX)
}

pub(crate) fn check_categories(categories: &[String]) -> Result<(), ActError> {
    if categories.len() > CATEGORIES_MAX {
        let detail = format!("takes at most {CATEGORIES_MAX}");
        return Err(ActError::invalid("categories", detail));
    }
    for category in categories {
        check::text("categories", category, 1..=CATEGORY_CHARACTERS_MAX)?;
    }
    Ok(())
}

fn check_details(details: &ApiDetails) -> Result<(), ActError> {
    check_categories(&details.categories)?;
    if !details.support_email.is_empty() {
        check::email("support_email", &details.support_email)?;
    }
    check::line("support_phone", &details.support_phone)?;
    check::website("support_website", &details.support_website)?;
    check::website("documentation_url", &details.documentation_url)
}

/// The identifier of an API is part of paths.
fn check_id(id: &ApiId) -> Result<(), ActError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if id.as_str().bytes().all(legal) {
        Ok(())
    } else {
        Err(ActError::invalid(
            "id",
            "takes letters, digits, '-', '.', '_' and '~'",
        ))
    }
}

impl Store {
    /// Makes an API with its client and first secret.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid`, `NotFound` (organization), `Conflict` (`api_exists`, `client_exists`,
    /// `idempotency_key_reused`).
    pub async fn create_api(
        &self,
        authority: &Authority,
        new: NewApi,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Acted<CreatedApi>, ActError> {
        check_texts(&new.name, &new.description)?;
        check_details(&new.details)?;
        new.id.as_ref().map_or(Ok(()), check_id)?;
        if !reaches(authority, &new.organization_id) {
            return Err(ActError::NotFound("organization"));
        }
        act!(self, authority.actor(), |act| {
            let id = match &new.id {
                Some(id) => id.clone(),
                None => free_slug(act.db(), &new.name).await?,
            };
            let first = act
                .claim(idempotency, "api.create", &new, id.as_str())
                .await?;
            if let Some(first) = first {
                return created_before(act, &first).await;
            }
            let (secret_info, secret) = make(act, &id, &new).await?;
            let api = find(act.db(), id.as_str(), "").await?;
            note(act, "api.create", &api, json!({ "after": told(&api) }));
            Ok(CreatedApi {
                api,
                secret_info,
                secret: Some(secret),
            })
        })
    }

    /// Changes an API. `version` is the one that was read; `None` overwrites whatever is there.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Stale`, `Invalid`.
    pub async fn update_api(
        &self,
        authority: &Authority,
        id: &ApiId,
        version: Option<i64>,
        patch: ApiPatch,
    ) -> Result<Acted<Api>, ActError> {
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            stale_unless(version, before.version)?;
            let name = patch.name.as_ref().unwrap_or(&before.name);
            let description = patch.description.as_ref().unwrap_or(&before.description);
            check_texts(name, description)?;
            let details = patch.applied_to(&before.details);
            check_details(&details)?;
            let visibility = patch.visibility.unwrap_or(before.visibility);
            sqlx::query(
                "UPDATE apis SET name = $2, description = $3, visibility = $4, name_key = $5, support_email = $6, \
                 support_phone = $7, support_website = $8, documentation_url = $9, version = version + 1 WHERE id = $1",
            )
            .bind(id.as_str())
            .bind(name.as_str())
            .bind(description.as_str())
            .bind(visibility.as_str())
            .bind(name_key(name))
            .bind(details.support_email.as_str())
            .bind(details.support_phone.as_str())
            .bind(details.support_website.as_str())
            .bind(details.documentation_url.as_str())
            .execute(act.db())
            .await?;
            set_categories(act, id, &details.categories).await?;
            if let Some(organizations) = &patch.shared_with {
                share(act, id, organizations).await?;
            }
            let after = find(act.db(), id.as_str(), "").await?;
            if (after.visibility, &after.shared_with) != (before.visibility, &before.shared_with) {
                act.changed(EntityKind::Api, id.as_str());
            }
            let detail = json!({ "before": told(&before), "after": told(&after) });
            note(act, "api.update", &after, detail);
            Ok(after)
        })
    }

    /// Deletes an API with its instances; its connections are deactivated. Its identifier stays taken.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn delete_api(
        &self,
        authority: &Authority,
        id: &ApiId,
    ) -> Result<Acted<()>, ActError> {
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            delete(act, &before).await
        })
    }

    /// The API, when an organization within reach provides it or may select it. Whom it is shared with is told
    /// to its provider alone.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn api(&self, authority: &Authority, id: &ApiId) -> Result<Api, ActError> {
        let mut connection = self.reader().await?;
        let api = visible(&mut connection, id.as_str(), scope(authority)).await?;
        api.ok_or(ActError::NotFound("API"))
    }

    /// The API whose Client ID this is. No authority: the caller is the API itself, proved by its token.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn api_of_client(&self, client: &ClientId) -> Result<Option<Api>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query("SELECT id FROM apis WHERE client_id = $1 AND state = 'living'")
            .bind(client.as_str())
            .fetch_optional(&mut *connection)
            .await
            .map_err(Fault::from)?;
        let Some(row) = row else { return Ok(None) };
        let id = Columns::of(&row, "apis").text("id")?;
        Ok(Some(find(&mut connection, id, "").await?))
    }
}

/// A slug made of a name that no API has yet.
async fn free_slug(connection: &mut AnyConnection, name: &str) -> Result<ApiId, Fault> {
    let slug = slug(name);
    for number in 1..100 {
        let text = match number {
            1 => slug.clone(),
            _ => format!("{slug}-{number}"),
        };
        let taken = sqlx::query("SELECT id FROM apis WHERE id = $1")
            .bind(text.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        if taken.is_none() {
            let invalid = |_| ActError::invalid("name", "cannot be made an identifier");
            return Ok(ApiId::parse(&text).map_err(invalid)?);
        }
    }
    let detail = "too many APIs have this name; choose an identifier";
    Err(ActError::conflict("api_exists", detail).into())
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().take(60) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "api".to_owned()
    } else {
        slug.to_owned()
    }
}

async fn created_before(act: &mut Act, id: &str) -> Result<CreatedApi, Fault> {
    let api = find(act.db(), id, "").await?;
    let secrets = clients::secrets_of(act.db(), &api.client_id).await?;
    let first = secrets.into_iter().next();
    Ok(CreatedApi {
        secret_info: first.ok_or(ActError::NotFound("secret"))?,
        api,
        secret: None,
    })
}

async fn make(
    act: &mut Act,
    id: &ApiId,
    new: &NewApi,
) -> Result<(ClientSecretInfo, Secret), Fault> {
    organizations::find(act.db(), new.organization_id.as_str(), "").await?;
    let taken = sqlx::query("SELECT id FROM apis WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(act.db())
        .await?;
    if taken.is_some() {
        let detail = "an API with this identifier exists already, or did";
        return Err(ActError::conflict("api_exists", detail).into());
    }
    let credentials = new.credentials.clone().unwrap_or_else(|| GivenCredentials {
        client_id: ClientId::random(),
        secret: Secret::generate(SecretKind::Client),
    });
    let owner = ClientOwner::Api(id.clone());
    let info = clients::insert(
        act,
        &credentials.client_id,
        (&owner, &new.organization_id),
        &credentials.secret,
    )
    .await?;
    let now = act.now().as_us();
    sqlx::query(
        "INSERT INTO apis (id, organization_id, name, description, client_id, visibility, state, created_at_us, \
         version, name_key, support_email, support_phone, support_website, documentation_url) \
         VALUES ($1, $2, $3, $4, $5, $6, 'living', $7, 1, $8, $9, $10, $11, $12)",
    )
    .bind(id.as_str())
    .bind(new.organization_id.as_str())
    .bind(new.name.as_str())
    .bind(new.description.as_str())
    .bind(credentials.client_id.as_str())
    .bind(new.visibility.as_str())
    .bind(now)
    .bind(name_key(&new.name))
    .bind(new.details.support_email.as_str())
    .bind(new.details.support_phone.as_str())
    .bind(new.details.support_website.as_str())
    .bind(new.details.documentation_url.as_str())
    .execute(act.db())
    .await?;
    set_categories(act, id, &new.details.categories).await?;
    act.changed(EntityKind::Api, id.as_str());
    Ok((info, credentials.secret))
}

/// Deletes an API with everything that hangs on it.
pub(crate) async fn delete(act: &mut Act, before: &Api) -> Result<(), Fault> {
    let id = &before.id;
    instances::delete_all(act, id).await?;
    connections::deactivate_of_api(act, id).await?;
    let apps = sqlx::query("DELETE FROM app_apis WHERE api_id = $1 RETURNING app_id")
        .bind(id.as_str())
        .fetch_all(act.db())
        .await?;
    for row in &apps {
        let app = Columns::of(row, "app_apis").id("app_id", AppId::parse)?;
        act.changed(EntityKind::App, app.as_str());
    }
    clients::set_state(act, &before.client_id, "deleted").await?;
    sqlx::query("UPDATE apis SET state = 'deleted', version = version + 1 WHERE id = $1")
        .bind(id.as_str())
        .execute(act.db())
        .await?;
    act.changed(EntityKind::Api, id.as_str());
    let detail = json!({ "before": told(before) });
    note(act, "api.delete", before, detail);
    Ok(())
}

/// Makes the categories of an API these.
pub(crate) async fn set_categories(
    act: &mut Act,
    id: &ApiId,
    categories: &[String],
) -> Result<(), Fault> {
    sqlx::query("DELETE FROM api_categories WHERE api_id = $1")
        .bind(id.as_str())
        .execute(act.db())
        .await?;
    for category in categories {
        sqlx::query(
            "INSERT INTO api_categories (api_id, category) VALUES ($1, $2) ON CONFLICT (api_id, category) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(category.as_str())
        .execute(act.db())
        .await?;
    }
    Ok(())
}

async fn share(act: &mut Act, id: &ApiId, with: &[OrganizationId]) -> Result<(), Fault> {
    sqlx::query("DELETE FROM api_shares WHERE api_id = $1")
        .bind(id.as_str())
        .execute(act.db())
        .await?;
    for organization in with {
        organizations::find(act.db(), organization.as_str(), "").await?;
        sqlx::query(
            "INSERT INTO api_shares (api_id, organization_id) VALUES ($1, $2) \
             ON CONFLICT (api_id, organization_id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(organization.as_str())
        .execute(act.db())
        .await?;
    }
    Ok(())
}

/// Refuses an API that an app of this organization cannot select.
pub(crate) async fn selectable(
    connection: &mut AnyConnection,
    id: &ApiId,
    organization: &OrganizationId,
) -> Result<(), Fault> {
    let visible = visible(connection, id.as_str(), organization.as_str()).await?;
    visible.map(|_| ()).ok_or_else(|| {
        let detail = format!("{id}: there is no such API, or this organization may not select it");
        Fault::Act(ActError::invalid("apis", detail))
    })
}

/// The API as this organization may see it.
pub(crate) async fn visible(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<Option<Api>, Fault> {
    let row = sqlx::query(
        "SELECT id FROM apis WHERE id = $1 AND state = 'living' AND ($2 = '' OR organization_id = $2 \
         OR visibility = 'public' \
         OR EXISTS (SELECT 1 FROM api_shares s WHERE s.api_id = apis.id AND s.organization_id = $2))",
    )
    .bind(id)
    .bind(scope)
    .fetch_optional(&mut *connection)
    .await?;
    if row.is_none() {
        return Ok(None);
    }
    let mut api = find(connection, id, "").await?;
    if !scope.is_empty() && api.organization_id.as_str() != scope {
        api.shared_with.clear();
    }
    Ok(Some(api))
}

/// Locks the API until the end of the act.
pub(crate) async fn lock(act: &mut Act, id: &ApiId, scope: &str) -> Result<Api, Fault> {
    sqlx::query(
        "UPDATE apis SET version = version WHERE id = $1 AND ($2 = '' OR organization_id = $2)",
    )
    .bind(id.as_str())
    .bind(scope)
    .execute(act.db())
    .await?;
    find(act.db(), id.as_str(), scope).await
}

/// The API for its provider; `NotFound` when it is unknown, deleted or out of scope.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<Api, Fault> {
    let row = sqlx::query(
        "SELECT id, organization_id, name, description, client_id, visibility, support_email, support_phone, \
         support_website, documentation_url, created_at_us, version FROM apis \
         WHERE id = $1 AND state = 'living' AND ($2 = '' OR organization_id = $2)",
    )
    .bind(id)
    .bind(scope)
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Fault::Act(ActError::NotFound("API")))?;
    let shares = sqlx::query("SELECT api_id, organization_id FROM api_shares WHERE api_id = $1")
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    let shared_with = shares
        .iter()
        .map(|row| Columns::of(row, "api_shares").id("organization_id", OrganizationId::parse))
        .collect::<Result<_, _>>()?;
    let categories = sqlx::query("SELECT api_id, category FROM api_categories WHERE api_id = $1")
        .bind(id)
        .fetch_all(connection)
        .await?;
    let categories = categories
        .iter()
        .map(|row| Columns::of(row, "api_categories").owned("category"))
        .collect::<Result<_, _>>()?;
    Ok(of_row(&Columns::of(&row, "apis"), shared_with, categories)?)
}

/// Reads the columns that [`find`] selects.
pub(crate) fn of_row(
    columns: &Columns<'_>,
    mut shared_with: Vec<OrganizationId>,
    mut categories: Vec<String>,
) -> Result<Api, CorruptRow> {
    // The engine's order may follow its locale.
    shared_with.sort();
    categories.sort();
    Ok(Api {
        id: columns.id("id", ApiId::parse)?,
        organization_id: columns.id("organization_id", OrganizationId::parse)?,
        name: columns.owned("name")?,
        description: columns.owned("description")?,
        client_id: columns.id("client_id", ClientId::parse)?,
        visibility: columns.word("visibility", Visibility::parse)?,
        shared_with,
        details: ApiDetails {
            categories,
            support_email: columns.owned("support_email")?,
            support_phone: columns.owned("support_phone")?,
            support_website: columns.owned("support_website")?,
            documentation_url: columns.owned("documentation_url")?,
        },
        created_at: columns.instant("created_at_us")?,
        version: columns.number("version")?,
    })
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_slug_is_made_of_letters_digits_and_single_hyphens() {
        for (name, expected) in [
            ("Vehicles", "vehicles"),
            ("  Service & Parts (v2) ", "service-parts-v2"),
            ("\u{fc}\u{df}", "api"),
        ] {
            assert_eq!(slug(name), expected);
        }
    }
}
