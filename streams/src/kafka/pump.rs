//! Serving a producer's delivery reports.
//!
//! rdkafka hands out delivery reports only inside `poll`, which does not return before its time is up and spins
//! through the last millisecond of it. So a thread of our own polls in long steps while there is something to
//! wait for, and is parked otherwise. Whoever waits does so for the report itself, never for `poll` or `flush`.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::producer::{BaseProducer, ProducerContext};

use crate::client::{ClientError, ErrorKind};

/// One poll; also how long it can take to stop the pump.
const STEP: Duration = Duration::from_millis(500);

/// How often a parked pump looks after what librdkafka has left in the queue: errors, its log.
const IDLE: Duration = Duration::from_secs(30);

/// A producer, and a thread that polls it as long as its gate is held open.
pub(super) struct Pumped<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    gate: Arc<Gate>,
    thread: Option<JoinHandle<()>>,
}

impl<C: ProducerContext + 'static> Pumped<C> {
    pub(super) fn start(producer: BaseProducer<C>, gate: Arc<Gate>) -> Result<Self, ClientError> {
        let producer = Arc::new(producer);
        let (polled, held) = (producer.clone(), gate.clone());
        let thread = thread::Builder::new()
            .name("kafka-deliveries".to_string())
            .spawn(move || run(&polled, &held))
            .map_err(|error| ClientError {
                kind: ErrorKind::Retriable,
                attempted: "start a thread for a producer".to_string(),
                reason: error.to_string(),
            })?;
        Ok(Self { producer, gate, thread: Some(thread) })
    }

    pub(super) fn producer(&self) -> &BaseProducer<C> {
        &self.producer
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }
}

impl<C: ProducerContext + 'static> Drop for Pumped<C> {
    fn drop(&mut self) {
        self.gate.stop();
        if let Some(thread) = self.thread.take() {
            // It panics only if a delivery callback does; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

fn run<C: ProducerContext>(producer: &BaseProducer<C>, gate: &Gate) {
    loop {
        match gate.wait() {
            Turn::Poll => producer.poll(STEP),
            Turn::Idle => producer.poll(Duration::from_millis(2)),
            Turn::Stop => break,
        }
    }
}

/// Open while somebody waits for deliveries.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    holders: usize,
    stopped: bool,
}

enum Turn {
    Poll,
    Idle,
    Stop,
}

impl Gate {
    /// Deliveries are awaited from now on, until as many calls of [`Self::release`].
    pub(super) fn hold(&self) {
        let mut state = self.lock();
        state.holders += 1;
        if state.holders == 1 {
            self.changed.notify_all();
        }
    }

    pub(super) fn release(&self) {
        let mut state = self.lock();
        state.holders = state.holders.saturating_sub(1);
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    fn wait(&self) -> Turn {
        let parked = |state: &mut GateState| state.holders == 0 && !state.stopped;
        let (state, timeout) = self
            .changed
            .wait_timeout_while(self.lock(), IDLE, parked)
            .unwrap_or_else(PoisonError::into_inner);
        match &*state {
            GateState { stopped: true, .. } => Turn::Stop,
            _ if timeout.timed_out() => Turn::Idle,
            _ => Turn::Poll,
        }
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
