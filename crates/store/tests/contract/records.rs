//! Audit, usage and settings.

use std::sync::LazyLock;

use portcullis_core::{
    clock::Timestamp,
    environment::Environment,
    ids::{AppId, NodeId},
    installation::{InstallationSettings, Registration},
    permissions::Authority,
};
use portcullis_store::{
    ActContext, ActError, AppFilter, AuditFilter, Compromise, IdempotencyKey, InstallationPatch,
    PageRequest, UsageRow,
};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

contract!(each_act_leaves_an_audit_entry_without_secrets, |world| {
    let address = "192.0.2.7".parse().unwrap();
    let store = world.store.within(ActContext {
        address: Some(address),
    });
    let m = market(&store).await;
    let client = &m.app.app.client_id;
    let (_, secret) = store.create_secret(&OPERATOR, client).await.unwrap().value;
    let end = (NOW, Compromise::Yes);
    store
        .expire_secret(&OPERATOR, client, &m.app.secret_info.id, end)
        .await
        .unwrap();

    let page = store
        .audit_entries(&OPERATOR, AuditFilter::default(), PageRequest::first(100))
        .await
        .unwrap();

    let actions: Vec<&str> = page
        .items
        .iter()
        .map(|entry| entry.action.as_str())
        .collect();
    for action in [
        "organization.create",
        "api.create",
        "instance.create",
        "app.create",
        "client_secret.create",
        "client_secret.expire",
    ] {
        assert!(actions.contains(&action), "{action}");
    }
    let first = m.app.secret.unwrap();
    for entry in &page.items {
        assert_eq!(entry.actor, "system");
        assert_eq!(entry.address.as_deref(), Some("192.0.2.7"));
        assert!(serde_json::from_str::<serde_json::Value>(&entry.detail).is_ok());
        for hidden in [&first, &secret] {
            assert!(!entry.detail.contains(hidden.expose()));
        }
    }
});

contract!(an_organization_reads_its_own_audit_entries, |world| {
    let m = market(&world.store).await;
    let read = async |who: &Authority, filter: AuditFilter| {
        let page = world
            .store
            .audit_entries(who, filter, PageRequest::first(100))
            .await;
        page.unwrap().items
    };
    let of = |organization: &portcullis_core::organization::Organization| AuditFilter {
        organization_id: Some(organization.id.clone()),
        ..AuditFilter::default()
    };

    let own = read(&member(&m.owner), AuditFilter::default()).await;
    let others = read(&member(&m.owner), of(&m.provider)).await;
    let filtered = AuditFilter {
        action: Some("app.create".to_owned()),
        ..of(&m.owner)
    };
    let by_operator = read(&OPERATOR, filtered).await;

    assert!(
        own.iter()
            .all(|entry| entry.organization_id.as_ref() == Some(&m.owner.id))
    );
    assert_eq!(own.len(), 2);
    assert!(others.is_empty());
    assert_eq!(by_operator.len(), 1);
    assert_eq!(by_operator[0].entity_id, m.app.app.id.as_str());
});

contract!(audit_pages_go_backwards_in_time, |world| {
    for n in 0..5 {
        organization(&world.store, &format!("org{n}")).await;
        world.clock.advance(std::time::Duration::from_micros(n % 2));
    }
    let mut request = PageRequest::first(2);
    let mut seen = Vec::new();

    loop {
        let page = world
            .store
            .audit_entries(&OPERATOR, AuditFilter::default(), request.clone())
            .await
            .unwrap();
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        request.after = Some(next);
    }

    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a.at >= b.at));
    seen.sort_by(|a, b| a.id.cmp(&b.id));
    seen.dedup();
    assert_eq!(seen.len(), 5);
});

contract!(a_refused_act_leaves_nothing, |world| {
    let own = organization(&world.store, "own").await;
    let unknown = portcullis_core::ids::ApiId::parse("unknown").unwrap();
    let key = IdempotencyKey::parse("k").unwrap();

    let refused = world
        .store
        .create_app(&OPERATOR, new_app(&own.id, "x", &[&unknown]), Some(&key))
        .await;
    let after = world
        .store
        .create_app(&OPERATOR, new_app(&own.id, "y", &[]), Some(&key))
        .await;

    assert!(refused.is_err());
    // The key was not used up by the act that failed.
    assert!(after.is_ok());
    let apps = world
        .store
        .apps(&OPERATOR, AppFilter::default(), PageRequest::default())
        .await
        .unwrap();
    assert_eq!(apps.items.len(), 1);
});

fn usage(app: &AppId, hour: i64, calls: u64) -> UsageRow {
    UsageRow {
        node: NodeId::parse("a").unwrap(),
        incarnation: "i1".to_owned(),
        hour,
        app: app.clone(),
        api: portcullis_core::ids::ApiId::parse("v1-vehicles").unwrap(),
        subscription: "test".to_owned(),
        environment: Environment::Production,
        calls,
        errors: 1,
        refusals: 1,
        first_at: Timestamp::from_us(hour * 3_600_000_000 + 1),
        last_at: Timestamp::from_us(hour * 3_600_000_000 + i64::try_from(calls).unwrap()),
        request_bytes: 10,
        response_bytes: u64::MAX,
    }
}

contract!(
    usage_is_overwritten_so_that_a_retry_cannot_count_twice,
    |world| {
        let m = market(&world.store).await;
        let app = &m.app.app.id;
        world.store.record_usage(&[]).await.unwrap();
        world
            .store
            .record_usage(&[usage(app, 7, 1), usage(app, 8, 2)])
            .await
            .unwrap();
        world
            .store
            .record_usage(&[usage(app, 7, 5), usage(app, 7, 5)])
            .await
            .unwrap();
        let other = UsageRow {
            incarnation: "i2".to_owned(),
            ..usage(app, 7, 3)
        };
        world.store.record_usage(&[other]).await.unwrap();

        let rows = world
            .store
            .usage_of_app(&member(&m.owner), app, 7..9)
            .await
            .unwrap();

        let counted: Vec<_> = rows
            .iter()
            .map(|row| (row.hour, row.incarnation.as_str(), row.calls))
            .collect();
        assert_eq!(counted, [(7, "i1", 5), (7, "i2", 3), (8, "i1", 2)]);
        assert_eq!(rows[0].response_bytes, u64::MAX / 2);
        assert!(
            world
                .store
                .usage_of_app(&member(&m.owner), app, 9..99)
                .await
                .unwrap()
                .is_empty()
        );
        let stranger = world
            .store
            .usage_of_app(&member(&m.stranger), app, 0..99)
            .await;
        assert_eq!(stranger.unwrap_err(), ActError::NotFound("app"));
    }
);

contract!(usage_survives_a_restart, |world| {
    let m = market(&world.store).await;
    world
        .store
        .record_usage(&[usage(&m.app.app.id, 7, 1)])
        .await
        .unwrap();

    world.reopen().await.unwrap();

    let rows = world
        .store
        .usage_of_app(&OPERATOR, &m.app.app.id, 0..99)
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
});

contract!(settings_are_the_installations, |world| {
    let own = organization(&world.store, "own").await;
    let name = world.store.installation_id();

    let refused = world.store.set_setting(&member(&own), "x", "y").await;
    let reserved = world
        .store
        .set_setting(&OPERATOR, "installation_id", "y")
        .await;
    world
        .store
        .set_setting(&OPERATOR, "issuer", "one")
        .await
        .unwrap();
    world
        .store
        .set_setting(&OPERATOR, "issuer", "two")
        .await
        .unwrap();
    world.reopen().await.unwrap();

    assert_eq!(refused.unwrap_err(), ActError::Forbidden);
    assert!(matches!(
        reserved,
        Err(ActError::Invalid { field: "name", .. })
    ));
    assert_eq!(
        world.store.get_setting("issuer").await.unwrap().as_deref(),
        Some("two")
    );
    assert_eq!(world.store.get_setting("nothing").await.unwrap(), None);
    assert_eq!(world.store.installation_id(), name);
    assert_eq!(name.len(), 36);
});

contract!(
    the_installations_settings_are_changed_by_operators,
    |world| {
        let own = organization(&world.store, "own").await;
        let store = &world.store;
        let named = |name: &str| InstallationPatch {
            installation_name: Some(name.to_owned()),
            ..InstallationPatch::default()
        };
        let update = async |version, patch| {
            let acted = store.update_installation_settings(&OPERATOR, version, patch);
            acted.await.map(|acted| acted.value)
        };

        let first = store.installation_settings().await.unwrap();
        let open = InstallationPatch {
            registration: Some(Registration::Open),
            ..InstallationPatch::default()
        };
        let opened = update(Some(0), open).await.unwrap();
        let stale = update(Some(0), named("late")).await.unwrap_err();
        let renamed = update(None, named("Autohaus")).await.unwrap();
        for bad in ["", "  ", "a\nb", &"x".repeat(61)] {
            let refused = update(None, named(bad)).await.unwrap_err();
            let field = "installation_name";
            assert!(
                matches!(&refused, ActError::Invalid { field: named, .. } if *named == field),
                "{bad:?}: {refused}"
            );
        }
        let bad = InstallationPatch {
            support_email: Some("a@b\r\nBcc: eve@example.com".to_owned()),
            ..InstallationPatch::default()
        };
        assert!(matches!(
            update(None, bad).await.unwrap_err(),
            ActError::Invalid {
                field: "support_email",
                ..
            }
        ));
        let refused = store
            .update_installation_settings(&member(&own), None, named("x"))
            .await;

        assert_eq!(refused.unwrap_err(), ActError::Forbidden);
        assert_eq!(first, InstallationSettings::default());
        assert_eq!(first.registration, Registration::Closed);
        assert_eq!(
            (opened.registration, opened.version),
            (Registration::Open, 1)
        );
        assert_eq!(stale, ActError::Stale { current: 1 });
        let now = store.installation_settings().await.unwrap();
        assert_eq!(now, renamed);
        assert_eq!((now.version, now.registration), (2, Registration::Open));
        assert_eq!(now.installation_name, "Autohaus");
        let generic = store.set_setting(&OPERATOR, "installation", "{}").await;
        assert!(generic.is_err(), "the typed settings have one door");
    }
);

contract!(
    old_changes_and_keys_are_trimmed_but_never_the_last,
    |world| {
        let key = IdempotencyKey::parse("k").unwrap();
        let create = |name: &str| portcullis_store::NewOrganization {
            name: name.to_owned(),
            ..portcullis_store::NewOrganization::default()
        };
        world
            .store
            .create_organization(&OPERATOR, create("x"), Some(&key))
            .await
            .unwrap();
        world.raw_execute(
        "INSERT INTO changes (seq, stamp, entity_kind, entity_id, at_us) \
         SELECT -n, 0, 'app', 'x', 0 FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1500) \
         SELECT n FROM c) numbers",
    ).await;
        let last = organization(&world.store, "last").await;

        let later = NOW + std::time::Duration::from_hours(48);
        world.store.maintain(later).await.unwrap();

        let mut connection = world.raw().await;
        let row = sqlx::query("SELECT COUNT(*), MAX(seq), MIN(seq) FROM changes")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let numbers: Vec<i64> = (0..3).map(|n| sqlx::Row::get(&row, n)).collect();
        // There is no number 0 among them.
        assert_eq!(numbers, [999, 2, -997]);
        // What is older than the log is answered with what is left of it.
        let again = world
            .store
            .set_organization_state(
                &OPERATOR,
                &last.id,
                portcullis_core::organization::OrganizationState::Active,
            )
            .await
            .unwrap();
        assert_eq!(again.seq.unwrap().get(), 2);
    }
);

contract!(operators_see_how_much_there_is, |world| {
    let before = world.store.overview(&OPERATOR).await.unwrap();
    let m = market(&world.store).await;

    let after = world.store.overview(&OPERATOR).await.unwrap();

    assert!(after.organizations > before.organizations);
    assert_eq!((after.apps, before.apps), (1, 0));
    assert!(after.apis >= 1 && after.living_subscriptions <= 1);
    let refused = world.store.overview(&member(&m.owner)).await;
    assert!(matches!(refused, Err(ActError::Forbidden)));
});
