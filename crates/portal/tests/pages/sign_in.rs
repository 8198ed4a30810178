//! Signing in and out, and the first operator.

use std::fmt::Write as _;

use portcullis_registry::people::setup_link;

use crate::support::{PASSWORD, PUBLIC_URL, World};

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let world = World::new().await;
    world.with_password("ada@example.com", Vec::new()).await;
    let ada = world.visitor();
    let form_cookie = {
        ada.get("/login").await.expect(200);
        ada.cookie("portcullis-form").unwrap()
    };

    let fields = [("email", " Ada@example.com "), ("password", PASSWORD)];
    let signed_in = ada.submit("/login", "/login", &fields).await;

    assert_eq!(signed_in.location(), "/");
    let cookie = ada.cookie("portcullis").unwrap();
    assert!(cookie.starts_with("pcx_") && cookie != form_cookie);
    let set = signed_in.header("set-cookie");
    assert!(set.contains("HttpOnly; SameSite=Lax") && set.contains("Path=/"));
    let home = ada.get("/").await.expect(200);
    assert!(home.has("Ada Lovelace") && home.has("ada@example.com"));
    assert_eq!(ada.get("/login").await.location(), "/");

    let signed_out = ada.submit("/", "/logout", &[]).await;

    assert_eq!(signed_out.location(), "/login");
    assert_eq!(ada.cookie("portcullis"), None);
    assert!(ada.get("/login").await.has("You are signed out."));
    assert!(
        !ada.get("/login").await.has("You are signed out."),
        "said once"
    );
    ada.set_cookie("portcullis", &cookie);
    assert!(
        !ada.get("/").await.has("Ada Lovelace"),
        "the session has ended on the server"
    );
}

#[tokio::test]
async fn a_wrong_sign_in_says_the_same_of_every_account() {
    let world = World::new().await;
    world.with_password("ada@example.com", Vec::new()).await;
    let mut said = Vec::new();

    for (email, password) in [
        ("ada@example.com", "wrong password"),
        ("nobody@example.com", "wrong password"),
        ("ada@example.com", "drawbridge lantern plum "),
    ] {
        let visitor = world.visitor();
        let fields = [("email", email), ("password", password), ("next", "/")];
        let page = visitor
            .submit("/login", "/login", &fields)
            .await
            .expect(422);
        assert!(!page.has(password) && page.has("role=\"alert\""));
        assert_eq!(visitor.cookie("portcullis"), None);
        let alert = page.html.split("role=\"alert\"").nth(1).unwrap();
        said.push(alert.split("</div>").next().unwrap().to_owned());
    }

    assert!(said.iter().all(|one| *one == said[0]));
}

#[tokio::test]
async fn signing_in_leads_to_the_page_that_was_asked_for_and_nowhere_else() {
    let world = World::new().await;
    world.with_password("ada@example.com", Vec::new()).await;

    for (next, leads_to) in [
        ("/docs/errors/not_found?x=1", "/docs/errors/not_found?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https:evil", "/"),
        ("%2f%2fevil", "/"),
        ("javascript:alert(1)", "/"),
    ] {
        let ada = world.visitor();
        let mut encoded = String::new();
        for byte in next.bytes() {
            let _ = write!(encoded, "%{byte:02X}");
        }
        let fields = [("email", "ada@example.com"), ("password", PASSWORD)];
        let page = format!("/login?next={encoded}");
        let signed_in = ada.submit(&page, "/login", &fields).await;
        assert_eq!(signed_in.location(), leads_to, "{next}");

        // The same when the form was tampered with.
        let eve = world.visitor();
        let fields = [
            ("email", "ada@example.com"),
            ("password", PASSWORD),
            ("next", next),
        ];
        let signed_in = eve.submit("/login", "/login", &fields).await;
        assert_eq!(signed_in.location(), leads_to, "{next}");
    }
}

#[tokio::test]
async fn the_first_operator_is_made_by_the_link_once() {
    let world = World::new().await;
    let link = setup_link(&world.state.store, PUBLIC_URL)
        .await
        .unwrap()
        .unwrap();
    let path = link.strip_prefix(PUBLIC_URL).unwrap();
    let first = world.visitor();

    let fields = [
        ("full_name", "Olga Operator"),
        ("email", "not an address"),
        ("password", "short"),
        ("organization", "Acme"),
    ];
    let refused = first.submit(path, "/welcome", &fields).await.expect(422);
    assert!(!refused.wrong("email").is_empty() && !refused.wrong("password").is_empty());
    assert!(refused.has("value=\"Acme\"") && !refused.has("value=\"short\""));
    let fields = [("email", "olga@example.com"), ("password", PASSWORD)];
    let made = first.send_form(&refused, "/welcome", &fields).await;

    assert_eq!(made.location(), "/");
    let home = first.get("/").await.expect(200);
    assert!(home.has("Olga Operator") && home.has("Operator") && home.has("Acme"));
    world.visitor().get(path).await.expect(410);
    world
        .visitor()
        .get("/welcome?token=pcl_guess")
        .await
        .expect(410);
    world.visitor().get("/welcome").await.expect(410);
}
