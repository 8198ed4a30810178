//! Apps as lists: found by name, identifier or API Key, with what a line of a page tells beside the app.

use std::collections::HashMap;

use portcullis_core::{
    app::{App, AppState},
    clock::Timestamp,
    ids::{ApiId, OrganizationId},
    permissions::Authority,
};
use sqlx::AnyConnection;

use crate::{
    act::{Fault, scope},
    apps,
    error::ActError,
    organization_lists::{ids_of, names},
    page::{Order, Page, PageRequest},
    row::Columns,
    statement::{CREATED, Statement, containing},
    store::Store,
};

/// Which apps are asked for; what is `None` or empty asks for all.
#[derive(Debug, Clone, Default)]
pub struct AppFilter {
    /// Of this owner.
    pub organization_id: Option<OrganizationId>,
    /// In one of these states.
    pub states: Vec<AppState>,
    /// Whose name contains this, whatever its case, or whose identifier or API Key it is.
    pub search: Option<String>,
    /// In which order.
    pub order: Order,
}

/// What a list tells of an app beside itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSummary {
    /// The owner's name.
    pub organization_name: String,
    /// Customers' subscriptions that have not ended.
    pub living_subscriptions: u64,
    /// When one of its secrets last got a token.
    pub last_used_at: Option<Timestamp>,
}

const COLUMNS: &str = "SELECT id, organization_id, name, description, website, callback_url, client_id, \
                       test_subscription_id, state, created_at_us, version FROM apps";

fn page_of(scope: &str, filter: &AppFilter, page: &PageRequest) -> Statement {
    let mut statement = Statement::new(COLUMNS);
    statement.begin_page(page, filter.order, CREATED);
    if !scope.is_empty() {
        statement.part(" AND organization_id = ").value(scope);
    }
    let owner = filter.organization_id.as_ref().map(OrganizationId::as_str);
    if let Some(owner) = owner.filter(|owner| *owner != scope) {
        statement.part(" AND organization_id = ").value(owner);
    }
    if !filter.states.is_empty() {
        statement.part(" AND state IN ");
        statement.list(filter.states.iter().map(|state| state.as_str()));
    }
    if let Some(search) = &filter.search {
        statement
            .part(" AND (name_key LIKE ")
            .value(containing(search));
        statement.part(" ESCAPE '\\' OR id = ").value(search.trim());
        statement.part(" OR client_id = ").value(search.trim());
        statement.part(")");
    }
    statement.end_page(page, filter.order, CREATED);
    statement
}

impl Store {
    /// Apps of an organization, or of every one within reach.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn apps(
        &self,
        authority: &Authority,
        filter: AppFilter,
        page: PageRequest,
    ) -> Result<Page<App>, ActError> {
        let mut connection = self.reader().await?;
        let rows = page_of(scope(authority), &filter, &page)
            .fetch(&mut connection)
            .await?;
        let ids = ids_of(&rows, "apps")?;
        let mut selected = selections(&mut connection, &ids).await?;
        let mut items = Vec::with_capacity(rows.len());
        for (row, id) in rows.iter().zip(&ids) {
            let apis = selected.remove(id).unwrap_or_default();
            items.push(apps::of_row(&Columns::of(row, "apps"), apis)?);
        }
        Ok(Page::of(items, &page, |item| {
            (item.created_at, item.id.to_string())
        }))
    }

    /// What lists tell of these apps, in their order. The caller has found them within reach.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn app_summaries(
        &self,
        _: &Authority,
        apps: &[App],
    ) -> Result<Vec<AppSummary>, ActError> {
        let mut connection = self.reader().await?;
        let owners = apps
            .iter()
            .map(|app| app.organization_id.as_str())
            .collect();
        let names = names(&mut connection, owners).await?;
        let ids = apps.iter().map(|app| app.id.as_str()).collect();
        let living = living_subscriptions(&mut connection, ids).await?;
        let clients = apps.iter().map(|app| app.client_id.as_str()).collect();
        let used = last_uses(&mut connection, clients).await?;
        let summary = |app: &App| AppSummary {
            organization_name: named(&names, app.organization_id.as_str()),
            living_subscriptions: living.get(app.id.as_str()).copied().unwrap_or(0),
            last_used_at: used.get(app.client_id.as_str()).copied(),
        };
        Ok(apps.iter().map(summary).collect())
    }
}

/// The name of a thing; empty when it has none.
pub(crate) fn named(names: &HashMap<String, String>, id: &str) -> String {
    names.get(id).cloned().unwrap_or_default()
}

/// The APIs that each of these apps selected.
async fn selections(
    connection: &mut AnyConnection,
    apps: &[String],
) -> Result<HashMap<String, Vec<ApiId>>, Fault> {
    let mut statement = Statement::new("SELECT app_id, api_id FROM app_apis");
    statement
        .part(" WHERE app_id IN ")
        .list(apps.iter().map(String::as_str));
    let mut selected: HashMap<String, Vec<ApiId>> = HashMap::new();
    for row in &statement.fetch(connection).await? {
        let columns = Columns::of(row, "app_apis");
        let of = selected.entry(columns.owned("app_id")?).or_default();
        of.push(columns.id("api_id", ApiId::parse)?);
    }
    Ok(selected)
}

/// How many customers' subscriptions of each of these apps have not ended.
async fn living_subscriptions(
    connection: &mut AnyConnection,
    apps: Vec<&str>,
) -> Result<HashMap<String, u64>, Fault> {
    let rows = living_statement(apps).fetch(connection).await?;
    let read = |row| {
        let columns = Columns::of(row, "subscriptions");
        Ok((columns.owned("app_id")?, columns.count("n")?))
    };
    rows.iter().map(read).collect()
}

fn living_statement(apps: Vec<&str>) -> Statement {
    let mut statement = Statement::new(" SELECT app_id, COUNT(*) AS n FROM subscriptions");
    statement.part(
        " WHERE kind = 'real' AND state IN ('pending', 'active', 'suspended') AND app_id IN ",
    );
    statement.list(apps).part(" GROUP BY app_id");
    statement
}

/// When a secret of each of these clients last got a token.
pub(crate) async fn last_uses(
    connection: &mut AnyConnection,
    clients: Vec<&str>,
) -> Result<HashMap<String, Timestamp>, Fault> {
    let mut statement = Statement::new("SELECT client_id, last_used_at_us FROM client_secrets");
    statement.part(" WHERE last_used_at_us IS NOT NULL AND client_id IN ");
    statement.list(clients);
    let mut used: HashMap<String, Timestamp> = HashMap::new();
    for row in &statement.fetch(connection).await? {
        let columns = Columns::of(row, "client_secrets");
        let at = columns.instant("last_used_at_us")?;
        let last = used.entry(columns.owned("client_id")?).or_insert(at);
        *last = (*last).max(at);
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::plans::{assert_indexed, plan};

    #[test]
    fn every_page_is_read_by_an_index() {
        let owner = OrganizationId::random();
        for order in [Order::Oldest, Order::Newest] {
            for scope in ["", owner.as_str()] {
                for organization_id in [None, Some(owner.clone())] {
                    let filter = AppFilter {
                        organization_id: organization_id.clone(),
                        states: vec![AppState::Enabled, AppState::Disabled],
                        search: Some("x".to_owned()),
                        order,
                    };
                    let statement = page_of(scope, &filter, &PageRequest::default());
                    assert_indexed(&statement);
                    let of_owner = !scope.is_empty() || organization_id.is_some();
                    assert_eq!(
                        plan(&statement).concat().contains("apps_of_organization"),
                        of_owner
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_summed_up_is_read_by_indexes() {
        let steps = plan(&living_statement(vec!["a", "b"])).concat();
        assert!(
            steps.contains("COVERING INDEX subscriptions_of_app_by_state"),
            "{steps}"
        );
    }
}
