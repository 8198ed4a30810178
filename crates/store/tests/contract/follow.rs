//! The change log and the snapshot that follows it: nothing is missed, whatever happens.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis_core::{
    api::Visibility,
    app::AppState,
    client::ClientState,
    clock::Clock,
    environment::Environment,
    ids::{ApiId, AppId, ClientId, IdKey, OrganizationId, SubscriptionId},
    organization::OrganizationState,
    permissions::Authority,
    snapshot::Snapshot,
    subscription::SubscriptionEvent,
};
use portcullis_store::{
    ApiPatch, AppPatch, Compromise, InstancePatch, NewInstance, NewOrganization, OnStale,
    PageRequest, SnapshotParts, Store, SubscriptionFilter, first_load,
};
use sqlx::{Connection, Executor, Row};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

async fn create(store: &Store, name: &str) -> (OrganizationId, i64) {
    let new = NewOrganization { name: name.to_owned(), ..NewOrganization::default() };
    let acted = store.create_organization(&OPERATOR, new, None).await.unwrap();
    (acted.value.id, acted.seq.unwrap().get())
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    let waited = tokio::time::timeout(Duration::from_secs(15), async {
        while !holds() {
            pace.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

contract!(eight_writers_at_once_leave_no_gap_for_a_follower, |world| {
    let follower = world.follower().await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = world.store.clone();
        writers.spawn(async move {
            let mut made = Vec::new();
            for n in 0..12 {
                made.push(create(&store, &format!("w{writer}n{n}")).await);
            }
            made
        });
    }

    let mut made = Vec::new();
    while let Some(done) = writers.join_next().await {
        made.extend(done.unwrap());
    }

    let numbers: BTreeSet<i64> = made.iter().map(|(_, seq)| *seq).collect();
    assert_eq!(numbers, (1..=96).collect());
    eventually("the follower stands at the last change", || {
        follower.handle.load().seq().get() == 96
    })
    .await;
    let snapshot = follower.handle.load();
    assert!(made.iter().all(|(id, _)| snapshot.organization_is_active(id.key())));
    assert_eq!(follower.store.refresher_status().full_loads.load(Ordering::Relaxed), 0);
    follower.stop().await;
});

contract!(a_change_that_is_committed_late_is_not_missed, |world| {
    let follower = world.follower().await;
    let begin = if world.is_sqlite() { "BEGIN IMMEDIATE" } else { "BEGIN" };
    let mut late = world.raw().await;
    for text in [
        begin,
        "INSERT INTO organizations (id, name, address, country_code, phone_number, website, contact_email, state, \
         created_at_us, version) VALUES ('late', 'late', '', '', '', '', '', 'active', 0, 1)",
        "UPDATE change_counter SET seq = seq + 1",
        "INSERT INTO changes (seq, stamp, entity_kind, entity_id, at_us) \
         SELECT seq, 1, 'organization', 'late', 0 FROM change_counter",
    ] {
        late.execute(sqlx::raw_sql(text)).await.unwrap();
    }
    let store = world.store.clone();
    let mut act = tokio::task::JoinSet::new();
    act.spawn(async move { create(&store, "after").await });

    // While the number is taken and not committed, nothing passes it.
    let early = tokio::time::timeout(Duration::from_millis(300), act.join_next()).await;
    late.execute(sqlx::raw_sql("COMMIT")).await.unwrap();
    let (after, seq) = act.join_next().await.unwrap().unwrap();

    assert!(early.is_err());
    assert_eq!(seq, 2);
    eventually("both are seen", || follower.handle.load().seq().get() == 2).await;
    let snapshot = follower.handle.load();
    assert!(snapshot.organization_is_active(IdKey::of("late")));
    assert!(snapshot.organization_is_active(after.key()));
    late.close().await.unwrap();
    follower.stop().await;
});

contract!(a_change_from_elsewhere_is_found_by_looking, |world| {
    let follower = world.follower().await;

    world
        .raw_execute(
            "INSERT INTO organizations (id, name, address, country_code, phone_number, website, contact_email, state, \
             created_at_us, version) VALUES ('new', 'new', '', '', '', '', '', 'active', 0, 1); \
             UPDATE change_counter SET seq = seq + 1; \
             INSERT INTO changes (seq, stamp, entity_kind, entity_id, at_us) VALUES (1, 1, 'organization', 'new', 0)",
        )
        .await;

    eventually("the poll finds it", || {
        follower.handle.load().organization_is_active(IdKey::of("new"))
    })
    .await;
    follower.stop().await;
});

/// What the follower must notice: the history it stood in is gone.
async fn assert_reloaded(world: &World, follower: &Follower, gone: &OrganizationId) {
    let status = follower.store.refresher_status();
    let (new, seq) = create(&world.store, "after").await;
    eventually("the new history is followed", || {
        follower.handle.load().seq().get() == seq
    })
    .await;
    let snapshot = follower.handle.load();
    assert_eq!(status.other_histories.load(Ordering::Relaxed), 1);
    assert_eq!(status.full_loads.load(Ordering::Relaxed), 1);
    assert!(snapshot.organization_is_active(new.key()));
    assert!(snapshot.organization(gone.key()).is_none());
}

contract!(a_restored_database_with_a_lower_number_is_noticed, |world| {
    let (_, first) = create(&world.store, "first").await;
    let (gone, _) = create(&world.store, "second").await;
    create(&world.store, "third").await;
    let follower = world.follower().await;

    assert_eq!(first, 1);
    world
        .raw_execute(
            "DELETE FROM organizations WHERE name <> 'first'; DELETE FROM changes WHERE seq > 1; \
             UPDATE change_counter SET seq = 1",
        )
        .await;

    assert_reloaded(&world, &follower, &gone).await;
    follower.stop().await;
});

contract!(a_restored_database_with_the_same_number_is_noticed_by_its_stamp, |world| {
    let (gone, _) = create(&world.store, "first").await;
    let follower = world.follower().await;

    world
        .raw_execute("DELETE FROM organizations; UPDATE changes SET stamp = stamp + 1")
        .await;

    assert_reloaded(&world, &follower, &gone).await;
    follower.stop().await;
});

contract!(another_database_without_any_change_is_noticed_by_its_epoch, |world| {
    let follower = world.follower().await;
    let gone = OrganizationId::random();

    world.raw_execute("UPDATE change_counter SET epoch = epoch + 1").await;

    assert_reloaded(&world, &follower, &gone).await;
    follower.stop().await;
});

contract!(a_log_that_was_trimmed_past_the_follower_means_loading_everything, |world| {
    let (first, _) = create(&world.store, "first").await;
    let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();
    for n in 0..3 {
        create(&world.store, &format!("org{n}")).await;
    }
    world.raw_execute("DELETE FROM changes WHERE seq <= 2").await;

    let follower = Follower::from(world.store.clone(), loaded);

    eventually("everything is there", || follower.handle.load().seq().get() == 4).await;
    assert_eq!(follower.handle.load().sizes()[0], ("organizations", 4));
    assert!(follower.handle.load().organization_is_active(first.key()));
    follower.stop().await;
});

contract!(very_many_changes_are_loaded_as_a_whole_without_alarm, |world| {
    let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();
    world
        .raw_execute(
            "INSERT INTO changes (seq, stamp, entity_kind, entity_id, at_us) \
             SELECT n, 7, 'app', 'x', 0 FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 6000) \
             SELECT n FROM c) numbers; UPDATE change_counter SET seq = 6000",
        )
        .await;

    let follower = Follower::from(world.store.clone(), loaded);

    eventually("it stands at the end", || follower.handle.load().seq().get() == 6000).await;
    let status = world.store.refresher_status();
    assert_eq!(status.full_loads.load(Ordering::Relaxed), 1);
    assert_eq!(status.other_histories.load(Ordering::Relaxed), 0);
    follower.stop().await;
});

contract!(a_kind_of_thing_that_only_a_newer_program_knows_means_loading_everything, |world| {
    let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();
    world
        .raw_execute(
            "INSERT INTO changes (seq, stamp, entity_kind, entity_id, at_us) VALUES (1, 7, 'plan', 'x', 0); \
             UPDATE change_counter SET seq = 1",
        )
        .await;

    let follower = Follower::from(world.store.clone(), loaded);

    eventually("it stands at the end", || follower.handle.load().seq().get() == 1).await;
    assert_eq!(world.store.refresher_status().full_loads.load(Ordering::Relaxed), 1);
    follower.stop().await;
});

#[test]
fn a_node_that_joins_in_the_middle_misses_nothing() {
    run(async {
        let Some(world) = World::on_postgres().await else { return };
        let done = Arc::new(AtomicU64::new(0));
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let (store, done) = (world.store.clone(), done.clone());
            writers.spawn(async move {
                for n in 0..20 {
                    create(&store, &format!("w{writer}n{n}")).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually("writing is under way", || done.load(Ordering::Relaxed) > 10).await;

        let joining = world.another_node("b", OnStale::Serve).await;
        let follower = Follower::of(joining.clone()).await;
        assert!(done.load(Ordering::Relaxed) < 80, "it joined in the middle");
        while writers.join_next().await.is_some() {}

        eventually("everything is seen", || follower.handle.load().seq().get() == 80).await;
        assert_eq!(follower.handle.load().sizes()[0], ("organizations", 80));
        assert_eq!(joining.refresher_status().full_loads.load(Ordering::Relaxed), 0);
        follower.stop().await;
        joining.close().await;
        world.end().await;
    });
}

contract!(a_row_that_does_not_parse_is_left_out_and_counted, |world| {
    let m = market(&world.store).await;
    let bad = activate(&world.store, &m.app.app.id, &m.buyer).await;
    let good = activate(&world.store, &m.app.app.id, &m.stranger).await;
    let mut raw = world.raw().await;
    let lift = if world.is_sqlite() {
        "PRAGMA ignore_check_constraints = ON"
    } else {
        "ALTER TABLE subscriptions DROP CONSTRAINT subscriptions_state_check"
    };
    raw.execute(sqlx::raw_sql(lift)).await.unwrap();
    sqlx::query("UPDATE subscriptions SET state = 'activ' WHERE id = $1")
        .bind(bad.id.as_str())
        .execute(&mut raw)
        .await
        .unwrap();
    raw.close().await.unwrap();

    let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();

    assert_eq!(loaded.corrupt_rows, 1);
    assert!(loaded.snapshot.subscription(bad.id.key()).is_none());
    assert!(loaded.snapshot.subscription(good.id.key()).is_some());
    let read = world.store.subscription(&OPERATOR, &bad.id).await.unwrap_err();
    let portcullis_store::ActError::Corrupt(row) = read else { panic!("{read}") };
    assert_eq!((row.table, row.column, row.row.as_str()), ("subscriptions", "state", bad.id.as_str()));
});

#[test]
fn a_row_that_is_no_text_at_all_is_left_out_and_counted() {
    run(async {
        let mut world = World::on_sqlite().await;
        let (bad, _) = create(&world.store, "bad").await;
        let (good, _) = create(&world.store, "good").await;
        world
            .raw_execute(
                "PRAGMA ignore_check_constraints = ON; \
                 UPDATE organizations SET state = CAST(x'ff' AS TEXT) WHERE name = 'bad'",
            )
            .await;
        world.reopen().await.unwrap();

        let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();

        assert_eq!(loaded.corrupt_rows, 1);
        assert!(!loaded.snapshot.organization_is_active(bad.key()));
        assert!(loaded.snapshot.organization_is_active(good.key()));
        world.end().await;
    });
}

contract!(while_the_log_cannot_be_read_the_snapshot_stays, |world| {
    let (own, _) = create(&world.store, "own").await;
    let follower = world.follower().await;
    let status = world.store.refresher_status();

    world.raw_execute("ALTER TABLE change_counter RENAME TO hidden").await;
    eventually("reads fail", || status.failed_reads.load(Ordering::Relaxed) > 0).await;
    let kept = follower.handle.load().organization_is_active(own.key());
    world.raw_execute("ALTER TABLE hidden RENAME TO change_counter").await;
    let (_, seq) = create(&world.store, "later").await;

    assert!(kept);
    eventually("it follows again", || follower.handle.load().seq().get() == seq).await;
    follower.stop().await;
});

contract!(the_lease_starts_when_the_read_was_sent, |world| {
    let follower = world.follower().await;
    world.clock.advance(Duration::from_secs(60));

    create(&world.store, "own").await;

    let now = world.clock.boot_time();
    eventually("the knowledge is fresh again", || {
        follower.handle.age(now) == Duration::ZERO
    })
    .await;
    follower.stop().await;
});

contract!(an_old_snapshot_is_kept_until_nobody_reads_it, |world| {
    let follower = world.follower().await;
    let status = world.store.refresher_status();
    let held = follower.handle.load();

    create(&world.store, "one").await;
    eventually("it is retired", || status.retired_snapshots.load(Ordering::Relaxed) == 1).await;
    drop(held);
    create(&world.store, "two").await;

    eventually("it is freed", || status.retired_snapshots.load(Ordering::Relaxed) == 0).await;
    follower.stop().await;
});

/// Identifiers of everything there is or was, as the tables have them.
struct Everything {
    organizations: Vec<String>,
    apps: Vec<String>,
    apis: Vec<String>,
    clients: Vec<String>,
    subscriptions: Vec<String>,
    connections: Vec<(String, String)>,
    instances: Vec<String>,
}

impl Everything {
    async fn of(world: &World) -> Self {
        let mut raw = world.raw().await;
        let mut ids = async |text: &'static str| {
            let rows = sqlx::query(text).fetch_all(&mut raw).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>()
        };
        let pairs = ids("SELECT subscription_id || ' ' || api_id FROM connections").await;
        Self {
            organizations: ids("SELECT id FROM organizations").await,
            apps: ids("SELECT id FROM apps").await,
            apis: ids("SELECT id FROM apis").await,
            clients: ids("SELECT id FROM clients").await,
            subscriptions: ids("SELECT id FROM subscriptions").await,
            connections: pairs
                .iter()
                .map(|pair| pair.split_once(' ').unwrap())
                .map(|(subscription, api)| (subscription.to_owned(), api.to_owned()))
                .collect(),
            instances: ids("SELECT entity_id FROM audit_entries WHERE entity_kind = 'instance'").await,
        }
    }

    /// What a snapshot says of each, as text.
    fn seen_by(&self, snapshot: &Snapshot) -> Vec<String> {
        let mut seen = vec![format!("{:?} {:?}", snapshot.seq(), snapshot.sizes())];
        let key = |id: &String| IdKey::of(id);
        seen.extend(self.organizations.iter().map(|id| format!("{:?}", snapshot.organization(key(id)))));
        seen.extend(self.apps.iter().map(|id| format!("{:?}", snapshot.app(key(id)))));
        seen.extend(self.apis.iter().map(|id| format!("{:?}", snapshot.api(key(id)))));
        seen.extend(self.subscriptions.iter().map(|id| format!("{:?}", snapshot.subscription(key(id)))));
        for id in &self.clients {
            // Digests print redacted, so the order of the secrets is compared by their identifiers.
            seen.push(format!("{:?}", snapshot.client(key(id))));
        }
        for (subscription, api) in &self.connections {
            seen.push(format!("{:?}", snapshot.connection(key(subscription), key(api))));
        }
        for id in &self.instances {
            let instance = snapshot.routes().by_id(key(id));
            seen.push(format!("{instance:?}"));
            if let Some(instance) = instance {
                let found = snapshot.routes().find(&instance.prefix).map(|found| found.instance.clone());
                seen.push(format!("{found:?}"));
            }
        }
        seen
    }
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// One act of any kind on anything; refusals are part of it.
async fn any_act(store: &Store, dice: &mut Dice, turn: usize) {
    let operator = &*OPERATOR;
    let everything = PageRequest::first(500);
    let organizations = store.organizations(operator, everything.clone()).await.unwrap().items;
    let apps = store.apps(operator, None, everything.clone()).await.unwrap().items;
    let apis = store.apis(operator, None, everything.clone()).await.unwrap().items;
    let subscriptions = store
        .subscriptions(operator, SubscriptionFilter::default(), everything)
        .await
        .unwrap()
        .items;
    let organization = dice.pick(&organizations).clone();
    let app: AppId = dice.pick(&apps).id.clone();
    let client: ClientId = dice.pick(&apps).client_id.clone();
    let subscription: SubscriptionId = dice.pick(&subscriptions).id.clone();
    let some_api: Option<ApiId> = (!apis.is_empty()).then(|| dice.pick(&apis).id.clone());
    match dice.roll(18) {
        0 => drop(create(store, &format!("random{turn}")).await),
        1 => drop(store.set_organization_state(operator, &organization.id, OrganizationState::Suspended).await),
        2 => drop(store.set_organization_state(operator, &organization.id, OrganizationState::Active).await),
        3 => drop(store.create_api(operator, new_api(&organization.id, &format!("api{turn}")), None).await),
        4 => {
            let chosen: Vec<&ApiId> = apis.iter().filter(|_| dice.roll(2) == 0).map(|api| &api.id).collect();
            drop(store.create_app(operator, new_app(&organization.id, &format!("app{turn}"), &chosen), None).await);
        }
        5 => {
            let chosen = apis.iter().filter(|_| dice.roll(2) == 0).map(|api| api.id.clone()).collect();
            let patch = AppPatch { apis: Some(chosen), ..AppPatch::default() };
            drop(store.update_app(operator, &app, None, patch).await);
        }
        6 => {
            let state = *dice.pick(&[AppState::Enabled, AppState::Disabled, AppState::Deleted]);
            drop(store.set_app_state(operator, &app, state).await);
        }
        7 | 8 => drop(store.activate(operator, new_activation(&app, &organization.id), None).await),
        9 => drop(store.end_subscription(operator, &subscription, SubscriptionEvent::Cancel).await),
        10 => drop(store.suspend_subscription(operator, &subscription).await),
        11 => drop(store.resume_subscription(operator, &subscription).await),
        12 => drop(store.create_secret(operator, &client).await),
        13 => {
            let secrets = store.secrets(operator, &client).await.unwrap();
            let secret = dice.pick(&secrets).id.clone();
            let how = *dice.pick(&[Compromise::No, Compromise::Yes]);
            drop(store.expire_secret(operator, &client, &secret, (NOW, how)).await);
        }
        14 => drop(store.set_client_state(operator, &client, *dice.pick(&[ClientState::Enabled, ClientState::Disabled])).await),
        other => {
            if let Some(api) = some_api {
                an_act_on_an_api(store, dice, (other, turn, &api)).await;
            }
        }
    }
}

async fn an_act_on_an_api(store: &Store, dice: &mut Dice, what: (usize, usize, &ApiId)) {
    let operator = &*OPERATOR;
    let (which, turn, id) = what;
    let instances = store.instances(operator, id).await.unwrap();
    match which {
        15 => {
            let patch = ApiPatch {
                visibility: Some(*dice.pick(&[Visibility::Public, Visibility::Private])),
                ..ApiPatch::default()
            };
            drop(store.update_api(operator, id, None, patch).await);
        }
        16 => {
            let environment = *dice.pick(&Environment::ALL);
            let new = NewInstance {
                base_path: format!("/own{turn}/v1"),
                ..new_instance(id, "", environment)
            };
            drop(store.create_instance(operator, new, None).await);
        }
        _ if instances.is_empty() => drop(store.delete_api(operator, id).await),
        _ if dice.roll(2) == 0 => {
            drop(store.delete_instance(operator, &dice.pick(&instances).id).await);
        }
        _ => {
            let patch = InstancePatch {
                target_url: Some(format!("http://127.0.0.1:{}", turn + 1)),
                ..InstancePatch::default()
            };
            drop(store.update_instance(operator, &dice.pick(&instances).id, None, patch).await);
        }
    }
}

contract!(after_any_acts_the_followed_snapshot_is_the_one_a_full_load_gives, |world| {
    let m = market(&world.store).await;
    activate(&world.store, &m.app.app.id, &m.buyer).await;
    let follower = world.follower().await;
    let mut dice = Dice(42);

    for turn in 0..250 {
        any_act(&world.store, &mut dice, turn).await;
    }

    let (_, last) = create(&world.store, "last").await;
    eventually("the follower stands at the end", || follower.handle.load().seq().get() == last).await;
    let status = follower.store.refresher_status();
    assert_eq!(status.full_loads.load(Ordering::Relaxed), 0);
    let followed = follower.handle.load();
    follower.stop().await;
    let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();
    let everything = Everything::of(&world).await;
    let (one, other) = (everything.seen_by(&followed), everything.seen_by(&loaded.snapshot));
    assert_eq!(one, other);
    assert!(everything.subscriptions.len() > 20 && everything.connections.len() > 10);
});
