//! Who runs next: one thread at a time, in virtual time, as the seed says.
//!
//! Each simulated thread is one of the operating system's, but only the one that has the turn runs. It keeps the turn
//! until it waits for something; then the next one is that which is due first, and of several the one that the seed
//! prefers. Time passes when nobody is due. So one seed is one history.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::cluster::{Cluster, Shared, lock};
use super::trace::Trace;
use crate::Timestamp;
use crate::guard::text_of;

/// The turns of one simulation.
pub(super) struct Scheduler {
    state: Mutex<State>,
    /// Who has the turn.
    running: AtomicUsize,
    cluster: Shared,
}

struct State {
    now: Timestamp,
    random: fastrand::Rng,
    threads: Vec<SimulatedThread>,
    /// When which thread goes on: by time, then by a number that the seed has drawn.
    due: BTreeSet<(Timestamp, u32, ThreadId)>,
    events: BTreeMap<(Timestamp, u64), Event>,
    events_made: u64,
    signals_made: u64,
    processes: Vec<ProcessState>,
    kafka_has_changed: bool,
    /// The cluster's news that the threads that wait for it know.
    news: u64,
    /// When Kafka's next deferred step is due, if it is.
    kafka_steps_at: Option<Timestamp>,
    trace: Trace,
    failures: Vec<String>,
    turns: u64,
    /// The scenario has ended: all other threads have to.
    is_over: bool,
}

pub(super) type ThreadId = usize;
pub(super) type ProcessId = usize;
pub(super) type SignalId = u64;

/// Something that happens at its time, on no thread of its own. It must not wait.
pub(super) type Event = Box<dyn FnOnce(&Shared) + Send>;

/// What a thread waits for beside the time.
pub(super) enum Wait {
    /// Nothing else.
    Time,
    /// A signal.
    Signal(SignalId),
    /// The end of a thread.
    End(ThreadId),
    /// Something of the cluster.
    Kafka(Box<dyn Fn(&Cluster) -> bool + Send>),
}

struct SimulatedThread {
    name: String,
    process: Option<ProcessId>,
    /// None until it is known, for a moment.
    thread: Option<Thread>,
    handle: Option<JoinHandle<()>>,
    wait: Wait,
    /// Draws its preferences: those of a thread do not depend on the order in which several are woken, which is
    /// not the seed's (a watch of tokio's wakes in any order).
    random: fastrand::Rng,
    /// Its entry in `due`.
    due: Option<(Timestamp, u32)>,
    /// It was due while its process was paused.
    is_frozen: bool,
    has_ended: bool,
}

#[derive(Default)]
struct ProcessState {
    has_crashed: bool,
    is_paused: bool,
}

/// With this a thread of a crashed process unwinds.
struct Crashed;

thread_local! {
    static CURRENT: RefCell<Option<ThreadId>> = const { RefCell::new(None) };
}

fn current() -> ThreadId {
    CURRENT.with(|current| *current.borrow()).expect("only the simulation's own threads come here")
}

/// The thread that the scenario runs on.
const DRIVER: ThreadId = 0;

/// After so many turns, a simulation is taken to go on for ever.
const MOST_TURNS: u64 = 500_000;

/// How long the driver waits for a thread's end, in virtual time. After that, it never ends.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

impl Scheduler {
    /// With the calling thread as the first one, which has the turn.
    pub(super) fn new(seed: u64, cluster: Shared) -> Arc<Self> {
        CURRENT.with(|current| current.replace(Some(0)));
        let driver = SimulatedThread::new("driver".to_string(), None, Some(thread::current()), seed);
        let now = lock(&cluster).now;
        let state = State {
            now,
            random: fastrand::Rng::with_seed(seed),
            threads: vec![driver],
            due: BTreeSet::new(),
            events: BTreeMap::new(),
            events_made: 0,
            signals_made: 0,
            processes: Vec::new(),
            kafka_has_changed: false,
            news: 0,
            kafka_steps_at: None,
            trace: Trace::new(now),
            failures: Vec::new(),
            turns: 0,
            is_over: false,
        };
        Arc::new(Self { state: Mutex::new(state), running: AtomicUsize::new(0), cluster })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.lock().now
    }

    /// Draws from the seed.
    pub(super) fn random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.lock().random)
    }

    /// Notes what the running thread does.
    pub(super) fn note(&self, what: std::fmt::Arguments<'_>) {
        let mut state = self.lock();
        let state = &mut *state;
        if state.is_over {
            return;
        }
        let name = CURRENT.with(|current| *current.borrow()).map_or("kafka", |id| &state.threads[id].name);
        state.trace.note(state.now, name, what);
    }

    /// The last steps, and a number that tells histories apart.
    pub(super) fn trace(&self) -> (String, u64) {
        let state = self.lock();
        (state.trace.to_string(), state.trace.hash())
    }

    /// Why the simulation has failed so far.
    pub(super) fn failures(&self) -> Vec<String> {
        self.lock().failures.clone()
    }

    /// The driver has panicked.
    pub(super) fn driver_has_panicked(&self, panic: &(dyn Any + Send)) {
        let mut state = self.lock();
        if !panic.is::<Crashed>() {
            state.fail(DRIVER, &text_of(panic));
        }
        state.end();
    }

    // ---- threads ----

    /// Starts a thread. It gets its first turn later.
    pub(super) fn spawn(
        self: &Arc<Self>,
        name: String,
        process: Option<ProcessId>,
        work: Box<dyn FnOnce() + Send>,
    ) -> std::io::Result<ThreadId> {
        let id = {
            let mut state = self.lock();
            let id = state.threads.len();
            let preferences = state.random.u64(..);
            state.threads.push(SimulatedThread::new(name.clone(), process, None, preferences));
            state.make_due(id);
            id
        };
        let scheduler = self.clone();
        let handle = thread::Builder::new().name(name).spawn(move || scheduler.live(id, work))?;
        let mut state = self.lock();
        state.threads[id].thread = Some(handle.thread().clone());
        state.threads[id].handle = Some(handle);
        Ok(id)
    }

    fn live(&self, id: ThreadId, work: Box<dyn FnOnce() + Send>) {
        CURRENT.with(|current| current.replace(Some(id)));
        self.await_turn(id);
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.unwind_if_crashed(&self.lock(), id);
            work();
        }));
        let mut state = self.lock();
        if let Err(panic) = result
            && !panic.is::<Crashed>()
        {
            state.fail(id, &text_of(&*panic));
        }
        state.threads[id].has_ended = true;
        state.forget_due(id);
        state.wake(|wait| matches!(wait, Wait::End(awaited) if *awaited == id));
        let next = self.next(state);
        self.give_turn(next);
    }

    /// Waits for a thread's end.
    pub(super) fn join(&self, id: ThreadId) {
        loop {
            let state = self.lock();
            if state.threads[id].has_ended {
                break;
            }
            if state.is_crashed(current()) {
                // It goes no further, and waits for nobody.
                return;
            }
            drop(state);
            self.suspend(Wait::End(id), Some(LONGEST_LIFE));
        }
        // It has passed the turn on, and its last steps take no part in the simulation.
        let handle = self.lock().threads[id].handle.take();
        if let Some(handle) = handle {
            drop(handle.join());
        }
    }

    /// Waits, for `limit` at most; without a limit, until what is awaited comes.
    pub(super) fn suspend(&self, wait: Wait, limit: Option<Duration>) {
        let id = current();
        let mut state = self.lock();
        self.unwind_if_crashed(&state, id);
        if state.is_crashed(id) {
            return;
        }
        if id == DRIVER && thread::panicking() && !state.is_over {
            // What follows has nothing to do with what went wrong.
            state.end();
        }
        state.threads[id].wait = wait;
        if let Some(limit) = limit {
            let at = state.now + limit;
            state.make_due_at(id, at);
        }
        let next = self.next(state);
        if next != id {
            self.give_turn(next);
            self.await_turn(id);
        }
        let mut state = self.lock();
        self.unwind_if_crashed(&state, id);
        if id == DRIVER && state.has_to_end() && !thread::panicking() {
            if state.failures.is_empty() {
                state.failures.push("it goes on for ever".to_string());
            }
            state.end();
            drop(state);
            resume_unwind(Box::new(Crashed));
        }
    }

    /// Lets `duration` pass.
    pub(super) fn sleep(&self, duration: Duration) {
        self.suspend(Wait::Time, Some(duration));
    }

    /// A thread of a crashed process goes no further. What it drops on its way out must not panic again.
    fn unwind_if_crashed(&self, state: &State, id: ThreadId) {
        if state.is_crashed(id) && !thread::panicking() {
            resume_unwind(Box::new(Crashed));
        }
    }

    /// Whether the calling thread's process has crashed, and it is on its way out.
    pub(super) fn has_crashed(&self) -> bool {
        CURRENT.with(|current| *current.borrow()).is_some_and(|id| self.lock().is_crashed(id))
    }

    fn await_turn(&self, id: ThreadId) {
        while self.running.load(Ordering::Acquire) != id {
            thread::park();
        }
    }

    fn give_turn(&self, id: ThreadId) {
        let thread = self.lock().threads[id].thread.clone();
        self.running.store(id, Ordering::Release);
        if let Some(thread) = thread {
            thread.unpark();
        }
    }

    /// Lets happen what happens without a thread, until a thread is due: that one.
    fn next<'a>(&'a self, mut state: MutexGuard<'a, State>) -> ThreadId {
        loop {
            if std::mem::take(&mut state.kafka_has_changed) {
                self.look_at_kafka(&mut state);
            }
            let kafka = lock(&self.cluster).due();
            let Some(at) = state.due_at().into_iter().chain(kafka).min() else {
                unreachable!("a cluster always has something to do later")
            };
            if at > state.now || kafka == Some(at) {
                let by = at.since(state.now);
                state.now = state.now.max(at);
                lock(&self.cluster).advance(by);
                state.kafka_has_changed = true;
            } else if let Some(event) = state.take_event() {
                // It may come back here: by a signal, say.
                drop(state);
                event(&self.cluster);
                state = self.lock();
                state.kafka_has_changed = true;
            } else if let Some(id) = state.take_turn() {
                state.turns += 1;
                if state.has_to_end() && id != DRIVER {
                    // The driver is to end this.
                    state.make_due(id);
                    state.forget_due(DRIVER);
                    return DRIVER;
                }
                return id;
            }
        }
    }

    // ---- what happens without a thread ----

    /// Has something happen later.
    pub(super) fn at(&self, moment: Timestamp, event: Event) {
        let mut state = self.lock();
        state.events_made += 1;
        let key = (moment, state.events_made);
        state.events.insert(key, event);
    }

    /// The cluster may have something for those who wait for it.
    pub(super) fn kafka_has_changed(&self) {
        self.lock().kafka_has_changed = true;
    }

    /// Who waits for what is there now goes on. Kafka writes markers when it gets round to it.
    fn look_at_kafka(&self, state: &mut State) {
        let mut cluster = lock(&self.cluster);
        if state.news != cluster.news {
            state.news = cluster.news;
            state.wake(|wait| matches!(wait, Wait::Kafka(is_ready) if is_ready(&cluster)));
        }
        if !cluster.deferred.is_empty() && state.kafka_steps_at.is_none() {
            let delay = match state.random.u32(..1000) {
                0..900 => state.random.u64(..4),
                900..995 => state.random.u64(..60),
                _ => state.random.u64(..3000),
            };
            cluster.groups_first = state.random.bool();
            state.kafka_steps_at = Some(state.now + Duration::from_millis(delay));
        }
    }

    pub(super) fn new_signal(&self) -> SignalId {
        let mut state = self.lock();
        state.signals_made += 1;
        state.signals_made
    }

    /// All who wait for the signal go on.
    pub(super) fn give_signal(&self, signal: SignalId) {
        self.lock().wake(|wait| matches!(wait, Wait::Signal(awaited) if *awaited == signal));
    }

    // ---- processes ----

    pub(super) fn new_process(&self) -> ProcessId {
        let mut state = self.lock();
        state.processes.push(ProcessState::default());
        state.processes.len() - 1
    }

    /// Its threads go no further than they are.
    pub(super) fn crash(&self, process: ProcessId) {
        let mut state = self.lock();
        state.processes[process] = ProcessState { has_crashed: true, is_paused: false };
        for id in state.threads_of(process) {
            state.threads[id].is_frozen = false;
            state.make_due(id);
        }
    }

    /// Its threads stand still.
    pub(super) fn pause(&self, process: ProcessId) {
        self.lock().processes[process].is_paused = true;
    }

    /// Its threads go on, as if nothing had been.
    pub(super) fn resume(&self, process: ProcessId) {
        let mut state = self.lock();
        state.processes[process].is_paused = false;
        for id in state.threads_of(process) {
            if std::mem::take(&mut state.threads[id].is_frozen) {
                state.make_due(id);
            }
        }
    }

    pub(super) fn is_crashed(&self, process: ProcessId) -> bool {
        self.lock().processes[process].has_crashed
    }

    /// All threads but the driver, which calls this, come to their ends where they are.
    pub(super) fn end(&self) {
        let threads = {
            let mut state = self.lock();
            state.end();
            state.threads.len()
        };
        (1..threads).for_each(|id| self.join(id));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedThread {
    fn new(name: String, process: Option<ProcessId>, thread: Option<Thread>, preferences: u64) -> Self {
        Self {
            name,
            process,
            thread,
            handle: None,
            wait: Wait::Time,
            random: fastrand::Rng::with_seed(preferences),
            due: None,
            is_frozen: false,
            has_ended: false,
        }
    }
}

impl State {
    fn is_crashed(&self, id: ThreadId) -> bool {
        let process = self.threads[id].process;
        (self.is_over && id != DRIVER) || process.is_some_and(|process| self.processes[process].has_crashed)
    }

    fn end(&mut self) {
        self.is_over = true;
        self.processes.iter_mut().for_each(|process| process.is_paused = false);
        for id in (1..self.threads.len()).filter(|id| !self.threads[*id].has_ended).collect::<Vec<_>>() {
            self.threads[id].is_frozen = false;
            self.make_due(id);
        }
    }

    /// Something has failed already, or goes on for ever.
    fn has_to_end(&self) -> bool {
        (self.turns > MOST_TURNS || !self.failures.is_empty()) && !self.is_over
    }

    /// A thread has panicked.
    fn fail(&mut self, id: ThreadId, why: &str) {
        let name = &self.threads[id].name;
        self.trace.note(self.now, name, format_args!("panics: {why}"));
        self.failures.push(format!("{name}: {why}"));
    }

    fn threads_of(&self, process: ProcessId) -> Vec<ThreadId> {
        let is_of = |thread: &SimulatedThread| thread.process == Some(process) && !thread.has_ended;
        (0..self.threads.len()).filter(|id| is_of(&self.threads[*id])).collect()
    }

    fn make_due(&mut self, id: ThreadId) {
        self.make_due_at(id, self.now);
    }

    fn make_due_at(&mut self, id: ThreadId, at: Timestamp) {
        self.forget_due(id);
        let preference = self.threads[id].random.u32(..);
        self.threads[id].due = Some((at, preference));
        self.due.insert((at, preference, id));
    }

    fn forget_due(&mut self, id: ThreadId) {
        if let Some((at, preference)) = self.threads[id].due.take() {
            self.due.remove(&(at, preference, id));
        }
    }

    /// When the next thread, event or step of Kafka's is due.
    fn due_at(&self) -> Option<Timestamp> {
        let thread = self.due.first().map(|(at, ..)| *at);
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        thread.into_iter().chain(event).chain(self.kafka_steps_at).min()
    }

    /// What is due now and happens without a thread.
    fn take_event(&mut self) -> Option<Event> {
        let now = self.now;
        if self.kafka_steps_at.take_if(|at| *at <= now).is_some() {
            return Some(Box::new(|cluster| {
                super::step(cluster);
            }));
        }
        let is_due = self.events.first_key_value().is_some_and(|((at, _), _)| *at <= now);
        is_due.then(|| self.events.pop_first()).flatten().map(|(_, event)| event)
    }

    /// The thread that is due, if its process lets it go on.
    fn take_turn(&mut self) -> Option<ThreadId> {
        let (.., id) = self.due.pop_first()?;
        let thread = &mut self.threads[id];
        thread.due = None;
        if thread.process.is_some_and(|process| self.processes[process].is_paused) {
            thread.is_frozen = true;
            return None;
        }
        thread.wait = Wait::Time;
        Some(id)
    }

    /// Those who wait for it are due.
    fn wake(&mut self, is_awaited: impl Fn(&Wait) -> bool) {
        for id in 0..self.threads.len() {
            let thread = &self.threads[id];
            if !thread.has_ended && !thread.is_frozen && is_awaited(&thread.wait) {
                self.make_due(id);
                self.threads[id].wait = Wait::Time;
            }
        }
    }
}
