//! Asking threads to stop, and letting them wait for something else meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::host::{Host, Signal};

/// A request to stop, shared by all threads of an application.
pub(crate) struct Stop {
    requested: AtomicBool,
    signal: Arc<dyn Signal>,
}

impl Stop {
    pub(crate) fn new(host: &dyn Host) -> Self {
        Self { requested: AtomicBool::new(false), signal: host.signal() }
    }

    pub(crate) fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
        self.signal.give();
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Waits for `duration`, or until the stop is requested. Whether it is.
    pub(crate) fn wait(&self, duration: Duration) -> bool {
        let seen = self.signal.count();
        if !self.is_requested() {
            self.signal.wait(seen, Some(duration));
        }
        self.is_requested()
    }
}
