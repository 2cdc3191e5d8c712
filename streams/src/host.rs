//! What the runtime's threads need of the machine they run on: the time, other threads, and a way to wait.
//!
//! [`Machine`] is the real one. A simulation stands behind the same traits and decides the order of everything.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Timestamp;

/// The machine, as a process sees it.
pub(crate) trait Host: Send + Sync {
    /// The wall clock, which may be set forward and back.
    fn now(&self) -> Timestamp;

    /// The time since some moment: it never goes back.
    fn uptime(&self) -> Duration;

    /// Runs `work` on a thread of its own.
    fn spawn(&self, name: String, work: Work) -> io::Result<Box<dyn Thread>>;

    /// A new signal, not given yet.
    fn signal(&self) -> Arc<dyn Signal>;
}

/// What a thread does.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// A thread that was started.
pub(crate) trait Thread: Send + Sync {
    /// Waits for its end.
    fn join(self: Box<Self>) -> Result<(), ThreadPanicked>;
}

/// The thread did not end as it should.
#[derive(Debug, thiserror::Error)]
#[error("a bug: the thread has panicked")]
pub(crate) struct ThreadPanicked;

/// What threads wait for. Take the count, look whether what is awaited is there, then wait: so nothing is missed.
pub(crate) trait Signal: Send + Sync {
    /// How often it was given.
    fn count(&self) -> u64;

    /// Gives it, to all who wait.
    fn give(&self);

    /// Waits until it is given after it was given `seen` times, for `limit` at most.
    fn wait(&self, seen: u64, limit: Option<Duration>);
}

/// The operating system's threads and clocks.
pub(crate) struct Machine {
    started: Instant,
}

impl Default for Machine {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Host for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::of_wall_clock()
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    fn spawn(&self, name: String, work: Work) -> io::Result<Box<dyn Thread>> {
        Ok(Box::new(MachineThread(thread::Builder::new().name(name).spawn(work)?)))
    }

    fn signal(&self) -> Arc<dyn Signal> {
        Arc::new(MachineSignal::default())
    }
}

struct MachineThread(JoinHandle<()>);

impl Thread for MachineThread {
    fn join(self: Box<Self>) -> Result<(), ThreadPanicked> {
        self.0.join().map_err(|_| ThreadPanicked)
    }
}

#[derive(Default)]
struct MachineSignal {
    count: Mutex<u64>,
    given: Condvar,
}

impl MachineSignal {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signal for MachineSignal {
    fn count(&self) -> u64 {
        *self.lock()
    }

    fn give(&self) {
        *self.lock() += 1;
        self.given.notify_all();
    }

    fn wait(&self, seen: u64, limit: Option<Duration>) {
        let is_awaited = |count: &mut u64| *count == seen;
        match limit {
            Some(limit) => drop(self.given.wait_timeout_while(self.lock(), limit, is_awaited)),
            None => drop(self.given.wait_while(self.lock(), is_awaited)),
        }
    }
}
