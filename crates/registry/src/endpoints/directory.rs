//! `/v1/directory`: the APIs that apps of an organization may select.

use axum::Json;
use portcullis_core::{api::Api as CoreApi, permissions::Reach};
use portcullis_store::{ApiFilter, ApiSummary as StoredSummary};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    apis::named_category,
    apps::named_organization,
    wire::{Api, ApiSummary, Directory, DirectoryEntry, Facets},
};
use crate::{
    caller::Caller,
    error::RegistryError,
    params::{OrderParam, Params, page_request, search},
};

/// What is wanted beside the entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WithFacets {
    /// By what the directory can be narrowed.
    Facets,
}

/// Which APIs, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// For whom: what apps of this organization may select. May be left out by operators, and by members of one
    /// organization alone.
    organization_id: Option<String>,
    /// Of this publisher alone.
    provider_id: Option<String>,
    /// Filed under this.
    category: Option<String>,
    /// Whose name contains this, whatever its case, or whose identifier it is.
    q: Option<String>,
    /// `oldest` (the default) or `newest` comes first.
    #[serde(default)]
    #[param(inline)]
    order: OrderParam,
    /// `facets` adds by what the directory can be narrowed.
    #[param(inline)]
    include: Option<WithFacets>,
    /// How many entries at most; 1 to 500, 50 when left out.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// The API directory: what an organization provides, what is shared with it, and public APIs with an instance
/// that is meant to be found.
#[utoipa::path(get, path = "/v1/directory", tag = "apis", params(ListParams),
    responses((status = 200, body = Directory)))]
pub(crate) async fn list(
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<Directory>, RegistryError> {
    let organization = named_organization(params.organization_id.as_deref())?;
    let provider = named_organization(params.provider_id.as_deref())?;
    let authority = caller.list_authority(organization.as_ref())?;
    let page = page_request(params.limit, params.after.as_deref())?;
    let filter = ApiFilter {
        provider,
        category: named_category(params.category)?,
        search: search(params.q.as_deref())?,
        order: params.order.into(),
        ..ApiFilter::default()
    };
    let store = &caller.store;
    let page = store.directory(&authority, filter, page).await?;
    let summaries = store.directory_summaries(&authority, &page.items).await?;
    let facets = match params.include {
        Some(WithFacets::Facets) => Some(store.directory_facets(&authority).await?),
        None => None,
    };
    let entries = page.items.iter().zip(&summaries);
    Ok(Json(Directory {
        items: entries
            .map(|(api, summary)| entry(api, summary, authority.reach()))
            .collect(),
        next: page.next.map(|cursor| cursor.to_string()),
        facets: facets.as_ref().map(Facets::from),
    }))
}

fn entry(api: &CoreApi, summary: &StoredSummary, reach: &Reach) -> DirectoryEntry {
    let is_own = *reach == Reach::One(api.organization_id.clone());
    let access = match (is_own, api.visibility) {
        (true, _) => "own",
        (false, portcullis_core::api::Visibility::Public) => "public",
        (false, portcullis_core::api::Visibility::Private) => "shared",
    };
    // The directory tells everybody the same of an API, its provider too.
    let summary = ApiSummary {
        apps: None,
        last_used_at: None,
        ..ApiSummary::from(summary)
    };
    DirectoryEntry {
        api: Api {
            summary: Some(summary),
            ..Api::public(api)
        },
        access: access.to_owned(),
    }
}
