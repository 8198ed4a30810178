//! Connections: one API within a subscription. They change with the acts on apps, APIs and subscriptions.

use portcullis_core::{
    change::EntityKind,
    connection::{Connection, ConnectionState},
    ids::{ApiId, ConnectionId, SubscriptionId},
};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    act::{Act, Fault},
    row::Columns,
};

/// Makes the connection of a subscription to an API active, whether it existed before or not: an API accepts
/// every connection at once.
pub(crate) async fn activate(
    act: &mut Act,
    subscription: &SubscriptionId,
    api: &ApiId,
) -> Result<(), Fault> {
    let now = act.now().as_us();
    let row = sqlx::query(
        "INSERT INTO connections (id, subscription_id, api_id, state, values_state, created_at_us, changed_at_us) \
         VALUES ($1, $2, $3, 'active', 'complete', $4, $4) \
         ON CONFLICT (subscription_id, api_id) DO UPDATE SET state = 'active', changed_at_us = excluded.changed_at_us \
         RETURNING id",
    )
    .bind(ConnectionId::random().as_str())
    .bind(subscription.as_str())
    .bind(api.as_str())
    .bind(now)
    .fetch_one(act.db())
    .await?;
    let id = Columns::of(&row, "connections").owned("id")?;
    act.changed(EntityKind::Connection, &id);
    Ok(())
}

/// Ends every connection of a subscription that has ended.
pub(crate) async fn deactivate_of_subscription(
    act: &mut Act,
    subscription: &SubscriptionId,
) -> Result<(), Fault> {
    let now = act.now().as_us();
    let rows = sqlx::query(
        "UPDATE connections SET state = 'deactivated', changed_at_us = $2 \
         WHERE subscription_id = $1 AND state IN ('requested', 'pending', 'active') RETURNING id",
    )
    .bind(subscription.as_str())
    .bind(now)
    .fetch_all(act.db())
    .await?;
    note_changed(act, &rows)
}

/// Ends every connection to an API that is being deleted.
pub(crate) async fn deactivate_of_api(act: &mut Act, api: &ApiId) -> Result<(), Fault> {
    let now = act.now().as_us();
    let rows = sqlx::query(
        "UPDATE connections SET state = 'deactivated', changed_at_us = $2 \
         WHERE api_id = $1 AND state IN ('requested', 'pending', 'active') RETURNING id",
    )
    .bind(api.as_str())
    .bind(now)
    .fetch_all(act.db())
    .await?;
    note_changed(act, &rows)
}

fn note_changed(act: &mut Act, rows: &[AnyRow]) -> Result<(), Fault> {
    for row in rows {
        let id = Columns::of(row, "connections").owned("id")?;
        act.changed(EntityKind::Connection, &id);
    }
    Ok(())
}

/// The connections of a subscription, sorted by API.
pub(crate) async fn of_subscription(
    connection: &mut AnyConnection,
    subscription: &SubscriptionId,
) -> Result<Vec<Connection>, Fault> {
    let rows = sqlx::query(
        "SELECT id, subscription_id, api_id, state, created_at_us, changed_at_us FROM connections \
         WHERE subscription_id = $1",
    )
    .bind(subscription.as_str())
    .fetch_all(connection)
    .await?;
    let mut connections = Vec::with_capacity(rows.len());
    for row in &rows {
        let columns = Columns::of(row, "connections");
        connections.push(Connection {
            id: columns.id("id", ConnectionId::parse)?,
            subscription_id: columns.id("subscription_id", SubscriptionId::parse)?,
            api_id: columns.id("api_id", ApiId::parse)?,
            state: columns.word("state", ConnectionState::parse)?,
            created_at: columns.instant("created_at_us")?,
            changed_at: columns.instant("changed_at_us")?,
        });
    }
    connections.sort_by(|a, b| a.api_id.cmp(&b.api_id));
    Ok(connections)
}
