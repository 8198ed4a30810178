//! The page of the example app: its files, as they are served.

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

pub(super) fn html() -> impl IntoResponse {
    let text = include_str!("../../page/index.html");
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], text)
}

pub(super) fn css() -> impl IntoResponse {
    let text = include_str!("../../page/app.css");
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], text)
}

pub(super) fn javascript() -> impl IntoResponse {
    let text = include_str!("../../page/app.js");
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], text)
}

pub(super) fn icon() -> impl IntoResponse {
    let text = include_str!("../../page/favicon.svg");
    ([(CONTENT_TYPE, "image/svg+xml")], text)
}
