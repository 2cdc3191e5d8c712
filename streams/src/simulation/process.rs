//! A process of a simulated world: the machine it runs on, its disk, its way to Kafka.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::SimulatedKafka;
use super::disk::{Damage, Disk, MountedDisk};
use super::network::Network;
use super::scheduler::{ProcessId, Scheduler, SignalId, ThreadId, Wait};
use super::world::Shared;
use crate::Timestamp;
use crate::client::{ClientError, ClientSupplier, Writer};
use crate::host::{Host, Signal, Thread, ThreadPanicked, Work};
use crate::runtime::{StartError, Streams, StreamsConfig};
use crate::store::WriteBufferManager;
use crate::topology::Topology;

/// A process: from its start until it is stopped or crashes. Cheap to clone.
#[derive(Clone)]
pub struct Process {
    state: Arc<ProcessState>,
    kafka: SimulatedKafka,
    disk: Arc<Disk>,
}

pub(super) struct ProcessState {
    pub(super) world: Arc<Shared>,
    id: ProcessId,
    is_cut_off: AtomicBool,
    crashes_at_commit: AtomicBool,
    /// How much its wall clock is ahead.
    clock_error_ms: AtomicI64,
    started: Timestamp,
}

impl ProcessState {
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::SeqCst)
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.world.scheduler.is_crashed(self.id)
    }

    /// Kafka has committed a transaction of this process, which does not know it yet.
    pub(super) fn is_committed(&self, kafka: &SimulatedKafka) {
        if self.crashes_at_commit.load(Ordering::SeqCst) && !self.has_crashed() {
            self.world.scheduler.note(format_args!("{} crashes at this commit", kafka.process));
            kafka.pause();
            self.world.scheduler.crash(self.id);
        }
    }
}

impl Process {
    pub(super) fn start(world: Arc<Shared>, disk: Arc<Disk>, kafka: SimulatedKafka) -> Self {
        let state = ProcessState {
            id: world.scheduler.new_process(),
            is_cut_off: AtomicBool::new(false),
            crashes_at_commit: AtomicBool::new(false),
            clock_error_ms: AtomicI64::new(0),
            started: world.scheduler.now(),
            world,
        };
        Self { state: Arc::new(state), kafka, disk }
    }

    /// Runs a topology in this process, as [`Streams::start`] does.
    pub fn run(&self, topology: Topology, config: StreamsConfig) -> Result<Streams, StartError> {
        let disk = MountedDisk {
            disk: self.disk.clone(),
            process: self.state.clone(),
            // So little that stores go to the disk now and then.
            write_buffers: Arc::new(WriteBufferManager::new(64 << 10)),
        };
        let host = Arc::new(SimulatedHost(self.state.clone()));
        Streams::start_on(host, topology, config, Arc::new(self.network()), Arc::new(disk))
    }

    /// A producer without transactions.
    pub fn writer(&self) -> Result<Arc<dyn Writer>, ClientError> {
        self.network().writer()
    }

    fn network(&self) -> Network {
        Network::new(self.state.clone(), self.kafka.clone())
    }

    /// Ends it as `kill -9` does, wherever its threads are. Its group hears nothing of it.
    pub fn crash(&self, damage: Damage) {
        self.note(format_args!("crashes, {damage:?}"));
        self.kafka.pause();
        self.state.world.scheduler.crash(self.state.id);
        self.state.world.scheduler.random(|random| self.disk.suffer(damage, random));
    }

    /// Ends it between the next transaction that Kafka commits and the news of that.
    pub fn crash_at_next_commit(&self) {
        self.note(format_args!("is to crash at its next commit"));
        self.state.crashes_at_commit.store(true, Ordering::SeqCst);
    }

    /// Whether it has crashed.
    pub fn has_crashed(&self) -> bool {
        self.state.has_crashed()
    }

    /// Stops all its threads where they are, as `SIGSTOP` does.
    pub fn pause(&self) {
        if self.has_crashed() {
            return;
        }
        self.note(format_args!("is paused"));
        self.kafka.pause();
        self.state.world.scheduler.pause(self.state.id);
    }

    /// Lets them go on.
    pub fn resume(&self) {
        if self.has_crashed() {
            return;
        }
        self.note(format_args!("is resumed"));
        self.kafka.resume();
        self.state.world.scheduler.resume(self.state.id);
        self.state.world.scheduler.kafka_has_changed();
    }

    /// Nothing gets from it to Kafka any more, nor back.
    pub fn cut_off(&self) {
        if self.has_crashed() {
            return;
        }
        self.note(format_args!("is cut off"));
        self.state.is_cut_off.store(true, Ordering::SeqCst);
        self.kafka.cut_off();
    }

    /// Ends [`Self::cut_off`].
    pub fn reconnect(&self) {
        if self.has_crashed() {
            return;
        }
        self.note(format_args!("is connected again"));
        self.state.is_cut_off.store(false, Ordering::SeqCst);
        self.kafka.reconnect();
        self.state.world.scheduler.kafka_has_changed();
    }

    /// Sets its wall clock so many milliseconds ahead of the true time, or back.
    pub fn set_clock(&self, ahead_ms: i64) {
        self.note(format_args!("has its clock set {ahead_ms} ms ahead"));
        self.state.clock_error_ms.store(ahead_ms, Ordering::SeqCst);
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        self.state.world.scheduler.note(format_args!("{} {what}", self.kafka.process));
    }
}

/// The machine, as a process sees it.
struct SimulatedHost(Arc<ProcessState>);

impl Host for SimulatedHost {
    fn now(&self) -> Timestamp {
        let ahead = self.0.clock_error_ms.load(Ordering::SeqCst);
        Timestamp::from_millis(self.0.world.scheduler.now().as_millis() + ahead)
    }

    fn uptime(&self) -> Duration {
        self.0.world.scheduler.now().since(self.0.started)
    }

    fn spawn(&self, name: String, work: Work) -> io::Result<Box<dyn Thread>> {
        let scheduler = &self.0.world.scheduler;
        let id = scheduler.spawn(name, Some(self.0.id), work)?;
        Ok(Box::new(SimulatedJoin { scheduler: scheduler.clone(), id }))
    }

    fn signal(&self) -> Arc<dyn Signal> {
        Arc::new(SimulatedSignal::new(self.0.world.scheduler.clone()))
    }
}

struct SimulatedJoin {
    scheduler: Arc<Scheduler>,
    id: ThreadId,
}

impl Thread for SimulatedJoin {
    fn join(self: Box<Self>) -> Result<(), ThreadPanicked> {
        // A panic is among the failures of the simulation.
        self.scheduler.join(self.id);
        Ok(())
    }
}

pub(super) struct SimulatedSignal {
    scheduler: Arc<Scheduler>,
    id: SignalId,
    count: AtomicU64,
}

impl SimulatedSignal {
    pub(super) fn new(scheduler: Arc<Scheduler>) -> Self {
        Self { id: scheduler.new_signal(), scheduler, count: AtomicU64::new(0) }
    }
}

impl Signal for SimulatedSignal {
    fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    fn give(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.scheduler.give_signal(self.id);
    }

    fn wait(&self, seen: u64, limit: Option<Duration>) {
        if self.count() == seen {
            self.scheduler.suspend(Wait::Signal(self.id), limit);
        }
    }
}
