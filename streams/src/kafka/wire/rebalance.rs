//! What the group's thread and the worker's tell each other.
//!
//! The thread offers one event at a time; the worker takes it when it polls, and answers when it is ready. Each wakes
//! the other. A poll that finds nothing new takes no lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kafka_protocol::protocol::StrBytes;

use super::Generation;
use super::link::Waker;
use crate::client::ClientError;

/// An event of the group.
#[derive(Debug)]
pub(super) enum Rebalance {
    /// The partitions that are the member's from now on, by the cluster's names.
    Assigned(Vec<(String, i32)>, Arc<Generation>),
    /// All partitions are to be given up.
    Revoked { lost: bool },
}

/// What has become of a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is valid.
    Valid,
    /// All members are to join again.
    Rebalance,
    /// The group has gone on without this member.
    Lost,
}

/// What both threads know.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    has_news: AtomicBool,
    /// The group's thread waits for a poll.
    awaits_poll: AtomicBool,
    start: Instant,
    /// In milliseconds since the start.
    last_poll: AtomicU64,
    max_poll_interval: Duration,
    worker: Waker,
    group: Waker,
}

#[derive(Debug)]
struct State {
    topics: Vec<StrBytes>,
    /// Counts subscriptions.
    subscription: u64,
    /// Not taken yet.
    event: Option<Rebalance>,
    failure: Option<ClientError>,
    holding: Holding,
    is_closing: bool,
}

/// What the worker has of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holding {
    Nothing,
    /// Partitions that it has not answered yet.
    Offered,
    Partitions,
    /// Partitions that it has been asked to give up.
    Revoked,
}

impl Shared {
    pub(super) fn new(max_poll_interval: Duration, worker: Waker, group: Waker) -> Self {
        let state = State {
            topics: Vec::new(),
            subscription: 0,
            event: None,
            failure: None,
            holding: Holding::Nothing,
            is_closing: false,
        };
        Self {
            state: Mutex::new(state),
            has_news: AtomicBool::new(false),
            awaits_poll: AtomicBool::new(false),
            start: Instant::now(),
            last_poll: AtomicU64::new(0),
            max_poll_interval,
            worker,
            group,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- the worker's side ----

    /// The worker polls.
    pub(super) fn polled(&self) {
        let now = self.start.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        // In one order with the look of the group's thread: one of the two sees what the other has written.
        self.last_poll.store(now, Ordering::SeqCst);
        if self.awaits_poll.load(Ordering::SeqCst) && self.awaits_poll.swap(false, Ordering::SeqCst) {
            self.group.wake();
        }
    }

    /// The next event, or why the group cannot be joined.
    pub(super) fn take(&self) -> Result<Option<Rebalance>, ClientError> {
        if !self.has_news.load(Ordering::Acquire) {
            return Ok(None);
        }
        let mut state = self.lock();
        if let Some(failure) = state.failure.take() {
            self.has_news.store(state.event.is_some(), Ordering::Release);
            return Err(failure);
        }
        self.has_news.store(false, Ordering::Release);
        Ok(state.event.take())
    }

    /// The worker has taken its partitions.
    pub(super) fn assigned(&self) {
        self.answered(Holding::Offered, Holding::Partitions);
    }

    /// The worker has given its partitions up.
    pub(super) fn unassigned(&self) {
        self.answered(Holding::Revoked, Holding::Nothing);
    }

    /// What was not taken cannot have been answered.
    fn answered(&self, awaited: Holding, then: Holding) {
        let mut state = self.lock();
        if state.holding == awaited && state.event.is_none() {
            state.holding = then;
            self.group.wake();
        }
    }

    pub(super) fn subscribe(&self, topics: Vec<StrBytes>) {
        self.polled();
        let mut state = self.lock();
        state.topics = topics;
        state.subscription += 1;
        self.group.wake();
    }

    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.group.wake();
    }

    // ---- the group's side ----

    /// The topics, and the number of the subscription to them.
    pub(super) fn subscription(&self) -> (Vec<StrBytes>, u64) {
        let state = self.lock();
        (state.topics.clone(), state.subscription)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().is_closing
    }

    /// Until when the worker has to poll.
    fn poll_due(&self) -> Instant {
        self.start + Duration::from_millis(self.last_poll.load(Ordering::SeqCst)) + self.max_poll_interval
    }

    /// Whether the worker has not polled for too long. The next poll will wake the group's thread.
    pub(super) fn has_missed_poll(&self) -> bool {
        // Before the look at the last poll: one that comes in between wakes.
        self.awaits_poll.store(true, Ordering::SeqCst);
        let has_missed = self.poll_due() <= Instant::now();
        self.awaits_poll.store(has_missed, Ordering::SeqCst);
        has_missed
    }

    /// When to look again whether a membership is still wanted; none when it is not.
    pub(super) fn wanted_until(&self) -> Option<Instant> {
        let due = self.poll_due();
        (due > Instant::now() && !self.is_closing()).then_some(due)
    }

    /// The worker is to take these partitions.
    pub(super) fn offer(&self, partitions: Vec<(String, i32)>, generation: Arc<Generation>) {
        let mut state = self.lock();
        state.holding = Holding::Offered;
        self.tell(&mut state, Rebalance::Assigned(partitions, generation));
    }

    /// Tells the worker what has become of its membership. Whether it has nothing left, so that it can join again.
    pub(super) fn is_given_up(&self, fate: Fate) -> bool {
        let mut state = self.lock();
        match state.holding {
            Holding::Nothing => true,
            _ if fate == Fate::Valid => false,
            Holding::Offered if state.event.is_some() => {
                state.event = None;
                state.holding = Holding::Nothing;
                self.has_news.store(state.failure.is_some(), Ordering::Release);
                true
            }
            // It is about to answer.
            Holding::Offered | Holding::Revoked => false,
            Holding::Partitions => {
                state.holding = Holding::Revoked;
                self.tell(&mut state, Rebalance::Revoked { lost: fate == Fate::Lost });
                false
            }
        }
    }

    /// The group cannot be joined.
    pub(super) fn fail(&self, failure: ClientError) {
        let mut state = self.lock();
        state.failure = Some(failure);
        self.has_news.store(true, Ordering::Release);
        self.worker.wake();
    }

    fn tell(&self, state: &mut State, event: Rebalance) {
        state.event = Some(event);
        self.has_news.store(true, Ordering::Release);
        self.worker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::alarm;
    use super::*;

    const SOON: Duration = Duration::from_secs(3600);

    fn shared(max_poll_interval: Duration) -> Shared {
        let ((worker, _), (group, _)) = (alarm().unwrap(), alarm().unwrap());
        Shared::new(max_poll_interval, worker, group)
    }

    fn offer(shared: &Shared) {
        let generation = Generation { group: "g".into(), member: "m".into(), generation: 1 };
        shared.offer(vec![("t".to_string(), 0)], Arc::new(generation));
    }

    #[track_caller]
    fn takes(shared: &Shared, expected: &str) {
        let taken = match shared.take() {
            Ok(Some(Rebalance::Assigned(..))) => "assigned",
            Ok(Some(Rebalance::Revoked { lost: true })) => "lost",
            Ok(Some(Rebalance::Revoked { lost: false })) => "revoked",
            Ok(None) => "nothing",
            Err(_) => "failure",
        };
        assert_eq!(taken, expected);
    }

    #[test]
    fn partitions_are_given_up_before_the_group_is_joined_again() {
        for (fate, told) in [(Fate::Rebalance, "revoked"), (Fate::Lost, "lost")] {
            let shared = shared(SOON);
            assert!(shared.is_given_up(fate), "it has nothing yet");
            offer(&shared);
            takes(&shared, "assigned");
            assert!(!shared.is_given_up(fate), "it is about to answer");
            takes(&shared, "nothing");
            shared.assigned();
            assert!(!shared.is_given_up(Fate::Valid));
            takes(&shared, "nothing");
            assert!(!shared.is_given_up(fate));
            shared.unassigned();
            assert!(!shared.is_given_up(fate), "that was no answer to what it does not know");
            takes(&shared, told);
            assert!(!shared.is_given_up(fate));
            takes(&shared, "nothing");
            shared.assigned();
            assert!(!shared.is_given_up(fate), "that is no answer to a revocation");
            shared.unassigned();
            assert!(shared.is_given_up(Fate::Rebalance));
        }
    }

    #[test]
    fn an_offer_that_nobody_has_seen_is_taken_back() {
        let shared = shared(SOON);
        offer(&shared);
        shared.assigned();
        assert!(shared.is_given_up(Fate::Rebalance));
        takes(&shared, "nothing");
    }

    #[test]
    fn a_failure_comes_before_the_event() {
        let shared = shared(SOON);
        offer(&shared);
        let kind = crate::client::ErrorKind::Fatal;
        shared.fail(ClientError { kind, attempted: String::new(), reason: String::new() });
        takes(&shared, "failure");
        takes(&shared, "assigned");
        takes(&shared, "nothing");
    }

    #[test]
    fn who_does_not_poll_is_not_wanted() {
        let shared_for_long = shared(SOON);
        assert!(!shared_for_long.has_missed_poll());
        assert!(shared_for_long.wanted_until().is_some());
        shared_for_long.close();
        assert!(shared_for_long.wanted_until().is_none());
        let shared_for_no_time = shared(Duration::ZERO);
        assert!(shared_for_no_time.has_missed_poll());
        assert!(shared_for_no_time.wanted_until().is_none());
    }
}
