//! A server to test against and a caller that speaks in raw bytes.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses a part of this"
)]
#![allow(
    clippy::allow_attributes,
    reason = "whether an expectation is met differs between the programs"
)]

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::service::Service;
use portcullis_listener::{
    Body, Bound, Control, Drained, Limits, Peer, Refusal, Settings, TlsSettings, serve,
};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Far longer than anything here takes, far shorter than a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What the service shares with its test.
#[derive(Debug, Default)]
pub struct Stage {
    /// Requests that reached the service.
    pub calls: AtomicUsize,
    /// Requests to `/hold` that were given up.
    pub given_up: AtomicUsize,
    /// Requests to `/gate` wait for a permit of this.
    pub gate: Gate,
    /// Bodies of requests to `/leak`, which nobody reads or drops.
    pub leaked: std::sync::Mutex<Vec<Body>>,
    /// A request to `/gate` or `/hold` is being answered.
    pub is_waiting: AtomicBool,
}

/// Closed until opened.
#[derive(Debug)]
pub struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Gate {
    pub fn open(&self) {
        self.0.add_permits(1);
    }
}

/// A service with one path for each way a service may behave.
#[derive(Debug, Clone, Default)]
pub struct Actor(pub Arc<Stage>);

/// The body of an answer.
pub enum Answer {
    Text(Option<Bytes>),
    Endless,
    Panics,
    /// Holds the request's body, unread, until the answer is over.
    Keeping(Body, Option<Bytes>),
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(match &mut *self {
            Self::Text(text) => text.take().map(|text| Ok(Frame::data(text))),
            Self::Keeping(_, text) => text.take().map(|text| Ok(Frame::data(text))),
            Self::Endless => Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))),
            Self::Panics => panic!("in the middle of a body"),
        })
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Text(text) => {
                http_body::SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            _ => http_body::SizeHint::default(),
        }
    }
}

pub fn text(text: impl Into<String>) -> Response<Answer> {
    Response::new(Answer::Text(Some(Bytes::from(text.into()))))
}

impl Service<Request<Body>> for Actor {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Body>) -> Self::Future {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        assert!(request.uri().path() != "/panic-at-once", "at once");
        let stage = Arc::clone(&self.0);
        Box::pin(async move { Ok(act(&stage, request).await) })
    }
}

async fn act(stage: &Stage, request: Request<Body>) -> Response<Answer> {
    match request.uri().path() {
        "/early" => {
            let mut answer = text("early");
            *answer.status_mut() = StatusCode::UNAUTHORIZED;
            answer
        }
        "/panic" => {
            tokio::task::yield_now().await;
            panic!("later")
        }
        "/panic-in-body" => Response::new(Answer::Panics),
        "/interim" => {
            let mut answer = text("");
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            answer
        }
        "/gate" => {
            stage.is_waiting.store(true, Ordering::SeqCst);
            stage.gate.0.acquire().await.unwrap().forget();
            text("gate")
        }
        "/hold" => {
            let _drops = Counts(&stage.given_up);
            stage.is_waiting.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
            text("never")
        }
        "/leak" => {
            stage.leaked.lock().unwrap().push(request.into_body());
            text("leaked")
        }
        "/keep" => Response::new(Answer::Keeping(
            request.into_body(),
            Some(Bytes::from_static(b"kept")),
        )),
        "/endless" => Response::new(Answer::Endless),
        "/close" => {
            let mut answer = text("close");
            answer
                .headers_mut()
                .insert("connection", "close".parse().unwrap());
            answer
        }
        "/peer" => text(format!("{:?}", request.extensions().get::<Peer>().unwrap())),
        "/thread" => text(std::thread::current().name().unwrap_or_default()),
        "/headers" => text(format!("{:?}", request.headers())),
        _ => echo(request).await,
    }
}

/// `METHOD target length-of-body body`, or what is wrong with the body.
async fn echo(request: Request<Body>) -> Response<Answer> {
    let (parts, body) = request.into_parts();
    match body.collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            text(format!(
                "{} {} {} {}",
                parts.method,
                parts.uri,
                body.len(),
                body.escape_ascii()
            ))
        }
        Err(error) => {
            let mut answer = text(format!("the service saw: {error}"));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            answer
        }
    }
}

struct Counts<'a>(&'a AtomicUsize);

impl Drop for Counts<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "this is how ports give their words"
)]
pub fn refusal_body(refusal: &Refusal) -> (&'static str, String) {
    (
        "application/json",
        format!(r#"{{"reason":"{}"}}"#, refusal.reason().name()),
    )
}

/// A port that serves until dropped.
pub struct Server {
    pub address: SocketAddr,
    pub control: Control,
    pub stage: Arc<Stage>,
    pub shutdown: CancellationToken,
    pub runtime: Option<Runtime>,
    pub drained: Option<tokio::task::JoinHandle<Drained>>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(Limits::default(), None)
    }

    pub fn with_limits(limits: Limits) -> Self {
        Self::with(limits, None)
    }

    pub fn with(limits: Limits, tls: Option<Arc<TlsSettings>>) -> Self {
        let settings = Settings {
            addresses: vec!["127.0.0.1:0".parse().unwrap()],
            limits,
            tls,
            name: "test",
        };
        let bound = Bound::bind(&settings)
            .unwrap()
            .with_refusal_fields(&[("error-source", "gateway")]);
        let address = bound.local_addresses()[0];
        let control = bound.control();
        let shutdown = CancellationToken::new();
        let actor = Actor::default();
        let stage = Arc::clone(&actor.0);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let drained = runtime.spawn(serve(
            bound,
            settings,
            refusal_body,
            actor,
            shutdown.clone(),
        ));
        Self {
            address,
            control,
            stage,
            shutdown,
            runtime: Some(runtime),
            drained: Some(drained),
        }
    }

    pub fn connect(&self) -> Caller {
        Caller::connect(self.address)
    }

    /// Everything the server says to these bytes until it closes.
    pub fn exchange(&self, bytes: impl AsRef<[u8]>) -> Exchange {
        let mut caller = self.connect();
        caller.send(bytes);
        caller.read_to_end()
    }

    pub fn calls(&self) -> usize {
        self.stage.calls.load(Ordering::SeqCst)
    }

    /// Waits for the end of the port.
    pub fn drained(mut self) -> Drained {
        let drained = self.drained.take().unwrap();
        let runtime = self.runtime.take().unwrap();
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE, drained)
                .await
                .unwrap()
                .unwrap()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Caller {
    pub stream: TcpStream,
    unread: Vec<u8>,
}

impl Caller {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends; a server that refuses in the middle may close before all is sent.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    pub fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next answer.
    pub fn receive(&mut self) -> Reply {
        loop {
            if let Some((reply, length)) = Reply::parse(&self.unread) {
                self.unread.drain(..length);
                return reply;
            }
            let mut buf = [0; 4096];
            let count = self.stream.read(&mut buf).unwrap();
            assert!(
                count > 0,
                "the server closed after: {}",
                self.unread.escape_ascii()
            );
            self.unread.extend_from_slice(&buf[..count]);
        }
    }

    /// Sends and waits for the answer.
    pub fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Reply {
        self.send(bytes);
        self.receive()
    }

    /// Whatever comes until the server closes.
    pub fn read_to_end(mut self) -> Exchange {
        let outcome = self.stream.read_to_end(&mut self.unread);
        let mut replies = Vec::new();
        let mut rest = self.unread.as_slice();
        while let Some((reply, length)) = Reply::parse(rest) {
            replies.push(reply);
            rest = &rest[length..];
        }
        Exchange {
            replies,
            rest: rest.to_vec(),
            error: outcome.err().map(|error| error.kind()),
        }
    }

    /// Whether the server closes without another byte.
    #[track_caller]
    pub fn assert_closed_silently(self) {
        let exchange = self.read_to_end();
        assert_eq!(
            (exchange.replies.len(), exchange.rest.len(), exchange.error),
            (0, 0, None),
            "{exchange:?}"
        );
    }
}

/// All that came on one connection until it ended.
#[derive(Debug)]
pub struct Exchange {
    pub replies: Vec<Reply>,
    /// Bytes that are not a whole answer.
    pub rest: Vec<u8>,
    /// `None`: the connection ended in good order.
    pub error: Option<std::io::ErrorKind>,
}

impl Exchange {
    pub fn statuses(&self) -> Vec<u16> {
        assert_eq!(self.rest.escape_ascii().to_string(), "");
        self.replies.iter().map(|reply| reply.status).collect()
    }

    /// One refusal for this reason, and a connection that ended in good order.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, reason: &str) {
        assert_eq!(
            self.error, None,
            "the caller must be able to read the refusal"
        );
        assert_eq!(self.statuses(), [status], "{self:?}");
        self.replies[0].assert_refusal(status, reason);
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    /// The answer at the start of these bytes and its length, once it is whole.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..head_end].to_vec())
            .unwrap()
            .to_ascii_lowercase();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse::<usize>().unwrap());
        let body = bytes.get(head_end + 4..head_end + 4 + length)?;
        let body = String::from_utf8(body.to_vec()).unwrap();
        Some((Self { status, head, body }, head_end + 4 + length))
    }

    pub fn has(&self, field: &str) -> bool {
        self.head.lines().any(|line| line == field)
    }

    /// The answer in place of one that the service failed to give.
    #[track_caller]
    pub fn assert_refusal_of_service(&self) {
        assert_eq!(self.status, 500, "{self:?}");
        assert_eq!(self.body, r#"{"reason":"service_failed"}"#);
    }

    #[track_caller]
    pub fn assert_refusal(&self, status: u16, reason: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body, format!(r#"{{"reason":"{reason}"}}"#));
        assert!(self.has("connection: close"), "{self:?}");
        assert!(self.has("cache-control: no-store"), "{self:?}");
        assert!(self.has("error-source: gateway"), "{self:?}");
        assert!(self.has("content-type: application/json"), "{self:?}");
    }
}

/// Waits until it is so, in short steps, and no longer than anything may take.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = tokio::time::Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

pub fn post(target: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
