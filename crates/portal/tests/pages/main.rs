//! The pages over HTTP.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use axum::{Router, body::Body, http::Request, response::Response};
use http::{StatusCode, header};
use http_body_util::BodyExt;
use portcullis_portal::{Address, PortalState, router};
use tower::ServiceExt;

fn portal() -> Router {
    let address = |name: &str, url: &str| Address {
        name: name.to_owned(),
        url: url.to_owned(),
        purpose: "For the test.".to_owned(),
    };
    router(PortalState {
        addresses: [
            address("Token server", "http://localhost:8080/oauth2/default"),
            address("<script>alert(1)</script>", "javascript:alert('x')"),
        ]
        .into(),
    })
}

async fn send(method: &str, path: &str) -> (Response, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = portal().oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (Response::from_parts(parts, Body::empty()), text)
}

#[tokio::test]
async fn the_front_page_lists_the_addresses() {
    let (response, page) = send("GET", "/").await;

    assert_eq!(response.status(), StatusCode::OK);
    assert!(page.contains(
        "<a href=\"http://localhost:8080/oauth2/default\">http://localhost:8080/oauth2/default</a>"
    ));
    assert!(page.contains("<html lang=\"en\">"));
}

#[tokio::test]
async fn what_was_configured_is_text_and_not_markup() {
    let (_, page) = send("GET", "/").await;

    assert!(!page.contains("<script"));
    assert!(!page.contains("href=\"javascript"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[tokio::test]
async fn there_is_no_form_and_no_script_on_any_page() {
    for path in ["/", "/docs/errors/not_found", "/nothing"] {
        let (_, page) = send("GET", path).await;

        for word in [
            "<form",
            "<input",
            "<script",
            "style=\"",
            "http://www",
            "//cdn",
        ] {
            assert!(!page.contains(word), "{path}: {word}");
        }
    }
}

#[tokio::test]
async fn every_answer_forbids_what_a_page_does_not_need() {
    for path in [
        "/",
        "/docs/errors/not_found",
        "/static/portal.css",
        "/nothing",
    ] {
        let (response, _) = send("GET", path).await;

        let headers = response.headers();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
    }
}

#[tokio::test]
async fn the_style_sheet_is_small_and_has_both_themes() {
    let (response, css) = send("GET", "/static/portal.css").await;

    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/css; charset=utf-8"
    );
    assert!(css.contains("prefers-color-scheme: dark"));
    assert!(!css.contains("url(") && !css.contains("@import"));
    assert!(css.len() < 4_000);
}

#[tokio::test]
async fn every_code_of_a_problem_has_a_page() {
    for kind in portcullis_registry::problem::KINDS {
        let (response, page) = send("GET", &format!("/docs/errors/{}", kind.code)).await;

        assert_eq!(response.status(), StatusCode::OK, "{}", kind.code);
        assert!(page.contains(kind.code));
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_page_that_leads_back() {
    for path in [
        "/nothing",
        "/docs/errors/unknown",
        "/docs",
        "/static/../lib.rs",
    ] {
        let (response, page) = send("GET", path).await;

        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(page.contains("<a href=\"/\">"));
    }
}

#[tokio::test]
async fn a_page_is_only_read() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let (response, _) = send(method, "/").await;

        assert_eq!(
            response.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
        assert_eq!(response.headers()[header::ALLOW], "GET, HEAD");
    }
    let (response, body) = send("HEAD", "/").await;
    assert_eq!((response.status(), body.as_str()), (StatusCode::OK, ""));
}

/// Contrast of the pairs in the style sheet (WCAG 2.2, 1.4.3).
#[tokio::test]
async fn texts_can_be_read_in_both_themes() {
    let (_, css) = send("GET", "/static/portal.css").await;
    let value = |block: &str, name: &str| -> String {
        let at = block.find(&format!("--{name}: #")).unwrap() + name.len() + 5;
        block[at..at + 6].to_owned()
    };
    let (light, dark) = css.split_at(css.find("@media").unwrap());

    for theme in [light, dark] {
        let ground = luminance(&value(theme, "ground"));
        for name in ["text", "muted", "link"] {
            let text = luminance(&value(theme, name));
            let ratio = (text.max(ground) + 0.05) / (text.min(ground) + 0.05);
            assert!(ratio >= 4.5, "{name}: {ratio}");
        }
    }
}

fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.03928 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}
