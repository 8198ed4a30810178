//! Subscriptions as lists, and those that are due to end.

use portcullis_core::{
    clock::Timestamp,
    ids::{ApiId, AppId, OrganizationId, SubscriptionId},
    permissions::Authority,
    subscription::{Subscription, SubscriptionState},
};

use crate::{
    act::{Fault, scope},
    app_lists::named,
    error::ActError,
    organization_lists::{names, names_in},
    page::{Order, Page, PageRequest},
    row::Columns,
    statement::{CREATED, Statement, containing},
    store::Store,
    subscriptions,
};

/// Which subscriptions are asked for; what is `None` or empty asks for all.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionFilter {
    /// Of this app.
    pub app_id: Option<AppId>,
    /// Of this buyer.
    pub organization_id: Option<OrganizationId>,
    /// In one of these states.
    pub states: Vec<SubscriptionState>,
    /// Whose app's or buyer's name contains this, whatever its case, or whose identifier it is.
    pub search: Option<String>,
    /// In which order.
    pub order: Order,
}

/// What a list tells of a subscription beside itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionSummary {
    /// The buyer's name.
    pub organization_name: String,
    /// The owner of the app or API.
    pub owner_organization_id: OrganizationId,
    /// Its name.
    pub owner_organization_name: String,
    /// The app's name; `None` for an API's own test subscription.
    pub app_name: Option<String>,
    /// The API's name, for its own test subscription alone.
    pub api_name: Option<String>,
}

const COLUMNS: &str = "SELECT id, kind, app_id, api_id, organization_id, owner_organization_id, environment, state, \
                       activated_at_us, deactivated_at_us, ends_at_us, created_at_us, version FROM subscriptions";

/// What a page is asked for: whose, which, and where it begins.
struct Asked<'a> {
    scope: &'a str,
    filter: &'a SubscriptionFilter,
    page: &'a PageRequest,
}

impl Asked<'_> {
    /// One index serves each form: that of the app, that of the buyer, that of all; and what an organization
    /// has as buyer or as owner is read from both sides and put together.
    fn statement(&self) -> Statement {
        let mut statement = Statement::new(COLUMNS);
        let one_sided = self.filter.app_id.is_some() || self.filter.organization_id.is_some();
        if self.scope.is_empty() || one_sided {
            self.conditions(&mut statement);
            if !self.scope.is_empty() {
                statement.part(" AND (organization_id = ").value(self.scope);
                statement
                    .part(" OR owner_organization_id = ")
                    .value(self.scope);
                statement.part(")");
            }
        } else {
            statement.part(" WHERE id IN (SELECT id FROM (");
            self.side(&mut statement, " AND organization_id = ");
            statement.part(" UNION SELECT id FROM (");
            self.side(&mut statement, " AND owner_organization_id = ");
            statement.part(")");
        }
        statement.end_page(self.page, self.filter.order, CREATED);
        statement
    }

    /// The first of what the organization has on one side.
    fn side(&self, statement: &mut Statement, condition: &'static str) {
        statement.part("SELECT id FROM subscriptions");
        self.conditions(statement);
        statement.part(condition).value(self.scope);
        statement.end_page(self.page, self.filter.order, CREATED);
        statement.part(") AS side");
    }

    fn conditions(&self, statement: &mut Statement) {
        let filter = self.filter;
        statement.begin_page(self.page, filter.order, CREATED);
        if let Some(app) = &filter.app_id {
            statement.part(" AND app_id = ").value(app.as_str());
        }
        if let Some(buyer) = &filter.organization_id {
            statement
                .part(" AND organization_id = ")
                .value(buyer.as_str());
        }
        match filter.states.as_slice() {
            [] => {}
            [state] => {
                statement.part(" AND state = ").value(state.as_str());
            }
            // Not a bare column: several states in one index would have to be sorted.
            states => {
                statement.part(" AND COALESCE(state, '') IN ");
                statement.list(states.iter().map(|state| state.as_str()));
            }
        }
        if let Some(search) = &filter.search {
            let pattern = containing(search);
            statement.part(" AND (id = ").value(search.trim());
            statement
                .part(" OR app_id IN (")
                .part("SELECT id FROM apps");
            statement
                .part(" WHERE name_key LIKE ")
                .value(pattern.clone());
            statement.part(" ESCAPE '\\') OR organization_id IN (");
            statement
                .part("SELECT id FROM organizations")
                .part(" WHERE name_key LIKE ");
            statement.value(pattern).part(" ESCAPE '\\'))");
        }
    }
}

impl Store {
    /// Subscriptions within reach (as buyer or as the app's owner), test ones included.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn subscriptions(
        &self,
        authority: &Authority,
        filter: SubscriptionFilter,
        page: PageRequest,
    ) -> Result<Page<Subscription>, ActError> {
        let mut connection = self.reader().await?;
        let asked = Asked {
            scope: scope(authority),
            filter: &filter,
            page: &page,
        };
        let rows = asked.statement().fetch(&mut connection).await?;
        let read = |row| {
            let columns = Columns::of(row, "subscriptions");
            Ok(subscriptions::of_row(&columns)?.subscription)
        };
        let items = rows.iter().map(read).collect::<Result<_, ActError>>()?;
        Ok(Page::of(items, &page, |item: &Subscription| {
            (item.created_at, item.id.to_string())
        }))
    }

    /// What lists tell of these subscriptions, in their order. The caller has found them within reach.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn subscription_summaries(
        &self,
        _: &Authority,
        of: &[Subscription],
    ) -> Result<Vec<SubscriptionSummary>, ActError> {
        let mut connection = self.reader().await?;
        let apps = of.iter().filter_map(|item| item.app_id.as_ref());
        let apps = apps.map(AppId::as_str).collect();
        let apps = names_in(&mut connection, "SELECT id, name FROM apps", apps).await?;
        let provided = of.iter().filter_map(|item| item.api_id.as_ref());
        let provided = provided.map(ApiId::as_str).collect();
        let provided = names_in(&mut connection, "SELECT id, name FROM apis", provided).await?;
        let mut owners = Statement::new("SELECT id, owner_organization_id FROM subscriptions");
        owners
            .part(" WHERE id IN ")
            .list(of.iter().map(|item| item.id.as_str()));
        let mut owner_of = std::collections::HashMap::new();
        for row in &owners.fetch(&mut connection).await? {
            let columns = Columns::of(row, "subscriptions");
            let owner = columns.id("owner_organization_id", OrganizationId::parse)?;
            owner_of.insert(columns.owned("id")?, owner);
        }
        let buyers = of.iter().map(|item| &item.organization_id);
        let everybody = buyers.chain(owner_of.values()).map(OrganizationId::as_str);
        let organizations = names(&mut connection, everybody.collect()).await?;
        let summary = |item: &Subscription| {
            let owner = owner_of
                .get(item.id.as_str())
                .unwrap_or(&item.organization_id);
            SubscriptionSummary {
                organization_name: named(&organizations, item.organization_id.as_str()),
                owner_organization_id: owner.clone(),
                owner_organization_name: named(&organizations, owner.as_str()),
                app_name: item.app_id.as_ref().map(|id| named(&apps, id.as_str())),
                api_name: item.api_id.as_ref().map(|id| named(&provided, id.as_str())),
            }
        };
        Ok(of.iter().map(summary).collect())
    }

    /// Living subscriptions within reach whose date has passed, at most 500, the longest due first.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn subscriptions_due(
        &self,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<Vec<SubscriptionId>, ActError> {
        let mut connection = self.reader().await?;
        let rows = due(scope(authority), now).fetch(&mut connection).await?;
        let read = |row| {
            let columns = Columns::of(row, "subscriptions");
            Ok(columns.id("id", SubscriptionId::parse)?)
        };
        rows.iter()
            .map(read)
            .collect::<Result<_, Fault>>()
            .map_err(ActError::from)
    }
}

fn due(scope: &str, now: Timestamp) -> Statement {
    let mut statement = Statement::new("SELECT id FROM subscriptions");
    // The condition of the index of those that have a date, word for word. What has ended has an instant for it.
    statement.part(" WHERE ends_at_us IS NOT NULL AND deactivated_at_us IS NULL");
    statement.part(" AND ends_at_us <= ").value(now.as_us());
    if !scope.is_empty() {
        statement.part(" AND owner_organization_id = ").value(scope);
    }
    statement.part(" ORDER BY ends_at_us, id LIMIT 500");
    statement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::plans::{assert_indexed, plan};

    fn asked(scope: &str, filter: &SubscriptionFilter) -> Statement {
        Asked {
            scope,
            filter,
            page: &PageRequest::default(),
        }
        .statement()
    }

    #[test]
    fn every_page_is_read_by_the_index_that_fits() {
        let all = SubscriptionFilter::default;
        let of_app = SubscriptionFilter {
            app_id: Some(AppId::random()),
            ..all()
        };
        let of_buyer = SubscriptionFilter {
            organization_id: Some(OrganizationId::random()),
            ..all()
        };
        let in_state = SubscriptionFilter {
            states: vec![SubscriptionState::Pending],
            ..all()
        };
        let living = SubscriptionFilter {
            states: vec![SubscriptionState::Pending, SubscriptionState::Active],
            ..all()
        };
        for (filter, scope, index) in [
            (&all(), "", "subscriptions_by_age"),
            (&living, "", "subscriptions_by_age"),
            (&of_app, "", "subscriptions_of_app"),
            (&of_app, "own", "subscriptions_of_app"),
            (&of_buyer, "", "subscriptions_of_buyer"),
            (&of_buyer, "own", "subscriptions_of_buyer"),
            (&in_state, "", "subscriptions_by_state"),
        ] {
            for order in [Order::Oldest, Order::Newest] {
                let filter = SubscriptionFilter {
                    order,
                    ..filter.clone()
                };
                let statement = asked(scope, &filter);
                assert_indexed(&statement);
                let steps = plan(&statement).concat();
                assert!(steps.contains(index), "{steps}");
            }
        }
    }

    #[test]
    fn what_an_organization_has_is_read_from_both_sides() {
        let steps = plan(&asked("own", &SubscriptionFilter::default()));

        let all = steps.concat();
        assert!(all.contains("subscriptions_of_buyer"), "{all}");
        assert!(all.contains("subscriptions_of_owner"), "{all}");
        assert!(
            !steps.iter().any(|step| step == "SCAN subscriptions"),
            "{all}"
        );
    }

    #[test]
    fn those_that_are_due_are_read_by_their_date() {
        let steps = plan(&due("", Timestamp::from_us(1))).concat();

        assert!(steps.contains("subscriptions_by_end"), "{steps}");
        assert!(!steps.contains("TEMP B-TREE"), "{steps}");
    }
}
