//! The signal that the gateway stops.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed, Ordering::SeqCst};

use tokio::sync::Notify;

/// Given once, at the beginning of a stop.
#[derive(Debug, Default)]
pub(crate) struct StopSignal {
    given: AtomicBool,
    notify: Notify,
}

impl StopSignal {
    /// Gives the signal and wakes all tasks that wait for it.
    pub(crate) fn give(&self) {
        self.given.store(true, SeqCst);
        self.notify.notify_waiters();
    }

    /// Whether the signal was given.
    pub(crate) fn is_given(&self) -> bool {
        self.given.load(Relaxed)
    }

    /// Waits for the signal.
    pub(crate) async fn wait(&self) {
        let notified = self.notify.notified();
        if !self.given.load(SeqCst) {
            notified.await;
        }
    }
}
