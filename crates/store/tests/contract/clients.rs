//! Clients, their secrets, and what is noted of their use.

use std::{sync::LazyLock, time::Duration};

use portcullis_core::{
    client::ClientState,
    ids::{ClientId, IdKey, SecretId},
    permissions::Authority,
    secret::{Secret, SecretKind},
};
use portcullis_store::{ActError, Compromise, DeprecatedIssuerUse, PageRequest, SecretUse};

use crate::{contract, support::*};

static OPERATOR: LazyLock<Authority> = LazyLock::new(operator);

contract!(two_secrets_are_live_at_most, |world| {
    let m = market(&world.store).await;
    let client = &m.app.app.client_id;
    let (second, _) = world
        .store
        .create_secret(&OPERATOR, client)
        .await
        .unwrap()
        .value;

    let third = world.store.create_secret(&OPERATOR, client).await;
    let end = (NOW, Compromise::No);
    world
        .store
        .expire_secret(&OPERATOR, client, &second.id, end)
        .await
        .unwrap();
    let replaced = world.store.create_secret(&OPERATOR, client).await;

    assert!(matches!(
        third,
        Err(ActError::Conflict {
            code: "too_many_secrets",
            ..
        })
    ));
    assert!(replaced.is_ok());
    assert_eq!(
        world.store.secrets(&OPERATOR, client).await.unwrap().len(),
        3
    );
});

contract!(of_two_secrets_made_at_once_one_is_refused, |world| {
    let m = market(&world.store).await;
    let create = || world.store.create_secret(&OPERATOR, &m.app.app.client_id);

    let (one, other) = tokio::join!(create(), create());

    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1);
});

contract!(only_a_compromised_secret_raises_the_generation, |world| {
    let m = market(&world.store).await;
    let client = &m.app.app.client_id;
    let (second, _) = world
        .store
        .create_secret(&OPERATOR, client)
        .await
        .unwrap()
        .value;
    let generation = async || {
        world
            .store
            .client(&OPERATOR, client)
            .await
            .unwrap()
            .generation
    };
    let first = &m.app.secret_info.id;

    world
        .store
        .expire_secret(&OPERATOR, client, &second.id, (NOW, Compromise::No))
        .await
        .unwrap();
    let planned = generation().await;
    let stolen = world
        .store
        .expire_secret(&OPERATOR, client, first, (NOW, Compromise::Yes))
        .await
        .unwrap();
    let raised = generation().await;
    let again = world
        .store
        .expire_secret(&OPERATOR, client, first, (NOW, Compromise::Yes))
        .await
        .unwrap();

    assert_eq!((planned, raised, generation().await), (0, 1, 1));
    assert_eq!(again, stolen);
    assert_eq!(stolen.value.expires_at, Some(NOW));
});

contract!(
    an_ended_secret_may_still_be_told_to_be_compromised,
    |world| {
        let m = market(&world.store).await;
        let client = &m.app.app.client_id;
        let secret = &m.app.secret_info.id;
        world
            .store
            .expire_secret(&OPERATOR, client, secret, (NOW, Compromise::No))
            .await
            .unwrap();

        world.clock.advance(Duration::from_mins(1));
        let later = (NOW + Duration::from_mins(1), Compromise::Yes);
        let told = world
            .store
            .expire_secret(&OPERATOR, client, secret, later)
            .await
            .unwrap();

        assert_eq!(told.value.expires_at, Some(NOW));
        assert_eq!(
            world
                .store
                .client(&OPERATOR, client)
                .await
                .unwrap()
                .generation,
            1
        );
    }
);

contract!(an_ended_secret_stays_ended, |world| {
    let m = market(&world.store).await;
    let client = &m.app.app.client_id;
    let secret = &m.app.secret_info.id;
    let ended = world
        .store
        .expire_secret(&OPERATOR, client, secret, (NOW, Compromise::No))
        .await
        .unwrap();

    let revived = (NOW + Duration::from_hours(1), Compromise::No);
    let tried = world
        .store
        .expire_secret(&OPERATOR, client, secret, revived)
        .await
        .unwrap();
    let imported = world
        .store
        .import_client_secret(&OPERATOR, client, m.app.secret.as_ref().unwrap())
        .await;

    assert_eq!(tried, ended);
    assert!(matches!(
        imported,
        Err(ActError::Conflict {
            code: "secret_ended",
            ..
        })
    ));
});

contract!(a_given_secret_is_imported_once, |world| {
    let m = market(&world.store).await;
    let secret = Secret::generate(SecretKind::Client);
    let import = || {
        world
            .store
            .import_client_secret(&OPERATOR, &m.app.app.client_id, &secret)
    };

    let first = import().await.unwrap();
    let again = import().await.unwrap();

    assert_eq!(again, first);
    assert_eq!(first.value.hint, secret.hint());
});

contract!(revoking_tokens_raises_the_generation_each_time, |world| {
    let m = market(&world.store).await;
    let revoke = || world.store.revoke_tokens(&OPERATOR, &m.app.app.client_id);

    let first = revoke().await.unwrap();
    let second = revoke().await.unwrap();

    assert_eq!((first.value.generation, second.value.generation), (1, 2));
    assert!(first.seq.is_some() && first.seq < second.seq);
});

contract!(a_client_is_disabled_and_enabled, |world| {
    let m = market(&world.store).await;
    let set = |state| {
        world
            .store
            .set_client_state(&OPERATOR, &m.app.app.client_id, state)
    };

    let disabled = set(ClientState::Disabled).await.unwrap();
    let again = set(ClientState::Disabled).await.unwrap();
    let enabled = set(ClientState::Enabled).await.unwrap();

    assert_eq!(again, disabled);
    assert_eq!(disabled.value.state, ClientState::Disabled);
    assert!(enabled.seq > disabled.seq);
});

contract!(a_stranger_finds_no_client, |world| {
    let m = market(&world.store).await;
    let stranger = member(&m.stranger);
    let secret = Secret::generate(SecretKind::Client);
    let own_secret = &m.app.secret_info.id;
    let end = (NOW, Compromise::Yes);

    for id in [&m.app.app.client_id, &ClientId::random()] {
        for refused in [
            world.store.client(&stranger, id).await.map(|_| ()),
            world.store.secrets(&stranger, id).await.map(|_| ()),
            world.store.create_secret(&stranger, id).await.map(|_| ()),
            world
                .store
                .import_client_secret(&stranger, id, &secret)
                .await
                .map(|_| ()),
            world
                .store
                .expire_secret(&stranger, id, own_secret, end)
                .await
                .map(|_| ()),
            world.store.revoke_tokens(&stranger, id).await.map(|_| ()),
            world
                .store
                .set_client_state(&stranger, id, ClientState::Disabled)
                .await
                .map(|_| ()),
        ] {
            assert_eq!(refused, Err(ActError::NotFound("client")));
        }
    }
    // A secret of another client is not found under one's own.
    let refused = world
        .store
        .expire_secret(&OPERATOR, &m.api.api.client_id, own_secret, end)
        .await;
    assert_eq!(refused.unwrap_err(), ActError::NotFound("secret"));
    let refused = world
        .store
        .expire_secret(&OPERATOR, &m.app.app.client_id, &SecretId::random(), end)
        .await;
    assert_eq!(refused.unwrap_err(), ActError::NotFound("secret"));
});

contract!(
    the_last_use_of_a_secret_is_noted_without_a_change,
    |world| {
        let m = market(&world.store).await;
        let before = world
            .store
            .revoke_tokens(&OPERATOR, &m.app.app.client_id)
            .await
            .unwrap();
        let at = |seconds| NOW + Duration::from_secs(seconds);
        let used = |seconds| SecretUse {
            secret: m.app.secret_info.id.key(),
            at: at(seconds),
            from: Some("192.0.2.7".parse().unwrap()),
        };
        let nobody = SecretUse {
            secret: IdKey::of("nobody"),
            at: at(1),
            from: None,
        };

        world
            .store
            .note_secrets_used(&[used(60), used(30), nobody])
            .await
            .unwrap();

        let secrets = world
            .store
            .secrets(&OPERATOR, &m.app.app.client_id)
            .await
            .unwrap();
        assert_eq!(secrets[0].last_used_at, Some(at(60)));
        assert_eq!(secrets[0].last_used_from.as_deref(), Some("192.0.2.7"));
        let after = world
            .store
            .revoke_tokens(&OPERATOR, &m.app.app.client_id)
            .await
            .unwrap();
        assert_eq!(after.seq.unwrap().get(), before.seq.unwrap().get() + 1);
    }
);

contract!(who_uses_the_deprecated_issuer_is_counted, |world| {
    let m = market(&world.store).await;
    let used = |client: &ClientId, seconds, count| DeprecatedIssuerUse {
        client: client.key(),
        at: NOW + Duration::from_secs(seconds),
        count,
    };
    let (app, api) = (&m.app.app.client_id, &m.api.api.client_id);

    world
        .store
        .note_deprecated_issuer(&[used(app, 1, 3), used(api, 2, 1)])
        .await
        .unwrap();
    world
        .store
        .note_deprecated_issuer(&[used(app, 9, 4), used(&ClientId::random(), 9, 1)])
        .await
        .unwrap();

    let all = world
        .store
        .deprecated_issuer_use(&OPERATOR, PageRequest::default())
        .await
        .unwrap();
    let seen: Vec<_> = all
        .items
        .iter()
        .map(|row| (row.client.id.clone(), row.count))
        .collect();
    assert_eq!(seen, [(app.clone(), 7), (api.clone(), 1)]);
    assert_eq!(all.items[0].first_at, NOW + Duration::from_secs(1));
    assert_eq!(all.items[0].last_at, NOW + Duration::from_secs(9));
    let own = world
        .store
        .deprecated_issuer_use(&member(&m.owner), PageRequest::default())
        .await
        .unwrap();
    assert_eq!(own.items.len(), 1);
});
