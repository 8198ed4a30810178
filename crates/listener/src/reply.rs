//! The body of an answer on its way to hyper: the service's, or the listener's own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::answer::Caller;
use crate::counters::{Counters, Event};

pin_project_lite::pin_project! {
    /// An answer's body that ends its connection, and nothing else, when it panics.
    pub(crate) struct Reply<B> {
        #[pin]
        source: Source<B>,
        ending: Ending,
    }
}

pin_project_lite::pin_project! {
    #[project = SourceProjection]
    enum Source<B> {
        Service { #[pin] body: B },
        Own { body: Option<Bytes> },
    }
}

/// Any error that can cross threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the body of an answer broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplyError {
    #[error("the service's answer broke off: {0}")]
    Service(#[source] BoxError),
    #[error("the service panicked in the middle of its answer")]
    Panicked,
}

/// Tells the connection when the answer is complete or given up.
struct Ending(Arc<Caller>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.talk.end();
    }
}

impl<B> Reply<B> {
    pub(crate) fn of_service(body: B, caller: Arc<Caller>) -> Self {
        Self {
            source: Source::Service { body },
            ending: Ending(caller),
        }
    }

    pub(crate) fn of_listener(body: String, caller: Arc<Caller>) -> Self {
        let body = Some(Bytes::from(body)).filter(|body| !body.is_empty());
        Self {
            source: Source::Own { body },
            ending: Ending(caller),
        }
    }
}

impl<B> Body for Reply<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let reply = self.project();
        match reply.source.project() {
            SourceProjection::Own { body } => {
                Poll::Ready(body.take().map(|body| Ok(Frame::data(body))))
            }
            SourceProjection::Service { body } => {
                match catch_unwind(AssertUnwindSafe(|| body.poll_frame(cx))) {
                    Ok(frame) => frame.map(|frame| {
                        frame.map(|frame| frame.map_err(|error| ReplyError::Service(error.into())))
                    }),
                    Err(_panic) => {
                        report_panic(&reply.ending.0.counters);
                        Poll::Ready(Some(Err(ReplyError::Panicked)))
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own { body } => body.is_none(),
            Source::Service { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own { body } => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Source::Service { body } => body.size_hint(),
        }
    }
}

/// Counts and logs a panic of a service. What it said is left to the panic hook of the process, because it
/// may quote the caller.
pub(crate) fn report_panic(counters: &Counters) {
    counters.count(Event::Panicked);
    tracing::error!("a service panicked: this request failed, the others go on");
}
