//! Pages for everybody: the front page, errors, codes.

use axum::{body::Body, http::Request};

use crate::support::World;

#[tokio::test]
async fn the_front_page_lists_the_addresses() {
    let world = World::new().await;

    let page = world.visitor().get("/").await.expect(200);

    assert!(page.has("<a href=\"http://localhost:8080/oauth2/default\">"));
    assert!(page.has("<html lang=\"en\""));
    assert!(page.has("href=\"/login\""));
}

#[tokio::test]
async fn what_was_configured_is_text_and_not_markup() {
    let world = World::new().await;

    let page = world.visitor().get("/").await.expect(200);

    assert!(!page.has("<script>alert"));
    assert!(!page.has("href=\"javascript"));
}

#[tokio::test]
async fn no_page_has_script_or_style_of_its_own() {
    let world = World::new().await;
    let visitor = world.visitor();
    let operator = world.operator().await;

    for path in ["/", "/login", "/docs/errors/not_found", "/nothing"] {
        for browser in [&visitor, &operator] {
            let page = browser.get(path).await;
            for word in [
                "style=\"",
                "<style",
                "onclick",
                "http://www",
                "//cdn",
                "<script>",
            ] {
                assert!(!page.has(word), "{path}: {word}");
            }
        }
    }
}

#[tokio::test]
async fn every_answer_forbids_what_a_page_does_not_need() {
    let world = World::new().await;
    let visitor = world.visitor();

    for path in [
        "/",
        "/login",
        "/docs/errors/not_found",
        "/nothing",
        "/static/nothing",
    ] {
        let page = visitor.get(path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert_eq!(page.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn every_code_of_a_problem_has_a_page() {
    let world = World::new().await;
    let visitor = world.visitor();

    for kind in portcullis_registry::problem::KINDS {
        let page = visitor
            .get(&format!("/docs/errors/{}", kind.code))
            .await
            .expect(200);
        assert!(page.has(kind.code));
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_page_that_leads_back() {
    let world = World::new().await;
    let visitor = world.visitor();

    for path in [
        "/nothing",
        "/docs/errors/unknown",
        "/docs",
        "/static/../lib.rs",
        "/static/x",
    ] {
        let page = visitor.get(path).await.expect(404);
        assert!(page.has("href=\"/\""), "{path}");
        assert!(page.has("<h1>There is no such page</h1>"), "{path}");
    }
}

#[tokio::test]
async fn a_page_takes_its_methods_alone() {
    let world = World::new().await;
    let visitor = world.visitor();

    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .body(Body::empty());
        let page = visitor.send(request.unwrap()).await.expect(405);
        assert_eq!(page.header("allow"), "GET, HEAD", "{method}");
    }
    let request = Request::head("/").body(Body::empty()).unwrap();
    let page = visitor.send(request).await.expect(200);
    assert_eq!(page.html, "");
}

#[tokio::test]
async fn pages_are_compressed_for_browsers_that_ask() {
    let world = World::new().await;

    let request = Request::get("/")
        .header("accept-encoding", "gzip")
        .body(Body::empty());
    let page = world.visitor().send(request.unwrap()).await.expect(200);

    assert_eq!(page.header("content-encoding"), "gzip");
    assert!(
        page.header("vary")
            .to_lowercase()
            .contains("accept-encoding")
    );
}

#[tokio::test]
async fn the_theme_is_in_the_page_as_it_comes() {
    let world = World::new().await;
    let visitor = world.visitor();
    assert!(visitor.get("/").await.has("data-theme=\"system\""));

    let chosen = visitor
        .submit("/login", "/theme", &[("theme", "dark")])
        .await;

    assert_eq!(chosen.location(), "/");
    assert!(visitor.get("/").await.has("data-theme=\"dark\""));
    visitor
        .submit("/", "/theme", &[("theme", "<script>")])
        .await
        .expect(303);
    assert!(visitor.get("/").await.has("data-theme=\"system\""));
}
