//! `/v1/overview`: how much there is of everything, for operators.

use axum::Json;
use portcullis_store as store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{caller::Caller, error::RegistryError};

/// How much there is of everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// Organizations, suspended ones included.
    pub organizations: u64,
    /// Organizations that are suspended.
    pub suspended_organizations: u64,
    /// People.
    pub users: u64,
    /// Apps that were not deleted.
    pub apps: u64,
    /// APIs that were not deleted.
    pub apis: u64,
    /// Customers' subscriptions that have not ended.
    pub living_subscriptions: u64,
    /// Jobs to be done, those under way included.
    pub owed_jobs: u64,
    /// Jobs that were given up.
    pub given_up_jobs: u64,
}

impl From<&store::Overview> for Overview {
    fn from(of: &store::Overview) -> Self {
        Self {
            organizations: of.organizations,
            suspended_organizations: of.suspended_organizations,
            users: of.users,
            apps: of.apps,
            apis: of.apis,
            living_subscriptions: of.living_subscriptions,
            owed_jobs: of.owed_jobs,
            given_up_jobs: of.given_up_jobs,
        }
    }
}

/// How much there is of everything. Operators only.
#[utoipa::path(get, path = "/v1/overview", tag = "overview", responses((status = 200, body = Overview)))]
pub(crate) async fn get(caller: Caller) -> Result<Json<Overview>, RegistryError> {
    let authority = caller.installation_authority()?;
    let overview = caller.store.overview(&authority).await?;
    Ok(Json(Overview::from(&overview)))
}
