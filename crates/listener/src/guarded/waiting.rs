//! What a connection waits for, and for how long: the clocks of reading. That of writing is in `paced`.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{Guarded, Stop};
use crate::counters::Event;
use crate::refusal::Reason;

/// How long hyper keeps a connection that waits for a request.
pub(super) const PARK_AFTER: Duration = Duration::from_secs(2);

/// What the connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    FirstByte,
    RestOfHead,
    RestOfBody,
    /// The next request, in the care of hyper.
    NextRequest,
    /// The next request, parked.
    Parked,
    /// The rest of a body that nobody reads, though its request is answered.
    Abandoned,
    /// The caller has closed its side, and an answer is not complete.
    HalfClosed,
}

/// Who waits for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Hyper,
    Connection,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Guarded<T> {
    fn wait(&self, reader: Reader) -> Wait {
        if self.guard.is_in_body() {
            Wait::RestOfBody
        } else if !self.guard.is_between_messages() {
            Wait::RestOfHead
        } else if self.guard.messages_begun() == 0 {
            Wait::FirstByte
        } else if reader == Reader::Hyper {
            Wait::NextRequest
        } else {
            Wait::Parked
        }
    }

    /// Starts or continues the clock of what is waited for; ready when the wait is over.
    pub(super) fn poll_wait(
        &mut self,
        cx: &mut Context<'_>,
        reader: Reader,
    ) -> Poll<io::Result<()>> {
        let wait = self.wait(reader);
        if self.waiting != Some((wait, self.guard.messages_begun())) {
            self.begin_wait(wait);
        }
        if wait == Wait::NextRequest && self.talk.is_parking() {
            self.stop = Some(Stop::Parked);
            return Poll::Ready(Ok(()));
        }
        ready!(self.deadline.poll(cx));
        match wait {
            Wait::NextRequest => self.stop = Some(Stop::Parked),
            Wait::Parked => {
                self.counters.count(Event::IdleTimeout);
                self.stop = Some(Stop::Silent);
            }
            Wait::FirstByte => {
                self.counters.count(Event::HeadTimeout);
                self.stop = Some(Stop::Silent);
            }
            Wait::RestOfHead => {
                self.counters.count(Event::HeadTimeout);
                let refusal = self.guard.refuse(Reason::HeadTimeout);
                self.refuse(refusal);
            }
            Wait::HalfClosed | Wait::Abandoned => {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            Wait::RestOfBody => {
                self.counters.count(Event::BodyTimeout);
                let refusal = self.guard.refuse(Reason::BodyTimeout);
                self.refuse(refusal);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn begin_wait(&mut self, wait: Wait) {
        let now = Instant::now();
        if wait == Wait::NextRequest {
            self.idle_since = now;
        }
        self.deadline.set(match wait {
            Wait::FirstByte | Wait::RestOfHead => now + self.limits.head_timeout,
            Wait::RestOfBody | Wait::Abandoned => now + self.limits.body_progress_timeout,
            Wait::NextRequest => now + PARK_AFTER.min(self.limits.idle_timeout),
            Wait::Parked => self.idle_since + self.limits.idle_timeout,
            Wait::HalfClosed => now + self.limits.half_close_timeout,
        });
        self.waiting = Some((wait, self.guard.messages_begun()));
    }
}
