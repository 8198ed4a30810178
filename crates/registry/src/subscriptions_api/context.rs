//! `GET /subscriptions/{subscriptionId}/context`: who is behind a subscription, for its app and for the APIs
//! that are connected to it.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use http::HeaderMap;
use portcullis_core::ids::SubscriptionId;
use portcullis_store::SubscriptionContext;
use serde::Serialize;

use super::{Caller, SubscriptionsError, authenticate};
use crate::RegistryState;

/// The organization that activated the app.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct OrganizationInfo {
    id: String,
    name: String,
    address: String,
    country_code: String,
    phone_number: String,
}

/// The app.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct AppInfo {
    id: String,
    /// In lower kebab-case.
    name: String,
    /// The name of the organization that owns the app.
    developer: String,
    contact_email: String,
}

/// Each of both under its current and under its old name: clients read either.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "names of the wire contract")]
pub(super) struct Answer {
    organization_info: OrganizationInfo,
    app_info: AppInfo,
    entity_info: OrganizationInfo,
    solution_info: AppInfo,
}

pub(super) async fn context(
    State(state): State<RegistryState>,
    headers: HeaderMap,
    subscription_id: Result<Path<String>, PathRejection>,
) -> Result<Json<Answer>, SubscriptionsError> {
    let caller = authenticate(&state, &headers)?;
    let id = subscription_id
        .ok()
        .and_then(|Path(text)| SubscriptionId::parse(&text).ok())
        .ok_or(SubscriptionsError::SubscriptionUnknown)?;
    let context = state
        .store
        .subscription_context(&id)
        .await?
        .ok_or(SubscriptionsError::SubscriptionUnknown)?;
    let is_party = match caller {
        Caller::App(app) => context.app.id == app,
        Caller::Api(api) => context.apis.iter().any(|(id, _)| id.key() == api),
    };
    if is_party {
        Ok(Json(answer(&context)))
    } else {
        Err(SubscriptionsError::NoRelation)
    }
}

fn answer(context: &SubscriptionContext) -> Answer {
    let buyer = &context.organization;
    let organization = OrganizationInfo {
        id: buyer.id.to_string(),
        name: buyer.name.clone(),
        address: buyer.address.clone(),
        country_code: buyer.country_code.clone(),
        phone_number: buyer.phone_number.clone(),
    };
    let app = AppInfo {
        id: context.app.id.to_string(),
        name: kebab_case(&context.app.name),
        developer: context.app_owner.name.clone(),
        contact_email: context.app_owner.contact_email.clone(),
    };
    Answer {
        organization_info: organization.clone(),
        app_info: app.clone(),
        entity_info: organization,
        solution_info: app,
    }
}

/// `My  App (v2)` as `my-app-v2`.
fn kebab_case(name: &str) -> String {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_kebab_case() {
        assert_eq!(kebab_case("My  App (v2)"), "my-app-v2");
        assert_eq!(kebab_case("  Über-Prüfung_1 "), "über-prüfung-1");
        assert_eq!(kebab_case("!!!"), "");
    }
}
