//! Who uses an API: the apps that selected it, as its provider sees them.

use std::collections::HashMap;

use portcullis_core::{
    app::AppState,
    clock::Timestamp,
    ids::{ApiId, AppId, OrganizationId},
    permissions::Authority,
};
use sqlx::AnyConnection;

use crate::{
    act::{Fault, scope},
    apis,
    app_lists::named,
    error::ActError,
    organization_lists::names,
    page::{Order, Page, PageRequest},
    row::Columns,
    statement::{CREATED, Statement},
    store::Store,
};

/// An app that selected an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiUser {
    /// The app.
    pub app_id: AppId,
    /// Its name.
    pub name: String,
    /// Whether it works.
    pub state: AppState,
    /// The app's owner.
    pub organization_id: OrganizationId,
    /// The owner's name.
    pub organization_name: String,
    /// Customers' subscriptions that reach the API through the app and have not ended.
    pub living_subscriptions: u64,
    /// When the app was made.
    pub created_at: Timestamp,
}

fn page_of(api: &str, page: &PageRequest) -> Statement {
    let mut statement =
        Statement::new("SELECT id, organization_id, name, state, created_at_us FROM apps");
    statement.begin_page(page, Order::Oldest, CREATED);
    statement.part(" AND id IN (SELECT app_id FROM app_apis WHERE api_id = ");
    statement.value(api).part(")");
    statement.end_page(page, Order::Oldest, CREATED);
    statement
}

fn living_statement(api: &str, apps: Vec<&str>) -> Statement {
    let mut statement = Statement::new(
        " SELECT s.app_id, COUNT(*) AS n FROM subscriptions s JOIN connections c ON c.subscription_id = s.id",
    );
    statement.part(" WHERE s.kind = 'real' AND s.state IN ('pending', 'active', 'suspended')");
    statement.part(" AND s.app_id IN ").list(apps);
    statement.part(" AND c.api_id = ").value(api);
    statement.part(" AND c.state IN ('requested', 'pending', 'active') GROUP BY s.app_id");
    statement
}

impl Store {
    /// The apps that selected an API, by age. For its provider alone: `authority` reaches the API as its own.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound` (the API).
    pub async fn api_users(
        &self,
        authority: &Authority,
        api: &ApiId,
        page: PageRequest,
    ) -> Result<Page<ApiUser>, ActError> {
        let mut connection = self.reader().await?;
        apis::find(&mut connection, api.as_str(), scope(authority)).await?;
        let rows = page_of(api.as_str(), &page).fetch(&mut connection).await?;
        let read = |row| {
            let columns = Columns::of(row, "apps");
            let state = columns.text("state")?;
            Ok(ApiUser {
                app_id: columns.id("id", AppId::parse)?,
                name: columns.owned("name")?,
                state: AppState::parse(state).ok_or_else(|| columns.corrupt("state"))?,
                organization_id: columns.id("organization_id", OrganizationId::parse)?,
                organization_name: String::new(),
                living_subscriptions: 0,
                created_at: columns.instant("created_at_us")?,
            })
        };
        let mut items = rows
            .iter()
            .map(read)
            .collect::<Result<Vec<ApiUser>, Fault>>()?;
        complete(&mut connection, api.as_str(), &mut items).await?;
        Ok(Page::of(items, &page, |item| {
            (item.created_at, item.app_id.to_string())
        }))
    }
}

async fn complete(
    connection: &mut AnyConnection,
    api: &str,
    items: &mut [ApiUser],
) -> Result<(), Fault> {
    let owners = items.iter().map(|item| item.organization_id.as_str());
    let names = names(connection, owners.collect()).await?;
    let apps = items.iter().map(|item| item.app_id.as_str()).collect();
    let mut living = HashMap::new();
    for row in &living_statement(api, apps).fetch(connection).await? {
        let columns = Columns::of(row, "subscriptions");
        living.insert(columns.owned("app_id")?, columns.count("n")?);
    }
    for item in items {
        item.organization_name = named(&names, item.organization_id.as_str());
        item.living_subscriptions = living.get(item.app_id.as_str()).copied().unwrap_or(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::plans::plan;

    #[test]
    fn users_of_an_api_are_read_by_indexes() {
        // The users of one API are sorted once they are found; what is never done is to read every app.
        let steps = plan(&page_of("v1-x", &PageRequest::default())).concat();
        assert!(
            !steps.contains("SCAN") && steps.contains("app_apis_of_api"),
            "{steps}"
        );
        let steps = plan(&living_statement("v1-x", vec!["a", "b"])).concat();
        assert!(!steps.contains("SCAN"), "{steps}");
    }
}
