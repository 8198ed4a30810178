//! Lists and what they tell, the directory, rotation of secrets, and what the gateway saw of an app.

use std::{sync::LazyLock, time::Duration};

use portcullis_core::{
    api::Visibility,
    app::AppState,
    catalog::{ApiDetails, Lifecycle, Listing},
    clock::{Clock, Timestamp},
    environment::Environment,
    ids::{AppId, NodeId, OrganizationId},
    permissions::Authority,
    subscription::{SubscriptionEvent, SubscriptionState},
};
use portcullis_store::{
    ActError, ApiFilter, ApiPatch, AppFilter, CallsSummary, IdempotencyKey, InstancePatch,
    NewActivation, NewInstance, Oldest, Order, OrganizationFilter, Page, PageRequest, Rotation,
    SecretUse, Store, SubscriptionFilter, UsageRow,
};

use sqlx::{Connection, Executor};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

/// Every entry of a list, read in pages of two, by what names it.
async fn all_pages<T, F>(
    read: impl Fn(PageRequest) -> F,
    name: impl Fn(&T) -> String,
) -> Vec<String>
where
    F: Future<Output = Result<Page<T>, ActError>>,
{
    let mut names = Vec::new();
    let mut request = PageRequest::first(2);
    loop {
        let page = read(request).await.unwrap();
        names.extend(page.items.iter().map(&name));
        let Some(after) = page.next else { return names };
        request = PageRequest {
            after: Some(after),
            limit: 2,
        };
    }
}

async fn app_names(store: &Store, who: &Authority, filter: &AppFilter) -> Vec<String> {
    let read = |page| store.apps(who, filter.clone(), page);
    all_pages(read, |app| app.name.clone()).await
}

fn searching(text: &str) -> AppFilter {
    AppFilter {
        search: Some(text.to_owned()),
        ..AppFilter::default()
    }
}

contract!(apps_are_found_by_name_identifier_and_api_key, |world| {
    let store = &world.store;
    let own = organization(store, "own").await;
    let other = organization(store, "other").await;
    for name in ["Übersicht", "Fleet 100%", "fleet_two"] {
        world.clock.advance(Duration::from_secs(1));
        app(store, &own, name, &[]).await;
    }
    let theirs = app(store, &other, "Fleet of others", &[]).await.app;
    let who = member(&own);
    let found = async |text: &str| app_names(store, &who, &searching(text)).await;

    assert_eq!(found("FLEET").await, ["Fleet 100%", "fleet_two"]);
    assert_eq!(found("über").await, ["Übersicht"]);
    assert_eq!(found("0%").await, ["Fleet 100%"]);
    assert_eq!(found("t_t").await, ["fleet_two"]);
    assert_eq!(found("%").await, ["Fleet 100%"]);
    assert_eq!(found("\\").await, Vec::<String>::new());
    assert_eq!(
        found("\u{27}; DROP TABLE apps; --").await,
        Vec::<String>::new()
    );
    assert_eq!(found(theirs.id.as_str()).await, Vec::<String>::new());
    for exact in [theirs.id.as_str(), theirs.client_id.as_str(), "of others"] {
        assert_eq!(
            app_names(store, &OPERATOR, &searching(exact)).await,
            ["Fleet of others"]
        );
    }
});

contract!(lists_of_apps_go_both_ways_and_by_state, |world| {
    let store = &world.store;
    let own = organization(store, "own").await;
    let other = organization(store, "other").await;
    for number in 1..=5 {
        world.clock.advance(Duration::from_secs(1));
        let made = app(store, &own, &number.to_string(), &[]).await.app;
        if number == 2 {
            store
                .set_app_state(&OPERATOR, &made.id, AppState::Disabled)
                .await
                .unwrap();
        }
        if number == 4 {
            store
                .set_app_state(&OPERATOR, &made.id, AppState::Deleted)
                .await
                .unwrap();
        }
        app(store, &other, "x", &[]).await;
    }
    let who = member(&own);
    let newest = AppFilter {
        order: Order::Newest,
        ..AppFilter::default()
    };
    let living = AppFilter {
        states: vec![AppState::Enabled, AppState::Disabled],
        order: Order::Newest,
        ..AppFilter::default()
    };

    assert_eq!(
        app_names(store, &who, &AppFilter::default()).await,
        ["1", "2", "3", "4", "5"]
    );
    assert_eq!(
        app_names(store, &who, &newest).await,
        ["5", "4", "3", "2", "1"]
    );
    assert_eq!(app_names(store, &who, &living).await, ["5", "3", "2", "1"]);
    assert_eq!(app_names(store, &OPERATOR, &newest).await.len(), 10);
});

contract!(what_lists_tell_is_right_for_each_line, |world| {
    let m = market(&world.store).await;
    let store = &world.store;
    let second = app(store, &m.owner, "second", &[&m.api.api.id]).await;
    activate(store, &m.app.app.id, &m.buyer).await;
    let ended = activate(store, &second.app.id, &m.buyer).await;
    store
        .end_subscription(&OPERATOR, &ended.id, SubscriptionEvent::Cancel)
        .await
        .unwrap();
    let used = SecretUse {
        secret: second.secret_info.id.key(),
        at: Timestamp::from_us(17),
        from: None,
    };
    store.note_secrets_used(&[used]).await.unwrap();
    let who = member(&m.owner);

    let apps = [m.app.app.clone(), second.app.clone()];
    let told = store.app_summaries(&who, &apps).await.unwrap();
    let filter = SubscriptionFilter {
        app_id: Some(m.app.app.id.clone()),
        ..SubscriptionFilter::default()
    };
    let subscriptions = store
        .subscriptions(&who, filter, PageRequest::default())
        .await
        .unwrap();
    let lines = store
        .subscription_summaries(&who, &subscriptions.items)
        .await
        .unwrap();
    let owners = store
        .organization_summaries(&OPERATOR, std::slice::from_ref(&m.owner))
        .await
        .unwrap();

    let living: Vec<u64> = told.iter().map(|line| line.living_subscriptions).collect();
    assert_eq!(living, [1, 0]);
    assert_eq!(told[0].organization_name, "owner");
    assert_eq!(told[0].last_used_at, None);
    assert_eq!(told[1].last_used_at, Some(Timestamp::from_us(17)));
    let real = subscriptions
        .items
        .iter()
        .position(|s| s.organization_id == m.buyer.id)
        .unwrap();
    assert_eq!(lines[real].organization_name, "buyer");
    assert_eq!(lines[real].owner_organization_name, "owner");
    assert_eq!(
        lines[real].app_name.as_deref(),
        Some(m.app.app.name.as_str())
    );
    assert_eq!(
        (owners[0].apps, owners[0].apis, owners[0].members),
        (2, 0, 0)
    );
});

contract!(
    subscriptions_are_read_from_both_sides_in_one_order,
    |world| {
        let store = &world.store;
        let own = organization(store, "own").await;
        let other = organization(store, "other").await;
        let provided = api(store, &other, "v1-x").await.api.id;
        let mut expected = Vec::new();
        for number in 0..3 {
            world.clock.advance(Duration::from_secs(1));
            let mine = app(store, &own, &format!("mine {number}"), &[&provided])
                .await
                .app;
            let theirs = app(store, &other, &format!("theirs {number}"), &[&provided])
                .await
                .app;
            expected.push(mine.test_subscription_id.to_string());
            world.clock.advance(Duration::from_secs(1));
            expected.push(activate(store, &theirs.id, &own).await.id.to_string());
            world.clock.advance(Duration::from_secs(1));
            expected.push(activate(store, &mine.id, &other).await.id.to_string());
            // An organization that activates its own app is on both sides, and once in the list.
            world.clock.advance(Duration::from_secs(1));
            expected.push(activate(store, &mine.id, &own).await.id.to_string());
        }
        let who = member(&own);
        let listed = async |filter: SubscriptionFilter| {
            let read = |page| store.subscriptions(&who, filter.clone(), page);
            all_pages(
                read,
                |item: &portcullis_core::subscription::Subscription| item.id.to_string(),
            )
            .await
        };

        let oldest = listed(SubscriptionFilter::default()).await;
        let newest = listed(SubscriptionFilter {
            order: Order::Newest,
            ..SubscriptionFilter::default()
        })
        .await;
        let searched = listed(SubscriptionFilter {
            search: Some("THEIRS 1".to_owned()),
            states: vec![SubscriptionState::Active, SubscriptionState::Pending],
            ..SubscriptionFilter::default()
        })
        .await;

        assert_eq!(oldest, expected);
        expected.reverse();
        assert_eq!(newest, expected);
        assert_eq!(searched.len(), 1);
    }
);

contract!(what_is_due_is_found_by_its_date, |world| {
    let m = market(&world.store).await;
    let store = &world.store;
    let due_in = async |seconds: u64, buyer: &OrganizationId| {
        let new = NewActivation {
            ends_at: Some(world.clock.now() + Duration::from_secs(seconds)),
            ..new_activation(&m.app.app.id, buyer)
        };
        store.activate(&OPERATOR, new, None).await.unwrap().value.id
    };
    let later = due_in(20, &m.buyer.id).await;
    let soon = due_in(10, &m.stranger.id).await;
    activate(store, &m.app.app.id, &m.provider).await;
    let due = async || {
        store
            .subscriptions_due(&OPERATOR, world.clock.now())
            .await
            .unwrap()
    };

    assert_eq!(due().await, []);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(due().await, std::slice::from_ref(&soon));
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(due().await, [soon.clone(), later.clone()]);
    store
        .end_subscription(&OPERATOR, &soon, SubscriptionEvent::Expire)
        .await
        .unwrap();
    assert_eq!(due().await, [later]);
});

contract!(organizations_are_found_by_name, |world| {
    let store = &world.store;
    organization(store, "alpha-cars").await;
    organization(store, "beta").await;
    let filter = OrganizationFilter {
        search: Some("CARS".to_owned()),
        ..OrganizationFilter::default()
    };

    let found = store
        .organizations(&OPERATOR, filter, PageRequest::default())
        .await
        .unwrap();

    let names: Vec<_> = found.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["alpha-cars"]);
    assert_eq!(found.items[0].namespaces, ["alpha-cars"]);
});

async fn in_directory(store: &Store, who: &Authority, filter: ApiFilter) -> Vec<String> {
    let read = |page| store.directory(who, filter.clone(), page);
    all_pages(read, |api| api.id.to_string()).await
}

contract!(the_directory_shows_what_is_meant_to_be_found, |world| {
    let m = market(&world.store).await;
    let store = &world.store;
    let public = &m.api.api.id;
    let instance = store.instances(&OPERATOR, public).await.unwrap().remove(0);
    world.clock.advance(Duration::from_secs(1));
    let private = api(store, &m.provider, "v1-private").await.api.id;
    let patch = ApiPatch {
        visibility: Some(Visibility::Private),
        shared_with: Some(vec![m.buyer.id.clone()]),
        categories: Some(vec!["Service".to_owned(), "Parts".to_owned()]),
        ..ApiPatch::default()
    };
    store
        .update_api(&OPERATOR, &private, None, patch)
        .await
        .unwrap();
    let (stranger, buyer, provider) = (member(&m.stranger), member(&m.buyer), member(&m.provider));
    let all = ApiFilter::default;
    let category = ApiFilter {
        category: Some("Parts".to_owned()),
        ..all()
    };

    assert_eq!(in_directory(store, &stranger, all()).await, ["v1-vehicles"]);
    assert_eq!(
        in_directory(store, &buyer, all()).await,
        ["v1-vehicles", "v1-private"]
    );
    assert_eq!(
        in_directory(store, &buyer, category.clone()).await,
        ["v1-private"]
    );
    assert_eq!(
        in_directory(store, &stranger, category).await,
        Vec::<String>::new()
    );
    let facets = store.directory_facets(&buyer).await.unwrap();
    let categories: Vec<_> = facets
        .categories
        .iter()
        .map(|f| (f.id.as_str(), f.count))
        .collect();
    assert_eq!(categories, [("Parts", 1), ("Service", 1)]);
    assert_eq!(
        (facets.providers[0].name.as_str(), facets.providers[0].count),
        ("provider", 2)
    );

    let hidden = InstancePatch {
        show_in_directory: Some(false),
        lifecycle: Some(Lifecycle::Custom("Pilot".to_owned())),
        ..InstancePatch::default()
    };
    let changed = store
        .update_instance(&OPERATOR, &instance.id, None, hidden)
        .await
        .unwrap();

    assert_eq!(changed.value.listing.lifecycle.text(), "Pilot");
    assert_eq!(
        in_directory(store, &stranger, all()).await,
        Vec::<String>::new()
    );
    assert_eq!(
        in_directory(store, &provider, all()).await,
        ["v1-vehicles", "v1-private"]
    );
    // What was selected stays readable with its paths.
    let selected = store
        .selected_apis(&member(&m.owner), &m.app.app.id)
        .await
        .unwrap();
    assert_eq!(selected[0].summary.instances[0].prefix, instance.prefix());
    assert!(selected[0].available && selected[0].summary.apps.is_none());
    assert_eq!(selected[0].api.shared_with, []);
});

contract!(an_api_that_was_taken_from_an_app_says_so, |world| {
    let m = market(&world.store).await;
    let store = &world.store;
    let patch = ApiPatch {
        visibility: Some(Visibility::Private),
        ..ApiPatch::default()
    };
    store
        .update_api(&OPERATOR, &m.api.api.id, None, patch)
        .await
        .unwrap();

    let selected = store
        .selected_apis(&member(&m.owner), &m.app.app.id)
        .await
        .unwrap();
    let stranger = store
        .selected_apis(&member(&m.stranger), &m.app.app.id)
        .await;

    assert!(!selected[0].available);
    assert_eq!(stranger.unwrap_err(), ActError::NotFound("app"));
});

contract!(a_provider_sees_the_apps_that_use_its_api, |world| {
    let m = market(&world.store).await;
    let store = &world.store;
    let id = &m.api.api.id;
    for number in 0..4 {
        world.clock.advance(Duration::from_secs(1));
        app(store, &m.owner, &format!("user {number}"), &[id]).await;
    }
    app(store, &m.owner, "without", &[]).await;
    activate(store, &m.app.app.id, &m.buyer).await;
    let ended = activate(store, &m.app.app.id, &m.stranger).await;
    store
        .end_subscription(&OPERATOR, &ended.id, SubscriptionEvent::Cancel)
        .await
        .unwrap();
    let who = member(&m.provider);

    let read = |page| store.api_users(&who, id, page);
    let names = all_pages(read, |user| user.name.clone()).await;
    let first = store
        .api_users(&who, id, PageRequest::first(1))
        .await
        .unwrap();

    let own = m.app.app.name.clone();
    assert_eq!(names, [&own, "user 0", "user 1", "user 2", "user 3"]);
    assert_eq!(first.items[0].organization_name, "owner");
    assert_eq!(first.items[0].state, AppState::Enabled);
    assert_eq!(first.items[0].living_subscriptions, 1);
    // The API is public, but who uses it is its provider's to know.
    let theirs = store
        .api_users(&member(&m.owner), id, PageRequest::default())
        .await;
    assert_eq!(theirs.unwrap_err(), ActError::NotFound("API"));
});

contract!(details_of_an_api_are_kept_and_limited, |world| {
    let store = &world.store;
    let own = organization(store, "own").await;
    let made = api(store, &own, "v1-x").await.api;
    let patch = ApiPatch {
        categories: Some(vec!["B".to_owned(), "A".to_owned()]),
        support_email: Some("help@example.com".to_owned()),
        support_phone: Some("+1 555".to_owned()),
        support_website: Some("https://example.com".to_owned()),
        documentation_url: Some("https://example.com/docs".to_owned()),
        ..ApiPatch::default()
    };
    let changed = store
        .update_api(&OPERATOR, &made.id, None, patch)
        .await
        .unwrap()
        .value;
    let with_tags = NewInstance {
        categories: vec!["Tag".to_owned()],
        ..new_instance(&made.id, "own", Environment::Production)
    };
    store
        .create_instance(&OPERATOR, with_tags, None)
        .await
        .unwrap();
    let untouched = store.api(&OPERATOR, &made.id).await.unwrap();

    assert_eq!(changed.details.categories, ["A", "B"]);
    assert_eq!(changed.details.support_phone, "+1 555");
    assert_eq!(untouched.details, changed.details);
    for (field, details) in [
        (
            "categories",
            ApiDetails {
                categories: vec!["x".to_owned(); 11],
                ..ApiDetails::default()
            },
        ),
        (
            "categories",
            ApiDetails {
                categories: vec!["x".repeat(41)],
                ..ApiDetails::default()
            },
        ),
        (
            "support_email",
            ApiDetails {
                support_email: "nobody".to_owned(),
                ..ApiDetails::default()
            },
        ),
        (
            "documentation_url",
            ApiDetails {
                documentation_url: "javascript:x".to_owned(),
                ..ApiDetails::default()
            },
        ),
    ] {
        let new = portcullis_store::NewApi {
            details,
            ..new_api(&own.id, "v9-x")
        };
        let refused = store.create_api(&OPERATOR, new, None).await.unwrap_err();
        let ActError::Invalid { field: named, .. } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(named, field);
    }
    let wordless = NewInstance {
        listing: Listing {
            lifecycle: Lifecycle::Custom(String::new()),
            show_in_directory: true,
        },
        ..new_instance(&made.id, "own", Environment::Test)
    };
    let refused = store
        .create_instance(&OPERATOR, wordless, None)
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        ActError::Invalid {
            field: "lifecycle_text",
            ..
        }
    ));
});

contract!(tags_of_the_first_specification_become_categories, |world| {
    let store = &world.store;
    let own = organization(store, "own").await;
    let made = api(store, &own, "v1-x").await.api;
    let with_tags = NewInstance {
        categories: vec!["Tag".to_owned()],
        ..new_instance(&made.id, "own", Environment::Production)
    };

    store
        .create_instance(&OPERATOR, with_tags, None)
        .await
        .unwrap();

    assert_eq!(
        store
            .api(&OPERATOR, &made.id)
            .await
            .unwrap()
            .details
            .categories,
        ["Tag"]
    );
});

const DAY: Duration = Duration::from_hours(24);

fn rotation(overlap: Duration, oldest: Oldest) -> Rotation {
    Rotation { overlap, oldest }
}

contract!(
    a_rotation_makes_one_secret_and_ends_the_others_later,
    |world| {
        let store = &world.store;
        let own = organization(store, "own").await;
        let made = app(store, &own, "one", &[]).await;
        let next = || world.clock.advance(Duration::from_secs(1));
        next();
        let (who, client) = (member(&own), &made.app.client_id);
        let key = IdempotencyKey::parse("rotate-1").unwrap();
        let keep = rotation(DAY, Oldest::Kept);
        let rotated_at = world.clock.now();

        let first = store
            .rotate_secret(&who, client, keep, Some(&key))
            .await
            .unwrap();
        let again = store
            .rotate_secret(&who, client, keep, Some(&key))
            .await
            .unwrap();
        let other = store
            .rotate_secret(
                &who,
                client,
                rotation(Duration::ZERO, Oldest::Kept),
                Some(&key),
            )
            .await;
        let full = store
            .rotate_secret(&who, client, keep, None)
            .await
            .map(|_| ());
        let secrets = store.secrets(&who, client).await.unwrap();

        assert!(first.value.secret.is_some() && again.value.secret.is_none());
        assert_eq!(again.value.info.id, first.value.info.id);
        assert_eq!(again.seq, first.seq);
        assert!(matches!(
            other,
            Err(ActError::Conflict {
                code: "idempotency_key_reused",
                ..
            })
        ));
        let Err(ActError::Conflict { code, detail }) = full else {
            panic!("{full:?}")
        };
        assert_eq!(code, "too_many_secrets");
        assert!(detail.contains(&made.secret_info.hint), "{detail}");
        assert_eq!(secrets.len(), 2);
        assert_eq!(secrets[0].expires_at, Some(rotated_at + DAY));
        assert_eq!(first.value.others, [secrets[0].clone()]);
        assert_eq!(secrets[1].expires_at, None);

        // What ends sooner by itself is not prolonged, and the oldest makes room when that is allowed.
        next();
        let replaced = store
            .rotate_secret(&who, client, rotation(30 * DAY, Oldest::Replaced), None)
            .await
            .unwrap();
        let ends: Vec<_> = replaced
            .value
            .others
            .iter()
            .map(|secret| secret.expires_at)
            .collect();
        let now = world.clock.now();
        assert_eq!(ends, [Some(now), Some(now + 30 * DAY)]);

        let at_once = store
            .rotate_secret(&who, client, rotation(Duration::ZERO, Oldest::Kept), None)
            .await
            .unwrap();
        let secrets = store.secrets(&who, client).await.unwrap();
        let live = secrets
            .iter()
            .filter(|secret| secret.expires_at.is_none_or(|end| now < end));
        assert_eq!(
            live.map(|secret| &secret.id).collect::<Vec<_>>(),
            [&at_once.value.info.id]
        );
    }
);

contract!(a_stranger_rotates_nothing, |world| {
    let m = market(&world.store).await;
    let keep = rotation(DAY, Oldest::Kept);
    let client = &m.app.app.client_id;

    let refused = world
        .store
        .rotate_secret(&member(&m.stranger), client, keep, None)
        .await;
    let calls = world
        .store
        .calls_summary(&member(&m.stranger), &m.app.app.id, 0)
        .await;

    assert_eq!(
        refused.map(|_| ()).unwrap_err(),
        ActError::NotFound("client")
    );
    assert_eq!(calls.unwrap_err(), ActError::NotFound("app"));
    assert_eq!(
        world.store.secrets(&OPERATOR, client).await.unwrap().len(),
        1
    );
});

fn counted(app: &AppId, node: &str, hour: i64, minutes: std::ops::Range<i64>) -> UsageRow {
    let at = |minute| Timestamp::from_us((hour * 60 + minute) * 60_000_000);
    UsageRow {
        node: NodeId::parse(node).unwrap(),
        incarnation: node.to_owned(),
        hour,
        app: app.clone(),
        api: portcullis_core::ids::ApiId::parse("v1-vehicles").unwrap(),
        subscription: String::new(),
        environment: Environment::Test,
        calls: 10,
        errors: 3,
        refusals: 1,
        first_at: at(minutes.start),
        last_at: at(minutes.end),
        request_bytes: 0,
        response_bytes: 0,
    }
}

contract!(
    what_the_gateway_saw_of_an_app_is_summed_over_nodes,
    |world| {
        let m = market(&world.store).await;
        let store = &world.store;
        let app = &m.app.app.id;
        let who = member(&m.owner);
        let none = store.calls_summary(&who, app, 0).await.unwrap();
        store
            .record_usage(&[
                counted(app, "a", 100, 7..50),
                counted(app, "b", 100, 5..40),
                counted(app, "a", 123, 1..20),
                counted(app, "b", 123, 2..30),
            ])
            .await
            .unwrap();

        let seen = store.calls_summary(&who, app, 101).await.unwrap();

        assert_eq!(none, CallsSummary::default());
        let at =
            |hour: i64, minute: i64| Some(Timestamp::from_us((hour * 60 + minute) * 60_000_000));
        assert_eq!((seen.first_at, seen.last_at), (at(100, 5), at(123, 30)));
        assert_eq!((seen.calls, seen.errors, seen.refusals), (20, 6, 2));
    }
);

contract!(counters_of_an_older_program_are_completed, |world| {
    let m = market(&world.store).await;
    let app = &m.app.app.id;
    world
        .store
        .record_usage(&[counted(app, "a", 100, 7..50)])
        .await
        .unwrap();
    world.store.close().await;
    let url = if world.is_sqlite() {
        let file = world.file().with_file_name("usage.db");
        format!("sqlite:{}", file.display())
    } else {
        world.url()
    };
    let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
    for text in [
        "ALTER TABLE usage_counters DROP COLUMN refusals",
        "ALTER TABLE usage_counters DROP COLUMN first_at_us",
        "ALTER TABLE usage_counters DROP COLUMN last_at_us",
    ] {
        connection.execute(sqlx::raw_sql(text)).await.unwrap();
    }
    connection.close().await.unwrap();

    let store = Store::open(world.settings()).await.unwrap();
    let seen = store.calls_summary(&OPERATOR, app, 0).await.unwrap();

    // What was not counted then is not known: of the instants, the hour.
    let hour = Some(Timestamp::from_us(100 * 3_600_000_000));
    assert_eq!((seen.first_at, seen.last_at), (hour, hour));
    assert_eq!((seen.calls, seen.errors, seen.refusals), (10, 3, 0));
    store
        .record_usage(&[counted(app, "a", 101, 1..2)])
        .await
        .unwrap();
    let later = store.calls_summary(&OPERATOR, app, 101).await.unwrap();
    assert_eq!((later.calls, later.refusals), (10, 1));
    store.close().await;
});
