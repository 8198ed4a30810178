//! The life of one connection: handshake, requests one after the other, and a close that lets the caller
//! read the last answer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::accept::Accepted;
use crate::answer::{Caller, answer};
use crate::body::Body;
use crate::counters::Event;
use crate::guarded::Guarded;
use crate::paced::Paced;
use crate::refusal::Refusals;
use crate::reply::BoxError;
use crate::settings::{Control, Limits, Peer};
use crate::transport::Transport;

/// How long a draining connection may go on reading away what its caller sends.
const DRAIN_LINGER: Duration = Duration::from_millis(500);

/// hyper's read and write buffers do not grow beyond this; it holds the largest head twice.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// hyper reads at most this many fields without allocating for them.
const FIELDS_ON_STACK: usize = 100;

/// What all connections of one port share.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) control: Control,
    pub(crate) refusals: Refusals,
    pub(crate) tls: Option<TlsAcceptor>,
    /// No new requests, except those that are on their way.
    pub(crate) shutdown: CancellationToken,
    /// The time to drain is over.
    pub(crate) cut: CancellationToken,
}

/// Serves one connection until it ends, or until the port has no more time.
pub(crate) async fn serve_connection<S, B>(accepted: Accepted, mut port: Port, service: S)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    let Accepted {
        stream,
        peer,
        local_addr,
        ticket,
    } = accepted;
    // Looking at a token takes its lock; with a token of its own no connection waits for another.
    port.shutdown = port.shutdown.child_token();
    port.cut = port.cut.child_token();
    let limits = port.control.limits();
    let caller = Arc::new(Caller {
        peer: Peer {
            addr: peer,
            local_addr,
            tls: port.tls.is_some(),
        },
        talk: Arc::default(),
        counters: Arc::clone(port.control.counters()),
        refusals: port.refusals,
        shutdown: port.shutdown.clone(),
    });
    let life = async {
        let Some(transport) = open(stream, &port, &limits).await else {
            return;
        };
        let guarded = Box::new(Guarded::new(
            transport,
            Arc::clone(&limits),
            Arc::clone(&caller.talk),
            Arc::clone(&caller.counters),
        ));
        let connection = Connection {
            port: &port,
            limits: &limits,
            caller: &caller,
        };
        if let Err(error) = connection.run(guarded, service).await {
            tracing::debug!(%peer, %error, "connection broke off");
        }
    };
    tokio::select! {
        biased;
        () = life => {}
        () = port.cut.cancelled() => {
            if caller.talk.is_answering() {
                port.control.counters().count(Event::Cut);
            }
        }
    }
    drop(ticket);
}

/// The stream with its options set, after the TLS handshake if there is one.
async fn open(stream: TcpStream, port: &Port, limits: &Limits) -> Option<Transport> {
    // Answers are written in one piece; waiting for a fuller packet would only delay them.
    let _ = stream.set_nodelay(true);
    let counters = port.control.counters();
    let paced = Paced::new(stream, limits.write_progress_timeout, Arc::clone(counters));
    let Some(acceptor) = &port.tls else {
        return Some(Transport::Plain(paced));
    };
    let handshake = Box::pin(acceptor.accept(paced));
    match timeout(limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => Some(Transport::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            counters.count(Event::TlsFailed);
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_elapsed) => {
            counters.count(Event::HandshakeTimeout);
            None
        }
    }
}

struct Connection<'a> {
    port: &'a Port,
    limits: &'a Limits,
    caller: &'a Arc<Caller>,
}

impl Connection<'_> {
    async fn run<S, B>(
        &self,
        mut guarded: Box<Guarded<Transport>>,
        service: S,
    ) -> Result<(), BoxError>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
        B: HttpBody<Data = Bytes> + 'static,
        B::Error: Into<BoxError>,
    {
        let mut has_leftover = false;
        while self.next_request(&mut guarded).await? {
            // Boxed, like the handshake, so that waiting connections do not carry the space for it.
            let serving = Box::pin(self.serve(guarded, service.clone()));
            let (back, leftover) = serving.await?;
            guarded = back;
            has_leftover = leftover;
            if has_leftover || !guarded.unpark() {
                break;
            }
        }
        self.close(guarded, has_leftover).await?;
        Ok(())
    }

    /// Waits until hyper has something to do. `false`: the connection is over.
    async fn next_request(&self, guarded: &mut Guarded<Transport>) -> io::Result<bool> {
        tokio::select! {
            biased;
            outcome = poll_fn(|cx| guarded.poll_request(cx)) => return outcome,
            () = self.port.shutdown.cancelled() => {}
        }
        // A request may be on its way: a caller that has seen no end of the connection may send one.
        let patience = sleep_until(Instant::now() + self.limits.drain_idle_timeout);
        tokio::select! {
            biased;
            outcome = poll_fn(|cx| guarded.poll_request(cx)) => return outcome,
            () = patience => {}
        }
        if guarded.is_between_requests() {
            return Ok(false);
        }
        poll_fn(|cx| guarded.poll_request(cx)).await
    }

    /// Gives the stream to hyper until hyper has no use for it; then every answer is flushed. Also whether
    /// hyper has left requests unread.
    async fn serve<S, B>(
        &self,
        guarded: Box<Guarded<Transport>>,
        service: S,
    ) -> hyper::Result<(Box<Guarded<Transport>>, bool)>
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        B: HttpBody<Data = Bytes> + 'static,
        B::Error: Into<BoxError>,
    {
        let caller = Arc::clone(self.caller);
        let service = service_fn(move |request| answer(&service, request, Arc::clone(&caller)));
        let mut http = self.http().serve_connection(TokioIo::new(guarded), service);
        let mut http_pin = Pin::new(&mut http);
        tokio::select! {
            biased;
            outcome = http_pin.as_mut() => outcome?,
            () = self.port.shutdown.cancelled() => {
                self.caller.talk.park();
                http_pin.as_mut().await?;
            }
        }
        let parts = http.into_parts();
        Ok((parts.io.into_inner(), !parts.read_buf.is_empty()))
    }

    /// hyper with its own clocks off, because `guarded` watches; `half_close` is explained there.
    fn http(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.half_close(true)
            .header_read_timeout(None)
            .max_buf_size(BUFFER_BYTES_MAX.max(2 * self.limits.head_bytes_max));
        if self.limits.head_fields_max > FIELDS_ON_STACK {
            http.max_headers(self.limits.head_fields_max);
        }
        http
    }

    /// Writes the refusal, if that is how the connection ends, and closes. A caller that is still sending
    /// is read for a while: closing with unread bytes would reset the connection, and the reset can
    /// overtake the answer (RFC 9112 s.9.6).
    async fn close(
        &self,
        mut guarded: Box<Guarded<Transport>>,
        has_leftover: bool,
    ) -> io::Result<()> {
        let refusal = guarded.refusal();
        let lingers = has_leftover || guarded.is_caller_sending();
        let transport = guarded.inner_mut();
        if let Some(refusal) = refusal {
            transport
                .write_all(&refusal.render(&self.port.refusals))
                .await?;
        }
        transport.shutdown().await?;
        if !lingers {
            return Ok(());
        }
        let in_all = if self.port.shutdown.is_cancelled() {
            DRAIN_LINGER
        } else {
            self.limits.linger_timeout.saturating_mul(5)
        };
        // Whether the time was enough makes no difference any more.
        let _ = timeout(in_all, linger(transport, self.limits)).await;
        Ok(())
    }
}

/// Reads until the caller closes, pauses, or has sent too much.
async fn linger<T: AsyncRead + Unpin>(stream: &mut T, limits: &Limits) {
    let mut read = 0_u64;
    while read < limits.linger_bytes_max {
        match timeout(limits.linger_timeout, read_some(stream)).await {
            Ok(Ok(count)) if count > 0 => read += count as u64,
            _ => return,
        }
    }
}

async fn read_some<T: AsyncRead + Unpin>(stream: &mut T) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut scratch = [const { MaybeUninit::uninit() }; 16 * 1024];
        let mut buf = ReadBuf::uninit(&mut scratch);
        match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(buf.filled().len())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
