//! `GET /v1/solution/subscriptions`: the subscriptions of the calling app.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use http::HeaderMap;
use portcullis_core::{ids::OrganizationId, subscription::SubscriptionState};
use portcullis_store::SubscriptionRow;
use serde::Serialize;

use super::{Caller, SubscriptionsError, authenticate};
use crate::{RegistryState, rules};

#[derive(Serialize)]
pub(super) struct Answer {
    subscriptions: Vec<Line>,
}

/// A line of the list. Clients lower-case `environment` without looking whether it is there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    subscription_id: String,
    org_id: String,
    org_name: String,
    /// `active` or `inactive`.
    status: &'static str,
    /// `YYYY-MM-DD`.
    activation_date: String,
    /// Empty while active.
    deactivation_date: String,
    /// `Production` or `Test`.
    environment: &'static str,
}

/// What the old and the new name of the filter ask for together.
enum Wanted {
    All,
    Of(OrganizationId),
    /// Two different organizations, or a text that names none.
    Nothing,
}

pub(super) async fn list(
    State(state): State<RegistryState>,
    headers: HeaderMap,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<Answer>, SubscriptionsError> {
    let Caller::App(app) = authenticate(&state, &headers)? else {
        return Err(SubscriptionsError::NotAnApp);
    };
    let Query(parameters) = query.map_err(|_| SubscriptionsError::Query)?;
    let organization = match wanted(&parameters) {
        Wanted::All => None,
        Wanted::Of(organization) => Some(organization),
        Wanted::Nothing => {
            return Ok(Json(Answer {
                subscriptions: Vec::new(),
            }));
        }
    };
    let rows = state
        .store
        .app_subscription_list(&app, organization.as_ref())
        .await?;
    let (snapshot, now) = (state.snapshot.load(), state.clock.now());
    let is_past = |row: &SubscriptionRow| {
        let record = snapshot.subscription(row.subscription_id.key());
        record.is_some_and(|record| record.ends_at.is_some_and(|end| end <= now))
    };
    let subscriptions = rows
        .iter()
        .filter(|row| row.status != SubscriptionState::Pending)
        .map(|row| {
            line(
                row,
                row.status == SubscriptionState::Active && !is_past(row),
            )
        })
        .collect();
    Ok(Json(Answer { subscriptions }))
}

/// `entityId` and `orgId` mean the same; given both, both must match.
fn wanted(parameters: &[(String, String)]) -> Wanted {
    let mut values = parameters
        .iter()
        .filter(|(name, value)| matches!(name.as_str(), "entityId" | "orgId") && !value.is_empty())
        .map(|(_, value)| value);
    let Some(first) = values.next() else {
        return Wanted::All;
    };
    if values.any(|other| other != first) {
        return Wanted::Nothing;
    }
    OrganizationId::parse(first).map_or(Wanted::Nothing, Wanted::Of)
}

fn line(row: &SubscriptionRow, is_active: bool) -> Line {
    let ended = row.deactivation_date.filter(|_| !is_active);
    Line {
        subscription_id: row.subscription_id.to_string(),
        org_id: row.org_id.to_string(),
        org_name: row.org_name.clone(),
        status: if is_active { "active" } else { "inactive" },
        activation_date: row
            .activation_date
            .map(rules::date_text)
            .unwrap_or_default(),
        deactivation_date: ended.map(rules::date_text).unwrap_or_default(),
        environment: row.environment.wire(),
    }
}
