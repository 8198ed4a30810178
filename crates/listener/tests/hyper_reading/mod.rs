//! What hyper finds in the bytes that the guard lets pass.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::reference::{self, End};
use crate::verdict::judge;

/// What hyper found in a request: method, target, body; `None` for a body that broke off.
type Seen = (String, String, Option<Vec<u8>>);

/// Lets hyper read these bytes, and then nothing more.
fn hyper_reads(bytes: &[u8]) -> Vec<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (server, mut caller) = tokio::io::duplex(1 << 20);
        let log = Arc::clone(&seen);
        let service = service_fn(move |request: Request<Incoming>| {
            let log = Arc::clone(&log);
            async move {
                let (parts, body) = request.into_parts();
                let body = body
                    .collect()
                    .await
                    .ok()
                    .map(|body| body.to_bytes().to_vec());
                log.lock()
                    .unwrap()
                    .push((parts.method.to_string(), parts.uri.to_string(), body));
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let mut http = http1::Builder::new();
        http.half_close(true).header_read_timeout(None);
        let connection = http.serve_connection(TokioIo::new(server), service);
        caller.write_all(bytes).await.unwrap();
        caller.shutdown().await.unwrap();
        let (_, ()) = tokio::join!(connection, async {
            let mut answers = Vec::new();
            caller.read_to_end(&mut answers).await.unwrap();
        });
        seen.lock().unwrap().clone()
    })
}

/// Compares hyper's messages with those of the guard and of the reference.
pub(crate) fn assert_agrees(stream: &[u8]) {
    let verdict = judge([stream]);
    let (messages, end) = reference::read(stream);
    reference::assert_agrees(stream, &verdict);

    let seen = hyper_reads(&verdict.passed);

    let bodies: Vec<_> = seen.into_iter().map(|(_, _, body)| body).collect();
    let mut expected: Vec<_> = messages
        .into_iter()
        .map(|message| Some(message.body))
        .collect();
    if matches!(end, End::InBody | End::BodyRefused) {
        expected.push(None);
    }
    assert_eq!(bodies, expected, "{}", verdict.passed.escape_ascii());
    assert_eq!(
        bodies.len() as u64,
        verdict.begun,
        "{}",
        verdict.passed.escape_ascii()
    );
}
