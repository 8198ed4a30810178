//! The life of connections and of ports: clocks, limits, callers that go away, panics, draining, cores.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what sets up a test is part of it"
)]

#[cfg(test)]
mod support;

use std::convert::Infallible;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response};
use portcullis_listener::{Body, Bound, Event, Limits, PerCore, Settings, serve_per_core};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{Actor, Answer, Caller, PATIENCE, Server, get, post, text, until};

const SHORT: Duration = Duration::from_millis(200);

fn count(server: &Server, event: Event) -> u64 {
    server.control.counters().get(event)
}

#[test]
fn a_head_that_drips_is_answered_408_from_its_first_byte_on() {
    let server = Server::with_limits(Limits {
        head_timeout: SHORT,
        ..Limits::default()
    });
    let mut caller = server.connect();
    let begin = Instant::now();

    for byte in get("/").bytes().cycle().take(10_000) {
        caller.send([byte.max(b'a')]);
        if count(&server, Event::HeadTimeout) > 0 {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }

    caller.read_to_end().assert_refused(408, "head_timeout");
    assert!(
        begin.elapsed() < PATIENCE,
        "progress does not prolong the time for a head"
    );
    assert_eq!(server.calls(), 0);
}

#[test]
fn a_connection_that_says_nothing_is_closed_silently() {
    let server = Server::with_limits(Limits {
        head_timeout: SHORT,
        ..Limits::default()
    });

    server.connect().assert_closed_silently();

    assert_eq!(count(&server, Event::HeadTimeout), 1);
}

#[test]
fn a_kept_connection_is_closed_when_no_request_comes() {
    let server = Server::with_limits(Limits {
        idle_timeout: SHORT,
        ..Limits::default()
    });
    let mut caller = server.connect();
    assert_eq!(caller.ask(get("/")).status, 200);

    caller.assert_closed_silently();

    assert_eq!(count(&server, Event::IdleTimeout), 1);
}

#[test]
fn a_stray_empty_line_begins_no_head() {
    let limits = Limits {
        head_timeout: SHORT,
        idle_timeout: 3 * SHORT,
        ..Limits::default()
    };
    let server = Server::with_limits(limits);
    let mut caller = server.connect();
    caller.ask(get("/"));

    caller.send("\r\n");

    caller.assert_closed_silently();
    assert_eq!(
        (
            count(&server, Event::IdleTimeout),
            count(&server, Event::HeadTimeout)
        ),
        (1, 0)
    );
}

#[test]
fn a_kept_connection_that_was_parked_goes_on() {
    let server = Server::start();
    let mut caller = server.connect();
    caller.ask(get("/1"));

    // Longer than hyper keeps a connection that waits.
    std::thread::park_timeout(Duration::from_millis(2500));

    assert_eq!(caller.ask(get("/2")).body, "GET /2 0 ");
    assert_eq!(caller.ask(post("/3", "x")).body, "POST /3 1 x");
}

#[test]
fn a_body_that_stands_still_is_answered_408() {
    let server = Server::with_limits(Limits {
        body_progress_timeout: SHORT,
        ..Limits::default()
    });

    for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let mut caller = server.connect();
        caller.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n5\r\nab"
        ));
        caller.read_to_end().assert_refused(408, "body_timeout");
    }

    assert_eq!(count(&server, Event::BodyTimeout), 2);
}

#[test]
fn a_body_that_nobody_reads_does_not_keep_its_connection() {
    let limits = Limits {
        body_progress_timeout: SHORT,
        ..Limits::default()
    };
    let server = Server::with_limits(limits);
    let mut caller = server.connect();

    caller.send("POST /leak HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome");
    let answer = caller.receive();

    assert_eq!(answer.body, "leaked");
    until("the connection is closed", || {
        server.control.counters().open() == 0
    });
}

#[test]
fn a_body_that_moves_may_take_longer_than_the_time_without_progress() {
    // Far longer than one step, so that a busy machine does not make a step too long; all steps are longer still.
    let limit = Duration::from_secs(2);
    let server = Server::with_limits(Limits {
        body_progress_timeout: limit,
        ..Limits::default()
    });
    let mut caller = server.connect();

    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    for byte in b"moving.." {
        std::thread::park_timeout(limit / 6);
        caller.send([*byte]);
    }

    assert_eq!(caller.receive().body, "POST / 8 moving..");
}

#[test]
fn a_service_that_is_slow_to_read_costs_the_caller_nothing() {
    let server = Server::with_limits(Limits {
        body_progress_timeout: SHORT,
        ..Limits::default()
    });
    let mut caller = server.connect();

    caller.send("POST /gate HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    std::thread::park_timeout(3 * SHORT);
    server.stage.gate.open();

    assert_eq!(caller.receive().body, "gate");
}

#[test]
fn a_caller_that_stops_reading_is_let_go() {
    let server = Server::with_limits(Limits {
        write_progress_timeout: SHORT,
        ..Limits::default()
    });
    let mut caller = server.connect();

    caller.send(get("/endless"));

    until("the stalled write is noticed", || {
        count(&server, Event::WriteTimeout) == 1
    });
    until("the connection is closed", || {
        server.control.counters().open() == 0
    });
}

#[test]
fn a_caller_that_goes_away_ends_its_request() {
    let server = Server::with_limits(Limits {
        half_close_timeout: SHORT,
        ..Limits::default()
    });

    for target in ["/hold", "/hold-of-the-last"] {
        let fields = if target == "/hold" {
            ""
        } else {
            "Connection: close\r\n"
        };
        let before = server.stage.given_up.load(Ordering::SeqCst);
        let mut caller = server.connect();
        caller.send(format!("GET /hold HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        until("the request is being answered", || {
            server.stage.is_waiting.swap(false, Ordering::SeqCst)
        });

        drop(caller);

        until("the service is told", || {
            server.stage.given_up.load(Ordering::SeqCst) == before + 1
        });
    }
    assert_eq!(count(&server, Event::CallerGone), 2);
}

#[test]
fn a_caller_that_closes_its_side_gets_a_slow_answer_in_time() {
    let server = Server::start();
    let mut caller = server.connect();
    caller.send(get("/gate"));
    caller.half_close();
    until("the request is being answered", || {
        server.stage.is_waiting.load(Ordering::SeqCst)
    });
    std::thread::park_timeout(Duration::from_millis(100));

    server.stage.gate.open();

    assert_eq!(caller.read_to_end().statuses(), [200]);
}

#[test]
fn a_panic_is_one_answer_of_500_and_nothing_else() {
    let server = Server::start();
    let mut bystander = server.connect();
    bystander.send(get("/gate"));

    for target in ["/panic-at-once", "/panic"] {
        let mut caller = server.connect();
        caller.ask(get(target)).assert_refusal_of_service();
        assert_eq!(caller.ask(get("/after")).status, 200);
        caller
            .ask(post(target, "unread"))
            .assert_refusal_of_service();
        assert_eq!(caller.ask(get("/after")).status, 200);
    }
    let broken = server.exchange(get("/panic-in-body"));

    assert!(
        !broken.rest.ends_with(b"0\r\n\r\n"),
        "a broken answer must not look complete"
    );
    assert_eq!(count(&server, Event::Panicked), 5);
    server.stage.gate.open();
    assert_eq!(bystander.receive().body, "gate");
}

#[test]
fn connections_over_the_limit_are_closed_at_once() {
    let server = Server::with_limits(Limits {
        connections_max: 2,
        ..Limits::default()
    });
    let mut held = [server.connect(), server.connect()];
    for caller in &mut held {
        assert_eq!(caller.ask(get("/")).status, 200);
    }

    let over = server.connect().read_to_end();

    assert_eq!(over.replies.len(), 0);
    assert_eq!(count(&server, Event::OverPortLimit), 1);
    assert_eq!(server.control.counters().open(), 2);
    let [one, mut other] = held;
    drop(one);
    until("the place is free", || {
        server.control.counters().open() == 1
    });
    assert_eq!(server.connect().ask(get("/")).status, 200);
    assert_eq!(other.ask(get("/")).status, 200);
}

#[test]
fn one_source_over_its_limit_is_closed_at_once() {
    let server = Server::with_limits(Limits {
        connections_per_source_max: 1,
        ..Limits::default()
    });
    let mut held = server.connect();
    assert_eq!(held.ask(get("/")).status, 200);

    let _ = server.connect().read_to_end();

    assert_eq!(count(&server, Event::OverSourceLimit), 1);
}

#[test]
fn new_limits_hold_for_new_connections() {
    let server = Server::start();
    let mut old = server.connect();
    assert_eq!(old.ask(get("/")).status, 200);

    server.control.set_limits(Limits {
        request_line_bytes_max: 20,
        ..Limits::default()
    });

    server
        .exchange(get("/longer-than-twenty"))
        .assert_refused(414, "line_too_long");
    assert_eq!(old.ask(get("/longer-than-twenty")).status, 200);
}

#[test]
fn draining_answers_what_was_begun_and_ends_idle_connections() {
    let server = Server::with_limits(Limits {
        drain_idle_timeout: SHORT,
        ..Limits::default()
    });
    let (mut busy, mut idle, fresh) = (server.connect(), server.connect(), server.connect());
    idle.ask(get("/"));
    busy.send(get("/gate"));
    until("the request is being answered", || {
        server.stage.is_waiting.load(Ordering::SeqCst)
    });
    until("all are accepted", || server.control.counters().open() == 3);

    server.shutdown.cancel();

    idle.assert_closed_silently();
    fresh.assert_closed_silently();
    until("the port is closed", || {
        std::net::TcpStream::connect(server.address).is_err()
    });
    server.stage.gate.open();
    let busy = busy.read_to_end();
    assert_eq!(busy.statuses(), [200]);
    assert!(busy.replies[0].has("connection: close"));
    assert_eq!(server.drained().cut, 0);
}

#[test]
fn a_request_on_its_way_when_draining_begins_is_answered() {
    let server = Server::with_limits(Limits {
        drain_idle_timeout: PATIENCE / 2,
        ..Limits::default()
    });
    let (mut kept, mut fresh, mut half) = (server.connect(), server.connect(), server.connect());
    kept.ask(get("/"));
    half.send("GET /half HTTP/1.1\r\n");
    until("all are accepted", || server.control.counters().open() == 3);

    server.shutdown.cancel();
    std::thread::park_timeout(Duration::from_millis(50));
    kept.send(get("/kept"));
    fresh.send(get("/fresh"));
    half.send("Host: a\r\n\r\n");

    for caller in [kept, fresh, half] {
        let exchange = caller.read_to_end();
        assert_eq!((exchange.statuses(), exchange.error), (vec![200], None));
        assert!(exchange.replies[0].has("connection: close"), "{exchange:?}");
    }
    assert_eq!(server.drained().cut, 0);
}

#[test]
fn what_takes_longer_than_the_drain_is_cut_and_counted() {
    let server = Server::with_limits(Limits {
        drain_timeout: SHORT,
        drain_idle_timeout: Duration::from_mins(1),
        ..Limits::default()
    });
    let (mut busy, _fresh) = (server.connect(), server.connect());
    busy.send(get("/hold"));
    until("the request is being answered", || {
        server.stage.is_waiting.load(Ordering::SeqCst)
    });
    let stage = std::sync::Arc::clone(&server.stage);

    server.shutdown.cancel();
    let drained = server.drained();

    assert_eq!(drained.cut, 1, "only the one with a request counts");
    assert_eq!(stage.given_up.load(Ordering::SeqCst), 1);
}

fn per_core(
    workers: usize,
    limits: Limits,
) -> (PerCore, std::net::SocketAddr, CancellationToken, Actor) {
    let settings = Settings {
        addresses: vec!["127.0.0.1:0".parse().unwrap()],
        limits,
        tls: None,
        name: "gate",
    };
    let bound = Bound::bind(&settings).unwrap();
    let address = bound.local_addresses()[0];
    let shutdown = CancellationToken::new();
    let actor = Actor::default();
    let shared = actor.clone();
    let make = move |core: usize| {
        // Neither the service nor its future can leave the thread.
        let core = Rc::new(core);
        let actor = shared.clone();
        hyper::service::service_fn(move |request: Request<Body>| {
            let (core, actor) = (Rc::clone(&core), actor.clone());
            async move {
                let answer = if request.uri().path() == "/core" {
                    tokio::task::yield_now().await;
                    text(format!(
                        "{core} {}",
                        std::thread::current().name().unwrap_or_default()
                    ))
                } else {
                    hyper::service::Service::call(&actor, request).await?
                };
                Ok::<Response<Answer>, Infallible>(answer)
            }
        })
    };
    let per_core = serve_per_core(
        bound,
        settings,
        support::refusal_body,
        workers,
        make,
        shutdown.clone(),
    )
    .unwrap();
    (per_core, address, shutdown, actor)
}

#[test]
fn connections_go_to_the_core_with_the_fewest() {
    let (per_core, address, shutdown, _) = per_core(4, Limits::default());
    let health = per_core.core_health();

    let mut callers: Vec<Caller> = Vec::new();
    for _ in 0..8 {
        let mut caller = Caller::connect(address);
        caller.ask(get("/core"));
        callers.push(caller);
    }
    assert_eq!(health.open_connections(), [2, 2, 2, 2]);

    let core_of = |caller: &mut Caller| caller.ask(get("/core")).body;
    let first = core_of(&mut callers[0]);
    callers.retain_mut(|caller| core_of(caller) != first);
    until("one core is empty", || {
        health.open_connections().contains(&0)
    });
    let mut next = [Caller::connect(address), Caller::connect(address)];
    assert_eq!(core_of(&mut next[0]), first);
    assert_eq!(core_of(&mut next[1]), first);
    assert!(
        first.ends_with(&format!("gate-core-{}", first.split(' ').next().unwrap())),
        "{first}"
    );
    drop((callers, next));
    shutdown.cancel();
    assert_eq!(per_core.join().cut, 0);
}

#[test]
fn a_core_that_is_stuck_shows_in_its_tick_and_gets_no_connections() {
    let settings = Settings {
        addresses: vec!["127.0.0.1:0".parse().unwrap()],
        limits: Limits::default(),
        tls: None,
        name: "gate",
    };
    let bound = Bound::bind(&settings).unwrap();
    let address = bound.local_addresses()[0];
    let shutdown = CancellationToken::new();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
    let make = move |_| {
        let wait = std::sync::Arc::clone(&wait);
        hyper::service::service_fn(move |request: Request<Body>| {
            if request.uri().path() == "/stick" {
                let _ = wait.lock().unwrap().recv();
            }
            async { Ok::<_, Infallible>(text("ok")) }
        })
    };
    let per_core = serve_per_core(
        bound,
        settings,
        support::refusal_body,
        2,
        make,
        shutdown.clone(),
    )
    .unwrap();
    let health = per_core.core_health();
    until("both tick", || {
        health.oldest_tick_age() < Duration::from_millis(150)
    });

    let mut stuck = Caller::connect(address);
    stuck.send(get("/stick"));
    until("one core is late and the other is not", || {
        let ages = health.tick_ages();
        let is_late = |age: &Duration| *age > Duration::from_millis(400);
        ages.iter().any(is_late) && !ages.iter().all(is_late)
    });
    until("it counts as stuck", || {
        health.oldest_tick_age() > Duration::from_millis(1100)
    });
    let mut others: Vec<Caller> = (0..4).map(|_| Caller::connect(address)).collect();

    for other in &mut others {
        assert_eq!(
            other.ask(get("/")).status,
            200,
            "the other core takes them all"
        );
    }
    release.send(()).unwrap();
    until("it ticks again", || {
        health.oldest_tick_age() < Duration::from_millis(150)
    });
    assert_eq!(stuck.receive().status, 200);
    shutdown.cancel();
    drop((stuck, others));
    assert_eq!(per_core.join().cut, 0);
    until("cores that have ended count as seen", || {
        health.oldest_tick_age() == Duration::ZERO
    });
}

#[test]
fn cores_drain_and_cut_as_a_runtime_does() {
    let (per_core, address, shutdown, actor) = per_core(
        2,
        Limits {
            drain_timeout: SHORT,
            drain_idle_timeout: SHORT / 4,
            ..Limits::default()
        },
    );
    let (mut held, mut idle) = (Caller::connect(address), Caller::connect(address));
    idle.ask(get("/core"));
    held.send(get("/hold"));
    until("the request is being answered", || {
        actor.0.is_waiting.load(Ordering::SeqCst)
    });

    shutdown.cancel();
    idle.assert_closed_silently();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let drained = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, per_core.drained())
            .await
            .unwrap()
    });

    assert_eq!(drained.cut, 1);
    assert_eq!(actor.0.given_up.load(Ordering::SeqCst), 1);
}

#[test]
fn a_service_that_cannot_be_made_is_an_error_and_no_port() {
    let settings = Settings {
        addresses: vec!["127.0.0.1:0".parse().unwrap()],
        limits: Limits::default(),
        tls: None,
        name: "gate",
    };
    let bound = Bound::bind(&settings).unwrap();
    let address = bound.local_addresses()[0];
    let make = |core: usize| {
        assert!(core == 0, "no second core");
        Actor::default()
    };

    let failed = serve_per_core(
        bound,
        settings,
        support::refusal_body,
        2,
        make,
        CancellationToken::new(),
    );

    assert_eq!(failed.unwrap_err().to_string(), "core 1 did not start");
    until("the port is closed", || {
        std::net::TcpStream::connect(address).is_err()
    });
}

#[test]
fn one_port_serves_both_address_families() {
    let settings = Settings {
        addresses: vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()],
        limits: Limits::default(),
        tls: None,
        name: "test",
    };
    let Ok(bound) = Bound::bind(&settings) else {
        eprintln!("skipped: this machine has no IPv6 loopback");
        return;
    };
    let addresses = bound.local_addresses();
    let shutdown = CancellationToken::new();
    let make = |_| Actor::default();
    let per_core = serve_per_core(
        bound,
        settings,
        support::refusal_body,
        1,
        make,
        shutdown.clone(),
    )
    .unwrap();

    for address in addresses {
        assert_eq!(
            Caller::connect(address).ask(get("/")).status,
            200,
            "{address}"
        );
    }
    shutdown.cancel();
    assert_eq!(per_core.join().cut, 0);
}

#[test]
fn a_successor_takes_over_the_listening_socket_without_a_refused_connection() {
    let settings = Settings {
        addresses: vec!["127.0.0.1:0".parse().unwrap()],
        limits: Limits::default(),
        tls: None,
        name: "old",
    };
    let bound = Bound::bind(&settings).unwrap();
    let address = bound.local_addresses()[0];
    let inherited = bound.duplicate().unwrap();
    let (old_shutdown, new_shutdown) = (CancellationToken::new(), CancellationToken::new());
    let make = |_| Actor::default();
    let old = serve_per_core(
        bound,
        settings.clone(),
        support::refusal_body,
        1,
        make,
        old_shutdown.clone(),
    )
    .unwrap();
    assert_eq!(Caller::connect(address).ask(get("/")).status, 200);

    old_shutdown.cancel();
    assert_eq!(old.join().cut, 0);
    let mut between = Caller::connect(address);
    between.send(get("/between"));
    let new = serve_per_core(
        Bound::from_std(inherited).unwrap(),
        settings,
        support::refusal_body,
        1,
        make,
        new_shutdown.clone(),
    )
    .unwrap();

    assert_eq!(between.receive().body, "GET /between 0 ");
    drop(between);
    new_shutdown.cancel();
    assert_eq!(new.join().cut, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn without_descriptors_the_port_waits_and_then_goes_on() {
    let this = std::env::current_exe().unwrap();
    let child =
        "ulimit -n 64; exec \"$0\" --exact child_with_few_descriptors --ignored --test-threads 1";

    let output = Command::new("sh")
        .arg("-c")
        .arg(child)
        .arg(this)
        .output()
        .unwrap();

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
#[ignore = "run by without_descriptors_the_port_waits_and_then_goes_on, with few descriptors"]
fn child_with_few_descriptors() {
    let server = Server::start();
    let mut callers = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect(server.address) {
        callers.push(stream);
    }
    until("accepting fails", || {
        count(&server, Event::AcceptFailed) > 2
    });

    let before = count(&server, Event::AcceptFailed);
    let begin = Instant::now();
    std::thread::park_timeout(Duration::from_millis(500));
    let failures = count(&server, Event::AcceptFailed) - before;
    let pauses = begin.elapsed().as_millis() / 50;
    callers.clear();

    assert!(
        u128::from(failures) <= pauses + 1,
        "{failures} attempts in {pauses} pauses of 50 ms"
    );
    assert_eq!(server.connect().ask(get("/")).status, 200);
}
