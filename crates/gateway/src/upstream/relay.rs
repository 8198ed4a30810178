//! A waker that can be silenced. Asking a body for its next part tells the connection that there is room for
//! more, and the connection wakes whoever drives it; but who asks is the one who drives, and is about to do
//! so. Unsilenced, every answer would cost one turn of the caller's task for nothing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// Passes wake-ups on to the task that drives a connection at the time.
#[derive(Debug)]
pub(super) struct Relay {
    ears: Arc<Ears>,
    waker: Waker,
}

#[derive(Debug)]
struct Ears {
    is_silenced: AtomicBool,
    task: Mutex<Waker>,
}

impl Wake for Ears {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_silenced.load(Ordering::Relaxed) {
            self.task
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .wake_by_ref();
        }
    }
}

impl Relay {
    pub(super) fn new() -> Self {
        let task = Mutex::new(Waker::noop().clone());
        let ears = Arc::new(Ears {
            is_silenced: AtomicBool::new(false),
            task,
        });
        Self {
            waker: Waker::from(Arc::clone(&ears)),
            ears,
        }
    }

    /// A context whose wake-ups reach the task of `cx`.
    pub(super) fn context(&self, cx: &Context<'_>) -> Context<'_> {
        let mut task = self
            .ears
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        task.clone_from(cx.waker());
        Context::from_waker(&self.waker)
    }

    /// Lets go of the task that drove last.
    pub(super) fn forget(&self) {
        let mut task = self
            .ears
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        task.clone_from(Waker::noop());
    }

    /// Does something whose wake-ups mean nothing.
    pub(super) fn silently<T>(&self, does: impl FnOnce() -> T) -> T {
        self.ears.is_silenced.store(true, Ordering::Relaxed);
        let done = does();
        self.ears.is_silenced.store(false, Ordering::Relaxed);
        done
    }
}
