//! A whole simulated world: processes with disks, a Kafka, and a scenario that drives them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::disk::Disk;
use super::process::{Process, SimulatedSignal};
use super::scheduler::{Scheduler, ThreadId};
use super::weather::Weather;
use super::{SimulatedKafka, SimulationConfig};
use crate::Timestamp;
use crate::host::Signal;

/// A world that goes as its seed says: the same seed, the same history.
///
/// What runs in it are the real [`crate::Streams`], on threads of which one runs at a time. Whatever they do that can
/// take time (a call to Kafka, a write to a store, a wait) lets others have their turns, and can be the last that
/// their process does.
pub struct World {
    shared: Arc<Shared>,
    kafka: SimulatedKafka,
    disks: Mutex<BTreeMap<String, (Arc<Disk>, u32)>>,
}

pub(super) struct Shared {
    pub(super) scheduler: Arc<Scheduler>,
    weather: Mutex<Weather>,
}

impl Shared {
    pub(super) fn weather(&self) -> Weather {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.scheduler.now()
    }
}

/// How a simulation went wrong.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}: {reason}\n{trace}")]
pub struct Failure {
    /// With it, the same happens again.
    pub seed: u64,
    /// What was found.
    pub reason: String,
    /// The last steps.
    pub trace: String,
}

/// A simulation that went well.
#[derive(Debug)]
pub struct Success<T> {
    /// What the scenario returned.
    pub value: T,
    /// A number that tells this history apart from any other.
    pub history: u64,
}

impl World {
    /// Plays `scenario` in a new world. It fails when the scenario panics, or any thread in the world does.
    pub fn play<T>(
        seed: u64,
        config: SimulationConfig,
        scenario: impl FnOnce(&World) -> T,
    ) -> Result<Success<T>, Failure> {
        let kafka = SimulatedKafka::new(config);
        kafka.defer(true);
        let scheduler = Scheduler::new(seed, kafka.cluster.clone());
        let shared = Arc::new(Shared { scheduler, weather: Mutex::new(Weather::fair()) });
        let world = World { shared, kafka, disks: Mutex::default() };
        let scheduler = &world.shared.scheduler;
        let played = catch_unwind(AssertUnwindSafe(|| scenario(&world)));
        if let Err(panic) = &played {
            scheduler.driver_has_panicked(&**panic);
        }
        scheduler.end();
        let (trace, history) = scheduler.trace();
        match (played, scheduler.failures().join("; ")) {
            (Ok(value), reason) if reason.is_empty() => Ok(Success { value, history }),
            (_, reason) => Err(Failure { seed, reason, trace }),
        }
    }

    /// Starts a process on the disk of the instance `name`. No more than one at a time can use it.
    pub fn process(&self, name: &str) -> Process {
        let mut disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
        let (disk, starts) = disks.entry(name.to_string()).or_insert_with(|| (Arc::new(Disk::of(name)), 0));
        *starts += 1;
        let kafka = self.kafka.process(&format!("{name}.{starts}"));
        Process::start(self.shared.clone(), disk.clone(), kafka)
    }

    /// The cluster, to look at: without any way that takes time.
    pub fn kafka(&self) -> &SimulatedKafka {
        &self.kafka
    }

    /// How things go from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.note(&format!("{weather:?}"));
        *self.shared.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// True time.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// Draws from the seed.
    pub fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        self.shared.scheduler.random(draw)
    }

    /// Says something in the trace.
    pub fn note(&self, what: &str) {
        self.shared.scheduler.note(format_args!("{what}"));
    }

    /// Lets time pass for the calling thread.
    pub fn sleep(&self, duration: Duration) {
        self.shared.scheduler.sleep(duration);
    }

    /// Runs `work` on a thread of no process: somebody outside, who does not crash.
    pub fn spawn(&self, name: &str, work: impl FnOnce(&World) + Send + 'static) -> Outsider {
        let world = World { shared: self.shared.clone(), kafka: self.kafka.clone(), disks: Mutex::default() };
        let thread = self.shared.scheduler.spawn(name.to_string(), None, Box::new(move || work(&world)));
        Outsider {
            scheduler: self.shared.scheduler.clone(),
            thread: thread.expect("the system gives a thread"),
        }
    }

    /// Waits for a future, for `limit` at most.
    pub fn wait_for<F: Future>(&self, future: F, limit: Duration) -> Option<F::Output> {
        let signal = Arc::new(SimulatedSignal::new(self.shared.scheduler.clone()));
        let waker = Waker::from(Arc::new(SignalWaker(signal.clone())));
        let deadline = self.now() + limit;
        let mut future = pin!(future);
        loop {
            let seen = signal.count();
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(output);
            }
            let left = deadline.since(self.now());
            if left.is_zero() {
                return None;
            }
            signal.wait(seen, Some(left));
        }
    }
}

/// Somebody outside of all processes.
pub struct Outsider {
    scheduler: Arc<Scheduler>,
    thread: ThreadId,
}

impl Outsider {
    /// Waits for the end of what it does.
    pub fn join(self) {
        self.scheduler.join(self.thread);
    }
}

struct SignalWaker(Arc<SimulatedSignal>);

impl Wake for SignalWaker {
    fn wake(self: Arc<Self>) {
        self.0.give();
    }
}
