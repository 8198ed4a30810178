//! Apps: registering, credentials, snippets, acts, and who may do what.

use std::time::Duration;

use http::StatusCode;
use portcullis_core::organization::MemberRole;
use portcullis_registry::wire::{App, Listed, Secret};

use crate::{
    market,
    support::{Browser, PUBLIC_URL, Seen, World, unescaped},
};

/// The value that the once-only panel shows as API Secret.
fn secret_on(page: &Seen) -> Option<String> {
    let (_, after) = page.html.split_once("data-once")?;
    let (_, after) = after.split_once("API Secret")?;
    let (_, after) = after.split_once("<code>")?;
    Some(unescaped(after.split_once("</code>").unwrap().0))
}

async fn apps(world: &World) -> Vec<App> {
    let apps = market::management(world)
        .get::<Listed<App>>("/v1/apps", &[])
        .await;
    apps.unwrap().value.items
}

async fn secrets(world: &World, app: &App) -> Vec<Secret> {
    let path = ("/v1/apps/{app_id}/secrets", [app.id.as_str()]);
    let secrets = market::management(world)
        .get::<Listed<Secret>>(path, &[])
        .await;
    secrets.unwrap().value.items
}

/// The steps of the second tutorial as they are written: this website, no callback.
async fn register(browser: &Browser<'_>, changes: &[(&str, &str)]) -> Seen {
    let fields = [
        ("name", "My App"),
        ("website", "https://example.com"),
        ("callback_url", ""),
    ];
    let mut all: Vec<(&str, &str)> = fields
        .into_iter()
        .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name))
        .collect();
    all.extend(changes);
    browser.submit("/apps/new", "/apps/new", &all).await
}

#[tokio::test]
async fn an_app_is_registered_as_the_tutorial_says_and_its_secret_is_shown_once() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let provider = world.organization("Provider").await;
    let api = market::api(&world, &provider, "Vehicles").await;
    let ada = world.member(&own, MemberRole::AppDeveloper).await;
    let form = ada.get("/apps/new").await.expect(200);
    assert!(form.has("Vehicles (Provider)") && form.has("Test, Production"));
    assert!(form.has("Leave it blank for client credentials"));

    let registered = register(&ada, &[("apis", &api)]).await;

    let path = registered.location().to_owned();
    assert!(path.starts_with("/apps/") && !path.contains('?'), "{path}");
    let page = ada.get(&path).await.expect(200);
    let secret = secret_on(&page).unwrap();
    assert!(secret.starts_with("pcs_"), "{secret}");
    assert!(page.has("My App is registered. In effect on 1 of 1 node."));
    let app = apps(&world).await.remove(0);
    assert_eq!(app.website, "https://example.com");
    assert_eq!((app.callback_url.as_str(), app.apis.len()), ("", 1));
    let file = page
        .html
        .split("href=\"data:")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    for name in [
        "API_KEY",
        "API_SECRET",
        "AUTH_URL",
        "API_URL",
        "TEST_SUBSCRIPTION_ID",
    ] {
        let encoded = name.replace('_', "%5F");
        assert!(file.contains(&format!("{encoded}%3D")), "{name} in {file}");
    }
    assert!(page.has("download=\"app.env\""));

    let again = ada.get(&path).await.expect(200);
    assert_eq!(secret_on(&again), None);
    assert!(!again.has(&secret), "a reload shows no secret");
    assert_eq!(again.header("cache-control"), "no-store");
    assert!(again.has(&app.api_key) && again.has(&app.test_subscription_id));
    assert!(again.has("Never"), "the expiration date of the key");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_registers_one_app() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let ada = world.member(&own, MemberRole::Owner).await;
    let form = ada.get("/apps/new").await.expect(200);

    let first = ada
        .send_form(&form, "/apps/new", &[("name", "Twice")])
        .await;
    let first_path = first.location().to_owned();
    let second = ada
        .send_form(&form, "/apps/new", &[("name", "Twice")])
        .await;

    assert_eq!(second.location(), first_path);
    assert_eq!(apps(&world).await.len(), 1);
    // The browser still holds the secret of the first answer: it is shown, and not lost.
    let page = ada.get(&first_path).await;
    assert!(secret_on(&page).is_some());
    assert!(page.has("was registered already by this form"));
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_and_nothing_is_lost() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let ada = world.member(&own, MemberRole::AppDeveloper).await;

    let long = "x".repeat(41);
    for (field, value) in [
        ("name", ""),
        ("name", &long),
        ("website", "http://localhost:3000"),
        ("website", "javascript:alert(1)"),
        ("callback_url", "http://example.com/back"),
    ] {
        let page = register(&ada, &[(field, value), ("description", "Kept <b>")])
            .await
            .expect(422);
        assert!(!page.wrong(field).is_empty(), "{field} {value}");
        assert!(page.has("Kept &#60;b&#62;") || page.has("Kept &lt;b&gt;"));
    }
    assert!(apps(&world).await.is_empty());
}

#[tokio::test]
async fn the_list_finds_apps_and_teaches_who_has_none() {
    let world = World::new().await;
    let (own, other) = (
        world.organization("Solutions").await,
        world.organization("Other").await,
    );
    let ada = world.member(&own, MemberRole::AppDeveloper).await;
    let empty = ada.get("/apps").await.expect(200);
    assert!(empty.has("Register your first app") && empty.has("portcullis app create"));

    let fleet = market::app(&world, &own, ("Fleet", &[])).await;
    market::app(&world, &own, ("Service", &[])).await;
    market::app(&world, &other, ("Foreign", &[])).await;

    let page = ada.get("/apps").await.expect(200);
    assert!(page.has("Fleet") && page.has("Service") && !page.has("Foreign"));
    assert!(page.has(&fleet.api_key) && page.has("Register a New App"));
    let fleet_at = page.html.find(">Fleet<").unwrap();
    assert!(
        page.html.find(">Service<").unwrap() < fleet_at,
        "newest first"
    );
    let found = ada.get("/apps?q=flee").await.expect(200);
    assert!(found.has("Fleet") && !found.has(">Service<"));
    let by_key = ada.get(&format!("/apps?q={}", fleet.api_key)).await;
    assert!(by_key.has("Fleet") && !by_key.has(">Service<"));
    let none = ada.get("/apps?q=nothing&state=disabled").await.expect(200);
    assert!(none.has("No app matches") && none.has("value=\"nothing\""));
    assert_eq!(
        ada.get("/apps?state=unheard").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn a_list_goes_on_where_the_page_before_ended() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let ada = world.member(&own, MemberRole::Viewer).await;
    for number in 0..27 {
        market::app(&world, &own, (&format!("App {number:02}"), &[])).await;
    }

    let first = ada.get("/apps?q=App").await.expect(200);
    let next = first.html.split("rel=\"next\" href=\"").nth(1).unwrap();
    let next = unescaped(next.split('"').next().unwrap());
    let second = ada.get(&next).await.expect(200);

    assert!(next.starts_with("/apps?q=App&after="), "{next}");
    assert!(first.has("App 26") && !first.has("App 01"));
    assert!(second.has("App 01") && second.has("App 00") && !second.has("App 02"));
    assert!(!second.has("rel=\"next\""));
}

#[tokio::test]
async fn roles_see_what_they_may_do() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let app = market::app(&world, &own, ("Fleet", &[])).await;
    let path = format!("/apps/{}", app.id);

    for role in [MemberRole::Viewer, MemberRole::ApiDeveloper] {
        let member = world.member(&own, role).await;
        let page = member.get(&path).await.expect(200);
        assert!(!page.has("Rotate") && !page.has("Delete app") && !page.has("Edit</a>"));
        member.get("/apps/new").await.expect(403);
        for page in ["edit", "rotate", "disable", "delete", "revoke-tokens"] {
            member.get(&format!("{path}/{page}")).await.expect(403);
        }
        // The form of somebody who may, sent by somebody who may not.
        let page = member.get(&path).await;
        let token = page.form("/logout");
        for act in [
            "secrets",
            "enable",
            "disable",
            "revoke-tokens",
            "delete",
            "rotate",
            "edit",
        ] {
            let origin = [("sec-fetch-site", "same-origin"), ("origin", PUBLIC_URL)];
            let sent = member
                .post_as_is(&format!("{path}/{act}"), &token, &origin)
                .await;
            assert_eq!(sent.status, StatusCode::FORBIDDEN, "{act}");
        }
    }
    let now = apps(&world).await.remove(0);
    assert_eq!(
        (now.state.as_str(), now.revision),
        ("enabled", app.revision)
    );
    assert_eq!(secrets(&world, &app).await.len(), 1);
}

#[tokio::test]
async fn apps_of_others_are_not_there() {
    let world = World::new().await;
    let (own, other) = (
        world.organization("Solutions").await,
        world.organization("Other").await,
    );
    let foreign = market::app(&world, &other, ("Foreign", &[])).await;
    let ada = world.member(&own, MemberRole::Owner).await;
    let token = ada.get("/apps").await.form("/logout");

    for page in [
        "",
        "/calls",
        "/edit",
        "/rotate",
        "/disable",
        "/delete",
        "/revoke-tokens",
        "/activate",
    ] {
        let seen = ada
            .get(&format!("/apps/{}{page}", foreign.id))
            .await
            .expect(404);
        assert!(!seen.has("Foreign") && !seen.has(&foreign.api_key));
    }
    for act in [
        "secrets",
        "rotate",
        "edit",
        "enable",
        "disable",
        "delete",
        "revoke-tokens",
        "activate",
    ] {
        let path = format!("/apps/{}/{act}", foreign.id);
        let origin = [("sec-fetch-site", "same-origin")];
        ada.post_as_is(&path, &token, &origin).await.expect(404);
    }
    assert_eq!(secrets(&world, &foreign).await.len(), 1);
}

#[tokio::test]
async fn rotation_leaves_the_old_secret_for_a_while() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let app = market::app(&world, &own, ("Fleet", &[])).await;
    let ada = world.member(&own, MemberRole::AppDeveloper).await;
    let path = format!("/apps/{}", app.id);
    let page = format!("{path}/rotate");
    let form = ada.get(&page).await.expect(200);
    world.clock.advance(Duration::from_secs(1));

    let rotated = ada.send_form(&form, &page, &[("overlap", "1h")]).await;

    assert_eq!(rotated.location(), path);
    let shown = ada.get(&path).await;
    let secret = secret_on(&shown).unwrap();
    let all = secrets(&world, &app).await;
    assert_eq!(all.len(), 2);
    assert!(all[0].expires_at.is_some() && all[1].expires_at.is_none());
    assert!(secret.ends_with(&all[1].hint[all[1].hint.len() - 4..]));
    assert_eq!(secret_on(&ada.get(&path).await), None);
    // The same form again makes no third.
    ada.send_form(&form, &page, &[("overlap", "1h")]).await;
    assert_eq!(secrets(&world, &app).await.len(), 2);
    assert!(
        ada.get(&path)
            .await
            .has("This form made a new secret already")
    );
    // Two are live: a third needs the older one to go.
    let refused = ada
        .submit(&page, &page, &[("overlap", "7d")])
        .await
        .expect(409);
    assert!(refused.has("Two secrets are live already"));
    let replaced = [("overlap", "7d"), ("replace_oldest", "yes")];
    assert_eq!(ada.submit(&page, &page, &replaced).await.location(), path);
    let unknown = ada
        .submit(&page, &page, &[("overlap", "2h")])
        .await
        .expect(422);
    assert!(!unknown.wrong("overlap").is_empty());
}

#[tokio::test]
async fn a_secret_is_added_beside_the_first_and_ended() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let app = market::app(&world, &own, ("Fleet", &[])).await;
    let ada = world.member(&own, MemberRole::AppDeveloper).await;
    let path = format!("/apps/{}", app.id);
    world.clock.advance(Duration::from_secs(1));

    ada.submit(&path, &format!("{path}/secrets"), &[]).await;
    let page = ada.get(&path).await;
    assert!(secret_on(&page).is_some());
    assert!(
        !page.has(&format!("action=\"{path}/secrets\"")),
        "two are the most"
    );

    let first = secrets(&world, &app).await.remove(0);
    let expire = format!("{path}/secrets/{}/expire", first.id);
    let asked = ada.get(&expire).await.expect(200);
    assert!(asked.has("0 active subscriptions") && asked.has("The other secret goes on."));
    let fields = [("confirm", "fleet"), ("compromised", "no")];
    let refused = ada.submit(&expire, &expire, &fields).await.expect(422);
    assert!(refused.wrong("confirm").contains("Fleet"));
    let fields = [("confirm", "Fleet"), ("compromised", "yes")];
    assert_eq!(ada.submit(&expire, &expire, &fields).await.location(), path);
    let page = ada.get(&path).await;
    assert!(page.has("every token issued so far") && page.has("1 secret that has ended"));
    assert!(ada.get(&expire).await.has("has ended already"));
    let unknown = format!("{path}/secrets/00000000-0000-4000-8000-000000000000/expire");
    ada.get(&unknown).await.expect(404);
}

#[tokio::test]
async fn of_two_edits_the_second_is_told() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let app = market::app(&world, &own, ("Fleet", &[])).await;
    let ada = world.member(&own, MemberRole::AppDeveloper).await;
    let (path, edit) = (
        format!("/apps/{}", app.id),
        format!("/apps/{}/edit", app.id),
    );
    let form = ada.get(&edit).await.expect(200);

    let first = ada.send_form(&form, &edit, &[("name", "Fleet One")]).await;
    assert_eq!(first.location(), path);
    let second = ada
        .send_form(&form, &edit, &[("name", "Fleet Two")])
        .await
        .expect(412);

    assert!(second.has("Somebody changed this in the meantime"));
    assert!(second.has("value=\"Fleet Two\"") && second.has("<strong>Fleet One</strong>"));
    let third = ada.send_form(&second, &edit, &[]).await;
    assert_eq!(third.location(), path);
    assert_eq!(apps(&world).await[0].name, "Fleet Two");
}

#[tokio::test]
async fn apis_are_chosen_under_the_rules() {
    let world = World::new().await;
    let (own, provider) = (
        world.organization("Solutions").await,
        world.organization("Provider").await,
    );
    let vehicles = market::api(&world, &provider, "Vehicles").await;
    let parts = market::api(&world, &provider, "Parts").await;
    let app = market::app(&world, &own, ("Fleet", &[&vehicles])).await;
    let ada = world.member(&own, MemberRole::AppDeveloper).await;
    let edit = format!("/apps/{}/edit", app.id);

    let both = [("apis", vehicles.as_str()), ("apis", parts.as_str())];
    ada.submit(&edit, &edit, &both).await.location();
    assert_eq!(apps(&world).await[0].apis.len(), 2);
    let form = ada.get(&edit).await;
    let none: Vec<_> = form
        .form(&edit)
        .into_iter()
        .filter(|(name, _)| name != "apis")
        .collect();
    let origin = [("origin", PUBLIC_URL)];
    let refused = ada.post_as_is(&edit, &none, &origin).await.expect(409);
    assert!(refused.has("role=\"alert\""), "never the last");
    market::activated(&world, &app, &provider).await;
    let page = ada.get(&edit).await;
    assert!(page.has("1 customer uses"));
    let refused = ada.submit(&edit, &edit, &[("apis", &vehicles)]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(apps(&world).await[0].apis.len(), 2);
}

#[tokio::test]
async fn an_app_is_stopped_and_let_go_on() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let app = market::app(&world, &own, ("Fleet", &[])).await;
    let ada = world.member(&own, MemberRole::AppDeveloper).await;
    let path = format!("/apps/{}", app.id);
    let act = |name: &str| format!("{path}/{name}");

    assert!(
        ada.get(&act("disable"))
            .await
            .has("0 calls in the last 24 hours")
    );
    ada.submit(&act("disable"), &act("disable"), &[])
        .await
        .location();
    let page = ada.get(&path).await;
    assert!(page.has("The app is disabled. In effect on 1 of 1 node."));
    assert!(page.has("Enable app") && !page.has("Disable app"));
    ada.submit(&path, &act("enable"), &[]).await.location();
    assert!(ada.get(&path).await.has("The app is enabled."));
    ada.submit(&act("revoke-tokens"), &act("revoke-tokens"), &[])
        .await
        .location();
    assert!(
        ada.get(&path)
            .await
            .has("Every token issued so far is refused.")
    );
}

#[tokio::test]
async fn an_app_is_deleted_once_no_customer_uses_it() {
    let world = World::new().await;
    let (own, provider) = (
        world.organization("Solutions").await,
        world.organization("Provider").await,
    );
    let api = market::api(&world, &provider, "Vehicles").await;
    let app = market::app(&world, &own, ("Fleet", &[&api])).await;
    let subscription = market::activated(&world, &app, &provider).await;
    let ada = world.member(&own, MemberRole::Owner).await;
    let delete = format!("/apps/{}/delete", app.id);

    let asked = ada.get(&delete).await.expect(200);
    assert!(
        asked.has("1 subscription of customers must end first")
            && !asked.has("Delete app</button>")
    );
    let end = format!("/subscriptions/{}/end", subscription.id);
    ada.submit(&end, &end, &[("confirm", "Fleet")])
        .await
        .location();
    let refused = ada
        .submit(&delete, &delete, &[("confirm", "Flee")])
        .await
        .expect(422);
    assert!(!refused.wrong("confirm").is_empty());
    assert_eq!(
        ada.submit(&delete, &delete, &[("confirm", "Fleet")])
            .await
            .location(),
        "/apps"
    );

    assert!(ada.get("/apps").await.has("Fleet is deleted."));
    let page = ada.get(&format!("/apps/{}", app.id)).await.expect(200);
    assert!(page.has("This app was deleted") && !page.has("Rotate"));
    assert!(ada.get("/apps?state=deleted").await.has("Fleet"));
    ada.get(&format!("/apps/{}/edit", app.id)).await.expect(404);
}

#[tokio::test]
async fn snippets_hold_the_values_of_the_app_and_a_path_that_can_be_called() {
    let world = World::new().await;
    let (own, provider) = (
        world.organization("Solutions").await,
        world.organization("Provider").await,
    );
    let api = market::api(&world, &provider, "Vehicles").await;
    let app = market::app(&world, &own, ("Fleet", &[&api])).await;
    let bare = market::app(&world, &own, ("Bare", &[])).await;
    let ada = world.member(&own, MemberRole::Viewer).await;

    let page = ada.get(&format!("/apps/{}", app.id)).await.expect(200);
    for language in ["curl", "Node", "Python", "Java", "Go", "Rust"] {
        assert!(page.has(&format!("value=\"{language}\"")), "{language}");
    }
    let text = unescaped(&page.html);
    assert!(text.contains("http://localhost:8081/provider-test/vehicles/v1/vehicles"));
    assert!(text.contains("http://localhost:8080/oauth2/default/v1/token"));
    assert!(text.contains(&format!("Subscription-Id: {}", app.test_subscription_id)));
    assert!(text.contains("$API_SECRET"));
    let subscription = market::activated(&world, &app, &provider).await;
    let page = ada.get(&format!("/apps/{}", app.id)).await;
    let value = page
        .html
        .split("<option value=\"")
        .find(|one| one.contains("for Provider"))
        .unwrap();
    let value = value.split('"').next().unwrap();
    let real = ada.get(&format!("/apps/{}?call={value}", app.id)).await;
    let text = unescaped(&real.html);
    assert!(text.contains("http://localhost:8081/provider/vehicles/v1/vehicles"));
    assert!(text.contains(&format!("Subscription-Id: {}", subscription.id)));

    let page = ada.get(&format!("/apps/{}", bare.id)).await;
    assert!(page.has("selects no API yet, so these end with the token"));
    assert!(!unescaped(&page.html).contains("Authorization: Bearer $TOKEN"));
}

#[tokio::test]
async fn the_box_of_calls_is_a_part_that_is_fetched_again() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let app = market::app(&world, &own, ("Fleet", &[])).await;
    let ada = world.member(&own, MemberRole::Viewer).await;
    let path = format!("/apps/{}/calls", app.id);

    let whole = ada.get(&path).await;
    assert_eq!(whole.location(), format!("/apps/{}#calls", app.id));
    let request = http::Request::get(&path).header("hx-request", "true");
    let part = ada
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await
        .expect(200);

    assert!(part.has("Waiting for your first call") && !part.has("<html"));
    let page = ada.get(&format!("/apps/{}", app.id)).await;
    assert!(page.has(&format!("data-poll=\"{path}\"")) && page.has("Pause") && page.has("Refresh"));
}
