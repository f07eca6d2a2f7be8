//! A flag that is raised once and can be awaited, from any thread and any runtime.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A flag that is raised once.
#[derive(Debug, Default)]
pub struct Signal {
    raised: AtomicBool,
    notify: Notify,
}

impl Signal {
    /// Raises it.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    /// It was raised.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// Waits until it is raised.
    pub async fn raised(&self) {
        let mut notified = std::pin::pin!(self.notify.notified());
        // Enabled before the flag is read: a raise between the two would be missed otherwise.
        notified.as_mut().enable();
        if !self.is_raised() {
            notified.await;
        }
    }
}
