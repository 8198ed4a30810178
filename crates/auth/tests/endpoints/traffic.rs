//! Many requests: guesses are throttled, owners never, and nobody waits in a queue that is too long.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use futures_util::future::join_all;
use portcullis_core::{
    change::ChangeSeq,
    client::ClientState,
    clock::Clock,
    ids::IdKey,
    snapshot::{Facts, Snapshot},
    test_util::SECRET,
};
use tower::ServiceExt;

use crate::support::{FORM, KEY, Server, ask, basic, facts, right};

/// Polls once.
async fn is_waiting<F: Future>(asked: &mut Pin<Box<F>>) -> bool {
    poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx).is_pending())).await
}

fn guess(n: usize) -> http::Request<axum::body::Body> {
    ask(&basic(KEY, &format!("guess-{n}")), FORM)
}

#[tokio::test]
async fn guesses_are_throttled_and_the_owner_is_not() {
    let server = Server::start();

    let mut verdicts = Vec::new();
    for n in 0..200 {
        verdicts.push(server.send(guess(n)).await.verdict());
    }
    let throttled = server.send(guess(200)).await;
    let owner = server.ask_as(KEY, SECRET).await;

    let explained = verdicts.iter().filter(|v| *v == "401 invalid_client");
    assert_eq!(explained.count(), 20);
    assert_eq!(verdicts[20], "429 temporarily_unavailable");
    insta::assert_snapshot!(throttled.shown(), @r#"
    429
    cache-control: no-store
    content-type: application/json
    pragma: no-cache
    retry-after: 1

    {"error":"temporarily_unavailable","error_description":"Too many requests with credentials that were not accepted. Right ones are accepted at any time."}
    "#);
    assert_eq!(
        owner.verdict(),
        "200",
        "from the same address, with the same key"
    );
}

#[tokio::test]
async fn one_source_gets_ten_guesses_a_second_whatever_the_key() {
    let server = Server::start();
    let mut explained = 0;

    for n in 0..1000 {
        let answer = server.ask_as(&format!("key-{n}"), "wrong").await;
        explained += usize::from(answer.status == 401);
        server.clock.advance(Duration::from_millis(10));
    }

    assert!((100..=120).contains(&explained), "{explained}");
}

#[tokio::test]
async fn guesses_at_one_key_from_everywhere_do_not_stop_its_owner() {
    let server = Server::start();
    for n in 0..250 {
        server.send_from(&format!("198.51.100.{n}"), guess(n)).await;
    }

    let mistake = server.send_from("203.0.113.1", guess(0)).await;
    let owner = server.send_from("203.0.113.1", right(FORM)).await;

    assert_eq!(mistake.verdict(), "429 temporarily_unavailable");
    assert_eq!(owner.verdict(), "200");
}

#[tokio::test]
async fn two_hundred_guesses_at_once_leave_the_owner_served() {
    let server = Server::start();
    let guesses = (0..200).map(|n| server.send(guess(n)));

    let (guesses, owner) = tokio::join!(join_all(guesses), server.send(right(FORM)));

    assert!(
        guesses
            .iter()
            .all(|a| matches!(a.status.as_u16(), 401 | 429))
    );
    assert_eq!(owner.verdict(), "200");
}

#[tokio::test]
async fn requests_without_credentials_are_not_guesses() {
    let server = Server::start();
    for _ in 0..100 {
        assert_eq!(
            server.send(ask("Basic !", FORM)).await.verdict(),
            "401 invalid_client"
        );
    }
}

#[tokio::test]
async fn a_queue_that_is_too_long_is_refused_at_once() {
    let server = Server::start();

    let answers = join_all((0..200).map(|_| server.send(right(FORM)))).await;

    let signed = answers.iter().filter(|a| a.status == 200).count();
    let refused: Vec<_> = answers.iter().filter(|a| a.status == 503).collect();
    assert_eq!(
        signed, 101,
        "50 ms of signatures of 500 us, and the one being made"
    );
    assert_eq!(refused.len(), 99);
    insta::assert_snapshot!(refused[0].shown(), @r#"
    503
    cache-control: no-store
    content-type: application/json
    pragma: no-cache
    retry-after: 1

    {"error":"temporarily_unavailable","error_description":"Too many tokens are being signed."}
    "#);
    assert_eq!(server.send(right(FORM)).await.verdict(), "200");
}

#[tokio::test]
async fn callers_that_go_away_leave_the_queue() {
    let server = Server::start();

    for _ in 0..500 {
        let asked = server.router.clone().oneshot(right(FORM));
        let mut asked = Box::pin(asked);
        assert!(is_waiting(&mut asked).await, "it waits for its turn");
        drop(asked);
    }

    assert_eq!(server.send(right(FORM)).await.verdict(), "200");
    assert_eq!(server.records.tokens().len(), 1);
}

#[tokio::test]
async fn a_client_stopped_while_it_waits_for_its_turn_gets_nothing() {
    let server = Server::start();
    let mut asked = Box::pin(server.send(right(FORM)));
    assert!(is_waiting(&mut asked).await);

    let stopped = facts().client(KEY, |client| client.state = ClientState::Disabled);
    let _ = server
        .snapshot
        .replace(Arc::new(stopped.build()), server.clock.boot_time());

    assert_eq!(asked.await.verdict(), "401 invalid_client");
    assert!(server.records.tokens().is_empty());
}

#[tokio::test]
async fn a_deleted_app_gets_no_token_from_the_next_snapshot_on() {
    let server = Server::start();
    assert_eq!(server.ask_as(KEY, SECRET).await.verdict(), "200");

    let old = server.snapshot.load();
    let gone = Facts {
        apps: vec![(IdKey::of("orders-app"), None)],
        ..Facts::default()
    };
    let next: Snapshot = old.with(ChangeSeq::new(2), gone);
    let _ = server
        .snapshot
        .replace(Arc::new(next), server.clock.boot_time());

    assert_eq!(
        server.ask_as(KEY, SECRET).await.verdict(),
        "401 invalid_client"
    );
}
