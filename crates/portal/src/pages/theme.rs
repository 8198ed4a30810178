//! `/theme`: light, dark, or as the device. Kept in a cookie, so that pages come in the right colours at once.

use axum::response::Response;

use crate::{
    gate::THEME_COOKIE,
    page::{Page, Theme, safe_next},
    sent::Sent,
};

/// A year, in seconds.
const KEPT_SECONDS: u32 = 365 * 24 * 3600;

/// `POST /theme`.
pub(crate) async fn choose(page: Page, sent: Sent) -> Response {
    let theme = Theme::parse(sent.get("theme"));
    let response = page.go(safe_next(sent.get("next")));
    page.with_cookie(response, THEME_COOKIE, theme.as_str(), Some(KEPT_SECONDS))
}
