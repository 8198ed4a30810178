//! What every request passes: the table of routes, sessions, forms that must be ours.

use axum::{body::Body, http::Request};
use portcullis_core::organization::MemberRole;
use portcullis_portal::routes::{ROUTES, Who};

use crate::support::{PUBLIC_URL, World, encoded};

/// A path of the table with something in the place of its parameters.
fn filled(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        if segment.starts_with('{') {
            "00000000-0000-4000-8000-000000000000"
        } else {
            segment
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The router is made of the table, so a route is there exactly when it stands in it: the other method of each
/// path answers 405, and nobody who is signed out gets behind a route that is for people.
#[tokio::test]
async fn a_route_is_open_to_whom_the_table_says() {
    let world = World::new().await;
    let visitor = world.visitor();

    for route in ROUTES {
        let path = filled(route.path);
        let there = |method: &str| {
            ROUTES
                .iter()
                .any(|r| r.path == route.path && r.method == method)
        };
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"] {
            let request = Request::builder()
                .method(method)
                .uri(&path)
                .body(Body::empty());
            let page = visitor.send(request.unwrap()).await;
            if !there(method) {
                assert_eq!(page.status, 405, "{method} {path}");
            } else if matches!(route.who, Who::Public) {
                assert_ne!(page.status, 405, "{method} {path}");
                assert!(!page.status.is_server_error(), "{method} {path}");
            } else if matches!(route.who, Who::Mailbox) {
                assert_eq!(page.status, 404, "{method} {path}");
            } else {
                assert_eq!(page.status, 303, "{method} {path}");
                assert!(
                    page.location().starts_with("/login?next="),
                    "{method} {path}"
                );
            }
        }
    }
}

/// Nothing is changed without a token: every POST of the table, by the person who may do most.
#[tokio::test]
async fn no_route_takes_a_form_that_is_not_ours() {
    let world = World::new().await;
    let operator = world.operator().await;
    let other = world.operator().await;
    let foreign = other.get("/").await.form("/logout");

    for route in ROUTES.iter().filter(|route| route.method == "POST") {
        let path = filled(route.path);
        let same = [("sec-fetch-site", "same-origin"), ("origin", PUBLIC_URL)];
        let own = operator.get("/").await.form("/logout");
        let wrong = vec![("_csrf".to_owned(), "x".repeat(86))];

        for (fields, headers) in [
            (&Vec::new(), &same[..]),
            (&wrong, &same[..]),
            (&foreign, &same[..]),
            (
                &own,
                &[("sec-fetch-site", "cross-site"), ("origin", PUBLIC_URL)][..],
            ),
            (&own, &[("sec-fetch-site", "same-site")][..]),
            (&own, &[("origin", "https://evil.example")][..]),
            (&own, &[("origin", "null")][..]),
        ] {
            let page = operator.post_as_is(&path, fields, headers).await;
            assert_eq!(page.status, 403, "{path} {headers:?}");
        }
    }
    assert!(operator.get("/").await.has("Sign out"), "still signed in");
}

#[tokio::test]
async fn a_form_of_a_visitor_is_bound_to_the_visitor() {
    let world = World::new().await;
    let (ada, eve) = (world.visitor(), world.visitor());
    let page = eve.get("/login").await;
    ada.get("/login").await;

    let fields = page.form("/login");
    let refused = ada.post_as_is("/login", &fields, &[]).await;
    let taken = eve.post_as_is("/login", &fields, &[]).await;

    assert_eq!(refused.status, 403);
    assert_eq!(taken.status, 422);
}

#[tokio::test]
async fn tokens_differ_from_page_to_page() {
    let world = World::new().await;
    let operator = world.operator().await;

    let first = operator.get("/").await.form("/logout");
    let second = operator.get("/").await.form("/logout");

    assert_ne!(first, second);
    let same = [("sec-fetch-site", "same-origin")];
    operator
        .post_as_is("/logout", &first, &same)
        .await
        .expect(303);
}

#[tokio::test]
async fn a_cookie_that_is_no_session_is_nobody() {
    let world = World::new().await;
    let operator = world.operator().await;
    let cookie = operator.cookie("portcullis").unwrap();

    for altered in [
        "x",
        &cookie[..cookie.len() - 1],
        &format!("{cookie}a"),
        &cookie.to_uppercase(),
    ] {
        let visitor = world.visitor();
        visitor.set_cookie("portcullis", altered);
        assert!(
            visitor.get("/").await.expect(200).has("href=\"/login\""),
            "{altered}"
        );
    }
}

#[tokio::test]
async fn a_form_larger_than_its_path_takes_is_refused() {
    let world = World::new().await;
    let visitor = world.visitor();
    let mut fields = visitor.get("/login").await.form("/login");
    fields.push(("email".to_owned(), "x".repeat(300 * 1024)));

    let page = visitor.post_as_is("/login", &fields, &[]).await;

    assert_eq!(page.status, 413);
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_refused() {
    let world = World::new().await;
    let visitor = world.visitor();
    let fields = visitor.get("/login").await.form("/login");

    for (kind, body) in [
        ("application/json", "{}".to_owned()),
        ("multipart/form-data; boundary=x", "nonsense".to_owned()),
        (
            "application/x-www-form-urlencoded",
            format!("{}&a=%ff", encoded(&fields)),
        ),
        (
            "application/x-www-form-urlencoded",
            format!("{}&a=%00", encoded(&fields)),
        ),
    ] {
        let request = Request::post("/login").header("content-type", kind);
        let page = visitor.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(page.status, 400, "{kind}");
    }
}

#[tokio::test]
async fn the_switcher_leads_to_organizations_of_the_person_alone() {
    let world = World::new().await;
    let (acme, globex) = (
        world.organization("Acme").await,
        world.organization("Globex").await,
    );
    let strange = world.organization("Strange").await;
    let ada = world
        .signed_in(vec![
            (acme.clone(), MemberRole::Owner),
            (globex.clone(), MemberRole::Viewer),
        ])
        .await;

    ada.submit("/", "/switch", &[("organization", globex.as_str())])
        .await
        .expect(303);
    let page = ada.get("/").await.expect(200);
    let chosen = format!("value=\"{globex}\" aria-current=\"true\"");
    assert!(page.has(&chosen), "{}", page.html);
    assert!(!page.has("Strange"));

    for foreign in [strange.as_str(), "nonsense", ""] {
        let refused = ada
            .submit("/", "/switch", &[("organization", foreign)])
            .await;
        assert_eq!(refused.status, 404, "{foreign}");
    }
    assert!(ada.get("/").await.has(&chosen));
}
