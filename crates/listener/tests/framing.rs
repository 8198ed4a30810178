//! Framing over real sockets: what is refused, in which order answers come, and what becomes of bodies.

#[cfg(test)]
mod support;

use portcullis_listener::{Event, Reason};

use crate::support::{Server, get, post};

/// Sends a bad request three ways: whole, byte by byte, and with a second request behind it that must
/// not be answered.
#[track_caller]
fn assert_refused(server: &Server, request: &str, status: u16, reason: &str) {
    let calls = server.calls();

    server.exchange(request).assert_refused(status, reason);

    let mut caller = server.connect();
    for byte in request.as_bytes() {
        caller.send([*byte]);
    }
    caller.read_to_end().assert_refused(status, reason);

    server
        .exchange(format!("{request}{}", get("/smuggled")))
        .assert_refused(status, reason);
    assert_eq!(
        server.calls(),
        calls,
        "a refused request reached the service: {}",
        request.escape_debug()
    );
}

#[test]
fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let server = Server::start();

    for (fields, reason) in [
        (
            "Content-Length: 4\r\nTransfer-Encoding: chunked",
            "both_framings",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            "both_framings",
        ),
        ("Transfer-Encoding: xchunked", "transfer_encoding"),
        ("Transfer-Encoding: chunked, identity", "transfer_encoding"),
        (
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
            "transfer_encoding",
        ),
        ("Transfer-Encoding : chunked", "space_before_colon"),
        ("Transfer-Encoding: \u{b}chunked", "control_character"),
        ("Transfer-Encoding\r\n : chunked", "field_name"),
        ("X: x\r\n Transfer-Encoding: chunked", "folded_line"),
        (
            "Content-Length: 4\r\nContent-Length: 5",
            "content_length_repeated",
        ),
        (
            "Content-Length: 4\r\nContent-Length: 4",
            "content_length_repeated",
        ),
        ("Content-Length: 4, 4", "content_length"),
        ("Content-Length: +4", "content_length"),
        ("Content-Length: -1", "content_length"),
        ("Content-Length: 0x4", "content_length"),
        ("Content-Length:", "content_length"),
        ("Content-Length: 18446744073709551620", "content_length"),
        ("X: a\0b", "control_character"),
        ("X: a\u{7f}b", "control_character"),
        ("X: a\rb", "bare_cr"),
        ("X: a\nb", "bare_lf"),
        (": x", "field_name"),
        ("no colon", "space_before_colon"),
        ("Host: b", "host_repeated"),
    ] {
        assert_refused(
            &server,
            &format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n"),
            400,
            reason,
        );
    }
}

#[test]
fn malformed_request_lines_are_refused() {
    let server = Server::start();

    for (line, status, reason) in [
        ("GET /", 400, "version"),
        ("GET / HTTP/0.9", 505, "version_not_supported"),
        ("GET / HTTP/1.10", 400, "version"),
        ("GET / HTTP/2.0", 505, "version_not_supported"),
        ("GET / HTTP/9.9", 505, "version_not_supported"),
        ("GET / http/1.1", 400, "version"),
        ("GET  / HTTP/1.1", 400, "request_line"),
        ("GET /a b HTTP/1.1", 400, "request_line"),
        ("GET /\0 HTTP/1.1", 400, "target"),
        ("GET /a\tb HTTP/1.1", 400, "target"),
        (
            "GET http://169.254.169.254/ HTTP/1.1",
            400,
            "target_authority",
        ),
        ("GET ftp://a/ HTTP/1.1", 400, "target"),
        ("GET file:///etc/passwd HTTP/1.1", 400, "target"),
        ("CONNECT a:443 HTTP/1.1", 405, "method_not_allowed"),
        ("TRACE / HTTP/1.1", 405, "method_not_allowed"),
        ("TRACK / HTTP/1.1", 405, "method_not_allowed"),
        ("G{}T / HTTP/1.1", 400, "method"),
    ] {
        assert_refused(
            &server,
            &format!("{line}\r\nHost: a\r\n\r\n"),
            status,
            reason,
        );
    }
    assert_refused(&server, "GET / HTTP/1.1\r\n\r\n", 400, "host_missing");
    assert_refused(
        &server,
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        400,
        "host_invalid",
    );
    assert_refused(
        &server,
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
        417,
        "expectation",
    );
}

#[test]
fn too_large_is_refused_while_the_caller_still_sends() {
    let server = Server::start();
    let field = format!("X: {}\r\n", "y".repeat(1000));

    let long_line = server.exchange(get(&format!("/{}", "x".repeat(64 * 1024))));
    let large_head = server.exchange(format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        field.repeat(16 * 1024)
    ));
    let many_fields = server.exchange(format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(5000)
    ));
    let long_method = server.exchange(format!(
        "{} / HTTP/1.1\r\nHost: a\r\n\r\n",
        "M".repeat(20 * 1024)
    ));

    long_line.assert_refused(414, "line_too_long");
    large_head.assert_refused(431, "head_too_large");
    many_fields.assert_refused(431, "too_many_fields");
    long_method.assert_refused(501, "method_too_long");
    assert_eq!(server.calls(), 0);
    assert_eq!(server.control.counters().refused(Reason::HeadTooLarge), 1);
}

#[test]
fn a_request_on_the_limits_is_served() {
    let server = Server::start();
    let mut caller = server.connect();

    let line = caller.ask(get(&format!(
        "/{}",
        "x".repeat(8192 - "GET / HTTP/1.1".len())
    )));
    let fields = caller.ask(format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(99)
    ));
    let start = "GET /full HTTP/1.1\r\nHost: a\r\nX: ";
    let filler = "y".repeat(32 * 1024 - start.len() - 4);
    let head = caller.ask(format!("{start}{filler}\r\n\r\n"));

    assert_eq!((line.status, fields.status, head.status), (200, 200, 200));
}

#[test]
fn a_refused_chunk_ends_a_request_that_the_service_was_reading() {
    let server = Server::start();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    for (body, reason) in [
        ("5 \r\nhello\r\n0\r\n\r\n", "chunk_size"),
        ("0x5\r\nhello\r\n0\r\n\r\n", "chunk_size"),
        ("ffffffffffffffff1\r\nhello\r\n0\r\n\r\n", "chunk_size"),
        ("5_0\r\nhello\r\n0\r\n\r\n", "chunk_size"),
        ("5\r\nhello\r\n5\nhello\r\n0\r\n\r\n", "chunk_size"),
        ("4\r\nhello\r\n0\r\n\r\n", "chunk_end"),
        ("6\r\nhello\r\n0\r\n\r\n", "chunk_end"),
        ("5;a b\r\nhello\r\n0\r\n\r\n", "chunk_extension"),
        ("5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", "trailer"),
        ("5\r\nhello\r\n0\r\nX : y\r\n\r\n", "space_before_colon"),
    ] {
        server
            .exchange(format!("{head}{body}{}", get("/smuggled")))
            .assert_refused(400, reason);
        let mut caller = server.connect();
        for byte in format!("{head}{body}").bytes() {
            caller.send([byte]);
        }
        caller.read_to_end().assert_refused(400, reason);
    }
    let long = format!("{head}5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(64 * 1024));
    server
        .exchange(long)
        .assert_refused(400, "chunk_extension_too_long");
}

#[test]
fn bodies_arrive_whole_and_the_connection_goes_on() {
    let server = Server::start();
    let mut caller = server.connect();
    let chunked = "PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n";

    assert_eq!(caller.ask(post("/a", "hello")).body, "POST /a 5 hello");
    assert_eq!(caller.ask(chunked).body, "PUT /c 5 abcde");
    assert_eq!(caller.ask(get("/b?q")).body, "GET /b?q 0 ");
    assert_eq!(caller.ask(post("/d", "")).body, "POST /d 0 ");
    assert_eq!(
        caller
            .ask("GET http://a:80/e HTTP/1.1\r\nHost: a\r\n\r\n")
            .body,
        "GET http://a:80/e 0 "
    );
}

#[test]
fn a_large_body_in_odd_pieces_arrives_whole() {
    let server = Server::start();
    let mut caller = server.connect();
    let piece = "0123456789abcdef".repeat(61);
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    let request = format!(
        "POST /big HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(300)
    );

    for part in request.as_bytes().chunks(1021) {
        caller.send(part);
    }
    let answer = caller.receive();

    let expected = format!("POST /big {} {}", piece.len() * 300, piece.repeat(300));
    assert!(answer.body == expected, "{} bytes came", answer.body.len());
    assert_eq!(caller.ask(get("/next")).body, "GET /next 0 ");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut caller = server.connect();

    caller.send([get("/1"), post("/2", "two"), get("/3"), post("/4", "four")].concat());

    let bodies: Vec<String> = (0..4).map(|_| caller.receive().body).collect();
    assert_eq!(
        bodies,
        ["GET /1 0 ", "POST /2 3 two", "GET /3 0 ", "POST /4 4 four"]
    );
}

#[test]
fn a_refusal_waits_for_the_answers_before_it() {
    let server = Server::start();
    let bad = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx";

    let exchange = server.exchange([&get("/1"), &post("/2", "two"), bad, &get("/3")].concat());

    assert_eq!(exchange.error, None);
    assert_eq!(exchange.statuses(), [200, 200, 400]);
    assert_eq!(exchange.replies[1].body, "POST /2 3 two");
    exchange.replies[2].assert_refusal(400, "content_length_repeated");
    assert_eq!(server.calls(), 2);
}

#[test]
fn a_refusal_waits_for_an_answer_that_takes_long() {
    let server = Server::start();
    let mut caller = server.connect();
    caller.send(get("/gate"));
    support::until("the request is being answered", || {
        server
            .stage
            .is_waiting
            .load(std::sync::atomic::Ordering::SeqCst)
    });

    caller.send("BAD REQUEST\r\n\r\n");
    support::until("the refusal is known", || {
        server.control.counters().refused(Reason::Version) == 1
    });
    server.stage.gate.open();

    let exchange = caller.read_to_end();
    assert_eq!(exchange.statuses(), [200, 400]);
    assert_eq!(exchange.replies[0].body, "gate");
}

#[test]
fn a_refused_body_behind_a_slow_answer_does_not_change_that_answer() {
    let server = Server::start();
    let mut caller = server.connect();
    caller.send(format!(
        "{}POST /second HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXYZ\r\n",
        get("/gate")
    ));
    support::until("the first is being answered", || {
        server
            .stage
            .is_waiting
            .load(std::sync::atomic::Ordering::SeqCst)
    });

    server.stage.gate.open();

    let exchange = caller.read_to_end();
    assert_eq!(exchange.statuses(), [200, 400]);
    assert_eq!(exchange.replies[0].body, "gate");
    exchange.replies[1].assert_refusal(400, "chunk_end");
}

#[test]
fn nothing_after_the_last_request_is_answered() {
    let server = Server::start();
    let last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    for after in [get("/more"), "\0rubbish".to_owned()] {
        let exchange = server.exchange(format!("{last}{after}"));

        assert_eq!(exchange.statuses(), [200]);
        assert!(exchange.replies[0].has("connection: close"));
    }
    let old = server.exchange("GET /old HTTP/1.0\r\n\r\nGET /more HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(old.statuses(), [200]);
    let closed_by_service =
        server.exchange([get("/close"), get("/more"), "\0rubbish".to_owned()].concat());
    assert_eq!(closed_by_service.statuses(), [200]);
    assert_eq!(closed_by_service.error, None);
}

#[test]
fn a_head_request_gets_no_body_and_leaves_the_connection_in_step() {
    let server = Server::start();
    let mut caller = server.connect();

    caller.send(["HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", &get("/next")].concat());
    caller.half_close();
    let mut everything = String::new();
    std::io::Read::read_to_string(&mut caller.stream, &mut everything).unwrap();

    let (head, after) = everything.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_ascii_lowercase().contains("content-length: 10"),
        "{head}"
    );
    assert!(after.starts_with("HTTP/1.1 200"), "{after}");
    assert!(after.ends_with("GET /next 0 "), "{after}");
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let server = Server::start();
    let mut caller = server.connect();

    caller.send("HEAD / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    let mut everything = String::new();
    std::io::Read::read_to_string(&mut caller.stream, &mut everything).unwrap();

    assert!(everything.starts_with("HTTP/1.1 400 "), "{everything}");
    assert!(everything.ends_with("\r\n\r\n"), "{everything}");
}

#[test]
fn a_caller_that_waits_for_100_gets_it_only_when_the_body_is_wanted() {
    let server = Server::start();
    let expecting = |target: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
    };

    let mut wanted = server.connect();
    let go_on = wanted.ask(expecting("/wanted"));
    let answer = wanted.ask("hello");
    let mut unwanted = server.connect();
    unwanted.send(expecting("/early"));
    let unwanted = unwanted.read_to_end();
    let mut impatient = server.connect();
    impatient.send(format!("{}hello", expecting("/early")));
    let impatient = impatient.read_to_end();

    assert_eq!((go_on.status, answer.status), (100, 200));
    assert_eq!(answer.body, "POST /wanted 5 hello");
    assert_eq!(wanted.ask(get("/next")).status, 200);
    assert_eq!(unwanted.statuses(), [401]);
    assert!(unwanted.replies[0].has("connection: close"));
    assert_eq!(
        impatient.statuses(),
        [401],
        "no 100 for a body that nobody will read"
    );
}

#[test]
fn a_body_that_was_not_read_but_has_arrived_does_not_cost_the_connection() {
    let server = Server::start();
    let mut caller = server.connect();
    let chunked = "POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

    for request in [
        post("/early", "hello"),
        chunked.to_owned(),
        post("/early", &"x".repeat(3000)),
    ] {
        let answer = caller.ask(request);
        assert_eq!(
            (answer.status, answer.has("connection: close")),
            (401, false)
        );
    }
    caller.send(
        [
            post("/early", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
            get("/next"),
        ]
        .concat(),
    );

    assert_eq!(caller.receive().status, 401);
    assert_eq!(caller.receive().body, "GET /next 0 ");
}

#[test]
fn a_body_that_was_not_read_and_has_not_arrived_ends_the_connection_readably() {
    let server = Server::start();
    let mut caller = server.connect();
    let megabyte = "x".repeat(1 << 20);

    caller.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 33554432\r\n\r\n");
    let answer = caller.receive();
    for _ in 0..32 {
        caller.send(&megabyte);
    }
    let rest = caller.read_to_end();

    assert_eq!(
        (answer.status, answer.has("connection: close")),
        (401, true)
    );
    assert_eq!((rest.statuses(), rest.error), (vec![], None));
    assert_eq!(server.calls(), 1);
}

#[test]
fn a_body_that_is_given_up_with_the_answer_does_not_hang_the_connection() {
    let server = Server::start();

    for body in ["", "half"] {
        let mut caller = server.connect();
        caller.send(format!(
            "POST /keep HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n{body}"
        ));
        let mut everything = String::new();
        std::io::Read::read_to_string(&mut caller.stream, &mut everything).unwrap();
        assert!(
            everything.ends_with("\r\n\r\n4\r\nkept\r\n0\r\n\r\n"),
            "{everything}"
        );
    }
}

#[test]
fn upgrade_is_ignored_and_makes_no_tunnel() {
    let server = Server::start();
    let mut caller = server.connect();

    for protocol in ["h2c", "foo", "TLS/1.2", "websocket"] {
        let answer = caller.ask(format!(
            "GET /headers HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\nHTTP2-Settings: x\r\n\r\n"
        ));
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("\"upgrade\":"), "{}", answer.body);
    }
    let interim =
        caller.ask("GET /interim HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    interim.assert_refusal_of_service();
    assert_eq!(caller.ask(get("/next")).body, "GET /next 0 ");
}

#[test]
fn a_caller_that_closes_its_side_still_gets_its_answers() {
    let server = Server::start();
    let mut caller = server.connect();

    caller.send([get("/1"), get("/2"), post("/3", "x")].concat());
    caller.half_close();

    assert_eq!(caller.read_to_end().statuses(), [200, 200, 200]);
    assert_eq!(server.control.counters().get(Event::CallerGone), 0);
}

#[test]
fn a_request_that_breaks_off_is_not_served() {
    let server = Server::start();

    for part in ["GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n", ""] {
        let mut caller = server.connect();
        caller.send(part);
        caller.half_close();
        caller.assert_closed_silently();
    }
    let mut caller = server.connect();
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    caller.half_close();
    let answer = caller.receive();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (502, "the service saw: the request body ended early")
    );
    assert_eq!(server.calls(), 1);
}

#[test]
fn http_1_0_is_served_and_kept_alive_only_when_asked() {
    let server = Server::start();
    let mut kept = server.connect();

    let once = server.exchange("GET /a HTTP/1.0\r\n\r\n");
    let first = kept.ask("GET /b HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    let second = kept.ask("GET /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

    assert_eq!(once.statuses(), [200]);
    assert_eq!(
        (first.body.as_str(), second.body.as_str()),
        ("GET /b 0 ", "GET /c 0 ")
    );
}

#[test]
fn the_service_learns_who_calls() {
    let server = Server::start();
    let mut caller = server.connect();

    let answer = caller.ask(get("/peer"));

    let (addr, local_addr) = (caller.stream.local_addr().unwrap(), server.address);
    let peer = portcullis_listener::Peer {
        addr,
        local_addr,
        tls: false,
    };
    assert_eq!(answer.body, format!("{peer:?}"));
}
