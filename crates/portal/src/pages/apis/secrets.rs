//! Client Secrets of an API: adding, rotating, ending.

use axum::extract::Path;
use portcullis_registry::wire::Api;

use super::find_to_change;
use crate::{
    page::{Answer, Page},
    secrets_panel::{Holder, Kind},
    sent::Sent,
};

/// The API as what holds secrets.
pub(super) fn holder(api: &Api) -> Holder {
    Holder {
        kind: Kind::Api,
        id: api.id.clone(),
        name: api.name.clone(),
    }
}

/// `POST /apis/{api_id}/secrets`: a second secret beside the first.
pub(crate) async fn add(page: Page, Path(id): Path<String>) -> Answer {
    holder(&find_to_change(&page, &id).await?.api)
        .add(&page)
        .await
}

/// `GET /apis/{api_id}/rotate`.
pub(crate) async fn ask_rotate(page: Page, Path(id): Path<String>) -> Answer {
    let found = find_to_change(&page, &id).await?;
    holder(&found.api).ask_rotate(&page, None).await
}

/// `POST /apis/{api_id}/rotate`.
pub(crate) async fn rotate(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let found = find_to_change(&page, &id).await?;
    holder(&found.api).rotate(&page, &sent).await
}

/// `GET /apis/{api_id}/secrets/{secret_id}/expire`.
pub(crate) async fn ask_expire(page: Page, Path((id, secret)): Path<(String, String)>) -> Answer {
    let found = find_to_change(&page, &id).await?;
    holder(&found.api)
        .ask_expire(&page, &secret, touched(), None)
        .await
}

/// `POST /apis/{api_id}/secrets/{secret_id}/expire`.
pub(crate) async fn expire(
    page: Page,
    Path((id, secret)): Path<(String, String)>,
    sent: Sent,
) -> Answer {
    let found = find_to_change(&page, &id).await?;
    holder(&found.api)
        .expire(&page, &secret, touched(), &sent)
        .await
}

/// An API's own secret is for what its provider runs: calls of apps do not depend on it.
fn touched() -> String {
    "Calls of apps to this API go on: they do not depend on its Client Secret. What you run with it stops getting tokens."
        .to_owned()
}
