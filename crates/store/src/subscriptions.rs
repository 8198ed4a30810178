//! Subscriptions and their connections.

use portcullis_core::{
    app::AppState,
    change::EntityKind,
    clock::Timestamp,
    connection::Connection,
    environment::Environment,
    ids::{ApiId, AppId, OrganizationId, SubscriptionId},
    permissions::{Authority, Reach},
    subscription::{Subscription, SubscriptionEvent, SubscriptionKind, SubscriptionState},
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, Note, act, reaches, scope},
    apps, connections,
    error::{ActError, CorruptRow},
    idempotency::IdempotencyKey,
    organizations,
    row::Columns,
    store::{Acted, Store},
};

/// An activation: this organization wants this app.
#[derive(Debug, Clone, Serialize)]
pub struct NewActivation {
    /// `None` makes a new identifier.
    pub id: Option<SubscriptionId>,
    /// The app.
    pub app_id: AppId,
    /// The buyer.
    pub organization_id: OrganizationId,
    /// From when on it counts as expired; `None` means never.
    pub ends_at: Option<Timestamp>,
}

/// A subscription and whose app or API it is about.
pub(crate) struct Owned {
    pub(crate) subscription: Subscription,
    pub(crate) owner: OrganizationId,
}

impl Store {
    /// Activates an app for an organization: an active subscription, with an active connection to each API the
    /// app selected.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound` (app or organization), `Invalid`, `Conflict` (`already_activated`, `app_without_api`,
    /// `app_not_enabled`, `subscription_exists`, `idempotency_key_reused`).
    pub async fn activate(
        &self,
        authority: &Authority,
        new: NewActivation,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Acted<Subscription>, ActError> {
        if !reaches(authority, &new.organization_id) {
            return Err(ActError::NotFound("organization"));
        }
        if new.ends_at.is_some_and(|end| end <= self.clock().now()) {
            return Err(ActError::invalid("ends_at", "lies in the past"));
        }
        act!(self, authority.actor(), |act| {
            let id = new.id.clone().unwrap_or_else(SubscriptionId::random);
            let first = act
                .claim(idempotency, "subscription.activate", &new, id.as_str())
                .await?;
            if let Some(first) = first {
                return Ok(find(act.db(), &first, "").await?.subscription);
            }
            organizations::find(act.db(), new.organization_id.as_str(), "").await?;
            // The lock keeps the app's APIs as they are until its connections are made.
            let app = apps::lock(act, &new.app_id, "").await?;
            match app.state {
                AppState::Enabled => {}
                AppState::Disabled => {
                    let detail = "this app is disabled and cannot be activated now";
                    return Err(ActError::conflict("app_not_enabled", detail).into());
                }
                AppState::Deleted => return Err(ActError::NotFound("app").into()),
            }
            if app.apis.is_empty() {
                let detail =
                    "this app has not selected an API yet, so there is nothing to activate";
                return Err(ActError::conflict("app_without_api", detail).into());
            }
            insert_real(act, &id, &new, &app.organization_id).await?;
            for api in &app.apis {
                connections::activate(act, &id, api).await?;
            }
            act.changed(EntityKind::Subscription, id.as_str());
            let made = find(act.db(), id.as_str(), "").await?;
            let detail = json!({ "after": {
                "app_id": app.id, "apis": app.apis, "state": made.subscription.state.as_str(),
            } });
            note(act, "subscription.activate", &made, detail);
            Ok(made.subscription)
        })
    }

    /// Ends a subscription: `Cancel` by the app's owner, `Deactivate` by the buyer, `Expire` by a job. Its
    /// connections end with it. Repeated, it gives the same answer and the first change's number.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Forbidden` (the event is the other party's), `Invalid` (another event),
    /// `Conflict` (`test_subscription`).
    pub async fn end_subscription(
        &self,
        authority: &Authority,
        id: &SubscriptionId,
        event: SubscriptionEvent,
    ) -> Result<Acted<Subscription>, ActError> {
        use SubscriptionEvent as E;
        if !matches!(event, E::Cancel | E::Deactivate | E::Expire) {
            let detail = "is not an event that ends a subscription";
            return Err(ActError::invalid("event", detail));
        }
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            party_to(authority, &before, event)?;
            if before.subscription.state.is_ended() {
                act.stands_since(EntityKind::Subscription, id.as_str())
                    .await?;
                return Ok(before.subscription);
            }
            real(&before.subscription)?;
            // The subscription's own change comes last: its number is the one that a repeated act finds.
            connections::deactivate_of_subscription(act, id).await?;
            turn(act, before, event, "subscription.end").await
        })
    }

    /// Stops a subscription for the time being; the app's owner.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Forbidden`, `Conflict` (`subscription_ended`, `test_subscription`).
    pub async fn suspend_subscription(
        &self,
        authority: &Authority,
        id: &SubscriptionId,
    ) -> Result<Acted<Subscription>, ActError> {
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            party_to(authority, &before, SubscriptionEvent::Suspend)?;
            if before.subscription.state == SubscriptionState::Suspended {
                act.stands_since(EntityKind::Subscription, id.as_str())
                    .await?;
                return Ok(before.subscription);
            }
            real(&before.subscription)?;
            turn(
                act,
                before,
                SubscriptionEvent::Suspend,
                "subscription.suspend",
            )
            .await
        })
    }

    /// Lets a suspended subscription go on; the app's owner.
    ///
    /// # Errors
    /// [`ActError`]: as [`Store::suspend_subscription`].
    pub async fn resume_subscription(
        &self,
        authority: &Authority,
        id: &SubscriptionId,
    ) -> Result<Acted<Subscription>, ActError> {
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            party_to(authority, &before, SubscriptionEvent::Resume)?;
            if before.subscription.state == SubscriptionState::Active {
                act.stands_since(EntityKind::Subscription, id.as_str())
                    .await?;
                return Ok(before.subscription);
            }
            real(&before.subscription)?;
            turn(
                act,
                before,
                SubscriptionEvent::Resume,
                "subscription.resume",
            )
            .await
        })
    }

    /// The subscription, for its buyer and for the owner of its app.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn subscription(
        &self,
        authority: &Authority,
        id: &SubscriptionId,
    ) -> Result<Subscription, ActError> {
        let mut connection = self.reader().await?;
        let found = find(&mut connection, id.as_str(), scope(authority)).await?;
        Ok(found.subscription)
    }

    /// The connections of a subscription, sorted by API.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn connections(
        &self,
        authority: &Authority,
        id: &SubscriptionId,
    ) -> Result<Vec<Connection>, ActError> {
        let mut connection = self.reader().await?;
        find(&mut connection, id.as_str(), scope(authority)).await?;
        Ok(connections::of_subscription(&mut connection, id).await?)
    }
}

fn note(act: &mut Act, action: &'static str, owned: &Owned, detail: Value) {
    act.note(&Note {
        action,
        kind: EntityKind::Subscription.as_str(),
        id: owned.subscription.id.as_str(),
        organization: Some(&owned.subscription.organization_id),
        detail,
    });
}

/// Whether the event is one that this organization may cause: `Deactivate` is the buyer's, `Expire` a job's,
/// the others the app owner's. Whoever acts for every organization may cause each of them.
fn party_to(
    authority: &Authority,
    owned: &Owned,
    event: SubscriptionEvent,
) -> Result<(), ActError> {
    let allowed = match (authority.reach(), event) {
        (Reach::All, _) => true,
        (Reach::One(own), SubscriptionEvent::Deactivate) => {
            *own == owned.subscription.organization_id
        }
        (Reach::One(_), SubscriptionEvent::Expire) | (Reach::Oneself, _) => false,
        (Reach::One(own), _) => *own == owned.owner,
    };
    if allowed {
        Ok(())
    } else {
        Err(ActError::Forbidden)
    }
}

fn real(subscription: &Subscription) -> Result<(), ActError> {
    if subscription.kind == SubscriptionKind::Real {
        return Ok(());
    }
    let detail = "a test subscription lives and ends with its app or API";
    Err(ActError::conflict("test_subscription", detail))
}

/// Lets the event happen and writes where it led.
async fn turn(
    act: &mut Act,
    before: Owned,
    event: SubscriptionEvent,
    action: &'static str,
) -> Result<Subscription, Fault> {
    let subscription = before.subscription;
    let state = subscription
        .state
        .after(event)
        .map_err(|error| ActError::conflict("subscription_ended", error.to_string()))?;
    let ended_at = state.is_ended().then_some(act.now().as_us());
    sqlx::query(
        "UPDATE subscriptions SET state = $2, deactivated_at_us = COALESCE($3, deactivated_at_us), \
         version = version + 1 WHERE id = $1",
    )
    .bind(subscription.id.as_str())
    .bind(state.as_str())
    .bind(ended_at)
    .execute(act.db())
    .await?;
    act.changed(EntityKind::Subscription, subscription.id.as_str());
    let after = find(act.db(), subscription.id.as_str(), "").await?;
    let detail = json!({ "before": subscription.state.as_str(), "after": state.as_str() });
    note(act, action, &after, detail);
    Ok(after.subscription)
}

async fn insert_real(
    act: &mut Act,
    id: &SubscriptionId,
    new: &NewActivation,
    owner: &OrganizationId,
) -> Result<(), Fault> {
    let known = sqlx::query("SELECT id FROM subscriptions WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(act.db())
        .await?;
    if known.is_some() {
        let detail = "a subscription with this identifier exists already";
        return Err(ActError::conflict("subscription_exists", detail).into());
    }
    let now = act.now().as_us();
    let inserted = sqlx::query(
        "INSERT INTO subscriptions (id, kind, app_id, organization_id, owner_organization_id, environment, state, \
         activated_at_us, ends_at_us, created_at_us, version) \
         VALUES ($1, 'real', $2, $3, $4, 'production', 'active', $5, $6, $5, 1) ON CONFLICT DO NOTHING",
    )
    .bind(id.as_str())
    .bind(new.app_id.as_str())
    .bind(new.organization_id.as_str())
    .bind(owner.as_str())
    .bind(now)
    .bind(new.ends_at.map(Timestamp::as_us))
    .execute(act.db())
    .await?;
    if inserted.rows_affected() == 0 {
        let detail = "this organization has activated the app already";
        return Err(ActError::conflict("already_activated", detail).into());
    }
    Ok(())
}

/// Whose a test subscription is.
#[derive(Clone, Copy)]
pub(crate) enum TestSubscription<'a> {
    App(&'a AppId),
    Api(&'a ApiId, Environment),
}

/// Makes a test subscription.
pub(crate) async fn insert_test(
    act: &mut Act,
    id: &SubscriptionId,
    of: TestSubscription<'_>,
    owner: &OrganizationId,
) -> Result<(), Fault> {
    let (kind, app, api, environment) = match of {
        TestSubscription::App(app) => (
            SubscriptionKind::AppTest,
            Some(app.to_string()),
            None,
            Environment::Test,
        ),
        TestSubscription::Api(api, environment) => (
            SubscriptionKind::ApiTest,
            None,
            Some(api.to_string()),
            environment,
        ),
    };
    let now = act.now().as_us();
    sqlx::query(
        "INSERT INTO subscriptions (id, kind, app_id, api_id, organization_id, owner_organization_id, environment, \
         state, activated_at_us, created_at_us, version) VALUES ($1, $2, $3, $4, $5, $5, $6, 'active', $7, $7, 1)",
    )
    .bind(id.as_str())
    .bind(kind.as_str())
    .bind(app)
    .bind(api)
    .bind(owner.as_str())
    .bind(environment.as_str())
    .bind(now)
    .execute(act.db())
    .await?;
    act.changed(EntityKind::Subscription, id.as_str());
    Ok(())
}

/// The living test subscription of an API in an environment, made with its connection when there is none.
pub(crate) async fn test_subscription_of(
    act: &mut Act,
    of: TestSubscription<'_>,
    owner: &OrganizationId,
) -> Result<SubscriptionId, Fault> {
    let TestSubscription::Api(api, environment) = of else {
        return Err(ActError::NotFound("test subscription").into());
    };
    let row = sqlx::query(
        "SELECT id FROM subscriptions WHERE kind = 'api_test' AND api_id = $1 AND environment = $2 \
         AND state IN ('pending', 'active', 'suspended')",
    )
    .bind(api.as_str())
    .bind(environment.as_str())
    .fetch_optional(act.db())
    .await?;
    if let Some(row) = row {
        return Ok(Columns::of(&row, "subscriptions").id("id", SubscriptionId::parse)?);
    }
    let id = SubscriptionId::random();
    insert_test(act, &id, of, owner).await?;
    connections::activate(act, &id, api).await?;
    Ok(id)
}

/// Ends a test subscription with what it was for.
pub(crate) async fn end_test(act: &mut Act, id: &SubscriptionId) -> Result<(), Fault> {
    let now = act.now().as_us();
    sqlx::query(
        "UPDATE subscriptions SET state = 'cancelled', deactivated_at_us = $2, version = version + 1 \
         WHERE id = $1 AND state IN ('pending', 'active', 'suspended')",
    )
    .bind(id.as_str())
    .bind(now)
    .execute(act.db())
    .await?;
    act.changed(EntityKind::Subscription, id.as_str());
    connections::deactivate_of_subscription(act, id).await
}

/// Customers' subscriptions of an app that have not ended.
pub(crate) async fn living_of_app(
    connection: &mut AnyConnection,
    app: &AppId,
) -> Result<Vec<SubscriptionId>, Fault> {
    let rows = sqlx::query(
        "SELECT id FROM subscriptions WHERE app_id = $1 AND kind = 'real' \
         AND state IN ('pending', 'active', 'suspended') ORDER BY created_at_us, id",
    )
    .bind(app.as_str())
    .fetch_all(connection)
    .await?;
    let ids = rows
        .iter()
        .map(|row| Columns::of(row, "subscriptions").id("id", SubscriptionId::parse))
        .collect::<Result<_, _>>()?;
    Ok(ids)
}

/// Locks the subscription until the end of the act.
async fn lock(act: &mut Act, id: &SubscriptionId, scope: &str) -> Result<Owned, Fault> {
    sqlx::query(
        "UPDATE subscriptions SET version = version \
         WHERE id = $1 AND ($2 = '' OR organization_id = $2 OR owner_organization_id = $2)",
    )
    .bind(id.as_str())
    .bind(scope)
    .execute(act.db())
    .await?;
    find(act.db(), id.as_str(), scope).await
}

/// The subscription; `NotFound` when it is unknown or out of scope.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<Owned, Fault> {
    let row = sqlx::query(
        "SELECT id, kind, app_id, api_id, organization_id, owner_organization_id, environment, state, \
         activated_at_us, deactivated_at_us, ends_at_us, created_at_us, version FROM subscriptions \
         WHERE id = $1 AND ($2 = '' OR organization_id = $2 OR owner_organization_id = $2)",
    )
    .bind(id)
    .bind(scope)
    .fetch_optional(connection)
    .await?
    .ok_or(Fault::Act(ActError::NotFound("subscription")))?;
    Ok(of_row(&Columns::of(&row, "subscriptions"))?)
}

/// Reads the columns that [`find`] selects.
pub(crate) fn of_row(columns: &Columns<'_>) -> Result<Owned, CorruptRow> {
    Ok(Owned {
        subscription: Subscription {
            id: columns.id("id", SubscriptionId::parse)?,
            kind: columns.word("kind", SubscriptionKind::parse)?,
            app_id: columns.optional_id("app_id", AppId::parse)?,
            api_id: columns.optional_id("api_id", ApiId::parse)?,
            organization_id: columns.id("organization_id", OrganizationId::parse)?,
            environment: columns.word("environment", Environment::parse)?,
            state: columns.word("state", SubscriptionState::parse)?,
            activated_at: columns.optional_instant("activated_at_us")?,
            deactivated_at: columns.optional_instant("deactivated_at_us")?,
            ends_at: columns.optional_instant("ends_at_us")?,
            created_at: columns.instant("created_at_us")?,
            version: columns.number("version")?,
        },
        owner: columns.id("owner_organization_id", OrganizationId::parse)?,
    })
}
