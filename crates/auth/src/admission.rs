//! Who may join the queue for a signature.
//!
//! A signature takes a worker some hundreds of microseconds and cannot be interrupted, so a burst of requests
//! makes a queue. The queue is measured before it is joined: requests waiting, times the time a signature took
//! lately, shared by the workers. Beyond the limit a caller is told at once to come again, because an answer
//! in time, even a refusal, is worth more than a token after the caller gave up.
//!
//! For this to see the queue, a request that was admitted yields once before it signs: the worker first reads
//! what else has arrived (and counts or refuses it), then signs in order.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use crate::error::TokenError;

/// RSA-2048 takes 300 to 700 us on server hardware; what is measured replaces this within some tokens.
const FIRST_ESTIMATE_NS: u64 = 500_000;
/// A longer signature says that the machine stood still, not that signing is slow.
const SAMPLE_NS_MAX: u64 = 20_000_000;
/// A new sample weighs one in this many.
const SAMPLES: u64 = 8;

/// The queue of one pool of workers.
#[derive(Debug)]
pub(crate) struct Admission {
    limit_ns: u64,
    workers: u64,
    waiting: AtomicUsize,
    signature_ns: AtomicU64,
}

/// A place in the queue, given back when dropped: also when the caller goes away.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Admission);

impl Admission {
    pub(crate) fn new(limit: Duration, workers: usize) -> Self {
        Self {
            limit_ns: nanoseconds(limit),
            workers: u64::try_from(workers.max(1)).unwrap_or(u64::MAX),
            waiting: AtomicUsize::new(0),
            signature_ns: AtomicU64::new(FIRST_ESTIMATE_NS),
        }
    }

    /// A place in the queue, or [`TokenError::Busy`] when what is before it takes longer than the limit.
    pub(crate) fn admit(&self) -> Result<Place<'_>, TokenError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(self);
        let before = u64::try_from(before).unwrap_or(u64::MAX);
        let each_ns = self.signature_ns.load(Ordering::Relaxed);
        if before.saturating_mul(each_ns) / self.workers > self.limit_ns {
            return Err(TokenError::Busy);
        }
        Ok(place)
    }
}

impl Place<'_> {
    /// Notes how long the signature took. Two at the same time may lose one sample, which does not matter.
    pub(crate) fn signed(self, took: Duration) {
        let sample = nanoseconds(took).min(SAMPLE_NS_MAX);
        let old = self.0.signature_ns.load(Ordering::Relaxed);
        let new = old - old / SAMPLES + sample / SAMPLES;
        self.0.signature_ns.store(new, Ordering::Relaxed);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(admission: &Admission) -> usize {
        let mut places = Vec::new();
        while let Ok(place) = admission.admit() {
            places.push(place);
        }
        places.len()
    }

    #[test]
    fn the_queue_holds_what_can_be_signed_in_the_limit() {
        let admission = Admission::new(Duration::from_millis(50), 1);

        assert_eq!(admitted(&admission), 101);
        assert_eq!(admitted(&admission), 101, "dropped places are free again");
    }

    #[test]
    fn more_workers_take_more() {
        let admission = Admission::new(Duration::from_millis(50), 4);

        assert_eq!(admitted(&admission), 401);
    }

    #[test]
    fn slower_signatures_make_a_shorter_queue() {
        let admission = Admission::new(Duration::from_millis(50), 1);

        for _ in 0..100 {
            admission.admit().unwrap().signed(Duration::from_millis(10));
        }

        assert_eq!(admitted(&admission), 6);
    }

    #[test]
    fn one_standstill_of_the_machine_does_not_close_the_queue() {
        let admission = Admission::new(Duration::from_millis(50), 1);

        admission.admit().unwrap().signed(Duration::from_secs(30));

        assert!(admitted(&admission) > 10);
    }

    #[test]
    fn whoever_comes_first_is_admitted_whatever_the_limit() {
        let admission = Admission::new(Duration::ZERO, 1);

        assert_eq!(admitted(&admission), 1);
    }
}
