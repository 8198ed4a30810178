//! `/apps/{app_id}/calls`: what the gateway saw of an app. A part of its page, fetched again while it is open.

use askama::Template;
use axum::extract::Path;
use portcullis_registry::{
    in_process::{Management, ManagementError},
    wire::CallsSummary,
};

use super::path_of;
use crate::page::{Answer, Page};

/// What the gateway saw.
#[derive(Template)]
#[template(path = "apps/calls.html")]
pub(super) struct Calls {
    pub(super) calls: CallsSummary,
}

/// Asks for it.
pub(super) async fn read(api: &Management, app_id: &str) -> Result<CallsSummary, ManagementError> {
    let path = ("/v1/apps/{app_id}/calls_summary", [app_id]);
    Ok(api.get::<CallsSummary>(path, &[]).await?.value)
}

/// `GET /apps/{app_id}/calls`. Opened as a page, it leads to that of the app.
pub(crate) async fn show(page: Page, Path(app_id): Path<String>) -> Answer {
    let calls = read(&page.api()?, &app_id).await?;
    if page.is_fragment() {
        return page.show(&Calls { calls });
    }
    Ok(page.go(&format!("{}#calls", path_of(&app_id))))
}
