//! A channel whose receiver waits as its host has threads wait.

use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;

use crate::host::{Host, Signal};

/// The sending side. When it is dropped, the receiver learns it.
pub(crate) struct Sender<T> {
    /// None only while it is being dropped.
    queue: Option<mpsc::Sender<T>>,
    signal: Arc<dyn Signal>,
}

/// The receiving side.
pub(crate) struct Receiver<T> {
    queue: mpsc::Receiver<T>,
    signal: Arc<dyn Signal>,
}

/// A new channel, of any length.
pub(crate) fn channel<T>(host: &dyn Host) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    let signal = host.signal();
    (Sender { queue: Some(sender), signal: signal.clone() }, Receiver { queue: receiver, signal })
}

impl<T> Sender<T> {
    /// Sends; what nobody receives any more is dropped.
    pub(crate) fn send(&self, message: T) {
        if let Some(queue) = &self.queue {
            drop(queue.send(message));
        }
        self.signal.give();
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.queue = None;
        self.signal.give();
    }
}

impl<T> Receiver<T> {
    /// What has come, if anything has.
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.queue.try_recv()
    }

    /// Waits for a moment, or less if something comes, be it the sender's end.
    pub(crate) fn wait(&self, limit: Duration) {
        self.signal.wait(self.signal.count(), Some(limit));
    }

    /// Waits for the next message; none when the sender is gone.
    pub(crate) fn recv(&self) -> Option<T> {
        loop {
            let seen = self.signal.count();
            match self.queue.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Empty) => self.signal.wait(seen, None),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
    }
}
