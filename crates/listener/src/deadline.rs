//! A timer that is moved often and fires seldom.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A point in time to wait for. Moving it to later, or clearing it, does not touch the runtime's timer
/// wheel: an early wake-up finds that the time has not come and sleeps on. So a busy connection pays for
/// a timer once in a while, not once for each request.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) fn set(&mut self, at: Instant) {
        self.at = Some(at);
    }

    pub(crate) fn clear(&mut self) {
        self.at = None;
    }

    pub(crate) const fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// Ready once the time has come; pending for ever while none is set.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_to_later_fires_later() {
        let begin = Instant::now();
        let mut deadline = Deadline::default();

        deadline.set(begin + Duration::from_secs(1));
        let early = poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await;
        deadline.set(begin + Duration::from_secs(5));
        poll_fn(|cx| deadline.poll(cx)).await;

        assert!(early.is_pending());
        assert_eq!(begin.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_to_earlier_fires_earlier() {
        let begin = Instant::now();
        let mut deadline = Deadline::default();

        deadline.set(begin + Duration::from_secs(5));
        let early = poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await;
        deadline.set(begin + Duration::from_secs(1));
        poll_fn(|cx| deadline.poll(cx)).await;

        assert!(early.is_pending());
        assert_eq!(begin.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cleared_deadline_never_fires() {
        let mut deadline = Deadline::default();
        deadline.set(Instant::now() + Duration::from_secs(1));
        let _ = poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await;
        deadline.clear();

        let waited =
            tokio::time::timeout(Duration::from_secs(9), poll_fn(|cx| deadline.poll(cx))).await;

        assert!(waited.is_err());
    }
}
