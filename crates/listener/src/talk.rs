//! What the two sides of hyper tell each other about one connection: `guarded`, which sees bytes, and
//! `answer`, which sees requests. Messages are counted from 1 on both sides.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;

use crate::refusal::Refusal;

#[derive(Debug, Default)]
pub(crate) struct Talk {
    handed_over: AtomicU64,
    answered: AtomicU64,
    received: AtomicU64,
    is_parking: AtomicBool,
    fault: Mutex<Option<(u64, Refusal)>>,
    unread: Mutex<Unread>,
}

/// What became of bodies that their services did not read.
#[derive(Debug, Default)]
struct Unread {
    rest: Option<(u64, Incoming)>,
    /// Up to this message nobody asks any more.
    settled: u64,
}

impl Talk {
    /// The number of the request that the service gets now.
    pub(crate) fn begin(&self) -> u64 {
        self.handed_over.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The last byte of an answer was produced, or its body was given up.
    pub(crate) fn end(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the service has a request whose answer is not complete.
    pub(crate) fn is_answering(&self) -> bool {
        self.handed_over.load(Ordering::Relaxed) > self.answered.load(Ordering::Relaxed)
    }

    /// Messages up to this one have come to their last byte.
    pub(crate) fn set_received(&self, message: u64) {
        self.received.store(message, Ordering::Relaxed);
    }

    pub(crate) fn is_received(&self, message: u64) -> bool {
        self.received.load(Ordering::Relaxed) >= message
    }

    /// Asks `guarded` to take the connection away from hyper as soon as it waits for a request.
    pub(crate) fn park(&self) {
        self.is_parking.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_parking(&self) -> bool {
        self.is_parking.load(Ordering::Relaxed)
    }

    /// The body of this message broke a rule or stopped; there can be only one such message.
    pub(crate) fn set_fault(&self, message: u64, refusal: Refusal) {
        *lock(&self.fault) = Some((message, refusal));
    }

    pub(crate) fn fault(&self, message: u64) -> Option<Refusal> {
        lock(&self.fault)
            .filter(|(faulty, _)| *faulty == message)
            .map(|(_, refusal)| refusal)
    }

    /// Keeps a body that the service did not read to its end, until its answer is settled. One that the
    /// service lets go of later, with the last byte of its answer perhaps, is dropped: that is how hyper
    /// learns that nobody will read it.
    pub(crate) fn leave_unread(&self, message: u64, body: Incoming) {
        let mut unread = lock(&self.unread);
        if message > unread.settled {
            unread.rest = Some((message, body));
        }
    }

    /// The rest of the body of this message, if the service has let go of it. Asked once.
    pub(crate) fn take_unread(&self, message: u64) -> Option<Incoming> {
        let mut unread = lock(&self.unread);
        unread.settled = message;
        let rest = unread.rest.take();
        rest.filter(|(of, _)| *of == message).map(|(_, body)| body)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
