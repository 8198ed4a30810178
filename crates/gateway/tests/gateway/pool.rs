//! Connections to providers: used again when that is safe, and only then.

use std::{
    collections::HashSet,
    sync::{Arc, Barrier, Mutex, mpsc},
    thread,
    time::Duration,
};

use portcullis_core::{ids::IdKey, routes::InstanceRecord, snapshot::Facts, target::Target};

use crate::support::{LONG, Plan, Provider, SHORT, Scene, ok};

#[test]
fn a_connection_is_used_again_after_an_answer_that_ended() {
    let provider = Provider::new(|mut served| {
        let answers = [
            ok("length"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned(),
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n".to_owned(),
            "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
            ok("last"),
        ];
        for answer in answers {
            served.request();
            served.write(answer);
        }
    });
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    for status in [200, 200, 204, 304, 500, 200] {
        assert_eq!(
            caller.ask(&scene.call("GET", "/cars/v1/x")).status(),
            status
        );
    }

    assert_eq!(provider.connections(), 1);
}

#[test]
fn a_connection_the_provider_closes_is_not_used_again() {
    let provider = Provider::answering_once(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
    );
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    for _ in 0..5 {
        assert_eq!(
            caller
                .ask(&scene.call("POST", "/cars/v1/x").body(b"y"))
                .status(),
            200
        );
    }

    assert_eq!(provider.connections(), 5);
}

#[test]
fn a_connection_waits_only_as_long_as_the_provider_says() {
    let provider = Provider::answering(
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n",
    );
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    let call = scene.call("GET", "/cars/v1/x");

    caller.ask(&call);
    scene.clock.advance(Duration::from_secs(3));
    caller.ask(&call);
    assert_eq!(provider.connections(), 1);
    scene.clock.advance(Duration::from_secs(4));
    caller.ask(&call);

    assert_eq!(provider.connections(), 2);
}

/// A provider whose first connection answers once and then dies on the next request without a byte.
fn dying() -> Provider {
    Provider::new(|mut served| {
        served.request();
        served.write(ok(if served.number == 1 { "first" } else { "again" }));
        served.head();
        if served.number > 1 {
            served.write(ok("more"));
        }
    })
}

#[test]
fn a_call_that_is_safe_to_repeat_survives_a_kept_connection_that_dies() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let provider = dying();
        let scene = Scene::before(&provider);
        let mut caller = scene.caller();
        assert_eq!(caller.ask(&scene.call("GET", "/cars/v1/x")).text(), "first");

        let answer = caller.ask(&scene.call(method, "/cars/v1/x"));

        assert_eq!(answer.status(), 200, "{method}");
        assert_eq!(provider.connections(), 2);
    }
}

#[test]
fn a_call_that_may_have_done_something_is_never_repeated() {
    for (method, body) in [("POST", ""), ("PATCH", ""), ("POST", "x"), ("PUT", "x")] {
        let provider = dying();
        let scene = Scene::before(&provider);
        let mut caller = scene.caller();
        assert_eq!(caller.ask(&scene.call("GET", "/cars/v1/x")).text(), "first");
        let mut call = scene.call(method, "/cars/v1/x");
        if !body.is_empty() {
            call = call.body(body.as_bytes());
        }

        let answer = caller.ask(&call);

        let expected = (502, "TARGET-SYSTEM-UNREACHABLE".to_owned());
        assert_eq!(answer.refusal(), expected, "{method} {body:?}");
        assert_eq!(provider.connections(), 1);
    }
}

#[test]
fn a_call_that_was_begun_to_be_answered_is_never_repeated() {
    let provider = Provider::new(|mut served| {
        served.request();
        served.write(ok("first"));
        served.request();
        served.write("HTTP/1.1 200");
    });
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    caller.ask(&scene.call("GET", "/cars/v1/x"));

    let refused = caller.ask(&scene.call("GET", "/cars/v1/x")).refusal();

    assert_eq!(refused.0, 502);
    assert_eq!(provider.connections(), 1);
}

#[test]
fn a_call_is_repeated_once_at_most() {
    let provider = Provider::new(|mut served| {
        served.request();
        if served.number == 1 {
            served.write(ok("first"));
            served.request();
        }
    });
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    caller.ask(&scene.call("GET", "/cars/v1/x"));

    assert_eq!(
        caller.ask(&scene.call("GET", "/cars/v1/x")).refusal().0,
        502
    );
    assert_eq!(provider.connections(), 2);
}

#[test]
fn a_first_connection_that_dies_is_not_tried_again() {
    let provider = Provider::new(|mut served| {
        served.request();
    });
    let scene = Scene::before(&provider);

    assert_eq!(scene.get().refusal().0, 502);
    assert_eq!(provider.connections(), 1);
}

#[test]
fn no_more_connections_are_made_than_allowed_and_the_others_wait() {
    let (arrived, arrivals) = mpsc::channel();
    let release = Arc::new(Barrier::new(3));
    let gate = Arc::clone(&release);
    let provider = Provider::new(move |mut served| {
        let mut is_first = true;
        while served.request().is_some() {
            if is_first {
                arrived.send(()).unwrap();
                gate.wait();
                is_first = false;
            }
            served.write(ok("x"));
        }
    });
    let mut plan = Plan::to(&provider.url());
    plan.settings.limits.connections_max = 2;
    let scene = plan.start();
    let call = scene.call("GET", "/cars/v1/x");

    let mut callers: Vec<_> = (0..6).map(|_| scene.caller()).collect();
    for caller in &mut callers {
        caller.write(&call.bytes());
    }
    arrivals.recv_timeout(LONG).unwrap();
    arrivals.recv_timeout(LONG).unwrap();
    release.wait();

    for caller in &mut callers {
        assert_eq!(caller.answer().status(), 200);
    }
    assert_eq!(provider.connections(), 2);
}

#[test]
fn a_call_that_waits_too_long_for_a_connection_is_told() {
    let provider = Provider::new(|mut served| {
        served.request();
        served.request();
    });
    let mut plan = Plan::to(&provider.url());
    plan.settings.limits.connections_max = 1;
    plan.settings.timeouts.connect = SHORT;
    let scene = plan.start();
    let mut first = scene.caller();
    first.write(&scene.call("GET", "/cars/v1/x").bytes());
    provider.seen();

    let answer = scene.get();

    assert_eq!(
        answer.refusal(),
        (503, "TARGET-SYSTEM-UNREACHABLE".to_owned())
    );
    assert_eq!(answer.field("retry-after"), Some("1"));
    first.reset();
    scene.records.wait(2);
    let mut next = scene.caller();
    next.write(&scene.call("GET", "/cars/v1/x").bytes());
    provider.seen();
}

#[test]
fn an_instance_whose_target_moves_leaves_its_old_connections() {
    let (old, new) = (
        Provider::answering(ok("old")),
        Provider::answering(ok("new")),
    );
    let plan = Plan::to(&old.url());
    let moved = InstanceRecord {
        id: plan.instance.id.clone(),
        target: Target::parse(&new.url()).unwrap(),
        ..Plan::to(&new.url()).instance
    };
    let scene = plan.start();
    let mut caller = scene.caller();
    assert_eq!(caller.ask(&scene.call("GET", "/cars/v1/x")).text(), "old");

    let instances = vec![(moved.id.key(), Some(Arc::new(moved)))];
    scene.change(Facts {
        instances,
        ..Facts::default()
    });

    assert_eq!(caller.ask(&scene.call("GET", "/cars/v1/x")).text(), "new");
    assert_eq!((old.connections(), new.connections()), (1, 1));
}

#[test]
fn instances_do_not_share_connections_even_to_one_address() {
    let provider = Provider::answering(ok("x"));
    let mut plan = Plan::to(&provider.url());
    let other = crate::support::instance(
        "/other/v1",
        portcullis_core::environment::Environment::Production,
        &provider.url(),
    );
    plan.facts = plan.facts.instance(InstanceRecord {
        api: IdKey::of("api"),
        ..other
    });
    let scene = plan.start();
    let mut caller = scene.caller();

    caller.ask(&scene.call("GET", "/cars/v1/x"));
    caller.ask(&scene.call("GET", "/other/v1/x"));

    assert_eq!(provider.connections(), 2);
}

#[test]
fn nobody_gets_anothers_answer() {
    let provider = Provider::new(|mut served| {
        while let Some(request) = served.request() {
            let body = request.field("x-own").unwrap().repeat(40);
            let answer = match body.len() % 3 {
                0 => ok(&body),
                1 => format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                    body.len()
                ),
                _ => format!("HTTP/1.1 100 Continue\r\n\r\n{}", ok(&body)),
            };
            served.write(answer);
        }
    });
    let scene = Arc::new(Scene::before(&provider));
    let seen = Arc::new(Mutex::new(HashSet::new()));

    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (scene, seen) = (Arc::clone(&scene), Arc::clone(&seen));
            thread::spawn(move || {
                let mut caller = scene.caller();
                for turn in 0..200 {
                    let own = format!("<{number}-{turn}{}>", "x".repeat(turn % 7));
                    let call = scene.call("GET", "/cars/v1/x").field("X-Own", &own);
                    if turn % 5 == 4 {
                        // Every fifth call is given up.
                        let mut fleeting = scene.caller();
                        fleeting.write(&call.bytes());
                        fleeting.reset();
                        continue;
                    }
                    let answer = caller.ask(&call);
                    assert_eq!(answer.status(), 200);
                    assert_eq!(answer.text(), own.repeat(40));
                    seen.lock().unwrap().insert(own);
                }
            })
        })
        .collect();

    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(seen.lock().unwrap().len(), 8 * 160);
}
