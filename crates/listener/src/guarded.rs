//! The guard as a stream below hyper: it passes on what the guard releases, watches the clock while it
//! waits for bytes, and notices callers that go away. It never writes a refusal itself; `connection` does,
//! once hyper has given the stream back.
//!
//! **Order of answers.** hyper asks for the next head only when the answer before it is flushed. So a
//! refusal that waits behind pipelined requests is simply the end of the stream at that point: hyper then
//! ends in good order, every answer before the refusal is on the wire, and the refusal is written after
//! them.
//!
//! **Half-closed callers.** hyper would take the end of the stream in the middle of a request as a caller
//! that is gone, even when the answer is ready. Here hyper is told to keep on (`half_close`), and the end
//! of the stream is looked for whenever hyper flushes: the answer then has `half_close_timeout` to be
//! complete, so that a caller which closes its side after sending still gets its answer, and a call
//! that nobody waits for ends soon.
//!
//! **Parking.** A connection that waits for its next request for a while is taken away from hyper, whose
//! buffers cost far more than the connection itself, and given to a new one when the request has come.

mod waiting;

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use self::waiting::{Reader, Wait};
use crate::counters::{Counters, Event};
use crate::deadline::Deadline;
use crate::guard::{Advance, Guard};
use crate::refusal::Refusal;
use crate::settings::Limits;
use crate::talk::Talk;

/// How much is read at once where hyper gives no buffer.
const SCRATCH_BYTES: usize = 8 * 1024;

/// How much is read away, while the last request is answered, to find the end of the stream.
const IGNORED_BYTES_MAX: usize = 64 * 1024;

/// A stream whose reads are guarded.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    inner: T,
    guard: Guard,
    /// Bytes read but not passed on, the first `ready` of them released.
    held: Vec<u8>,
    ready: usize,
    stop: Option<Stop>,
    /// Whether the reader has been told that the stream is over.
    is_stop_told: bool,
    is_at_end: bool,
    /// hyper has asked for bytes and waits for them.
    is_reader_waiting: bool,
    ignored_bytes: usize,
    waiting: Option<(Wait, u64)>,
    deadline: Deadline,
    idle_since: Instant,
    limits: Arc<Limits>,
    talk: Arc<Talk>,
    counters: Arc<Counters>,
}

/// Why reads are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// For hyper only; the connection goes on.
    Parked,
    /// The last request that this connection may have was received.
    Finished,
    /// A head was refused, or did not arrive in time.
    Refused(Refusal),
    /// A body was refused, or did not arrive in time; whoever answers its request says so.
    Broken,
    /// No request came.
    Silent,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Guarded<T> {
    pub(crate) fn new(
        inner: T,
        limits: Arc<Limits>,
        talk: Arc<Talk>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            inner,
            guard: Guard::new(&limits),
            held: Vec::new(),
            ready: 0,
            stop: None,
            is_stop_told: false,
            is_at_end: false,
            is_reader_waiting: false,
            ignored_bytes: 0,
            waiting: None,
            deadline: Deadline::default(),
            idle_since: Instant::now(),
            limits,
            talk,
            counters,
        }
    }

    pub(crate) fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Waits, outside hyper, until a whole head may be passed on. `false`: there will be none.
    pub(crate) fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.ready > 0 {
                return Poll::Ready(Ok(true));
            }
            if self.is_over() {
                self.is_stop_told = true;
                return Poll::Ready(Ok(false));
            }
            ready!(self.poll_receive(cx, Reader::Connection))?;
        }
    }

    /// Whether no byte of a request has come since the last one.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.ready == 0 && self.guard.is_between_messages()
    }

    /// After hyper has ended: whether it ended only because the connection was parked.
    pub(crate) fn unpark(&mut self) -> bool {
        let was_parked = self.stop == Some(Stop::Parked) && self.is_stop_told;
        if was_parked {
            self.stop = None;
            self.is_stop_told = false;
        }
        was_parked
    }

    /// The refusal to write now, if the reader got as far as the refused head.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self.stop {
            Some(Stop::Refused(refusal)) if self.is_stop_told => Some(refusal),
            _ => None,
        }
    }

    /// Whether the caller may still be sending something that nobody will read.
    pub(crate) fn is_caller_sending(&self) -> bool {
        !self.is_at_end
            && (self.ignored_bytes > 0
                || !self.guard.is_between_messages()
                || matches!(self.stop, Some(Stop::Refused(_) | Stop::Broken)))
    }

    fn is_over(&self) -> bool {
        self.stop.is_some() || self.is_at_end
    }

    /// Reads once into the held bytes, or ends the wait.
    fn poll_receive(&mut self, cx: &mut Context<'_>, reader: Reader) -> Poll<io::Result<()>> {
        let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH_BYTES];
        let mut buf = ReadBuf::uninit(&mut scratch);
        if Pin::new(&mut self.inner)
            .poll_read(cx, &mut buf)?
            .is_pending()
        {
            return self.poll_wait(cx, reader);
        }
        if buf.filled().is_empty() {
            self.is_at_end = true;
        } else {
            self.hold(buf.filled());
        }
        Poll::Ready(Ok(()))
    }

    /// Takes bytes that were read, behind those that the guard has not released.
    fn hold(&mut self, fresh: &[u8]) {
        debug_assert_eq!(
            self.ready, 0,
            "released bytes are passed on before more are read"
        );
        self.held.extend_from_slice(fresh);
        let advance = self.guard.advance(&self.held);
        self.settle(advance);
    }

    /// Applies what the guard said about the held bytes.
    fn settle(&mut self, advance: Advance) {
        self.ready = advance.release;
        for line in advance.struck.into_iter().rev() {
            self.ready -= line.len();
            self.held.drain(line);
        }
        self.note_progress(advance.refusal);
        if self.guard.is_over() {
            self.held.truncate(self.ready);
        }
    }

    /// Tells the other side of hyper, and ends reads when the guard is over.
    fn note_progress(&mut self, refusal: Option<Refusal>) {
        self.talk.set_received(self.guard.messages_complete());
        if matches!(self.waiting, Some((Wait::RestOfBody, _))) {
            self.waiting = None;
        }
        if let Some(refusal) = refusal {
            self.refuse(refusal);
        } else if self.guard.is_over() {
            self.stop = Some(Stop::Finished);
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.counters.count_refused(refusal.reason());
        if self.guard.is_in_body() {
            self.talk.set_fault(self.guard.messages_begun(), refusal);
            self.stop = Some(Stop::Broken);
        } else {
            self.stop = Some(Stop::Refused(refusal));
        }
    }

    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.ready.min(buf.remaining());
        buf.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.drain(..count);
        self.ready -= count;
        if self.held.is_empty() {
            self.held = Vec::new();
        }
    }

    /// Fills the reader's buffer with bytes that may pass. Nothing filled: the stream is over.
    fn poll_released(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.ready > 0 {
                self.hand_over(buf);
                return Poll::Ready(Ok(()));
            }
            if self.is_over() {
                self.is_stop_told = true;
                return Poll::Ready(Ok(()));
            }
            if !self.held.is_empty() {
                ready!(self.poll_receive(cx, Reader::Hyper))?;
                continue;
            }
            // The common case: what was read may pass as it is, and is not copied.
            let before = buf.filled().len();
            if Pin::new(&mut self.inner).poll_read(cx, buf)?.is_pending() {
                ready!(self.poll_wait(cx, Reader::Hyper))?;
                continue;
            }
            let fresh = buf.filled().get(before..).unwrap_or_default();
            if fresh.is_empty() {
                self.is_at_end = true;
                continue;
            }
            let advance = self.guard.advance(fresh);
            if advance.release == fresh.len() && advance.struck.is_empty() {
                self.note_progress(advance.refusal);
                return Poll::Ready(Ok(()));
            }
            self.held.extend_from_slice(fresh);
            buf.set_filled(before);
            self.settle(advance);
        }
    }

    /// While a request is answered, hyper does not read. Then this does, to notice that the caller is
    /// gone: at most a few requests ahead, which wait here until hyper asks for them.
    fn poll_caller(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.guard.is_in_body() && !self.talk.is_answering() {
            return self.poll_end_of(cx, Wait::Abandoned, Event::BodyTimeout);
        }
        let may_read_on = matches!(self.stop, None | Some(Stop::Finished))
            && self.held.is_empty()
            && self.guard.is_between_messages()
            && self.ignored_bytes < IGNORED_BYTES_MAX;
        if !may_read_on {
            return Ok(());
        }
        if !self.is_at_end {
            let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH_BYTES];
            let mut buf = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => {
                    self.counters.count(Event::CallerGone);
                    return Err(error);
                }
                Poll::Ready(Ok(())) if buf.filled().is_empty() => self.is_at_end = true,
                Poll::Ready(Ok(())) => {
                    if self.stop.is_some() {
                        self.ignored_bytes += buf.filled().len();
                    } else {
                        self.hold(buf.filled());
                    }
                    // hyper may be waiting for these bytes, and the stream for another look.
                    cx.waker().wake_by_ref();
                    return Ok(());
                }
            }
        }
        if !self.talk.is_answering() {
            return Ok(());
        }
        self.poll_end_of(cx, Wait::HalfClosed, Event::CallerGone)
    }

    /// Fails, and counts it, once this wait has taken too long.
    fn poll_end_of(&mut self, cx: &mut Context<'_>, wait: Wait, event: Event) -> io::Result<()> {
        if self.waiting != Some((wait, self.guard.messages_begun())) {
            self.begin_wait(wait);
        }
        if self.deadline.poll(cx).is_pending() {
            return Ok(());
        }
        self.counters.count(event);
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = self.poll_released(cx, buf);
        self.is_reader_waiting = outcome.is_pending();
        outcome
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// hyper flushes at the end of each of its turns, also when there is nothing to flush.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        if !self.is_reader_waiting {
            self.poll_caller(cx)?;
        }
        Poll::Ready(Ok(()))
    }

    /// hyper is done; `connection` decides whether the stream is.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::waiting::PARK_AFTER;
    use super::*;
    use crate::refusal::Reason;

    fn guarded(capacity: usize) -> (Guarded<DuplexStream>, DuplexStream) {
        let (server, caller) = duplex(capacity);
        let guarded = Guarded::new(server, Arc::default(), Arc::default(), Arc::default());
        (guarded, caller)
    }

    /// Reads as hyper would, with buffers of these sizes in turn.
    async fn read_all(mut guarded: Guarded<DuplexStream>, sizes: &[usize]) -> Vec<u8> {
        let mut all = Vec::new();
        for size in sizes.iter().cycle() {
            let mut buf = vec![0; *size];
            let count = guarded.read(&mut buf).await.unwrap();
            if count == 0 {
                break;
            }
            all.extend_from_slice(&buf[..count]);
        }
        all
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let words: &[&'static str] = &[
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nUpgrade: x\r\nHost: a\r\nUpgrade: y\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nhello, world",
            "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: z\r\nTransfer-Encoding: chunked\r\n\r\n",
            "5;a=b\r\nhello\r\n",
            "0\r\nT: u\r\n\r\n",
            "\r\n",
            "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /bad\r\n",
        ];
        proptest::collection::vec(proptest::sample::select(words), 0..9)
            .prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_passes_does_not_depend_on_how_it_is_written_and_read(
            stream in stream(),
            capacity in 1_usize..80,
            sizes in proptest::collection::vec(1_usize..80, 1..5),
        ) {
            let mut guard = Guard::new(&Limits::default());
            let advance = guard.advance(&stream);
            let mut passes = stream[..advance.release].to_vec();
            advance.struck.into_iter().rev().for_each(|line| drop(passes.drain(line)));

            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let read = runtime.block_on(async {
                let (guarded, mut caller) = guarded(capacity);
                let write = async {
                    let _ = caller.write_all(&stream).await;
                    let _ = caller.shutdown().await;
                };
                tokio::join!(read_all(guarded, &sizes), write).0
            });

            prop_assert_eq!(read, passes);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_not_given_out_before_the_reader_has_come_to_it() {
        let (mut guarded, mut caller) = guarded(1024);
        caller
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /bad\r\n")
            .await
            .unwrap();
        let mut buf = [0; 1024];

        assert_eq!(guarded.read(&mut buf).await.unwrap(), 27);
        assert_eq!(guarded.refusal(), None);
        assert_eq!(guarded.read(&mut buf).await.unwrap(), 0);
        assert_eq!(guarded.refusal().unwrap().reason(), Reason::Version);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_parked_only_between_requests() {
        let (mut guarded, mut caller) = guarded(1024);
        let mut buf = [0; 1024];
        caller
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(guarded.read(&mut buf).await.unwrap(), 27);

        assert_eq!(guarded.read(&mut buf).await.unwrap(), 0);
        assert!(guarded.unpark());
        assert!(!guarded.unpark());
        caller.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let waits = tokio::time::timeout(PARK_AFTER * 2, guarded.read(&mut buf)).await;

        assert!(waits.is_err(), "half a head is not parked");
    }
}
