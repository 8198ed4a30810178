//! Measurements, run by hand: `cargo test --release -p portcullis-store --test contract measure -- --ignored --nocapture`.

use std::time::Instant;

use portcullis_store::{SnapshotParts, first_load};

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
