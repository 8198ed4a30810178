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
    clock::Clock,
    ids::{IdKey, OrganizationId},
    permissions::Authority,
};
use portcullis_store::{NewOrganization, OnStale, SnapshotParts, Store, first_load};
use sqlx::{Connection, Executor};
use tokio_util::sync::CancellationToken;

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

async fn create(store: &Store, name: &str) -> (OrganizationId, i64) {
    let new = NewOrganization {
        name: name.to_owned(),
        ..NewOrganization::default()
    };
    let acted = store
        .create_organization(&OPERATOR, new, None)
        .await
        .unwrap();
    (acted.value.id, acted.seq.unwrap().get())
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
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
    assert!(
        made.iter()
            .all(|(id, _)| snapshot.organization_is_active(id.key()))
    );
    assert_eq!(
        follower
            .store
            .refresher_status()
            .full_loads
            .load(Ordering::Relaxed),
        0
    );
    follower.stop().await;
});

contract!(a_change_that_is_committed_late_is_not_missed, |world| {
    let follower = world.follower().await;
    let begin = if world.is_sqlite() {
        "BEGIN IMMEDIATE"
    } else {
        "BEGIN"
    };
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
        follower
            .handle
            .load()
            .organization_is_active(IdKey::of("new"))
    })
    .await;
    follower.stop().await;
});

#[test]
fn on_postgres_changes_are_pushed() {
    run(async {
        let Some(world) = World::on_postgres().await else {
            return;
        };
        let second = world.another_node("b", OnStale::Serve).await;
        let follower = Follower::of(second.clone()).await;
        let status = second.refresher_status();
        eventually("LISTEN is proven to work", || {
            status.pushed.load(Ordering::Relaxed) == 1
        })
        .await;

        let (own, _) = create(&world.store, "own").await;

        eventually("the change comes", || {
            follower.handle.load().organization_is_active(own.key())
        })
        .await;
        follower.stop().await;
        second.close().await;
        world.end().await;
    });
}

#[test]
fn where_listen_does_not_work_the_log_is_looked_at_often() {
    run(async {
        let Some(world) = World::on_postgres().await else {
            return;
        };
        let mut settings = world.settings();
        settings.listen_url = Some("postgres://nobody@127.0.0.1:1/nothing".to_owned());
        settings.node = node("b", OnStale::Serve);
        let second = Store::open(settings).await.unwrap();
        let follower = Follower::of(second.clone()).await;

        let (own, _) = create(&world.store, "own").await;

        eventually("the poll finds it", || {
            follower.handle.load().organization_is_active(own.key())
        })
        .await;
        assert_eq!(second.refresher_status().pushed.load(Ordering::Relaxed), 0);
        follower.stop().await;
        second.close().await;
        world.end().await;
    });
}

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

contract!(
    a_restored_database_with_a_lower_number_is_noticed,
    |world| {
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

        assert_reloaded(world, &follower, &gone).await;
        follower.stop().await;
    }
);

contract!(
    a_restored_database_with_the_same_number_is_noticed_by_its_stamp,
    |world| {
        let (gone, _) = create(&world.store, "first").await;
        let follower = world.follower().await;

        world
            .raw_execute("DELETE FROM organizations; UPDATE changes SET stamp = stamp + 1")
            .await;

        assert_reloaded(world, &follower, &gone).await;
        follower.stop().await;
    }
);

contract!(
    another_database_without_any_change_is_noticed_by_its_epoch,
    |world| {
        let follower = world.follower().await;
        let gone = OrganizationId::random();

        world
            .raw_execute("UPDATE change_counter SET epoch = epoch + 1")
            .await;

        assert_reloaded(world, &follower, &gone).await;
        follower.stop().await;
    }
);

contract!(
    a_log_that_was_trimmed_past_the_follower_means_loading_everything,
    |world| {
        let (first, _) = create(&world.store, "first").await;
        let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();
        for n in 0..3 {
            create(&world.store, &format!("org{n}")).await;
        }
        world
            .raw_execute("DELETE FROM changes WHERE seq <= 2")
            .await;

        let follower = Follower::from(world.store.clone(), loaded);

        eventually("everything is there", || {
            follower.handle.load().seq().get() == 4
        })
        .await;
        assert_eq!(follower.handle.load().sizes()[0], ("organizations", 4));
        assert!(follower.handle.load().organization_is_active(first.key()));
        follower.stop().await;
    }
);

contract!(
    very_many_changes_are_loaded_as_a_whole_without_alarm,
    |world| {
        let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();
        world
        .raw_execute(
            "INSERT INTO changes (seq, stamp, entity_kind, entity_id, at_us) \
             SELECT n, 7, 'app', 'x', 0 FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 6000) \
             SELECT n FROM c) numbers; UPDATE change_counter SET seq = 6000",
        )
        .await;

        let follower = Follower::from(world.store.clone(), loaded);

        eventually("it stands at the end", || {
            follower.handle.load().seq().get() == 6000
        })
        .await;
        let status = world.store.refresher_status();
        assert_eq!(status.full_loads.load(Ordering::Relaxed), 1);
        assert_eq!(status.other_histories.load(Ordering::Relaxed), 0);
        follower.stop().await;
    }
);

contract!(
    a_kind_of_thing_that_only_a_newer_program_knows_means_loading_everything,
    |world| {
        let loaded = first_load(&world.store, SnapshotParts::ALL).await.unwrap();
        world
        .raw_execute(
            "INSERT INTO changes (seq, stamp, entity_kind, entity_id, at_us) VALUES (1, 7, 'plan', 'x', 0); \
             UPDATE change_counter SET seq = 1",
        )
        .await;

        let follower = Follower::from(world.store.clone(), loaded);

        eventually("it stands at the end", || {
            follower.handle.load().seq().get() == 1
        })
        .await;
        assert_eq!(
            world
                .store
                .refresher_status()
                .full_loads
                .load(Ordering::Relaxed),
            1
        );
        follower.stop().await;
    }
);

#[test]
fn a_node_that_joins_in_the_middle_misses_nothing() {
    run(async {
        let Some(world) = World::on_postgres().await else {
            return;
        };
        let (done, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let (store, done, stop) = (world.store.clone(), done.clone(), stop.clone());
            writers.spawn(async move {
                while !stop.is_cancelled() {
                    create(&store, &format!("w{writer}")).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually("writing is under way", || done.load(Ordering::Relaxed) > 10).await;

        let joining = world.another_node("b", OnStale::Serve).await;
        let follower = Follower::of(joining.clone()).await;
        let joined_at = done.load(Ordering::Relaxed);
        eventually("writing goes on", || {
            done.load(Ordering::Relaxed) > joined_at + 10
        })
        .await;
        stop.cancel();
        while writers.join_next().await.is_some() {}

        let all = done.load(Ordering::Relaxed);
        eventually("everything is seen", || {
            u64::try_from(follower.handle.load().seq().get()) == Ok(all)
        })
        .await;
        let (_, organizations) = follower.handle.load().sizes()[0];
        assert_eq!(u64::try_from(organizations), Ok(all));
        assert_eq!(
            joining
                .refresher_status()
                .full_loads
                .load(Ordering::Relaxed),
            0
        );
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
    let read = world
        .store
        .subscription(&OPERATOR, &bad.id)
        .await
        .unwrap_err();
    let portcullis_store::ActError::Corrupt(row) = read else {
        panic!("{read}")
    };
    assert_eq!(
        (row.table, row.column, row.row.as_str()),
        ("subscriptions", "state", bad.id.as_str())
    );
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

    world
        .raw_execute("ALTER TABLE change_counter RENAME TO hidden")
        .await;
    eventually("reads fail", || {
        status.failed_reads.load(Ordering::Relaxed) > 0
    })
    .await;
    let kept = follower.handle.load().organization_is_active(own.key());
    world
        .raw_execute("ALTER TABLE hidden RENAME TO change_counter")
        .await;
    let (_, seq) = create(&world.store, "later").await;

    assert!(kept);
    eventually("it follows again", || {
        follower.handle.load().seq().get() == seq
    })
    .await;
    follower.stop().await;
});

contract!(the_lease_starts_when_the_read_was_sent, |world| {
    let follower = world.follower().await;
    world.clock.advance(Duration::from_mins(1));

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
    eventually("it is retired", || {
        status.retired_snapshots.load(Ordering::Relaxed) == 1
    })
    .await;
    drop(held);
    create(&world.store, "two").await;

    eventually("it is freed", || {
        status.retired_snapshots.load(Ordering::Relaxed) == 0
    })
    .await;
    follower.stop().await;
});
