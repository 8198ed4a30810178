//! Providers that fail: what the caller is told, and that the next call is unharmed.

use std::net::TcpListener;

use crate::support::{Plan, Provider, SHORT, Scene, ok};

fn impatient(target: &str) -> Scene {
    let mut plan = Plan::to(target);
    plan.settings.timeouts.connect = SHORT;
    plan.settings.timeouts.response = SHORT;
    plan.settings.timeouts.idle = SHORT;
    plan.start()
}

fn unreachable(status: u16) -> (u16, String) {
    (status, "TARGET-SYSTEM-UNREACHABLE".to_owned())
}

#[test]
fn a_provider_that_refuses_connections_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);

    assert_eq!(Plan::to(&target).start().get().refusal(), unreachable(503));
}

#[test]
fn a_name_that_does_not_resolve_is_unreachable() {
    let scene = impatient("http://name.invalid:8080");

    let (status, _) = scene.get().refusal();

    // Resolvers without a network may take longer to say so than we wait.
    assert!(matches!(status, 503 | 504), "{status}");
}

#[test]
fn an_address_that_is_not_allowed_is_never_connected_to() {
    let provider = Provider::answering(ok(""));
    for name in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        let mut plan = Plan::to(&format!("http://{name}:{}", provider.address.port()));
        plan.settings.address_policy.allow_loopback = false;

        assert_eq!(plan.start().get().refusal(), unreachable(503), "{name}");
    }
    assert_eq!(provider.connections(), 0);
}

#[test]
fn our_own_ports_are_never_connected_to() {
    let provider = Provider::answering(ok(""));
    let mut plan = Plan::to(&provider.url());
    plan.settings.address_policy.own_ports = vec![provider.address.port()];

    assert_eq!(plan.start().get().refusal(), unreachable(503));
    assert_eq!(provider.connections(), 0);
}

#[test]
fn a_provider_that_hangs_has_timed_out() {
    let provider = Provider::new(|mut served| {
        served.request();
        served.request();
    });
    let scene = impatient(&provider.url());

    let refused = scene.get().refusal();

    assert_eq!(refused, (504, "TARGET-SYSTEM-TIMED-OUT".to_owned()));
    assert_eq!(scene.records.only().reason, "upstream_timeout");
}

#[test]
fn a_provider_that_accepts_and_says_nothing_in_tls_has_timed_out() {
    let provider = Provider::new(|mut served| assert!(served.connection.exactly(1).len() == 1));
    let scene = impatient(&provider.url().replace("http:", "https:"));

    let (status, code) = scene.get().refusal();

    assert!(
        matches!((status, code.as_str()), (503 | 504, _)),
        "{status} {code}"
    );
}

#[test]
fn a_provider_that_resets_is_unreachable() {
    for stage in ["before the request", "after the request", "in the head"] {
        let provider = Provider::new(move |mut served| {
            if stage != "before the request" {
                served.head();
            }
            if stage == "in the head" {
                served.write("HTTP/1.1 200 OK\r\nContent-Le");
            }
            served.connection.reset();
        });
        let scene = Scene::before(&provider);

        assert_eq!(scene.get().refusal(), unreachable(502), "{stage}");
        assert_eq!(scene.records.only().reason, "upstream_reset");
    }
}

#[test]
fn an_answer_that_cannot_be_read_in_one_way_only_is_not_passed_on() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(9) + &ok("x");
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X-Long: x\r\n".repeat(30_000));
    let wide = format!(
        "HTTP/1.1 200 OK\r\nX-Wide: {}\r\n\r\n",
        "x".repeat(1_000_000)
    );
    let line = format!("HTTP/1.1 200 {}\r\n\r\n", "O".repeat(1_000_000));
    for answer in [
        "",
        "\r\n",
        "hello",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nx",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX Space: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Space : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n",
        interim.as_str(),
        endless.as_str(),
        wide.as_str(),
        line.as_str(),
    ] {
        let provider = Provider::answering_once(answer);
        let scene = Scene::before(&provider);

        let refused = scene.get();

        let shown = &answer[..answer.len().min(80)];
        assert_eq!(refused.refusal(), unreachable(502), "{shown:?}");
    }
}

#[test]
fn a_few_interim_answers_are_skipped() {
    let provider =
        Provider::answering("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(8) + &ok("x"));
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    for _ in 0..3 {
        let answer = caller.ask(&scene.call("GET", "/cars/v1/x"));

        assert_eq!((answer.status(), answer.text()), (200, "x"));
        assert_eq!(answer.field("link"), None);
    }
    assert_eq!(provider.connections(), 1);
}

#[test]
fn an_answer_without_a_length_ends_with_its_connection() {
    let provider = Provider::answering_once("HTTP/1.0 200 OK\r\n\r\nall of it");
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    for _ in 0..2 {
        let answer = caller.ask(&scene.call("GET", "/cars/v1/x"));

        assert_eq!(
            (answer.line.as_str(), answer.text()),
            ("HTTP/1.1 200 OK", "all of it")
        );
    }
    assert_eq!(provider.connections(), 2);
}

#[test]
fn a_body_that_breaks_off_is_never_made_to_look_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nffffffffffffffffff\r\n",
    ] {
        let provider = Provider::answering_once(answer);
        let scene = Scene::before(&provider);
        let mut caller = scene.caller();
        caller.write(&scene.call("GET", "/cars/v1/x").bytes());

        let broken = caller.broken_answer();

        assert!(broken.is_err(), "{answer:?}: {broken:?}");
        assert!(caller.is_closed());
        let record = scene.records.only();
        assert_eq!((record.status, record.reason), (200, "upstream_reset"));
    }
}

#[test]
fn a_body_that_stalls_is_cut() {
    let provider = Provider::new(|mut served| {
        served.request();
        served.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        served.request();
    });
    let scene = impatient(&provider.url());
    let mut caller = scene.caller();
    caller.write(&scene.call("GET", "/cars/v1/x").bytes());

    assert!(caller.broken_answer().is_err());
    let record = scene.records.only();
    assert_eq!((record.status, record.reason), (200, "upstream_timeout"));
    assert_eq!(record.code, Some("TARGET-SYSTEM-TIMED-OUT"));
}

#[test]
fn a_caller_is_unharmed_by_what_a_provider_sent_to_the_one_before() {
    for extra in [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        "garbage",
        "\r\n",
        "x",
    ] {
        let first = format!("{}{extra}", ok("first"));
        let provider = Provider::new(move |mut served| {
            if served.request().is_some() {
                served.write(if served.number == 1 {
                    first.clone()
                } else {
                    ok("second")
                });
            }
            served.request();
        });
        let scene = Scene::before(&provider);
        let mut caller = scene.caller();

        let answers = [
            caller.ask(&scene.call("GET", "/cars/v1/1")),
            caller.ask(&scene.call("GET", "/cars/v1/2")),
            caller.ask(&scene.call("GET", "/cars/v1/3")),
        ];

        let second = answers[1].text();
        assert_eq!(answers[0].text(), "first");
        assert_ne!(second, "forged", "{extra:?}");
        assert!(answers.iter().all(|answer| answer.text() != "forged"));
    }
}

#[test]
fn an_answer_that_is_too_long_is_not_begun() {
    let provider =
        Provider::answering_once("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello hello");
    let mut plan = Plan::to(&provider.url());
    plan.settings.limits.response_body_bytes_max = 10;
    let scene = plan.start();

    assert_eq!(scene.get().refusal(), (502, "PAYLOAD-TOO-BIG".to_owned()));
}

#[test]
fn an_answer_of_unknown_length_is_cut_at_the_limit() {
    let provider = Provider::answering_once(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhi there\r\n8\r\nhi there\r\n0\r\n\r\n",
    );
    let mut plan = Plan::to(&provider.url());
    plan.settings.limits.response_body_bytes_max = 10;
    let scene = plan.start();
    let mut caller = scene.caller();
    caller.write(&scene.call("GET", "/cars/v1/x").bytes());

    assert!(caller.broken_answer().is_err());
    assert_eq!(scene.records.only().reason, "body_too_large");
}

#[test]
fn a_streaming_instance_has_no_limits() {
    let provider = Provider::answering("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello hello");
    let mut plan = Plan::to(&provider.url());
    plan.settings.limits.response_body_bytes_max = 10;
    plan.settings.limits.request_body_bytes_max = 10;
    plan.instance.policy.streaming = true;
    let scene = plan.start();

    let answer = scene
        .caller()
        .ask(&scene.call("POST", "/cars/v1/x").body(b"hello hello"));

    assert_eq!((answer.status(), answer.text()), (200, "hello hello"));
}

#[test]
fn a_length_is_not_passed_on_where_there_can_be_no_body() {
    let provider =
        Provider::answering_once("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello");
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    let answers = [(); 2].map(|()| caller.ask(&scene.call("GET", "/cars/v1/x")));

    for answer in answers {
        assert_eq!(
            (answer.status(), answer.field("content-length")),
            (204, None)
        );
    }
    assert_eq!(provider.connections(), 2);
}
