//! What was sent and is not taken up yet, and how much memory all of it takes until its fate is known.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::link::Waker;
use crate::Timestamp;
use crate::client::{ClientError, ErrorKind, OnDelivery};
use crate::record::ProducerRecord;

/// All that is under way, and waits for it.
pub(super) const MAX_HELD: usize = 32 << 20;
/// What a record takes besides its bytes: who waits for it, its place in the lists.
const OVERHEAD: usize = 256;
/// How long a record's sender waits for an answer.
pub(super) const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// A record whose fate is not known, and who waits for it.
pub(super) struct Waiting {
    pub(super) record: ProducerRecord,
    on_delivery: OnDelivery,
    /// As it will stand in the log.
    pub(super) time: Timestamp,
    /// When its sender is told in any case.
    pub(super) deadline: Instant,
}

impl Waiting {
    pub(super) fn new(record: ProducerRecord, on_delivery: OnDelivery, now: Instant) -> Self {
        Self { record, on_delivery, time: Timestamp::of_wall_clock(), deadline: now + DELIVERY_TIMEOUT }
    }

    /// How much memory it takes, about.
    pub(super) fn size(&self) -> usize {
        self.record.content().size() + OVERHEAD
    }

    pub(super) fn tell_written(self, offset: i64) {
        self.tell(Ok(offset));
    }

    pub(super) fn tell_failed(self, kind: ErrorKind, reason: &str) {
        let attempted = format!("write to {}-{}", self.record.topic, self.record.partition);
        self.tell(Err(ClientError { kind, attempted, reason: reason.to_string() }));
    }

    /// Others wait too: one that panics must not keep them waiting.
    fn tell(self, outcome: Result<i64, ClientError>) {
        let Self { record, on_delivery, .. } = self;
        if panic::catch_unwind(AssertUnwindSafe(|| on_delivery(outcome))).is_err() {
            tracing::error!(
                topic = &*record.topic,
                partition = record.partition,
                "a bug: who was told of a record has panicked"
            );
        }
    }
}

/// The queue between many senders and one thread.
pub(super) struct Queue {
    state: Mutex<State>,
    waker: Waker,
}

#[derive(Default)]
struct State {
    sent: Vec<Waiting>,
    /// How many bytes are sent or taken up, and not answered.
    held: usize,
    /// Whether the thread has to be woken for the next record.
    is_awaited: bool,
    is_stopped: bool,
    /// Whether nobody takes anything up, for the moment or for good.
    is_closed: bool,
}

/// What the thread finds.
pub(super) enum Found {
    Records(Vec<Waiting>),
    /// Nothing more is to be done.
    Stop,
}

impl Queue {
    pub(super) fn new(waker: Waker) -> Self {
        Self { state: Mutex::default(), waker }
    }

    /// Takes a record, or says at once why not.
    pub(super) fn push(&self, record: ProducerRecord, on_delivery: OnDelivery) {
        let waiting = Waiting::new(record, on_delivery, Instant::now());
        let size = waiting.size();
        if size > MAX_HELD {
            return waiting.tell_failed(ErrorKind::Refused, "it is larger than all that may be under way");
        }
        let mut state = self.lock();
        let refused = match (state.is_stopped || state.is_closed, state.held + size > MAX_HELD) {
            (true, _) => Some("the writer has ended"),
            (_, true) => Some("too much is under way"),
            _ => None,
        };
        if let Some(reason) = refused {
            drop(state);
            return waiting.tell_failed(ErrorKind::Retriable, reason);
        }
        state.held += size;
        state.sent.push(waiting);
        let is_awaited = std::mem::take(&mut state.is_awaited);
        drop(state);
        if is_awaited {
            self.waker.wake();
        }
    }

    /// All that has come. With `is_awaited` the next record wakes the thread, if there is none now.
    pub(super) fn take(&self, is_awaited: bool) -> Found {
        let mut state = self.lock();
        if state.is_stopped {
            return Found::Stop;
        }
        state.is_awaited = is_awaited && state.sent.is_empty();
        Found::Records(std::mem::take(&mut state.sent))
    }

    /// So many bytes are answered.
    pub(super) fn release(&self, size: usize) {
        let mut state = self.lock();
        state.held = state.held.saturating_sub(size);
    }

    /// Ends the thread: nothing is taken from now on.
    pub(super) fn stop(&self) {
        self.lock().is_stopped = true;
        self.waker.wake();
    }

    /// What nobody will take up any more.
    pub(super) fn close(&self) -> Vec<Waiting> {
        let mut state = self.lock();
        state.is_closed = true;
        std::mem::take(&mut state.sent)
    }

    /// There is somebody again who takes things up.
    pub(super) fn open(&self) {
        self.lock().is_closed = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
