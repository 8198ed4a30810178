//! What the listener counts for one port. It exports nothing itself: the operations port reads it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::refusal::Reason;

/// Counts of one port since it was bound. Reading and writing never block.
#[derive(Debug)]
pub struct Counters {
    open: AtomicU64,
    events: [AtomicU64; Event::ALL.len()],
    refused: [AtomicU64; Reason::ALL.len()],
}

/// What is counted beside the refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// A connection was taken from the listening socket.
    Accepted,
    /// A connection was closed at once, because the port has as many as it may have.
    OverPortLimit,
    /// A connection was closed at once, because its source has as many as it may have.
    OverSourceLimit,
    /// A connection was closed at once, because no core could take it.
    NoCoreFree,
    /// The listening socket failed to accept, for want of descriptors or memory.
    AcceptFailed,
    /// A TLS handshake failed.
    TlsFailed,
    /// A TLS handshake took too long.
    HandshakeTimeout,
    /// A request head, or the first byte of a new connection, did not arrive in time.
    HeadTimeout,
    /// A kept-alive connection was closed because no other request came.
    IdleTimeout,
    /// A request body stopped arriving.
    BodyTimeout,
    /// A caller stopped reading its answer.
    WriteTimeout,
    /// A caller went away before its answer was complete.
    CallerGone,
    /// A service panicked.
    Panicked,
    /// A request was still being answered when the time to drain was over.
    Cut,
}

impl Event {
    /// Every event, in the order of its counter.
    pub const ALL: &'static [Self] = &[
        Self::Accepted,
        Self::OverPortLimit,
        Self::OverSourceLimit,
        Self::NoCoreFree,
        Self::AcceptFailed,
        Self::TlsFailed,
        Self::HandshakeTimeout,
        Self::HeadTimeout,
        Self::IdleTimeout,
        Self::BodyTimeout,
        Self::WriteTimeout,
        Self::CallerGone,
        Self::Panicked,
        Self::Cut,
    ];

    /// A short name for metric labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::OverPortLimit => "over_port_limit",
            Self::OverSourceLimit => "over_source_limit",
            Self::NoCoreFree => "no_core_free",
            Self::AcceptFailed => "accept_failed",
            Self::TlsFailed => "tls_failed",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HeadTimeout => "head_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::CallerGone => "caller_gone",
            Self::Panicked => "panicked",
            Self::Cut => "cut",
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            open: AtomicU64::new(0),
            events: std::array::from_fn(|_| AtomicU64::new(0)),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Counters {
    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// How often this has happened.
    #[must_use]
    pub fn get(&self, event: Event) -> u64 {
        self.events
            .get(event as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How many requests were refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused
            .get(reason as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(crate) fn count(&self, event: Event) {
        if let Some(count) = self.events.get(event as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_refused(&self, reason: Reason) {
        if let Some(count) = self.refused.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_its_own_counter_and_name() {
        let counters = Counters::default();

        for (times, event) in Event::ALL.iter().enumerate() {
            (0..times).for_each(|_| counters.count(*event));
        }

        for (times, event) in Event::ALL.iter().enumerate() {
            assert_eq!(counters.get(*event), times as u64, "{}", event.name());
        }
    }

    #[test]
    fn every_reason_has_its_own_counter() {
        let counters = Counters::default();

        for (times, reason) in Reason::ALL.iter().enumerate() {
            (0..times).for_each(|_| counters.count_refused(*reason));
        }

        for (times, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(counters.refused(*reason), times as u64, "{}", reason.name());
        }
    }
}
