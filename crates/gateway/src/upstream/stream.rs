//! The bytes of a connection to a provider, with or without TLS, and what is noticed about them.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// What is noticed about the current call of a connection, below hyper and beside it.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    has_read: AtomicBool,
    interim_answers: AtomicU32,
}

impl Meter {
    /// A new call begins.
    pub(crate) fn reset(&self) {
        self.has_read.store(false, Ordering::Relaxed);
        self.interim_answers.store(0, Ordering::Relaxed);
    }

    /// Whether the provider sent a byte since the call began. A call that failed before that, on a connection
    /// that was used before, most likely met a provider that had just closed it.
    pub(crate) fn has_read(&self) -> bool {
        self.has_read.load(Ordering::Relaxed)
    }

    /// Notes an answer with a 1xx status.
    pub(crate) fn note_interim(&self) {
        self.interim_answers.fetch_add(1, Ordering::Relaxed);
    }

    /// How many answers with a 1xx status came since the call began.
    pub(crate) fn interim_answers(&self) -> u32 {
        self.interim_answers.load(Ordering::Relaxed)
    }
}

/// A connection's bytes. TLS is boxed, because most of its size would be wasted on plain connections.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A transport that is noticed.
#[derive(Debug)]
pub(crate) struct Stream {
    transport: Transport,
    meter: Arc<Meter>,
}

impl Stream {
    pub(crate) fn new(transport: Transport, meter: Arc<Meter>) -> Self {
        Self { transport, meter }
    }
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().transport {
            Transport::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Transport::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let outcome = match &mut this.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        };
        if buf.filled().len() > before {
            this.meter.has_read.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_shutdown(cx))
    }
}
