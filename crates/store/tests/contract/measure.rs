//! Measurements, run by hand: `cargo test --release -p portcullis-store --test contract measure -- --ignored --nocapture`.

use std::time::Instant;

use portcullis_core::{
    ids::OrganizationId,
    permissions::{Action, Actor, Authority, may},
};
use portcullis_store::{
    AppFilter, AuditFilter, Order, OrganizationFilter, PageRequest, SnapshotParts, Store,
    SubscriptionFilter, first_load,
};

use crate::{contract_ignored, support::*};

contract_ignored!(how_long_a_first_load_takes, |world| {
    let m = market(&world.store).await;
    activate(&world.store, &m.app.app.id, &m.buyer).await;
    world
        .raw_execute(
            "INSERT INTO organizations (id, name, address, country_code, phone_number, website, contact_email, state, \
             created_at_us, version) SELECT 'o' || n, 'x', '', '', '', '', '', 'active', 0, 1 FROM (WITH RECURSIVE \
             c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100000) SELECT n FROM c) numbers; \
             INSERT INTO subscriptions (id, kind, app_id, organization_id, owner_organization_id, environment, state, \
             created_at_us, version) SELECT 's' || o.id, 'real', a.id, o.id, a.organization_id, 'production', 'active', 0, 1 \
             FROM organizations o, apps a WHERE o.id LIKE 'o%'; \
             INSERT INTO connections (id, subscription_id, api_id, state, values_state, created_at_us, changed_at_us) \
             SELECT 'c' || s.id, s.id, a.id, 'active', 'complete', 0, 0 FROM subscriptions s, apis a WHERE s.id LIKE 'so%'",
        )
        .await;

    #[expect(clippy::disallowed_methods, reason = "this measures")]
    let started = Instant::now();
    let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();

    eprintln!("{:?} in {:?}", loaded.snapshot.sizes(), started.elapsed());
    assert_eq!(loaded.corrupt_rows, 0);
});

/// Fills a database with 200 organizations, 10,000 apps, 100,000 subscriptions and 100,000 audit entries.
const MANY: &str = "
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
    INSERT INTO organizations (id, name, address, country_code, phone_number, website, contact_email, state, created_at_us, version, name_key)
    SELECT 'o' || i, 'Organization ' || i, '', '', '', '', '', 'active', i, 1, 'organization ' || i FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
    INSERT INTO clients (id, id_key, owner_kind, owner_id, organization_id, state, generation, token_lifetime_s, created_at_us)
    SELECT 'c' || i, CAST('c' || i AS BLOB), 'app', 'a' || i, 'o' || (i % 200), 'enabled', 0, 3600, i FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
    INSERT INTO apps (id, organization_id, name, description, website, callback_url, client_id, test_subscription_id, state, created_at_us, version, name_key)
    SELECT 'a' || i, 'o' || (i % 200), 'App ' || i, '', '', '', 'c' || i, 't' || i, 'enabled', i, 1, 'app ' || i FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
    INSERT INTO subscriptions (id, kind, app_id, organization_id, owner_organization_id, environment, state, activated_at_us, deactivated_at_us, created_at_us, version)
    SELECT 's' || i, 'real', 'a' || (i % 10000), 'o' || ((i / 10000 + i) % 200), 'o' || (i % 200), 'production',
    CASE WHEN i % 3 = 0 THEN 'cancelled' ELSE 'active' END, i, CASE WHEN i % 3 = 0 THEN i END, i, 1 FROM n
    WHERE i % 3 = 0 OR i < 20000;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
    INSERT INTO subscriptions (id, kind, app_id, organization_id, owner_organization_id, environment, state, activated_at_us, deactivated_at_us, created_at_us, version)
    SELECT 'e' || i, 'real', 'a' || (i % 10000), 'o' || (i % 190), 'o' || (i % 200), 'production', 'expired', i, i, i, 1 FROM n
    WHERE i < 53334;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
    INSERT INTO audit_entries (id, at_us, actor, action, entity_kind, entity_id, organization_id, address, detail)
    SELECT 'x' || i, i, 'u' || (i % 50), 'app.update', 'app', 'a' || (i % 10000), 'o' || (i % 200), NULL, '{}' FROM n;
";

/// Tells how long a page took, the second time it is asked for.
async fn timed(name: &str, page: impl AsyncFn()) {
    page().await;
    #[expect(clippy::disallowed_methods, reason = "this measures")]
    let started = Instant::now();
    page().await;
    eprintln!("{name}: {:?}", started.elapsed());
}

async fn pages_of(store: &Store, who: &Authority) {
    let order = Order::Newest;
    let first = PageRequest::default;
    timed("apps", async || {
        let filter = AppFilter {
            order,
            ..AppFilter::default()
        };
        let apps = store.apps(who, filter, first()).await.unwrap();
        store.app_summaries(who, &apps.items).await.unwrap();
    })
    .await;
    timed("a search in apps", async || {
        let filter = AppFilter {
            search: Some("pp 99".to_owned()),
            ..AppFilter::default()
        };
        store.apps(who, filter, first()).await.unwrap();
    })
    .await;
    timed("subscriptions", async || {
        let filter = SubscriptionFilter {
            order,
            ..SubscriptionFilter::default()
        };
        let found = store.subscriptions(who, filter, first()).await.unwrap();
        let items = &found.items;
        store.subscription_summaries(who, items).await.unwrap();
    })
    .await;
    timed("organizations", async || {
        let filter = OrganizationFilter::default();
        let found = store.organizations(who, filter, first()).await.unwrap();
        let items = &found.items;
        store.organization_summaries(who, items).await.unwrap();
    })
    .await;
    timed("the audit log of an actor", async || {
        let filter = AuditFilter {
            actor: Some("u7".to_owned()),
            ..AuditFilter::default()
        };
        store.audit_entries(who, filter, first()).await.unwrap();
    })
    .await;
}

#[test]
#[ignore = "measures; run it alone"]
fn how_long_pages_of_large_lists_take() {
    run(async {
        let world = World::on_sqlite().await;
        world.raw_execute(MANY).await;
        let own = OrganizationId::parse("o7").unwrap();
        let member = may(&Actor::System, Action::Read, Some(&own)).unwrap();

        eprintln!("as an operator");
        pages_of(&world.store, &operator()).await;
        eprintln!("as a member");
        pages_of(&world.store, &member).await;

        world.end().await;
    });
}
