//! Organizations as lists, and the names that other lists show.

use std::collections::{BTreeSet, HashMap};

use portcullis_core::{
    organization::{Organization, OrganizationState},
    permissions::Authority,
};
use sqlx::AnyConnection;

use crate::{
    act::{Fault, scope},
    error::ActError,
    organizations,
    page::{Order, Page, PageRequest},
    row::Columns,
    statement::{CREATED, Statement, containing},
    store::Store,
};

/// Which organizations are asked for; what is `None` asks for all.
#[derive(Debug, Clone, Default)]
pub struct OrganizationFilter {
    /// In this state.
    pub state: Option<OrganizationState>,
    /// Whose name contains this, whatever its case, or whose identifier it is.
    pub search: Option<String>,
    /// In which order.
    pub order: Order,
}

/// What a list tells of an organization beside itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrganizationSummary {
    /// Apps that were not deleted.
    pub apps: u64,
    /// APIs that were not deleted.
    pub apis: u64,
    /// People who belong to it.
    pub members: u64,
}

const COLUMNS: &str = "SELECT id, name, address, country_code, phone_number, website, contact_email, state, \
                       created_at_us, version FROM organizations";

fn page_of(scope: &str, filter: &OrganizationFilter, page: &PageRequest) -> Statement {
    let mut statement = Statement::new(COLUMNS);
    statement.begin_page(page, filter.order, CREATED);
    if !scope.is_empty() {
        statement.part(" AND id = ").value(scope);
    }
    if let Some(state) = filter.state {
        statement.part(" AND state = ").value(state.as_str());
    }
    if let Some(search) = &filter.search {
        statement
            .part(" AND (name_key LIKE ")
            .value(containing(search));
        statement.part(" ESCAPE '\\' OR id = ").value(search.trim());
        statement.part(")");
    }
    statement.end_page(page, filter.order, CREATED);
    statement
}

impl Store {
    /// Organizations within reach.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn organizations(
        &self,
        authority: &Authority,
        filter: OrganizationFilter,
        page: PageRequest,
    ) -> Result<Page<Organization>, ActError> {
        let mut connection = self.reader().await?;
        let statement = page_of(scope(authority), &filter, &page);
        let rows = statement.fetch(&mut connection).await?;
        let mut namespaces =
            Statement::new("SELECT organization_id, namespace FROM organization_namespaces");
        let ids = ids_of(&rows, "organizations")?;
        namespaces
            .part(" WHERE organization_id IN ")
            .list(ids.iter().map(String::as_str));
        let mut of: HashMap<String, Vec<String>> = HashMap::new();
        for row in &namespaces.fetch(&mut connection).await? {
            let columns = Columns::of(row, "organization_namespaces");
            let owner = of.entry(columns.owned("organization_id")?).or_default();
            owner.push(columns.owned("namespace")?);
        }
        let mut items = Vec::with_capacity(rows.len());
        for (row, id) in rows.iter().zip(&ids) {
            let mut own = of.remove(id).unwrap_or_default();
            own.sort();
            items.push(organizations::of_row(
                &Columns::of(row, "organizations"),
                own,
            )?);
        }
        Ok(Page::of(items, &page, |item| {
            (item.created_at, item.id.to_string())
        }))
    }

    /// What lists tell of these organizations, in their order. The caller has found them within reach.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn organization_summaries(
        &self,
        _: &Authority,
        organizations: &[Organization],
    ) -> Result<Vec<OrganizationSummary>, ActError> {
        let mut connection = self.reader().await?;
        let ids: Vec<&str> = organizations.iter().map(|item| item.id.as_str()).collect();
        let of_apps = " SELECT organization_id, COUNT(*) AS n FROM apps";
        let of_apps = counts(&mut connection, (of_apps, " AND state <> 'deleted'"), &ids).await?;
        let of_providers = " SELECT organization_id, COUNT(*) AS n FROM apis";
        let of_providers = counts(
            &mut connection,
            (of_providers, " AND state = 'living'"),
            &ids,
        )
        .await?;
        let members = " SELECT organization_id, COUNT(*) AS n FROM memberships";
        let members = counts(&mut connection, (members, ""), &ids).await?;
        let summary = |id: &&str| OrganizationSummary {
            apps: of_apps.get(*id).copied().unwrap_or(0),
            apis: of_providers.get(*id).copied().unwrap_or(0),
            members: members.get(*id).copied().unwrap_or(0),
        };
        Ok(ids.iter().map(summary).collect())
    }
}

/// Counts rows for each of these organizations.
async fn counts(
    connection: &mut AnyConnection,
    what: (&'static str, &'static str),
    ids: &[&str],
) -> Result<HashMap<String, u64>, Fault> {
    let (text, condition) = what;
    let mut statement = Statement::new(text);
    statement
        .part(" WHERE organization_id IN ")
        .list(ids.iter().copied());
    statement.part(condition).part(" GROUP BY organization_id");
    let rows = statement.fetch(connection).await?;
    let read = |row| {
        let columns = Columns::of(row, "organizations");
        Ok((columns.owned("organization_id")?, columns.count("n")?))
    };
    rows.iter().map(read).collect()
}

/// The first column of each row.
pub(crate) fn ids_of(
    rows: &[sqlx::any::AnyRow],
    table: &'static str,
) -> Result<Vec<String>, Fault> {
    rows.iter()
        .map(|row| Ok(Columns::of(row, table).owned("id")?))
        .collect()
}

/// The names of these organizations. A list and no iterator: the compiler cannot yet see that the future of one
/// that borrows may cross threads.
pub(crate) async fn names(
    connection: &mut AnyConnection,
    ids: Vec<&str>,
) -> Result<HashMap<String, String>, Fault> {
    names_in(connection, "SELECT id, name FROM organizations", ids).await
}

/// The names of these things; `text` selects `id` and `name` of all of them.
pub(crate) async fn names_in(
    connection: &mut AnyConnection,
    text: &'static str,
    ids: Vec<&str>,
) -> Result<HashMap<String, String>, Fault> {
    let ids: BTreeSet<&str> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut statement = Statement::new(text);
    statement.part(" WHERE id IN ").list(ids);
    let rows = statement.fetch(connection).await?;
    let read = |row| {
        let columns = Columns::of(row, "names");
        Ok((columns.owned("id")?, columns.owned("name")?))
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::plans::assert_indexed;

    #[test]
    fn a_page_is_read_by_an_index() {
        for order in [Order::Oldest, Order::Newest] {
            let filter = OrganizationFilter {
                order,
                ..OrganizationFilter::default()
            };
            assert_indexed(&page_of("", &filter, &PageRequest::default()));
        }
    }
}
