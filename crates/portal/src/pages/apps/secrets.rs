//! API Secrets of an app: adding, rotating with an overlap, ending.

use axum::extract::Path;
use portcullis_registry::wire::App;

use super::state::{blast_radius, changeable};
use crate::{
    page::{Answer, Page},
    secrets_panel::{Holder, Kind},
    sent::Sent,
};

/// The app as what holds secrets.
pub(super) fn holder(app: &App) -> Holder {
    Holder {
        kind: Kind::App,
        id: app.id.clone(),
        name: app.name.clone(),
    }
}

/// `POST /apps/{app_id}/secrets`: a second secret beside the first.
pub(crate) async fn add(page: Page, Path(app_id): Path<String>) -> Answer {
    let app = changeable(&page, &app_id).await?;
    holder(&app).add(&page).await
}

/// `GET /apps/{app_id}/rotate`.
pub(crate) async fn rotation(page: Page, Path(app_id): Path<String>) -> Answer {
    let app = changeable(&page, &app_id).await?;
    holder(&app).ask_rotate(&page, None).await
}

/// `POST /apps/{app_id}/rotate`. Sent twice, it makes one secret.
pub(crate) async fn rotate(page: Page, Path(app_id): Path<String>, sent: Sent) -> Answer {
    let app = changeable(&page, &app_id).await?;
    holder(&app).rotate(&page, &sent).await
}

/// `GET /apps/{app_id}/secrets/{secret_id}/expire`.
pub(crate) async fn ask_expire(
    page: Page,
    Path((app_id, secret_id)): Path<(String, String)>,
) -> Answer {
    let app = changeable(&page, &app_id).await?;
    let touches = blast_radius(&page.api()?, &app).await?;
    holder(&app)
        .ask_expire(&page, &secret_id, touches, None)
        .await
}

/// `POST /apps/{app_id}/secrets/{secret_id}/expire`.
pub(crate) async fn expire(
    page: Page,
    Path((app_id, secret_id)): Path<(String, String)>,
    sent: Sent,
) -> Answer {
    let app = changeable(&page, &app_id).await?;
    let touches = blast_radius(&page.api()?, &app).await?;
    holder(&app).expire(&page, &secret_id, touches, &sent).await
}
