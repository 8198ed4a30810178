//! The body of an answer: the gateway's own, or the provider's as it arrives. When the provider's has ended,
//! its connection goes back to the pool and the record of the call leaves; when the caller goes away first,
//! the connection is closed, which is how a provider learns of it in HTTP/1.1.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use portcullis_core::{access_token::VerifiedToken, change::ChangeSeq};
use tokio::task::AbortHandle;

use crate::{
    error::{GatewayError, UpstreamError},
    patience::Patience,
    record::Recording,
    request_life::{Call, check_still_allowed},
    upstream::Connection,
};

/// The body of an answer.
pub(crate) struct ResponseBody(Kind);

enum Kind {
    Whole(Option<Bytes>),
    Streamed(Box<Streamed>),
}

/// Who drives the provider's connection.
pub(crate) enum Link {
    /// Whoever reads the body.
    Own(Box<Connection>),
    /// A task of its own, because the call's body is still on its way.
    Background {
        task: AbortHandle,
        patience: Patience,
    },
    /// Nobody any more.
    Ended,
}

/// A provider's answer on its way.
pub(crate) struct Streamed {
    pub(crate) call: Rc<Call>,
    pub(crate) token: VerifiedToken,
    /// The snapshot that it was last allowed by.
    pub(crate) allowed_at: ChangeSeq,
    pub(crate) incoming: Incoming,
    pub(crate) link: Link,
    pub(crate) recording: Recording,
    pub(crate) bytes: u64,
    pub(crate) bytes_max: u64,
    /// What it broke off with, as long as the caller has not been told.
    pub(crate) broken: Option<GatewayError>,
}

impl ResponseBody {
    /// A body that is here already; may be empty.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    /// A body that is still arriving.
    pub(crate) fn streamed(mut streamed: Streamed) -> Self {
        // Nobody reads a body that has ended before it began.
        if streamed.incoming.is_end_stream() {
            streamed.end();
            return Self(Kind::Whole(None));
        }
        Self(Kind::Streamed(Box::new(streamed)))
    }
}

impl Streamed {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, GatewayError>>> {
        let limit = self.call.gateway.state.settings.timeouts.idle;
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            let frame = match &mut self.link {
                Link::Own(connection) => connection.poll_answer(&mut self.incoming, limit, cx),
                Link::Background { patience, .. } => {
                    poll_alone(&mut self.incoming, patience, limit, cx)
                }
                Link::Ended => Poll::Ready(None),
            };
            let frame = std::task::ready!(frame);
            match frame {
                // Trailers are dropped: with `TE` taken off the call, the caller did not ask for them.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return match self.count(data) {
                            Ok(data) => Poll::Ready(Some(Ok(data))),
                            Err(error) => self.break_off(error, cx),
                        };
                    }
                }
                Some(Err(error)) => return self.break_off(error.into(), cx),
                None => {
                    self.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn count(&mut self, data: Bytes) -> Result<Bytes, GatewayError> {
        self.check_allowed()?;
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        if self.bytes > self.bytes_max {
            return Err(UpstreamError::ResponseTooLarge.into());
        }
        self.recording.note_response_bytes(self.bytes);
        if self.incoming.is_end_stream() {
            self.end();
        }
        Ok(data)
    }

    /// A subscription that ends also ends what is still being answered for it. The token's own end does not:
    /// it was valid when the call was made.
    fn check_allowed(&mut self) -> Result<(), GatewayError> {
        if self.bytes == 0 {
            return Ok(());
        }
        let facts = self.call.gateway.state.snapshot.load();
        if facts.seq() != self.allowed_at {
            check_still_allowed(&self.call, &self.token, &facts)?;
            self.allowed_at = facts.seq();
        }
        Ok(())
    }

    fn end(&mut self) {
        let now = self.call.gateway.state.clock.boot_time();
        if let Link::Own(connection) = std::mem::replace(&mut self.link, Link::Ended) {
            self.call.gateway.upstream.give_back(connection, now);
        }
        self.recording.end(now);
    }

    /// Ends the answer with an error, at the next turn: told at once, hyper would throw away what it has not
    /// written yet, and the caller would not see even the head.
    fn break_off<T>(&mut self, error: GatewayError, cx: &mut Context<'_>) -> Poll<T> {
        self.cut();
        let error = if self.recording.is_upload_too_large() {
            GatewayError::RequestTooLarge
        } else {
            error
        };
        self.recording.break_off(&error.wire());
        self.broken = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn cut(&mut self) {
        if let Link::Background { task, .. } = &self.link {
            task.abort();
        }
        self.link = Link::Ended;
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.cut();
    }
}

/// The next part of a body whose connection somebody else drives.
fn poll_alone(
    incoming: &mut Incoming,
    patience: &mut Patience,
    limit: std::time::Duration,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
    if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) {
        patience.restart();
        return Poll::Ready(frame.map(|frame| frame.map_err(|_| UpstreamError::Reset)));
    }
    patience
        .poll_idle(limit, cx)
        .map(|()| Some(Err(UpstreamError::TimedOut)))
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = GatewayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GatewayError>>> {
        match &mut self.0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Streamed(streamed) => streamed
                .poll_next(cx)
                .map(|next| next.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_none(),
            // An error is yet to be told when the link has ended before the body.
            Kind::Streamed(streamed) => {
                streamed.broken.is_none() && streamed.incoming.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Kind::Streamed(streamed) => streamed.incoming.size_hint(),
        }
    }
}
