//! What a port is told: its addresses, its limits, its certificate. Nothing here reads a file.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::counters::Counters;
use crate::tls::TlsSettings;

/// One port: where it listens and what it allows.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Each address gets a listening socket of its own; port 0 takes a free one.
    pub addresses: Vec<SocketAddr>,
    /// Limits of the port and of each of its connections.
    pub limits: Limits,
    /// `None` is plain HTTP.
    pub tls: Option<Arc<TlsSettings>>,
    /// Names threads and log lines: `gateway`, `auth`.
    pub name: &'static str,
}

/// Who is at the other end of a request's connection; in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address the connection comes from: the caller, or a proxy in front of us.
    pub addr: SocketAddr,
    /// The address of ours that the caller connected to.
    pub local_addr: SocketAddr,
    /// Whether the connection uses TLS.
    pub tls: bool,
}

/// Limits of one port and of each of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest method; longer ones are answered 501.
    pub method_bytes_max: usize,
    /// The longest request line without its CRLF; longer ones are answered 414.
    pub request_line_bytes_max: usize,
    /// The largest head, from the method to the empty line that ends it; larger ones are answered 431.
    pub head_bytes_max: usize,
    /// The most fields of a head; more are answered 431.
    pub head_fields_max: usize,
    /// The most bytes of chunk extensions in one message.
    pub chunk_extension_bytes_max: usize,
    /// Connections open at the same time; further ones are closed at once.
    pub connections_max: usize,
    /// Connections open at the same time from one IPv4 address or one IPv6 /64 network. It is high by
    /// default, because a load balancer in front makes all callers one source.
    pub connections_per_source_max: usize,
    /// Time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for a head from its first byte, and for the first byte of a new connection.
    pub head_timeout: Duration,
    /// Time a kept-alive connection may wait for its next request.
    pub idle_timeout: Duration,
    /// Time without a byte of a request body that the service is waiting for.
    pub body_progress_timeout: Duration,
    /// Time in which a caller takes no byte of its answer.
    pub write_progress_timeout: Duration,
    /// Time in which a caller that has closed its side still gets an answer, see `guarded`.
    pub half_close_timeout: Duration,
    /// After a refusal or an early answer: time without a byte after which the rest of what the caller
    /// sends is no longer read away. In all, five times as long.
    pub linger_timeout: Duration,
    /// The most bytes read away after a refusal.
    pub linger_bytes_max: u64,
    /// When draining: time that a connection without a request still has to send one.
    pub drain_idle_timeout: Duration,
    /// When draining: time that requests in flight have to finish.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            method_bytes_max: 32,
            request_line_bytes_max: 8 * 1024,
            head_bytes_max: 32 * 1024,
            head_fields_max: 100,
            chunk_extension_bytes_max: 1024,
            connections_max: 65_536,
            connections_per_source_max: 16_384,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            body_progress_timeout: Duration::from_secs(30),
            write_progress_timeout: Duration::from_mins(1),
            half_close_timeout: Duration::from_secs(1),
            linger_timeout: Duration::from_secs(2),
            linger_bytes_max: 64 * 1024 * 1024,
            drain_idle_timeout: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// A handle on a port that serves: its counters, and its limits for connections accepted from now on.
#[derive(Debug, Clone, Default)]
pub struct Control {
    counters: Arc<Counters>,
    limits: Arc<ArcSwap<Limits>>,
}

impl Control {
    pub(crate) fn new(limits: Limits) -> Self {
        let control = Self::default();
        control.set_limits(limits);
        control
    }

    /// What the port has counted.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// The limits that the next connection gets.
    #[must_use]
    pub fn limits(&self) -> Arc<Limits> {
        self.limits.load_full()
    }

    /// Replaces the limits. Connections that are open keep theirs.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }
}
