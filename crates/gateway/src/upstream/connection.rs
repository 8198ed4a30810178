//! One HTTP/1.1 connection to a provider: the only file that knows `hyper::client::conn`.
//!
//! The call that uses a connection drives it, in its own task: nothing is handed to another task and back, and
//! a call that is given up takes its connection along. Only an upload that is still going on when the answer
//! has begun gets a task of its own, because then neither direction may wait for the other.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use portcullis_core::{clock::BootTime, routes::InstanceRecord};
use tokio::{
    task::{AbortHandle, coop::unconstrained, spawn_local},
    time::Instant,
};

use super::{
    Slot,
    relay::Relay,
    stream::{Meter, Stream, Transport},
};
use crate::{
    error::UpstreamError,
    headers::{is_unambiguous, keep_alive_seconds},
    patience::Patience,
    request_body::{Progress, RequestBody},
};

/// Answers with a 1xx status that are skipped before the final one.
const INTERIM_ANSWERS_MAX: u32 = 8;
/// Most bytes hyper buffers of what the provider sends: also the largest head.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// A connection, while it is used by a call and while it waits for the next.
pub(crate) struct Connection {
    sender: SendRequest<RequestBody>,
    driver: http1::Connection<TokioIo<Stream>, RequestBody>,
    meter: Arc<Meter>,
    patience: Patience,
    relay: Relay,
    instance: Arc<InstanceRecord>,
    host: HeaderValue,
    is_reused: bool,
    keep_alive: Duration,
    idle_since: BootTime,
    slot: Slot,
}

/// A call that brought no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: UpstreamError,
    /// Whether the provider cannot have begun to act on the call: it sent nothing, and closed a connection
    /// that had been waiting.
    pub(crate) was_stale: bool,
    /// Whether the call's own body was what failed.
    pub(crate) by_request_body: bool,
}

impl Failure {
    fn of(error: UpstreamError) -> Self {
        Self {
            error,
            was_stale: false,
            by_request_body: false,
        }
    }
}

impl Connection {
    pub(super) async fn open(
        transport: Transport,
        instance: Arc<InstanceRecord>,
        keep_alive: Duration,
        slot: Slot,
    ) -> Result<Box<Self>, UpstreamError> {
        let meter = Arc::<Meter>::default();
        let stream = Stream::new(transport, Arc::clone(&meter));
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| UpstreamError::Reset)?;
        let host = HeaderValue::try_from(&instance.target.authority)
            .map_err(|_| UpstreamError::Unresolved)?;
        Ok(Box::new(Self {
            sender,
            driver,
            meter,
            patience: Patience::new(),
            relay: Relay::new(),
            instance,
            host,
            is_reused: false,
            keep_alive,
            idle_since: BootTime::from_us(0),
            slot,
        }))
    }

    /// The instance it was opened for.
    pub(crate) fn instance(&self) -> &Arc<InstanceRecord> {
        &self.instance
    }

    /// What goes into `Host`.
    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    pub(super) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Whether it has waited too long for a call.
    pub(super) fn is_stale(&self, now: BootTime) -> bool {
        now.since(self.idle_since) >= self.keep_alive
    }

    /// Whether a call could be made on it now. Looks at what the provider has sent since: its end, or bytes
    /// that nobody asked for, make it useless.
    pub(super) fn is_usable(&mut self) -> bool {
        Pin::new(&mut self.driver).poll(&mut idly()).is_pending() && self.sender.is_ready()
    }

    /// Marks it as waiting from now on, for nobody in particular: a task that it held on to would stay in
    /// memory after its caller is gone.
    pub(super) fn rest(&mut self, now: BootTime) {
        self.patience.forget();
        self.relay.forget();
        self.is_reused = true;
        self.idle_since = now;
    }

    /// Makes a call and waits for the head of its answer, at most `limit` since the last byte of the call's
    /// body went out: a long upload is not a slow provider.
    pub(crate) async fn call(
        &mut self,
        mut request: Request<RequestBody>,
        limit: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        self.meter.reset();
        let meter = Arc::clone(&self.meter);
        hyper::ext::on_informational(&mut request, move |_| meter.note_interim());
        let upload = request.body().progress();
        let begun = Instant::now();
        // Driving the connection is what completes the answer, so nobody need be woken for it.
        let mut answer = pin!(unconstrained(self.sender.try_send_request(request)));
        let outcome = poll_fn(|cx| {
            let driven = Pin::new(&mut self.driver).poll(&mut self.relay.context(cx));
            if let Poll::Ready(outcome) = answer.as_mut().poll(&mut idly()) {
                return Poll::Ready(outcome.map_err(|failed| Failure::of_hyper(&failed)));
            }
            if self.meter.interim_answers() > INTERIM_ANSWERS_MAX {
                return Poll::Ready(Err(Failure::of(UpstreamError::Malformed)));
            }
            if driven.is_ready() {
                return Poll::Ready(Err(Failure::of(UpstreamError::Reset)));
            }
            let since = upload
                .as_ref()
                .map_or(begun, |upload| begun.max(upload.moved_at()));
            self.patience
                .poll_until(since + limit, cx)
                .map(|()| Err(Failure::of(UpstreamError::TimedOut)))
        })
        .await;
        self.patience.restart();
        let answer = outcome.map_err(|failure| Failure {
            was_stale: failure.was_stale && self.is_reused && !self.meter.has_read(),
            ..failure
        })?;
        self.check(&answer)?;
        Ok(answer)
    }

    /// Refuses an answer that cannot be passed on as it is.
    fn check(&mut self, answer: &Response<Incoming>) -> Result<(), Failure> {
        let too_many = self.meter.interim_answers() > INTERIM_ANSWERS_MAX;
        if too_many || answer.status().is_informational() || !is_unambiguous(answer.headers()) {
            return Err(Failure::of(UpstreamError::Malformed));
        }
        if let Some(seconds) = keep_alive_seconds(answer.headers()) {
            // One second less than announced: the provider's clock starts before ours.
            self.keep_alive = self
                .keep_alive
                .min(Duration::from_secs(seconds.saturating_sub(1)));
        }
        Ok(())
    }

    /// The next part of an answer's body; an error after `limit` without any.
    pub(crate) fn poll_answer(
        &mut self,
        body: &mut Incoming,
        limit: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        // As above, what arrives arrives by driving. Asking first says that there is room for more.
        let mut frame = self
            .relay
            .silently(|| Pin::new(&mut *body).poll_frame(&mut idly()));
        if frame.is_pending() {
            let driven = Pin::new(&mut self.driver).poll(&mut self.relay.context(cx));
            frame = self
                .relay
                .silently(|| Pin::new(body).poll_frame(&mut idly()));
            if frame.is_pending() && driven.is_ready() {
                return Poll::Ready(Some(Err(UpstreamError::Reset)));
            }
        }
        if let Poll::Ready(frame) = frame {
            self.patience.restart();
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| UpstreamError::Reset)));
        }
        self.patience
            .poll_idle(limit, cx)
            .map(|()| Some(Err(UpstreamError::TimedOut)))
    }

    /// Drives the connection in a task of its own until both messages have ended, and then gives it back.
    /// `upload` must move at least every `limit`.
    pub(crate) fn into_background(
        mut self: Box<Self>,
        upload: Rc<Progress>,
        limit: Duration,
        give_back: impl FnOnce(Box<Self>) + 'static,
    ) -> AbortHandle {
        let task = spawn_local(async move {
            let is_over = poll_fn(|cx| {
                if Pin::new(&mut self.driver).poll(cx).is_ready() {
                    return Poll::Ready(false);
                }
                if let Poll::Ready(outcome) = self.sender.poll_ready(cx) {
                    return Poll::Ready(outcome.is_ok());
                }
                if upload.is_complete() {
                    // What is left is the answer, and whoever reads that has a clock of its own.
                    return Poll::Pending;
                }
                self.patience
                    .poll_until(upload.moved_at() + limit, cx)
                    .map(|()| false)
            })
            .await;
            if is_over {
                give_back(self);
            }
        });
        task.abort_handle()
    }
}

impl Failure {
    fn of_hyper(failed: &TrySendError<Request<RequestBody>>) -> Self {
        let (error, is_unsent) = (failed.error(), failed.message().is_some());
        tracing::debug!(%error, is_unsent, "a call to a target failed");
        if is_unsent {
            return Self {
                was_stale: true,
                ..Self::of(UpstreamError::Reset)
            };
        }
        if error.is_user() {
            return Self {
                by_request_body: true,
                ..Self::of(UpstreamError::Reset)
            };
        }
        if error.is_parse() {
            return Self::of(UpstreamError::Malformed);
        }
        Self {
            was_stale: true,
            ..Self::of(UpstreamError::Reset)
        }
    }
}

/// A context that wakes nobody, for asking what is already there.
fn idly() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({})", self.instance.target.authority)
    }
}
