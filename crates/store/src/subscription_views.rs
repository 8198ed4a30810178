//! What apps and APIs read of subscriptions with their own tokens: the list and the context. No authority here:
//! the caller was authorized by its token.

use portcullis_core::{
    app::App,
    clock::Timestamp,
    environment::Environment,
    ids::{ApiId, AppId, ClientId, OrganizationId, SubscriptionId},
    organization::Organization,
    subscription::{Subscription, SubscriptionKind, SubscriptionState},
};
use sqlx::AnyConnection;

use crate::{
    act::Fault, apps, error::ActError, organizations, row::Columns, store::Store, subscriptions,
};

/// A line of an app's subscription list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Travels in the `Subscription-Id` header.
    pub subscription_id: SubscriptionId,
    /// The buyer.
    pub org_id: OrganizationId,
    /// The buyer's name.
    pub org_name: String,
    /// Where it stands.
    pub status: SubscriptionState,
    /// When calls began to pass.
    pub activation_date: Option<Timestamp>,
    /// When it ended.
    pub deactivation_date: Option<Timestamp>,
    /// Where it works.
    pub environment: Environment,
}

/// What the context endpoint tells of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionContext {
    /// The subscription.
    pub subscription: Subscription,
    /// The buyer.
    pub organization: Organization,
    /// The app.
    pub app: App,
    /// The organization that owns the app.
    pub app_owner: Organization,
    /// APIs it is or was connected to, for a test subscription those that the app selected; each with its Client
    /// ID, sorted.
    pub apis: Vec<(ApiId, ClientId)>,
}

impl Store {
    /// An app's subscriptions, its own test subscription included, by activation date; those of one buyer when
    /// `organization` is given.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn app_subscription_list(
        &self,
        app: &AppId,
        organization: Option<&OrganizationId>,
    ) -> Result<Vec<SubscriptionRow>, ActError> {
        let mut connection = self.reader().await?;
        let rows = sqlx::query(
            "SELECT s.id AS id, s.organization_id AS organization_id, o.name AS name, s.state AS state, \
             s.activated_at_us AS activated_at_us, s.deactivated_at_us AS deactivated_at_us, \
             s.environment AS environment \
             FROM subscriptions s JOIN organizations o ON o.id = s.organization_id \
             WHERE s.app_id = $1 AND ($2 = '' OR s.organization_id = $2) \
             ORDER BY COALESCE(s.activated_at_us, s.created_at_us), s.id",
        )
        .bind(app.as_str())
        .bind(organization.map_or("", OrganizationId::as_str))
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let read = |row| {
            let columns = Columns::of(row, "subscriptions");
            Ok(SubscriptionRow {
                subscription_id: columns.id("id", SubscriptionId::parse)?,
                org_id: columns.id("organization_id", OrganizationId::parse)?,
                org_name: columns.owned("name")?,
                status: columns.word("state", SubscriptionState::parse)?,
                activation_date: columns.optional_instant("activated_at_us")?,
                deactivation_date: columns.optional_instant("deactivated_at_us")?,
                environment: columns.word("environment", Environment::parse)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// What a subscription is about; `None` when it is unknown or an API's own test subscription.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn subscription_context(
        &self,
        id: &SubscriptionId,
    ) -> Result<Option<SubscriptionContext>, ActError> {
        let mut connection = self.reader().await?;
        let subscription = match subscriptions::find(&mut connection, id.as_str(), "").await {
            Ok(found) => found.subscription,
            Err(Fault::Act(ActError::NotFound(_))) => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        let Some(app) = &subscription.app_id else {
            return Ok(None);
        };
        let app = apps::find(&mut connection, app.as_str(), "").await?;
        let buyer = subscription.organization_id.as_str();
        let organization = organizations::find(&mut connection, buyer, "").await?;
        let owner = app.organization_id.as_str();
        let app_owner = organizations::find(&mut connection, owner, "").await?;
        let apis = apis_of(&mut connection, &subscription).await?;
        Ok(Some(SubscriptionContext {
            subscription,
            organization,
            app,
            app_owner,
            apis,
        }))
    }
}

async fn apis_of(
    connection: &mut AnyConnection,
    subscription: &Subscription,
) -> Result<Vec<(ApiId, ClientId)>, Fault> {
    let (text, id) = match (subscription.kind, &subscription.app_id) {
        (SubscriptionKind::AppTest, Some(app)) => (
            "SELECT a.id AS id, a.client_id AS client_id FROM app_apis s JOIN apis a ON a.id = s.api_id \
             WHERE s.app_id = $1",
            app.as_str(),
        ),
        _ => (
            "SELECT a.id AS id, a.client_id AS client_id FROM connections c JOIN apis a ON a.id = c.api_id \
             WHERE c.subscription_id = $1",
            subscription.id.as_str(),
        ),
    };
    let rows = sqlx::query(text).bind(id).fetch_all(connection).await?;
    let mut apis = Vec::with_capacity(rows.len());
    for row in &rows {
        let columns = Columns::of(row, "apis");
        apis.push((
            columns.id("id", ApiId::parse)?,
            columns.id("client_id", ClientId::parse)?,
        ));
    }
    apis.sort();
    Ok(apis)
}
