//! Secrets never reach a log or an answer, however a request is wrong.
//!
//! A program of its own, with one test: which events are logged is decided once for a process, so tests beside
//! it that log nothing could switch off what it listens to.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail loudly, and so do the functions they share"
)]

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Request;
use portcullis_core::test_util::SECRET;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Answer, FORM, KEY, OLD_TOKEN, Server, TOKEN, ask, basic};

#[path = "endpoints/support.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod support;

/// What the log says.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Requests with this secret in every place where people put secrets, right and wrong.
fn requests(secret: &str) -> Vec<Request<Body>> {
    let right = basic(KEY, secret);
    let body = |kind: &str, body: String| {
        Request::post(TOKEN)
            .header("content-type", kind)
            .body(Body::from(body))
            .unwrap()
    };
    let form = "application/x-www-form-urlencoded";
    let mut twice = ask(&right, FORM);
    twice
        .headers_mut()
        .append("authorization", right.parse().unwrap());
    let mut query = ask(&right, FORM);
    *query.uri_mut() = format!("{TOKEN}?client_secret={secret}").parse().unwrap();
    let mut old = ask(&right, FORM);
    *old.uri_mut() = OLD_TOKEN.parse().unwrap();
    let mut elsewhere = ask(&right, FORM);
    *elsewhere.uri_mut() = format!("/oauth2/default/v1/{secret}").parse().unwrap();
    vec![
        ask(&right, FORM),
        ask(&basic(secret, KEY), FORM),
        ask(&format!("Basic {KEY}:{secret}"), FORM),
        ask(&format!("Bearer {secret}"), FORM),
        ask(secret, FORM),
        ask(&right, &format!("{FORM}&client_secret={secret}")),
        ask(&right, &format!("{FORM}&client_id={secret}")),
        ask(&right, &format!("grant_type={secret}&scope=anonymous")),
        ask(
            &right,
            &format!("grant_type=client_credentials&scope={secret}"),
        ),
        ask(&right, &format!("{FORM}&{secret}=%zz")),
        body(
            form,
            format!("{FORM}&client_id={KEY}&client_secret={secret}"),
        ),
        body(
            form,
            format!("{FORM}&client_id={secret}&client_secret={KEY}"),
        ),
        body(form, format!("{FORM}&client_assertion={secret}")),
        body(
            "application/json",
            format!("{{\"client_secret\":[\"{secret}\"]}}"),
        ),
        body("application/json", format!("{{\"{secret}\":")),
        body(&format!("text/{secret}"), FORM.to_owned()),
        twice,
        query,
        old,
        elsewhere,
    ]
}

#[tokio::test]
async fn no_secret_and_no_token_reaches_a_log_or_a_refusal() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start();
    let canary = "pcs_CANARYcanaryCANARYcanaryCANARYcanaryCANARYcanaryC";

    let mut answers = Vec::new();
    for secret in [SECRET, canary] {
        for request in requests(secret) {
            answers.push(server.send(request).await);
        }
    }
    drop(guard);

    let mut told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(told.contains("wrong or expired secret for client orders-app-key"));
    assert!(told.contains("token issued"));
    let issued = answers.iter().filter(|answer| answer.status == 200);
    let tokens: Vec<_> = issued.map(Answer::token).collect();
    assert_eq!(
        tokens.len(),
        3,
        "Basic, the body, and the deprecated issuer"
    );
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        told.push_str(&answer.shown());
    }
    for canary in [SECRET, canary] {
        let pair = STANDARD.encode(format!("{KEY}:{canary}"));
        for part in [&canary[4..20], &canary[30..], &pair[20..60]] {
            assert!(!told.contains(part), "{part}");
        }
    }
    for token in tokens {
        assert!(!told.contains(&token[..40]));
    }
}
