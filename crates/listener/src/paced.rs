//! Ends a connection whose peer has stopped reading. It stands below TLS, where bytes leave the process.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::counters::{Counters, Event};
use crate::deadline::Deadline;

/// A stream whose writes fail when the peer takes no byte for a time.
#[derive(Debug)]
pub(crate) struct Paced<T> {
    inner: T,
    timeout: Duration,
    stalled: Option<Deadline>,
    counters: Arc<Counters>,
}

impl<T> Paced<T> {
    pub(crate) fn new(inner: T, timeout: Duration, counters: Arc<Counters>) -> Self {
        Self {
            inner,
            timeout,
            stalled: None,
            counters,
        }
    }

    /// Turns a write that has been pending for too long into an error.
    fn watch<R>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            if let Some(stalled) = &mut self.stalled {
                stalled.clear();
            }
            return outcome;
        }
        let stalled = self.stalled.get_or_insert_default();
        if !stalled.is_set() {
            stalled.set(Instant::now() + self.timeout);
        }
        if stalled.poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.counters.count(Event::WriteTimeout);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
