//! Usage counters, kept apart from what decisions are made from: on SQLite in a second file, so that counting
//! never holds the writer.

use portcullis_core::{
    environment::Environment,
    ids::{ApiId, AppId, NodeId},
    permissions::Authority,
};

use sqlx::AnyConnection;

use crate::{
    act::{Fault, scope},
    apps,
    error::ActError,
    row::Columns,
    store::Store,
    transaction::Transaction,
};

/// What one incarnation of a node counted for one subject in one hour. Cumulative: a later row of the same
/// subject replaces the earlier one, so that a retry cannot count twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// The node.
    pub node: NodeId,
    /// Its incarnation.
    pub incarnation: String,
    /// Hours since 1970-01-01T00:00Z.
    pub hour: i64,
    /// The calling app.
    pub app: AppId,
    /// The API.
    pub api: ApiId,
    /// The `Subscription-Id` as sent; empty when there was none.
    pub subscription: String,
    /// Where.
    pub environment: Environment,
    /// Calls.
    pub calls: u64,
    /// Calls answered 400 and above.
    pub errors: u64,
    /// Bytes of the calls' bodies.
    pub request_bytes: u64,
    /// Bytes of the answers' bodies.
    pub response_bytes: u64,
}

impl Store {
    /// Writes counters.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn record_usage(&self, rows: &[UsageRow]) -> Result<(), ActError> {
        if rows.is_empty() {
            return Ok(());
        }
        let connection = self.usage_connection().await?;
        let mut tx = Transaction::begin(connection, "BEGIN")
            .await
            .map_err(Fault::from)?;
        for row in rows {
            write_row(tx.db(), row).await?;
        }
        Ok(tx.commit().await.map_err(Fault::from)?)
    }

    /// Counters of an app from one hour to before another, one row for each node, hour and subject; by hour.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound` (the app).
    pub async fn usage_of_app(
        &self,
        authority: &Authority,
        app: &AppId,
        hours: std::ops::Range<i64>,
    ) -> Result<Vec<UsageRow>, ActError> {
        let mut connection = self.reader().await?;
        apps::find(&mut connection, app.as_str(), scope(authority)).await?;
        let mut connection = self.usage_connection().await?;
        let rows = sqlx::query(
            "SELECT node, incarnation, hour, app_id, api_id, subscription, environment, calls, errors, \
             request_bytes, response_bytes FROM usage_counters WHERE app_id = $1 AND hour >= $2 AND hour < $3 \
             ORDER BY hour, api_id, subscription, environment, incarnation",
        )
        .bind(app.as_str())
        .bind(hours.start)
        .bind(hours.end)
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let read = |row| {
            let columns = Columns::of(row, "usage_counters");
            Ok(UsageRow {
                node: columns.id("node", NodeId::parse)?,
                incarnation: columns.owned("incarnation")?,
                hour: columns.number("hour")?,
                app: columns.id("app_id", AppId::parse)?,
                api: columns.id("api_id", ApiId::parse)?,
                subscription: columns.owned("subscription")?,
                environment: columns.word("environment", Environment::parse)?,
                calls: columns.count("calls")?,
                errors: columns.count("errors")?,
                request_bytes: columns.count("request_bytes")?,
                response_bytes: columns.count("response_bytes")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

async fn write_row(connection: &mut AnyConnection, row: &UsageRow) -> Result<(), Fault> {
    let stored = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO usage_counters (incarnation, hour, app_id, api_id, subscription, environment, node, calls, \
         errors, request_bytes, response_bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (app_id, hour, incarnation, api_id, subscription, environment) DO UPDATE SET \
         node = excluded.node, calls = excluded.calls, errors = excluded.errors, \
         request_bytes = excluded.request_bytes, response_bytes = excluded.response_bytes",
    )
    .bind(row.incarnation.as_str())
    .bind(row.hour)
    .bind(row.app.as_str())
    .bind(row.api.as_str())
    .bind(row.subscription.as_str())
    .bind(row.environment.as_str())
    .bind(row.node.as_str())
    .bind(stored(row.calls))
    .bind(stored(row.errors))
    .bind(stored(row.request_bytes))
    .bind(stored(row.response_bytes))
    .execute(connection)
    .await?;
    Ok(())
}
