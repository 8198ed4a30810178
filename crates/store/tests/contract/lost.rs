//! Connections that are lost at the worst moment: while COMMIT is under way. PostgreSQL alone.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use portcullis_core::ids::ClientId;
use portcullis_store::{ActError, Store};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::support::*;

const PASS: u8 = 0;
const CUT_BEFORE_COMMIT: u8 = 1;
const CUT_AFTER_COMMIT: u8 = 2;
const CUT_BEFORE_UPDATE: u8 = 3;

/// A wire between store and server that can be cut once.
struct Wire {
    port: u16,
    plan: Arc<AtomicU8>,
    _connections: JoinSet<()>,
}

impl Wire {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(AtomicU8::new(PASS));
        let mut connections = JoinSet::new();
        let shared = plan.clone();
        connections.spawn(async move {
            let mut wires = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                wires.spawn(carry(client, server, shared.clone()));
            }
        });
        Self {
            port,
            plan,
            _connections: connections,
        }
    }
}

async fn carry(client: TcpStream, server: TcpStream, plan: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut back = JoinSet::new();
    let silenced = Arc::new(AtomicU8::new(0));
    let silent = silenced.clone();
    back.spawn(async move {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count) = from_server.read(&mut bytes).await {
            let deaf = silent.load(Ordering::SeqCst) == 1;
            if count == 0 || deaf || to_client.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    });
    let mut bytes = [0; 16 * 1024];
    while let Ok(count) = from_client.read(&mut bytes).await {
        let sent = &bytes[..count];
        let says = |word: &[u8]| sent.windows(word.len()).any(|window| window == word);
        let commits = says(b"COMMIT\0");
        let cut_now = |when: u8| {
            let planned = plan.compare_exchange(when, PASS, Ordering::SeqCst, Ordering::SeqCst);
            planned.is_ok()
        };
        if (commits && cut_now(CUT_BEFORE_COMMIT))
            || (says(b"UPDATE clients") && cut_now(CUT_BEFORE_UPDATE))
        {
            return;
        }
        let cut = commits && cut_now(CUT_AFTER_COMMIT);
        if cut {
            silenced.store(1, Ordering::SeqCst);
        }
        if count == 0 || to_server.write_all(sent).await.is_err() {
            return;
        }
        if cut {
            // The server's answer has come this far when the reader ends; the client never gets it.
            while back.join_next().await.is_some() {}
            return;
        }
    }
}

/// A world whose store speaks through a wire, a client in it, and the wire.
async fn world_on_a_wire() -> Option<(World, Store, ClientId, Wire)> {
    let world = World::on_postgres().await?;
    let m = market(&world.store).await;
    let url = world.url();
    let (address, rest) = url.split_once('@').unwrap().1.split_once('/').unwrap();
    let wire = Wire::to(address.to_owned()).await;
    let user = url.split_once('@').unwrap().0;
    let mut settings = world.settings();
    settings.url = format!("{user}@127.0.0.1:{}/{rest}sslmode=disable", wire.port);
    let store = Store::open(settings).await.unwrap();
    Some((world, store, m.app.app.client_id, wire))
}

#[test]
fn an_act_whose_commit_was_not_answered_is_found_to_be_done() {
    run(async {
        let Some((world, store, client, wire)) = world_on_a_wire().await else {
            return;
        };

        wire.plan.store(CUT_AFTER_COMMIT, Ordering::SeqCst);
        let acted = store.revoke_tokens(&operator(), &client).await.unwrap();

        assert_eq!(wire.plan.load(Ordering::SeqCst), PASS, "the wire was cut");
        assert_eq!(acted.value.generation, 1);
        let read = world.store.client(&operator(), &client).await.unwrap();
        assert_eq!(read.generation, 1);
        let next = store.revoke_tokens(&operator(), &client).await.unwrap();
        assert_eq!(next.seq.unwrap().get(), acted.seq.unwrap().get() + 1);
        store.close().await;
        world.end().await;
    });
}

#[test]
fn an_act_whose_commit_never_arrived_is_found_to_be_undone() {
    run(async {
        let Some((world, store, client, wire)) = world_on_a_wire().await else {
            return;
        };

        wire.plan.store(CUT_BEFORE_COMMIT, Ordering::SeqCst);
        let refused = store.revoke_tokens(&operator(), &client).await.unwrap_err();

        assert_eq!(wire.plan.load(Ordering::SeqCst), PASS, "the wire was cut");
        assert_eq!(refused, ActError::Busy);
        let read = world.store.client(&operator(), &client).await.unwrap();
        assert_eq!(read.generation, 0);
        assert_eq!(
            store
                .revoke_tokens(&operator(), &client)
                .await
                .unwrap()
                .value
                .generation,
            1
        );
        store.close().await;
        world.end().await;
    });
}

#[test]
fn an_act_that_is_lost_before_its_commit_is_tried_again() {
    run(async {
        let Some((world, store, client, wire)) = world_on_a_wire().await else {
            return;
        };

        wire.plan.store(CUT_BEFORE_UPDATE, Ordering::SeqCst);
        let acted = store.revoke_tokens(&operator(), &client).await.unwrap();

        assert_eq!(wire.plan.load(Ordering::SeqCst), PASS, "the wire was cut");
        assert_eq!(acted.value.generation, 1);
        store.close().await;
        world.end().await;
    });
}
