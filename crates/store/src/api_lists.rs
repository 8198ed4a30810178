//! APIs as lists: those an organization provides or may select, and the directory of those it finds there.

use std::collections::HashMap;

use portcullis_core::{
    api::{Api, Visibility},
    catalog::Listing,
    clock::Timestamp,
    environment::Environment,
    ids::{ApiId, AppId, InstanceId, OrganizationId},
    permissions::Authority,
};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    act::{Fault, scope},
    apis,
    app_lists::{last_uses, named},
    apps,
    error::ActError,
    instances,
    organization_lists::{ids_of, names},
    page::{Order, Page, PageRequest},
    row::Columns,
    statement::{CREATED, Statement, containing},
    store::Store,
};

/// Which APIs are asked for; what is `None` asks for all.
#[derive(Debug, Clone, Default)]
pub struct ApiFilter {
    /// Of this provider.
    pub provider: Option<OrganizationId>,
    /// Public ones or private ones.
    pub visibility: Option<Visibility>,
    /// Filed under this.
    pub category: Option<String>,
    /// Whose name contains this, whatever its case, or whose identifier or (of one's own) Client ID it is.
    pub search: Option<String>,
    /// In which order.
    pub order: Order,
}

/// What a list tells of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceLine {
    /// Opaque identifier.
    pub id: InstanceId,
    /// Where.
    pub environment: Environment,
    /// Spec version.
    pub version: String,
    /// Prefix of the gateway paths that lead there.
    pub prefix: String,
    /// How it stands in the directory.
    pub listing: Listing,
    /// Whether a specification is kept.
    pub has_spec: bool,
}

/// What a list tells of an API beside itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSummary {
    /// The provider's name.
    pub organization_name: String,
    /// Its instances, by age.
    pub instances: Vec<InstanceLine>,
    /// For its provider: how many apps selected it.
    pub apps: Option<u64>,
    /// For its provider: when one of its secrets last got a token.
    pub last_used_at: Option<Timestamp>,
}

/// A value that lists can be narrowed by, and how many entries it would leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// What to ask for.
    pub id: String,
    /// What people read.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// By what the directory can be narrowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// By category, sorted.
    pub categories: Vec<Facet>,
    /// By provider, sorted by name.
    pub providers: Vec<Facet>,
}

/// An API that an app selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedApi {
    /// The API.
    pub api: Api,
    /// What is told of it.
    pub summary: ApiSummary,
    /// Whether the app's owner may still select it; when not, calls are refused.
    pub available: bool,
}

const COLUMNS: &str = "SELECT id, organization_id, name, description, client_id, visibility, support_email, \
                       support_phone, support_website, documentation_url, created_at_us, version FROM apis";

/// What of the APIs within sight is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shelf {
    /// Everything.
    All,
    /// What the directory shows: one's own, what is shared, and public ones with an instance that is listed.
    Directory,
}

fn page_of(scope: &str, filter: &ApiFilter, page: &PageRequest, shelf: Shelf) -> Statement {
    let mut statement = Statement::new(COLUMNS);
    statement.begin_page(page, filter.order, CREATED);
    statement.part(" AND state = 'living'");
    if let Some(provider) = &filter.provider {
        statement
            .part(" AND organization_id = ")
            .value(provider.as_str());
    }
    within_sight(&mut statement, scope, shelf);
    if let Some(visibility) = filter.visibility {
        statement
            .part(" AND visibility = ")
            .value(visibility.as_str());
    }
    if let Some(category) = &filter.category {
        statement.part(" AND EXISTS (SELECT 1 FROM api_categories c WHERE c.api_id = apis.id AND c.category = ");
        statement.value(category.as_str()).part(")");
    }
    if let Some(search) = &filter.search {
        statement
            .part(" AND (name_key LIKE ")
            .value(containing(search));
        statement.part(" ESCAPE '\\' OR id = ").value(search.trim());
        statement.part(" OR (client_id = ").value(search.trim());
        if !scope.is_empty() {
            statement.part(" AND organization_id = ").value(scope);
        }
        statement.part("))");
    }
    statement.end_page(page, filter.order, CREATED);
    statement
}

/// Narrows a statement about APIs to those that an organization provides or may select.
fn within_sight(statement: &mut Statement, scope: &str, shelf: Shelf) {
    let listed = " AND EXISTS (SELECT 1 FROM api_instances i WHERE i.api_id = apis.id AND i.show_in_directory = 1)";
    if scope.is_empty() {
        if shelf == Shelf::Directory {
            statement.part(listed);
        }
        return;
    }
    statement.part(" AND (organization_id = ").value(scope);
    statement.part(" OR (visibility = 'public'");
    if shelf == Shelf::Directory {
        statement.part(listed);
    }
    statement.part(
        ") OR EXISTS (SELECT 1 FROM api_shares s WHERE s.api_id = apis.id AND s.organization_id = ",
    );
    statement.value(scope).part("))");
}

impl Store {
    /// APIs that an organization within reach provides or may select. Whom they are shared with is told to their
    /// provider alone.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn apis(
        &self,
        authority: &Authority,
        filter: ApiFilter,
        page: PageRequest,
    ) -> Result<Page<Api>, ActError> {
        self.shelf(scope(authority), (filter, Shelf::All), page)
            .await
    }

    /// The directory: of those the ones that are meant to be found.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn directory(
        &self,
        authority: &Authority,
        filter: ApiFilter,
        page: PageRequest,
    ) -> Result<Page<Api>, ActError> {
        self.shelf(scope(authority), (filter, Shelf::Directory), page)
            .await
    }

    async fn shelf(
        &self,
        scope: &str,
        asked: (ApiFilter, Shelf),
        page: PageRequest,
    ) -> Result<Page<Api>, ActError> {
        let (filter, which) = asked;
        let mut connection = self.reader().await?;
        let rows = page_of(scope, &filter, &page, which)
            .fetch(&mut connection)
            .await?;
        let items = read_all(&mut connection, &rows, scope).await?;
        Ok(Page::of(items, &page, |item| {
            (item.created_at, item.id.to_string())
        }))
    }

    /// By what the directory can be narrowed.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn directory_facets(&self, authority: &Authority) -> Result<Facets, ActError> {
        let mut connection = self.reader().await?;
        let scope = scope(authority);
        let mut categories = Statement::new(
            " SELECT c.category AS id, COUNT(*) AS n FROM apis JOIN api_categories c ON c.api_id = apis.id",
        );
        categories.part(" WHERE state = 'living'");
        within_sight(&mut categories, scope, Shelf::Directory);
        categories.part(" GROUP BY c.category");
        let mut providers =
            Statement::new(" SELECT organization_id AS id, COUNT(*) AS n FROM apis");
        providers.part(" WHERE state = 'living'");
        within_sight(&mut providers, scope, Shelf::Directory);
        providers.part(" GROUP BY organization_id");
        let categories = facets(&categories.fetch(&mut connection).await?)?;
        let mut providers = facets(&providers.fetch(&mut connection).await?)?;
        let ids = providers.iter().map(|facet| facet.id.as_str()).collect();
        let names = names(&mut connection, ids).await?;
        for provider in &mut providers {
            provider.name = named(&names, &provider.id);
        }
        providers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(Facets {
            categories,
            providers,
        })
    }

    /// What the directory tells of these APIs, in their order: of those of others only the instances that are
    /// listed. The caller has found them within reach.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn directory_summaries(
        &self,
        authority: &Authority,
        apis: &[Api],
    ) -> Result<Vec<ApiSummary>, ActError> {
        let scope = scope(authority);
        let mut connection = self.reader().await?;
        let mut summaries = summaries(&mut connection, scope, apis).await?;
        for (api, summary) in apis.iter().zip(&mut summaries) {
            let is_own = api.organization_id.as_str() == scope;
            let lines = &mut summary.instances;
            lines.retain(|line| is_own || line.listing.show_in_directory);
        }
        Ok(summaries)
    }

    /// What lists tell of these APIs, in their order. The caller has found them within reach.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn api_summaries(
        &self,
        authority: &Authority,
        apis: &[Api],
    ) -> Result<Vec<ApiSummary>, ActError> {
        let mut connection = self.reader().await?;
        Ok(summaries(&mut connection, scope(authority), apis).await?)
    }

    /// The APIs that an app selected, by name.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound` (the app).
    pub async fn selected_apis(
        &self,
        authority: &Authority,
        app: &AppId,
    ) -> Result<Vec<SelectedApi>, ActError> {
        let mut connection = self.reader().await?;
        let app = apps::find(&mut connection, app.as_str(), scope(authority)).await?;
        let owner = app.organization_id.as_str();
        let mut statement = Statement::new(COLUMNS);
        statement.part(" WHERE state = 'living' AND id IN ");
        statement.list(app.apis.iter().map(ApiId::as_str));
        let rows = statement.fetch(&mut connection).await?;
        let apis = read_all(&mut connection, &rows, owner).await?;
        within_sight(&mut statement, owner, Shelf::All);
        let in_sight = ids_of(&statement.fetch(&mut connection).await?, "apis")?;
        let summaries = summaries(&mut connection, owner, &apis).await?;
        let selected = |(api, summary): (Api, ApiSummary)| SelectedApi {
            available: in_sight.iter().any(|id| *id == api.id.as_str()),
            api,
            summary,
        };
        let mut selected: Vec<_> = apis.into_iter().zip(summaries).map(selected).collect();
        selected.sort_by(|a, b| (&a.api.name, &a.api.id).cmp(&(&b.api.name, &b.api.id)));
        Ok(selected)
    }
}

fn facets(rows: &[AnyRow]) -> Result<Vec<Facet>, Fault> {
    let read = |row| {
        let columns = Columns::of(row, "facets");
        let id = columns.owned("id")?;
        Ok(Facet {
            name: id.clone(),
            id,
            count: columns.count("n")?,
        })
    };
    let mut facets = rows.iter().map(read).collect::<Result<Vec<_>, Fault>>()?;
    facets.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(facets)
}

/// The APIs of these rows, as this organization may see them.
async fn read_all(
    connection: &mut AnyConnection,
    rows: &[AnyRow],
    scope: &str,
) -> Result<Vec<Api>, Fault> {
    let ids = ids_of(rows, "apis")?;
    let shares = Statement::new("SELECT api_id, organization_id FROM api_shares");
    let mut shares = by_api(connection, (shares, "organization_id"), &ids).await?;
    let categories = Statement::new("SELECT api_id, category FROM api_categories");
    let mut categories = by_api(connection, (categories, "category"), &ids).await?;
    let mut items = Vec::with_capacity(rows.len());
    for (row, id) in rows.iter().zip(&ids) {
        let columns = Columns::of(row, "apis");
        let with = shares.remove(id).unwrap_or_default();
        let with = with.iter().map(|id| OrganizationId::parse(id));
        let with = with.collect::<Result<_, _>>();
        let with = with.map_err(|_| columns.corrupt("shared_with"))?;
        let filed = categories.remove(id).unwrap_or_default();
        let mut api = apis::of_row(&columns, with, filed)?;
        if !scope.is_empty() && api.organization_id.as_str() != scope {
            api.shared_with.clear();
        }
        items.push(api);
    }
    Ok(items)
}

/// One column of the rows of each of these APIs.
async fn by_api(
    connection: &mut AnyConnection,
    what: (Statement, &'static str),
    ids: &[String],
) -> Result<HashMap<String, Vec<String>>, Fault> {
    let (mut statement, column) = what;
    statement
        .part(" WHERE api_id IN ")
        .list(ids.iter().map(String::as_str));
    let mut of: HashMap<String, Vec<String>> = HashMap::new();
    for row in &statement.fetch(connection).await? {
        let columns = Columns::of(row, "api rows");
        of.entry(columns.owned("api_id")?)
            .or_default()
            .push(columns.owned(column)?);
    }
    Ok(of)
}

async fn summaries(
    connection: &mut AnyConnection,
    scope: &str,
    apis: &[Api],
) -> Result<Vec<ApiSummary>, Fault> {
    let owners = apis.iter().map(|api| api.organization_id.as_str());
    let names = names(connection, owners.collect()).await?;
    let ids: Vec<&str> = apis.iter().map(|api| api.id.as_str()).collect();
    let mut lines = instance_lines(connection, &ids).await?;
    let mut users = Statement::new(" SELECT api_id, COUNT(*) AS n FROM app_apis");
    users
        .part(" WHERE api_id IN ")
        .list(ids)
        .part(" GROUP BY api_id");
    let mut users_of = HashMap::new();
    for row in &users.fetch(connection).await? {
        let columns = Columns::of(row, "app_apis");
        users_of.insert(columns.owned("api_id")?, columns.count("n")?);
    }
    let clients = apis.iter().map(|api| api.client_id.as_str());
    let used = last_uses(connection, clients.collect()).await?;
    let summary = |api: &Api| {
        let is_own = scope.is_empty() || api.organization_id.as_str() == scope;
        let instances = lines.remove(api.id.as_str()).unwrap_or_default();
        let users = users_of.get(api.id.as_str()).copied().unwrap_or(0);
        ApiSummary {
            organization_name: named(&names, api.organization_id.as_str()),
            instances,
            apps: is_own.then_some(users),
            last_used_at: used.get(api.client_id.as_str()).copied().filter(|_| is_own),
        }
    };
    Ok(apis.iter().map(summary).collect())
}

/// The instances of each of these APIs, by age.
async fn instance_lines(
    connection: &mut AnyConnection,
    apis: &[&str],
) -> Result<HashMap<String, Vec<InstanceLine>>, Fault> {
    let mut statement = Statement::new(
        "SELECT id, api_id, environment, version, prefix, lifecycle, lifecycle_text, show_in_directory, \
         CASE WHEN spec IS NULL THEN 0 ELSE 1 END AS has_spec FROM api_instances",
    );
    statement
        .part(" WHERE api_id IN ")
        .list(apis.iter().copied());
    statement.part(" ORDER BY created_at_us, id");
    let mut lines: HashMap<String, Vec<InstanceLine>> = HashMap::new();
    for row in &statement.fetch(connection).await? {
        let columns = Columns::of(row, "api_instances");
        lines
            .entry(columns.owned("api_id")?)
            .or_default()
            .push(InstanceLine {
                id: columns.id("id", InstanceId::parse)?,
                environment: columns.word("environment", Environment::parse)?,
                version: columns.owned("version")?,
                prefix: columns.owned("prefix")?,
                listing: instances::listing_of(&columns)?,
                has_spec: columns.number("has_spec")? != 0,
            });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::plans::assert_indexed;

    #[test]
    fn every_page_is_read_by_an_index() {
        let provider = OrganizationId::random();
        for order in [Order::Oldest, Order::Newest] {
            for scope in ["", provider.as_str()] {
                for shelf in [Shelf::All, Shelf::Directory] {
                    for of in [None, Some(provider.clone())] {
                        let filter = ApiFilter {
                            provider: of,
                            category: Some("Service".to_owned()),
                            order,
                            ..ApiFilter::default()
                        };
                        assert_indexed(&page_of(scope, &filter, &PageRequest::default(), shelf));
                    }
                }
            }
        }
    }
}
