//! Subscriptions: lists, activating, ending, and which party may do what.

use http::StatusCode;
use portcullis_core::organization::MemberRole;

use crate::{
    market,
    support::{World, unescaped},
};

#[tokio::test]
async fn both_parties_see_a_subscription_and_nobody_else() {
    let world = World::new().await;
    let developer = world.organization("Solutions").await;
    let buyer = world.organization("Dealer").await;
    let stranger = world.organization("Stranger").await;
    let api = market::api(&world, &stranger, "Vehicles").await;
    let app = market::app(&world, &developer, ("Fleet", &[&api])).await;
    let subscription = market::activated(&world, &app, &buyer).await;
    let path = format!("/subscriptions/{}", subscription.id);

    let owner = world.member(&developer, MemberRole::Owner).await;
    let page = owner.get("/subscriptions").await.expect(200);
    assert!(page.has("Fleet") && page.has("Dealer") && page.has(&subscription.id));
    assert!(page.has("Test subscription"), "the app's own");
    assert!(
        !owner
            .get("/subscriptions?side=buyer")
            .await
            .has(&subscription.id)
    );
    assert!(
        owner
            .get("/subscriptions?q=deal")
            .await
            .has(&subscription.id)
    );
    assert!(
        owner
            .get("/subscriptions?state=cancelled")
            .await
            .has("No subscription matches")
    );
    let of_app = owner
        .get(&format!("/subscriptions?app_id={}", app.id))
        .await;
    assert!(of_app.has("Subscriptions of <strong>Fleet</strong>") && of_app.has(&subscription.id));
    let seen = owner.get(&path).await.expect(200);
    assert!(seen.has("Suspend") && seen.has("Cancel subscription") && seen.has("Vehicles"));
    assert!(!seen.has("History"), "the audit log is the buyer's");

    let dealer = world.member(&buyer, MemberRole::Owner).await;
    assert!(
        dealer
            .get("/subscriptions?side=buyer")
            .await
            .has(&subscription.id)
    );
    let seen = dealer.get(&path).await.expect(200);
    assert!(seen.has("Deactivate") && !seen.has("/suspend\"") && seen.has("Activated</strong>"));
    assert!(
        !seen.has(&format!("/apps/{}", app.id)),
        "the app's page is its owner's"
    );

    let other = world.member(&stranger, MemberRole::Owner).await;
    other.get(&path).await.expect(404);
    other.get(&format!("{path}/end")).await.expect(404);
    let token = other.get("/subscriptions").await.form("/logout");
    for act in ["end", "suspend", "resume"] {
        let sent = other
            .post_as_is(&format!("{path}/{act}"), &token, &[])
            .await;
        assert_eq!(sent.status, StatusCode::NOT_FOUND, "{act}");
    }
    let viewer = world.member(&developer, MemberRole::Viewer).await;
    let seen = viewer.get(&path).await.expect(200);
    assert!(!seen.has("Suspend") && !seen.has("Cancel subscription"));
    viewer.get(&format!("{path}/end")).await.expect(403);
}

#[tokio::test]
async fn the_owner_suspends_and_resumes_and_the_buyer_ends() {
    let world = World::new().await;
    let (developer, buyer) = (
        world.organization("Solutions").await,
        world.organization("Dealer").await,
    );
    let api = market::api(&world, &developer, "Vehicles").await;
    let app = market::app(&world, &developer, ("Fleet", &[&api])).await;
    let subscription = market::activated(&world, &app, &buyer).await;
    let path = format!("/subscriptions/{}", subscription.id);
    let owner = world.member(&developer, MemberRole::AppDeveloper).await;
    let act = |name: &str| format!("{path}/{name}");

    assert!(
        owner
            .get(&act("suspend"))
            .await
            .expect(200)
            .has("Fleet acts for Dealer")
    );
    owner
        .submit(&act("suspend"), &act("suspend"), &[])
        .await
        .location();
    let page = owner.get(&path).await;
    assert!(page.has("The subscription is suspended. In effect on 1 of 1 node."));
    owner.submit(&path, &act("resume"), &[]).await.location();
    assert!(owner.get(&path).await.has("active again"));

    let dealer = world.member(&buyer, MemberRole::Owner).await;
    let refused = dealer
        .submit(&act("end"), &act("end"), &[("confirm", "")])
        .await
        .expect(422);
    assert!(!refused.wrong("confirm").is_empty());
    dealer
        .submit(&act("end"), &act("end"), &[("confirm", "Fleet")])
        .await
        .location();
    let page = dealer.get(&path).await;
    assert!(page.has("The subscription has ended.") && page.has("Deactivated"));
    assert!(
        page.has("Ended</strong>") && page.has("Suspended</strong>"),
        "its history"
    );
    assert_eq!(
        dealer.get(&act("end")).await.location(),
        path,
        "nothing is left to end"
    );
}

#[tokio::test]
async fn test_subscriptions_are_shown_and_live_as_long_as_their_app() {
    let world = World::new().await;
    let own = world.organization("Solutions").await;
    let app = market::app(&world, &own, ("Fleet", &[])).await;
    let ada = world.member(&own, MemberRole::Owner).await;
    let path = format!("/subscriptions/{}", app.test_subscription_id);

    let page = ada.get(&path).await.expect(200);

    assert!(page.has("A test subscription: it lives as long as the app."));
    assert!(!page.has("Suspend") && !page.has("Deactivate"));
    assert_eq!(ada.get(&format!("{path}/end")).await.location(), path);
}

#[tokio::test]
async fn an_app_is_activated_for_ones_own_organization_once() {
    let world = World::new().await;
    let (developer, buyer) = (
        world.organization("Solutions").await,
        world.organization("Dealer").await,
    );
    let api = market::api(&world, &developer, "Vehicles").await;
    let app = market::app(&world, &developer, ("Fleet", &[&api])).await;
    let bare = market::app(&world, &developer, ("Bare", &[])).await;
    let activate = format!("/apps/{}/activate", app.id);
    let both = vec![
        (developer.clone(), MemberRole::Viewer),
        (buyer.clone(), MemberRole::Admin),
    ];
    let ada = world.signed_in(both).await;
    let form = ada.get(&activate).await.expect(200);
    assert!(form.has("Fleet by Solutions may call these APIs") && form.has("Dealer</option>"));
    assert!(
        !form.has("Solutions</option>"),
        "a viewer cannot activate for it"
    );

    let chosen = [("organization_id", buyer.as_str())];
    let done = ada.send_form(&form, &activate, &chosen).await;
    let path = done.location().to_owned();
    assert_eq!(
        ada.send_form(&form, &activate, &chosen).await.location(),
        path,
        "sent twice"
    );
    assert!(ada.get(&path).await.has("The app is activated."));
    let refused = ada.submit(&activate, &activate, &chosen).await.expect(409);

    assert!(unescaped(&refused.html).contains("activated this app already"));
    let elsewhere = [("organization_id", developer.as_str())];
    ada.submit(&activate, &activate, &elsewhere)
        .await
        .expect(403);
    let page = ada
        .get(&format!("/apps/{}/activate", bare.id))
        .await
        .expect(200);
    assert!(page.has("there is nothing to activate") && !page.has("Activate</button>"));
    let viewer = world.member(&developer, MemberRole::Viewer).await;
    viewer.get(&activate).await.expect(403);
}
