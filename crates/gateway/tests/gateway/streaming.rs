//! Bodies in both directions: nothing is buffered, everything is limited, and nobody waits for a body that
//! will not be wanted.

use std::sync::mpsc;

use crate::support::{LONG, Plan, Provider, SHORT, Scene, ok};

#[test]
fn the_answer_begins_before_the_upload_ends() {
    let provider = Provider::new(|mut served| {
        served.head();
        assert_eq!(served.connection.chunk(), b"first");
        served.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
        assert_eq!(served.connection.chunk(), b"second");
        served.write("3\r\ntwo\r\n");
        assert_eq!(served.connection.chunk(), b"");
        served.write("0\r\n\r\n");
        served.request();
        served.write(ok("after"));
    });
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    let call = scene
        .call("POST", "/cars/v1/x")
        .field("Transfer-Encoding", "chunked");

    caller.write(&call.bytes());
    caller.write(b"5\r\nfirst\r\n");
    assert_eq!(caller.head().unwrap().status(), 200);
    assert_eq!(caller.chunk(), b"one");
    caller.write(b"6\r\nsecond\r\n");
    assert_eq!(caller.chunk(), b"two");
    caller.write(b"0\r\n\r\n");

    assert_eq!(caller.chunk(), b"");
    assert_eq!(caller.ask(&scene.call("GET", "/cars/v1/x")).text(), "after");
    assert_eq!(provider.connections(), 1);
    assert_eq!(scene.records.wait(2)[0].request_bytes, 11);
}

#[test]
fn a_large_body_passes_in_both_directions_unchanged() {
    let body: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    let provider = Provider::new(|mut served| {
        while let Some(request) = served.request() {
            served.write(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                request.body.len()
            ));
            served.write(&request.body);
        }
    });
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    for _ in 0..2 {
        let answer = caller.ask(&scene.call("PUT", "/cars/v1/x").body(&body));

        assert_eq!(answer.status(), 200);
        assert!(answer.body == body);
    }
    let record = scene.records.wait(2).remove(1);
    assert_eq!(
        (record.request_bytes, record.response_bytes),
        (5_000_000, 5_000_000)
    );
    assert_eq!(provider.connections(), 1);
}

#[test]
fn an_upload_goes_on_while_nobody_reads_the_answer() {
    let size = 8_000_000;
    let provider = Provider::new(move |mut served| {
        served.head();
        served.connection.exactly(1_000);
        served.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
        let mut writer = served.connection.stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || {
            let _ = std::io::Write::write_all(&mut writer, &vec![b'x'; size]);
        });
        served.connection.exactly(size - 1_000);
        writing.join().unwrap();
    });
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    let call = scene
        .call("POST", "/cars/v1/x")
        .field("Content-Length", &size.to_string());
    caller.stream.set_write_timeout(Some(LONG)).unwrap();

    caller.write(&call.bytes());
    caller.write(&vec![b'y'; size]);

    assert_eq!(caller.answer().body.len(), size);
}

#[test]
fn an_answer_before_the_end_of_the_upload_is_passed_on_at_once() {
    let provider = Provider::new(|mut served| {
        served.head();
        served.write("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!");
    });
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    caller.write(
        &scene
            .call("POST", "/cars/v1/x")
            .field("Content-Length", "1000000")
            .bytes(),
    );
    let answer = caller.answer();

    assert_eq!((answer.status(), answer.text()), (413, "no!"));
    assert_eq!(answer.field("error-source"), Some("api"));
}

#[test]
fn a_body_that_says_it_is_too_long_is_refused_before_it_is_read() {
    let provider = Provider::answering(ok(""));
    let mut plan = Plan::to(&provider.url());
    plan.settings.limits.request_body_bytes_max = 10;
    let scene = plan.start();
    let call = scene.call("POST", "/cars/v1/x");

    let too_long = call
        .clone()
        .field("Content-Length", "11")
        .field("Expect", "100-continue");
    let answer = scene.caller().ask(&too_long);
    let fitting = scene.caller().ask(&call.body(b"0123456789"));

    assert_eq!(answer.refusal(), (413, "PAYLOAD-TOO-BIG".to_owned()));
    assert_eq!(fitting.status(), 200);
    assert_eq!(provider.seen().text(), "0123456789");
    assert!(provider.saw_nothing());
}

#[test]
fn a_body_of_unknown_length_is_cut_at_the_limit() {
    let provider = Provider::new(|mut served| {
        served.request();
    });
    let mut plan = Plan::to(&provider.url());
    plan.settings.limits.request_body_bytes_max = 10;
    let scene = plan.start();
    let mut caller = scene.caller();

    caller.write(
        &scene
            .call("POST", "/cars/v1/x")
            .field("Transfer-Encoding", "chunked")
            .bytes(),
    );
    caller.write(b"8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n");

    assert_eq!(
        caller.answer().refusal(),
        (413, "PAYLOAD-TOO-BIG".to_owned())
    );
    assert!(provider.saw_nothing());
    assert_eq!(scene.records.only().reason, "body_too_large");
}

#[test]
fn a_caller_that_expects_a_sign_gets_it_when_the_provider_is_there() {
    let provider = Provider::answering(ok("done"));
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();
    let call = scene
        .call("POST", "/cars/v1/x")
        .field("Content-Length", "5");

    caller.write(&call.field("Expect", "100-continue").bytes());
    assert_eq!(caller.head().unwrap().status(), 100);
    caller.write(b"hello");

    assert_eq!(caller.answer().text(), "done");
    let seen = provider.seen();
    assert_eq!((seen.field("expect"), seen.text()), (None, "hello"));
}

#[test]
fn a_caller_without_a_permit_gets_no_sign() {
    let provider = Provider::answering(ok(""));
    let scene = Scene::before(&provider);
    let call = scene
        .call("POST", "/cars/v1/x")
        .field("Content-Length", "5");
    let call = call.field("Expect", "100-continue");

    for (call, status) in [
        (call.clone().without("Authorization"), 401),
        (call.clone().with("Subscription-Id", "of-stranger"), 403),
    ] {
        assert_eq!(scene.caller().ask(&call).status(), status);
    }
    let unreachable = Plan::to("http://127.0.0.1:9").start();
    assert_eq!(unreachable.caller().ask(&call).status(), 503);
    assert!(provider.saw_nothing());
}

#[test]
fn a_caller_that_goes_away_takes_the_call_to_the_provider_along() {
    let (gone, is_gone) = mpsc::channel();
    let provider = Provider::new(move |mut served| {
        served.request();
        if served.number == 2 {
            served.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        }
        gone.send(served.connection.is_closed()).unwrap();
    });
    let scene = Scene::before(&provider);

    let mut before_answer = scene.caller();
    before_answer.write(&scene.call("GET", "/cars/v1/x").bytes());
    provider.seen();
    before_answer.reset();
    assert!(is_gone.recv_timeout(LONG).unwrap());

    let mut in_answer = scene.caller();
    in_answer.write(&scene.call("GET", "/cars/v1/x").bytes());
    assert_eq!(in_answer.head().unwrap().status(), 200);
    assert_eq!(in_answer.chunk(), b"x");
    in_answer.reset();
    assert!(is_gone.recv_timeout(LONG).unwrap());

    let records = scene.records.wait(2);
    let ends: Vec<_> = records
        .iter()
        .map(|record| (record.status, record.reason))
        .collect();
    assert_eq!(ends, [(499, "client_closed"), (200, "client_closed")]);
}

#[test]
fn a_caller_that_goes_away_in_its_upload_ends_the_call() {
    let (gone, is_gone) = mpsc::channel();
    let provider = Provider::new(move |mut served| {
        served.head();
        served.connection.exactly(3);
        gone.send(served.connection.is_closed()).unwrap();
    });
    let scene = Scene::before(&provider);
    let mut caller = scene.caller();

    caller.write(
        &scene
            .call("POST", "/cars/v1/x")
            .field("Content-Length", "10")
            .bytes(),
    );
    caller.write(b"abc");
    provider.seen();
    caller.reset();

    assert!(is_gone.recv_timeout(LONG).unwrap());
    assert_eq!(scene.records.only().reason, "client_closed");
}

#[test]
fn a_slow_upload_is_no_slow_provider() {
    let provider = Provider::answering(ok("patient"));
    let mut plan = Plan::to(&provider.url());
    // Far longer than one step, so that a busy machine does not make the answer late.
    plan.settings.timeouts.response = 4 * SHORT;
    let scene = plan.start();
    let mut caller = scene.caller();

    caller.write(
        &scene
            .call("POST", "/cars/v1/x")
            .field("Content-Length", "10")
            .bytes(),
    );
    for byte in b"0123456789" {
        // In all, the upload takes longer than the limit.
        assert!(caller.is_silent_for(SHORT / 2));
        caller.write(&[*byte]);
    }

    assert_eq!(caller.answer().text(), "patient");
}

#[test]
fn an_upload_that_grows_too_long_after_its_answer_began_is_cut() {
    let provider = Provider::new(|mut served| {
        served.head();
        served.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
        served.connection.chunk();
        served.connection.is_closed();
    });
    let mut plan = Plan::to(&provider.url());
    plan.settings.limits.request_body_bytes_max = 10;
    let scene = plan.start();
    let mut caller = scene.caller();
    let call = scene
        .call("POST", "/cars/v1/x")
        .field("Transfer-Encoding", "chunked");

    caller.write(&call.bytes());
    caller.write(b"8\r\n01234567\r\n");
    assert_eq!(caller.head().unwrap().status(), 200);
    assert_eq!(caller.chunk(), b"x");
    caller.write(b"8\r\n01234567\r\n");

    assert!(caller.is_closed());
    assert_eq!(scene.records.only().reason, "body_too_large");
}
