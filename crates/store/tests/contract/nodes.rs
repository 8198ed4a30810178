//! The node set and the barrier.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use portcullis_core::{
    change::ChangeSeq,
    clock::{ManualClock, Timestamp},
    ids::NodeId,
    permissions::Authority,
};
use portcullis_store::{
    ActError, Acted, Barrier, OnStale, Predecessor, SnapshotParts, Store, first_load,
};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);
const LONG: Duration = Duration::from_secs(30);
/// Long enough to look, for what is not to be seen however long one looks.
const SHORT: Duration = Duration::from_millis(60);

/// Waits until the barrier is like that. One look may come before a node that lives has written down what it
/// applied, or end before the node set was read.
async fn until_barrier(store: &Store, seq: ChangeSeq, expected: &Barrier) {
    let mut seen = None;
    let waited = tokio::time::timeout(LONG, async {
        while seen.as_ref() != Some(expected) {
            seen = Some(store.wait_for(seq, SHORT).await);
        }
    });
    assert!(waited.await.is_ok(), "{seen:?} instead of {expected:?}");
}

/// Two nodes, one of which has confirmed.
fn only_b_lags() -> Barrier {
    Barrier {
        of: 2,
        confirmed: 1,
        lagging: named(&["b"]),
    }
}

async fn a_change(store: &Store) -> ChangeSeq {
    let new = portcullis_store::NewOrganization {
        name: "x".to_owned(),
        ..portcullis_store::NewOrganization::default()
    };
    let acted: Acted<_> = store
        .create_organization(&OPERATOR, new, None)
        .await
        .unwrap();
    acted.seq.unwrap()
}

fn named(names: &[&str]) -> Vec<NodeId> {
    names
        .iter()
        .map(|name| NodeId::parse(name).unwrap())
        .collect()
}

contract!(
    a_change_is_in_effect_when_the_node_has_applied_it,
    |world| {
        let follower = world.follower().await;

        let seq = a_change(&world.store).await;
        let barrier = world.store.wait_for(seq, LONG).await;

        assert_eq!(
            barrier,
            Barrier {
                of: 1,
                confirmed: 1,
                lagging: vec![]
            }
        );
        assert!(barrier.is_complete());
        assert!(follower.handle.load().seq() >= seq);
        let nodes = world.store.nodes(&OPERATOR).await.unwrap();
        assert_eq!(nodes.len(), 1);
        assert_eq!(nodes[0].seq, Some(seq));
        assert_eq!(nodes[0].roles, ["gateway"]);
        follower.stop().await;
    }
);

contract!(a_node_that_does_not_follow_is_named, |world| {
    first_load(&world.store, SnapshotParts::ALL).await.unwrap();

    let seq = a_change(&world.store).await;
    let barrier = world.store.wait_for(seq, SHORT).await;

    assert_eq!(
        barrier,
        Barrier {
            of: 1,
            confirmed: 0,
            lagging: named(&["a"])
        }
    );
    assert!(!barrier.is_complete());
});

contract!(only_operators_see_and_forget_nodes, |world| {
    let own = organization(&world.store, "own").await;

    assert_eq!(
        world.store.nodes(&member(&own)).await.unwrap_err(),
        ActError::Forbidden
    );
    let node = NodeId::parse("a").unwrap();
    assert_eq!(
        world.store.forget(&member(&own), &node).await.unwrap_err(),
        ActError::Forbidden
    );
    assert_eq!(
        world.store.forget(&OPERATOR, &node).await.unwrap_err(),
        ActError::NotFound("node")
    );
});

contract!(a_node_that_leaves_is_no_longer_in_the_set, |world| {
    world.store.join().await.unwrap();
    let joined = world.store.nodes(&OPERATOR).await.unwrap();

    world.store.leave().await.unwrap();

    assert_eq!(joined.len(), 1);
    assert_eq!(joined[0].seq, None);
    assert!(world.store.nodes(&OPERATOR).await.unwrap().is_empty());
});

#[test]
fn without_a_node_there_is_nobody_to_wait_for() {
    run(async {
        let world = World::on_sqlite().await;

        let seq = a_change(&world.store).await;
        let barrier = world.store.wait_for(seq, LONG).await;

        assert_eq!(
            barrier,
            Barrier {
                of: 0,
                confirmed: 0,
                lagging: vec![]
            }
        );
        world.end().await;
    });
}

/// Two nodes on one PostgreSQL; the second one's clock shows another time altogether.
async fn two_nodes(on_stale: OnStale) -> Option<(World, Store, Arc<ManualClock>)> {
    let world = World::on_postgres().await?;
    let elsewhere = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(12)));
    let mut settings = world.settings();
    settings.clock = elsewhere.clone();
    settings.node = node("b", on_stale);
    let second = Store::open(settings).await.unwrap();
    Some((world, second, elsewhere))
}

#[test]
fn a_change_is_waited_for_on_every_node() {
    run(async {
        let Some((world, second, _)) = two_nodes(OnStale::Serve).await else {
            return;
        };
        let first = world.follower().await;
        let other = Follower::of(second.clone()).await;

        for (writer, waiter) in [(&world.store, &second), (&second, &world.store)] {
            let seq = a_change(writer).await;
            let barrier = waiter.wait_for(seq, LONG).await;

            assert_eq!(
                barrier,
                Barrier {
                    of: 2,
                    confirmed: 2,
                    lagging: vec![]
                }
            );
            assert!(first.handle.load().seq() >= seq && other.handle.load().seq() >= seq);
        }
        first.stop().await;
        other.stop().await;
        second.close().await;
        world.end().await;
    });
}

#[test]
fn a_node_that_refuses_past_its_lease_counts_as_stopped_then() {
    run(async {
        let Some((world, second, _)) = two_nodes(OnStale::Refuse).await else {
            return;
        };
        let first = world.follower().await;
        // It has loaded, and then stands still.
        first_load(&second, SnapshotParts::ALL).await.unwrap();

        let seq = a_change(&world.store).await;
        until_barrier(&world.store, seq, &only_b_lags()).await;
        world.clock.advance(LEASE);
        until_barrier(&world.store, seq, &only_b_lags()).await;
        world.clock.advance(LEASE / 50);
        let past_lease = world.store.wait_for(seq, LONG).await;

        assert_eq!(
            past_lease,
            Barrier {
                of: 2,
                confirmed: 2,
                lagging: vec![]
            }
        );
        first.stop().await;
        second.close().await;
        world.end().await;
    });
}

#[test]
fn a_node_that_serves_on_lags_until_it_may_no_longer() {
    run(async {
        let Some((world, second, _)) = two_nodes(OnStale::Serve).await else {
            return;
        };
        let first = world.follower().await;
        first_load(&second, SnapshotParts::ALL).await.unwrap();

        let seq = a_change(&world.store).await;
        until_barrier(&world.store, seq, &only_b_lags()).await;
        world.clock.advance(LEASE * 2);
        until_barrier(&world.store, seq, &only_b_lags()).await;
        world.clock.advance(STALE_MAX * 102 / 100);
        let past_all = world.store.wait_for(seq, LONG).await;

        assert!(past_all.is_complete());
        // Without a sign of life for that long, it is taken out.
        assert_eq!(world.store.nodes(&OPERATOR).await.unwrap().len(), 1);
        first.stop().await;
        second.close().await;
        world.end().await;
    });
}

#[test]
fn a_node_that_is_forgotten_is_not_waited_for_and_comes_back_when_it_lives() {
    run(async {
        let Some((world, second, _)) = two_nodes(OnStale::Serve).await else {
            return;
        };
        let first = world.follower().await;
        first_load(&second, SnapshotParts::ALL).await.unwrap();
        let seq = a_change(&world.store).await;

        world
            .store
            .forget(&OPERATOR, &NodeId::parse("b").unwrap())
            .await
            .unwrap();
        let barrier = world.store.wait_for(seq, LONG).await;

        assert_eq!(
            barrier,
            Barrier {
                of: 1,
                confirmed: 1,
                lagging: vec![]
            }
        );
        let other = Follower::of(second.clone()).await;
        let seq = a_change(&world.store).await;
        assert_eq!(world.store.wait_for(seq, LONG).await.confirmed, 2);
        other.stop().await;
        first.stop().await;
        second.close().await;
        world.end().await;
    });
}

#[test]
fn a_new_incarnation_takes_the_old_ones_place_when_that_has_ended() {
    run(async {
        let Some(world) = World::on_postgres().await else {
            return;
        };
        world.store.join().await.unwrap();
        let restarted = world.another_node("a", OnStale::Serve).await;
        restarted.join().await.unwrap();
        let mut settings = world.settings();
        settings.node = node("a", OnStale::Serve);
        settings.node.predecessor = Predecessor::Unknown;
        let doubtful = Store::open(settings).await.unwrap();

        let ended = world.store.nodes(&OPERATOR).await.unwrap().len();
        doubtful.join().await.unwrap();
        let unknown = world.store.nodes(&OPERATOR).await.unwrap().len();

        assert_eq!((ended, unknown), (1, 2));
        restarted.close().await;
        doubtful.close().await;
        world.end().await;
    });
}
