//! A clock that says when something has taken too long. It is armed once for many waits: setting a timer for
//! every call, only to take it back, costs more than asking for the time.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Says when a wait is over.
#[derive(Debug)]
pub(crate) struct Patience {
    alarm: Pin<Box<Sleep>>,
    waiting_since: Option<Instant>,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self {
            alarm: Box::pin(sleep_until(Instant::now())),
            waiting_since: None,
        }
    }

    /// Something happened: the next wait begins anew.
    pub(crate) fn restart(&mut self) {
        self.waiting_since = None;
    }

    /// Lets go of the task that waited last.
    pub(crate) fn forget(&mut self) {
        let mut idly = Context::from_waker(Waker::noop());
        // Whether the alarm has rung meanwhile makes no difference: it is set anew for the next wait.
        let _ = self.alarm.as_mut().poll(&mut idly);
    }

    /// Whether nothing has happened for `limit`, counted from the first time this was asked.
    pub(crate) fn poll_idle(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        self.poll_until(since + limit, cx)
    }

    /// Whether the deadline has passed.
    pub(crate) fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        // An alarm that rings early is asked again; one that would ring late is set back.
        if self.alarm.deadline() > deadline {
            self.alarm.as_mut().reset(deadline);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}
