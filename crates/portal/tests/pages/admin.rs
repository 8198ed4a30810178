//! `/admin`: what operators see and do, and that nobody else gets there.

use portcullis_core::organization::MemberRole;
use portcullis_portal::routes::{ROUTES, Who};

use crate::support::World;

#[tokio::test]
async fn only_operators_open_the_pages_of_the_installation() {
    let world = World::new().await;
    let acme = world.organization("Acme").await;
    let owner = world.member(&acme, MemberRole::Owner).await;
    let operator = world.operator().await;

    let of_operators = ROUTES
        .iter()
        .filter(|route| route.who == Who::Operator && route.method == "GET");
    for route in of_operators.filter(|route| !route.path.contains('{')) {
        let refused = owner.get(route.path).await.expect(403);
        assert!(
            refused.has("Your role does not allow this"),
            "{}",
            route.path
        );
        let path = match route.path {
            "/admin/keys/rotate" => "/admin/keys/rotate?purpose=client",
            path => path,
        };
        operator.get(path).await.expect(200);
    }
    assert!(
        !owner
            .get("/organization")
            .await
            .expect(200)
            .has("href=\"/admin")
    );
}

#[tokio::test]
async fn an_organization_is_made_suspended_and_resumed() {
    let world = World::new().await;
    let operator = world.operator().await;
    let values = [
        ("name", "Acme & Sons"),
        ("namespaces", "acme, sons"),
        ("country_code", "de"),
    ];

    let made = operator
        .submit(
            "/admin/organizations/new",
            "/admin/organizations/new",
            &values,
        )
        .await;
    let path = made.location().to_owned();
    let page = operator.get(&path).await.expect(200);
    assert!(page.has("Acme &#38; Sons was made.") && page.has("<code>/sons/</code>"));

    let suspend = format!("{path}/suspend");
    let wrong = operator
        .submit(&suspend, &suspend, &[("confirm", "Acme")])
        .await
        .expect(422);
    assert_eq!(
        wrong.wrong("confirm"),
        "Type Acme & Sons exactly as it stands there."
    );
    let done = operator
        .send_form(&wrong, &suspend, &[("confirm", "Acme & Sons")])
        .await;
    assert_eq!(done.location(), path);
    let suspended = operator.get(&path).await.expect(200);
    assert!(suspended.has("is suspended.") && suspended.has("Resume organization"));
    let listed = operator
        .get("/admin/organizations?state=suspended")
        .await
        .expect(200);
    assert!(listed.has("Acme &#38; Sons"));

    let resume = format!("{path}/resume");
    operator.submit(&path, &resume, &[]).await.location();
    assert!(operator.get(&path).await.has("may act again."));
}

#[tokio::test]
async fn a_refused_organization_comes_back_with_its_values() {
    let world = World::new().await;
    let operator = world.operator().await;
    let path = "/admin/organizations/new";
    let values = [
        ("name", ""),
        ("namespaces", "Not Good"),
        ("website", "nonsense"),
    ];

    let refused = operator.submit(path, path, &values).await.expect(422);

    assert!(!refused.wrong("name").is_empty());
    assert!(!refused.wrong("namespaces").is_empty());
    assert!(refused.has("value=\"nonsense\"") && refused.has("value=\"Not Good\""));
}

#[tokio::test]
async fn a_namespace_is_added_once() {
    let world = World::new().await;
    let (acme, other) = (
        world.organization("Acme").await,
        world.organization("Other").await,
    );
    let operator = world.operator().await;
    let add = |id: &str| {
        (
            format!("/admin/organizations/{id}"),
            format!("/admin/organizations/{id}/namespaces"),
        )
    };

    let (page, action) = add(acme.as_str());
    operator
        .submit(&page, &action, &[("namespace", "more")])
        .await
        .location();
    assert!(
        operator
            .get(&page)
            .await
            .has("The namespace more is theirs now.")
    );
    let (page, action) = add(other.as_str());
    let refused = operator
        .submit(&page, &action, &[("namespace", "more")])
        .await
        .expect(409);
    assert!(refused.has("The namespace belongs to another organization"));
    operator
        .get("/admin/organizations/00000000-0000-4000-8000-000000000000")
        .await
        .expect(404);
}

#[tokio::test]
async fn lists_are_searched_and_paged() {
    let world = World::new().await;
    let operator = world.operator().await;
    for number in 0..30 {
        world.organization(&format!("org-{number:02}")).await;
    }

    let first = operator.get("/admin/organizations").await.expect(200);
    let next = first.html.split("rel=\"next\" href=\"").nth(1).unwrap();
    let next = crate::support::unescaped(next.split('"').next().unwrap());
    let second = operator.get(&next).await.expect(200);
    let found = operator
        .get("/admin/organizations?q=org-07")
        .await
        .expect(200);
    let nothing = operator
        .get("/admin/organizations?q=nobody")
        .await
        .expect(200);

    let is_on = |page: &crate::support::Seen, number: u32| page.has(&format!("org-{number:02}<"));
    let firsts = (0..30).filter(|number| is_on(&first, *number)).count();
    let both = (0..30).filter(|number| is_on(&first, *number) == is_on(&second, *number));
    assert_eq!((firsts, both.count()), (25, 0));
    assert!(second.has("First page") && !second.has("rel=\"next\""));
    assert!(found.has("org-07") && !found.has("org-08"));
    assert!(nothing.has("Nothing matches") && nothing.has("value=\"nobody\""));
    for path in [
        "/admin/apps?q=x&state=enabled",
        "/admin/apis?q=x&visibility=public",
    ] {
        assert!(
            operator.get(path).await.expect(200).has("Nothing matches"),
            "{path}"
        );
    }
    operator.get("/admin/apps?state=nonsense").await.expect(422);
}

#[tokio::test]
async fn keys_are_rotated_only_on_purpose() {
    let world = World::new().await;
    let operator = world.operator().await;
    let page = operator
        .get("/admin/keys/rotate?purpose=client")
        .await
        .expect(200);
    assert!(page.has("stays published") || page.has("There is no next key yet"));

    let untyped = operator
        .send_form(&page, "/admin/keys/rotate", &[])
        .await
        .expect(422);
    let refused = operator
        .send_form(&page, "/admin/keys/rotate", &[("confirm", "rotate")])
        .await
        .expect(409);

    assert!(!untyped.wrong("confirm").is_empty());
    assert!(refused.has("There is no next key") || refused.has("Not every verifier"));
    operator
        .get("/admin/keys/rotate?purpose=nonsense")
        .await
        .expect(404);
}

#[tokio::test]
async fn a_node_is_forgotten_by_its_name() {
    let world = World::new().await;
    let operator = world.operator().await;
    let path = "/admin/nodes/node-1/forget";

    assert!(operator.get("/admin/nodes").await.expect(200).has("node-1"));
    operator
        .submit(path, path, &[("confirm", "node-2")])
        .await
        .expect(422);
    operator
        .get("/admin/nodes/unknown/forget")
        .await
        .expect(404);
}
