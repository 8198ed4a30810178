//! Signing keys: two at first, promoted one after the other, sealed at rest.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use portcullis_core::{
    clock::Timestamp,
    keys::{KeyPurpose, KeyState, NewKey},
    permissions::Authority,
};
use portcullis_store::{ActError, Force, MasterKey, OpenError, SnapshotParts, Store, first_load};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);
/// Generating is slow, so all tests share these.
static KEYS: LazyLock<Vec<NewKey>> =
    LazyLock::new(|| (0..4).map(|_| NewKey::generate().unwrap()).collect());
const HOUR: Duration = Duration::from_hours(1);

async fn install(store: &Store) {
    let installed = store
        .install_first_keys(KeyPurpose::Client, &KEYS[0], &KEYS[1])
        .await;
    assert!(installed.unwrap().value);
}

async fn states(store: &Store) -> Vec<(String, KeyState)> {
    let keys = store.signing_keys(&OPERATOR).await.unwrap();
    let mut states: Vec<_> = keys
        .into_iter()
        .map(|key| (key.id.to_string(), key.state))
        .collect();
    states.sort_by_key(|(id, _)| KEYS.iter().position(|key| key.id.as_str() == id));
    states
}

fn id(number: usize) -> String {
    KEYS[number].id.to_string()
}

async fn rotate(store: &Store, new: &NewKey, when: (Force, Timestamp)) -> Result<String, ActError> {
    let rotated = store
        .rotate_key(&OPERATOR, KeyPurpose::Client, new, when)
        .await?;
    assert!(rotated.seq.is_some());
    Ok(rotated.value.id.to_string())
}

contract!(the_first_keys_are_installed_once, |world| {
    install(&world.store).await;

    let again = world
        .store
        .install_first_keys(KeyPurpose::Client, &KEYS[2], &KEYS[3])
        .await
        .unwrap();

    assert!(!again.value && again.seq.is_none());
    assert_eq!(
        states(&world.store).await,
        [(id(0), KeyState::Current), (id(1), KeyState::Next)]
    );
});

contract!(of_two_installations_at_once_one_wins, |world| {
    let install = |one: usize| {
        world
            .store
            .install_first_keys(KeyPurpose::Client, &KEYS[one], &KEYS[one + 1])
    };

    let (one, other) = tokio::join!(install(0), install(2));

    assert!(one.unwrap().value != other.unwrap().value);
    assert_eq!(states(&world.store).await.len(), 2);
});

contract!(
    a_rotation_promotes_the_next_key_when_it_is_an_hour_old,
    |world| {
        install(&world.store).await;
        let soon = NOW + Duration::from_secs(3599);

        let too_soon = rotate(&world.store, &KEYS[2], (Force::No, soon))
            .await
            .unwrap_err();
        let rotated = rotate(&world.store, &KEYS[2], (Force::No, NOW + HOUR))
            .await
            .unwrap();

        assert!(matches!(
            too_soon,
            ActError::Conflict {
                code: "key_too_young",
                ..
            }
        ));
        assert_eq!(rotated, id(1));
        let expected = [
            (id(0), KeyState::Retired),
            (id(1), KeyState::Current),
            (id(2), KeyState::Next),
        ];
        assert_eq!(states(&world.store).await, expected);
    }
);

contract!(a_forced_rotation_does_not_wait, |world| {
    install(&world.store).await;

    let rotated = rotate(&world.store, &KEYS[2], (Force::Yes, NOW)).await;

    assert_eq!(rotated, Ok(id(1)));
});

contract!(of_two_rotations_at_once_one_wins, |world| {
    install(&world.store).await;
    world.clock.advance(HOUR);
    let when = (Force::No, NOW + HOUR);

    let (one, other) = tokio::join!(
        rotate(&world.store, &KEYS[2], when),
        rotate(&world.store, &KEYS[3], when)
    );

    let mut results = [one, other];
    results.sort_by_key(Result::is_err);
    let [won, lost] = results;
    assert_eq!(won, Ok(id(1)));
    let code = match lost {
        Err(ActError::Conflict { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert!(
        ["key_too_young", "key_rotated_meanwhile"].contains(&code),
        "{code}"
    );
    assert_eq!(states(&world.store).await.len(), 3);
});

contract!(without_first_keys_there_is_nothing_to_rotate, |world| {
    let refused = rotate(&world.store, &KEYS[0], (Force::Yes, NOW))
        .await
        .unwrap_err();

    assert!(matches!(
        refused,
        ActError::Conflict {
            code: "no_next_key",
            ..
        }
    ));
});

contract!(
    a_retired_key_stays_published_until_its_last_token_has_ended,
    |world| {
        install(&world.store).await;
        rotate(&world.store, &KEYS[2], (Force::Yes, NOW))
            .await
            .unwrap();
        let last_token = NOW + HOUR;

        let early = world.store.retire_finished_keys(last_token).await.unwrap();
        let late = world
            .store
            .retire_finished_keys(last_token + HOUR)
            .await
            .unwrap();

        assert_eq!((early.value, early.seq), (0, None));
        assert_eq!(late.value, 1);
        assert!(late.seq.is_some());
        assert_eq!(
            states(&world.store).await,
            [(id(1), KeyState::Current), (id(2), KeyState::Next)]
        );
    }
);

contract!(only_operators_see_and_rotate_keys, |world| {
    let own = organization(&world.store, "own").await;
    install(&world.store).await;
    let when = (Force::Yes, NOW);

    let seen = world.store.signing_keys(&member(&own)).await;
    let rotated = world
        .store
        .rotate_key(&member(&own), KeyPurpose::Client, &KEYS[2], when)
        .await;

    assert_eq!(seen.unwrap_err(), ActError::Forbidden);
    assert_eq!(rotated.unwrap_err(), ActError::Forbidden);
});

contract!(
    private_halves_are_loaded_where_they_are_needed_alone,
    |world| {
        install(&world.store).await;
        let outbound = world
            .store
            .install_first_keys(KeyPurpose::Outbound, &KEYS[2], &KEYS[3])
            .await;
        assert!(outbound.unwrap().value);
        let gateway = SnapshotParts {
            secret_digests: false,
            private_client_keys: false,
            private_outbound_keys: true,
        };

        let loaded = first_load(&world.store, gateway).await.unwrap();

        let keys = loaded.snapshot.keys();
        assert_eq!(keys.keys().len(), 4);
        let signs = |purpose| keys.signing(purpose).unwrap().sign(b"x").is_ok();
        assert!(!signs(KeyPurpose::Client) && signs(KeyPurpose::Outbound));
        assert_eq!(keys.signing(KeyPurpose::Client).unwrap().id(), &KEYS[0].id);
    }
);

contract!(
    another_master_key_opens_nothing_and_changes_nothing,
    |world| {
        install(&world.store).await;
        world.store.close().await;
        let right = std::mem::replace(&mut world.master_key, MasterKey::generate());

        let refused = Store::open(world.settings()).await.unwrap_err();

        let OpenError::MasterKey { given, expected } = &refused else {
            panic!("{refused}");
        };
        assert_eq!((given, expected), (&world.master_key.id(), &right.id()));
        world.master_key = right;
        world.store = Store::open(world.settings()).await.unwrap();
        assert_eq!(states(&world.store).await.len(), 2);
    }
);

contract!(
    as_long_as_nothing_is_sealed_another_master_key_will_do,
    |world| {
        world.master_key = MasterKey::generate();

        world.reopen().await.unwrap();

        install(&world.store).await;
        world.reopen().await.unwrap();
        assert_eq!(states(&world.store).await.len(), 2);
    }
);

contract!(
    a_private_half_at_another_keys_place_does_not_open,
    |world| {
        install(&world.store).await;
        world
        .raw_execute(
            "UPDATE signing_keys SET private_sealed = (SELECT private_sealed FROM signing_keys WHERE state = 'next')",
        )
        .await;

        let refused = first_load(&world.store, SnapshotParts::ALL)
            .await
            .unwrap_err();

        let ActError::Corrupt(row) = &refused else {
            panic!("{refused}");
        };
        assert_eq!((row.table, row.column), ("signing_keys", "private_sealed"));
    }
);

contract!(a_rotation_reaches_the_snapshot, |world| {
    install(&world.store).await;
    let follower = world.follower().await;

    let rotated = world
        .store
        .rotate_key(&OPERATOR, KeyPurpose::Client, &KEYS[2], (Force::Yes, NOW))
        .await
        .unwrap();

    follower.applied(&rotated).await;
    let keys = Arc::clone(follower.handle.load().keys());
    assert_eq!(keys.signing(KeyPurpose::Client).unwrap().id(), &KEYS[1].id);
    assert_eq!(keys.keys().len(), 3);
    follower.stop().await;
});
