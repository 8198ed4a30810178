//! Usage counters, kept apart from what decisions are made from: on SQLite in a second file, so that counting
//! never holds the writer.

use portcullis_core::{
    clock::Timestamp,
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
    /// The `Subscription-Id` as sent; empty when there was none, or none that was this app's.
    pub subscription: String,
    /// Where.
    pub environment: Environment,
    /// Calls.
    pub calls: u64,
    /// Calls answered 400 and above.
    pub errors: u64,
    /// Those of them that the gateway itself answered.
    pub refusals: u64,
    /// When the first of them came.
    pub first_at: Timestamp,
    /// When the last of them came.
    pub last_at: Timestamp,
    /// Bytes of the calls' bodies.
    pub request_bytes: u64,
    /// Bytes of the answers' bodies.
    pub response_bytes: u64,
}

/// What the gateway saw of an app.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallsSummary {
    /// When its first call came, as far back as counters are kept.
    pub first_at: Option<Timestamp>,
    /// When its last call came.
    pub last_at: Option<Timestamp>,
    /// Calls in the hours that were asked for.
    pub calls: u64,
    /// Those of them that were answered 400 and above.
    pub errors: u64,
    /// Those of these that the gateway itself answered.
    pub refusals: u64,
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
             request_bytes, response_bytes, refusals, first_at_us, last_at_us FROM usage_counters WHERE app_id = $1 AND hour >= $2 AND hour < $3 \
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
                refusals: columns.count("refusals")?,
                first_at: columns.instant("first_at_us")?,
                last_at: columns.instant("last_at_us")?,
                request_bytes: columns.count("request_bytes")?,
                response_bytes: columns.count("response_bytes")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// What the gateway saw of an app, on every node: its first and last call, and the calls of all hours from
    /// this one on.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound` (the app).
    pub async fn calls_summary(
        &self,
        authority: &Authority,
        app: &AppId,
        since_hour: i64,
    ) -> Result<CallsSummary, ActError> {
        let mut connection = self.reader().await?;
        apps::find(&mut connection, app.as_str(), scope(authority)).await?;
        drop(connection);
        let mut connection = self.usage_connection().await?;
        // The first and the last hour alone are read for the instants: the key begins with app and hour.
        let row = sqlx::query(
            "SELECT (SELECT MIN(first_at_us) FROM usage_counters WHERE app_id = $1 \
             AND hour = (SELECT MIN(hour) FROM usage_counters WHERE app_id = $1)) AS first_at_us, \
             (SELECT MAX(last_at_us) FROM usage_counters WHERE app_id = $1 \
             AND hour = (SELECT MAX(hour) FROM usage_counters WHERE app_id = $1)) AS last_at_us",
        )
        .bind(app.as_str())
        .fetch_one(&mut *connection)
        .await
        .map_err(Fault::from)?;
        let columns = Columns::of(&row, "usage_counters");
        let mut summary = CallsSummary {
            first_at: columns.optional_instant("first_at_us")?,
            last_at: columns.optional_instant("last_at_us")?,
            ..CallsSummary::default()
        };
        let rows = sqlx::query(
            "SELECT app_id, calls, errors, refusals FROM usage_counters WHERE app_id = $1 AND hour >= $2",
        )
        .bind(app.as_str())
        .bind(since_hour)
        .fetch_all(&mut *connection)
        .await
        .map_err(Fault::from)?;
        for row in &rows {
            let columns = Columns::of(row, "usage_counters");
            summary.calls += columns.count("calls")?;
            summary.errors += columns.count("errors")?;
            summary.refusals += columns.count("refusals")?;
        }
        Ok(summary)
    }
}

async fn write_row(connection: &mut AnyConnection, row: &UsageRow) -> Result<(), Fault> {
    let stored = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO usage_counters (incarnation, hour, app_id, api_id, subscription, environment, node, calls, \
         errors, request_bytes, response_bytes, refusals, first_at_us, last_at_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (app_id, hour, incarnation, api_id, subscription, environment) DO UPDATE SET \
         node = excluded.node, calls = excluded.calls, errors = excluded.errors, \
         request_bytes = excluded.request_bytes, response_bytes = excluded.response_bytes, \
         refusals = excluded.refusals, first_at_us = excluded.first_at_us, last_at_us = excluded.last_at_us",
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
    .bind(stored(row.refusals))
    .bind(row.first_at.as_us())
    .bind(row.last_at.as_us())
    .execute(connection)
    .await?;
    Ok(())
}
