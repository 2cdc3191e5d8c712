//! A worker: one thread with one group member, one transactional producer, and the tasks of its partitions.
//!
//! One transaction carries what all its tasks do: outputs, changelog records and input offsets. It is committed
//! when the input is drained (a little later where there are many transactions, or large ones), the batch is large, or
//! its time is up. Only after the commit do the stores take what was written, and readers see it.
//!
//! Everything that blocks is a call through the door to Kafka ([`crate::client`]), so that a simulation decides
//! what happens between any two of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::Timestamp;
use crate::application::{Application, Lease};
use crate::client::{
    ClientError, ErrorKind, GroupConsumer, GroupEvent, GroupMetadata, TransactionalProducer,
};
use crate::dead_letter::shortened;
use crate::faults;
use crate::guard::{Panicked, caught};
use crate::mailbox::{Receiver, Sender};
use crate::pace::Pace;
use crate::processor::ProcessError;
use crate::progress::Standing;
use crate::readers::Pulse;
use crate::record::{ConsumerRecord, TopicPartition};
use crate::restore::{Answer, Prepared, Request};
use crate::retry::{Condemned, Retry};
use crate::store::{BackendError, StoreError};
use crate::task::Task;

/// A transaction is committed after this time at the latest: an open one holds up every reader.
const MAX_TRANSACTION_TIME: Duration = Duration::from_secs(1);
/// A transaction is committed after this many input records at the latest.
const MAX_TRANSACTION_RECORDS: usize = 8_000;
/// What nobody waits for is committed this late.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// So many records are sent at a time: each of their own, they would each cost a request, or wake the client's thread.
const SENT_TOGETHER: usize = 500;
/// After so many records it is looked what else there is to do.
const RECORDS_A_TURN: usize = 32;
/// Positions without effects are committed this late.
const POSITIONS_INTERVAL: Duration = Duration::from_millis(500);
/// After so long an input that stands still would have been told again.
const STUCK: Duration = Duration::from_secs(30);
/// How long a poll may wait when nothing is due.
const IDLE_WAIT: Duration = Duration::from_millis(250);
/// How long a poll may wait while tasks are being restored.
const RESTORING_WAIT: Duration = Duration::from_millis(5);
/// How long to wait after transactions that Kafka did not take.
const FAILURE_WAIT: Duration = Duration::from_millis(500);
const TOUCH_INTERVAL: Duration = Duration::from_secs(60 * 60);

pub(crate) struct Worker {
    name: String,
    application: Arc<Application>,
    consumer: Box<dyn GroupConsumer>,
    producer: Box<dyn TransactionalProducer>,
    requests: Sender<Request>,
    answers: Receiver<Answer>,
    pulse: Arc<Pulse>,
    /// Counts assignments, so that answers to an earlier one are known as such.
    assignment: u64,
    metadata: Option<GroupMetadata>,
    tasks: BTreeMap<i32, Running>,
    /// Assigned partitions whose task does not run yet, with the reason when it is refused.
    pending: BTreeMap<i32, Option<String>>,
    /// How far the restore has come, once it is told.
    restored: Option<Standing>,
    transaction: Transaction,
    retry: Retry,
    /// Transactions in a row that Kafka did not take.
    failures: u32,
    pace: Pace,
    /// The time, as of this turn's first record or the last commit.
    clock: Timestamp,
    last_positions_commit: Timestamp,
    last_touch: Timestamp,
    /// Why inputs stand still, each with the time until when that is to be told.
    stuck: BTreeMap<String, Timestamp>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.give_up_tasks();
        // Its successor counts its own failures.
        self.application.health.clear(&self.transactions());
    }
}

struct Running {
    task: Task,
    _lease: Lease,
}

/// What has been done since the last commit.
#[derive(Default)]
struct Transaction {
    /// When Kafka's transaction began, if it has begun.
    begun: Option<Timestamp>,
    /// When the first thing was done that has to be committed.
    since: Option<Timestamp>,
    /// When the input was drained for the first time, by the process's uptime.
    drained_since: Option<Duration>,
    /// When it began to be committed, by the process's uptime.
    committing_since: Option<Duration>,
    records: usize,
}

/// Why a worker ends. It is replaced by another one that starts from what Kafka says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("a store failed: {0}")]
    Store(#[from] BackendError),
    #[error("{0}")]
    Stores(String),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("a bug: what restores its tasks has panicked, see the log")]
    NoRestorer,
}

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The record in work, or what was due, cannot be processed.
    #[error(transparent)]
    Process(ProcessError),
    /// Kafka does not take it.
    #[error(transparent)]
    Client(ClientError),
    /// Kafka has it, but a store does not.
    #[error("a store failed: {0}")]
    Store(BackendError),
}

impl Failure {
    /// What is to be done about it; none when a store has failed, and only starting again helps.
    fn kind(&self) -> Option<ErrorKind> {
        match self {
            Failure::Process(ProcessError::Store(StoreError::Backend { .. })) | Failure::Store(_) => None,
            Failure::Process(_) => Some(ErrorKind::Refused),
            Failure::Client(error) => Some(error.kind),
        }
    }

    fn reason(&self) -> String {
        shortened(&self.to_string()).into_owned()
    }
}

impl Worker {
    pub(crate) fn new(
        name: String,
        application: Arc<Application>,
        consumer: Box<dyn GroupConsumer>,
        producer: Box<dyn TransactionalProducer>,
        requests: Sender<Request>,
        answers: Receiver<Answer>,
    ) -> Self {
        let now = application.host.now();
        Self {
            name,
            pulse: Arc::new(Pulse::new(application.host.clone())),
            application,
            consumer,
            producer,
            requests,
            answers,
            assignment: 0,
            metadata: None,
            tasks: BTreeMap::new(),
            pending: BTreeMap::new(),
            restored: None,
            transaction: Transaction::default(),
            retry: Retry::default(),
            failures: 0,
            pace: Pace::default(),
            clock: now,
            last_positions_commit: now,
            last_touch: now,
            stuck: BTreeMap::new(),
        }
    }

    /// Works until the stop is requested, then finishes the transaction and leaves the group.
    pub(crate) fn run(mut self) -> Result<(), WorkerError> {
        self.report();
        let result = loop {
            if self.application.stop.is_requested() {
                break self.finish();
            }
            if let Err(error) = self.step() {
                break Err(error);
            }
        };
        if let Err(error) = &result {
            self.application.health.set(&self.name, error.to_string());
        }
        // Before the group hands the partitions to others, and before this thread seems to own them no more.
        self.give_up_tasks();
        self.consumer.close();
        result
    }

    /// One turn: what the restorer has ready, what is due, some records or one event of the group.
    pub(crate) fn step(&mut self) -> Result<(), WorkerError> {
        self.pulse.beat(self.application.clients.session_timeout() / 2);
        self.take_answers()?;
        self.punctuate()?;
        self.forget_stuck();
        let mut wait = self.wait();
        for number in 0..RECORDS_A_TURN {
            let polled = self.consumer.poll(wait);
            if number == 0 {
                self.clock = self.now();
            }
            match polled {
                Ok(Some(GroupEvent::Record(record))) => {
                    self.process(record)?;
                    wait = Duration::ZERO;
                    continue;
                }
                Ok(Some(GroupEvent::Assigned(partitions, metadata))) => {
                    self.assigned(&partitions, metadata)?;
                }
                Ok(Some(GroupEvent::Revoked { lost })) => self.revoked(lost)?,
                Ok(None) => self.drained()?,
                Err(error) if error.kind == ErrorKind::Retriable => {
                    debug!(worker = %self.name, %error, "poll");
                    self.drained()?;
                }
                Err(error) if error.kind == ErrorKind::Refused => {
                    self.stands_still(&error);
                    self.drained()?;
                }
                Err(error) => return Err(error.into()),
            }
            break;
        }
        self.regain_trust()
    }

    /// An input has a batch that cannot be read. The client says so again as long as that is so; the other inputs go on.
    fn stands_still(&mut self, error: &ClientError) {
        warn!(worker = %self.name, %error, "an input stands still");
        self.application.health.set(&error.attempted, &*error.reason);
        self.stuck.insert(error.attempted.clone(), self.now() + STUCK);
    }

    /// Takes back what is not said any more.
    fn forget_stuck(&mut self) {
        let (now, health) = (self.clock, &self.application.health);
        self.stuck.extract_if(.., |_, until| *until <= now).for_each(|(input, _)| health.clear(&input));
    }

    /// Clean shutdown: what is done is committed.
    fn finish(&mut self) -> Result<(), WorkerError> {
        self.commit()?;
        self.touch()
    }

    /// Says that the stores are up to date, as far as this worker can know.
    fn touch(&mut self) -> Result<(), WorkerError> {
        if self.pulse.is_trusted() {
            let now = self.now();
            self.last_touch = now;
            self.tasks.values().try_for_each(|running| running.task.touch(now))?;
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.application.host.now()
    }

    fn wait(&self) -> Duration {
        let idle = if self.pending.values().any(Option::is_none) { RESTORING_WAIT } else { IDLE_WAIT };
        if self.transaction.begun.is_some() || self.is_urgent() {
            return self.linger();
        }
        let now = self.now();
        let commit_due = self.transaction.since.map(|since| COMMIT_INTERVAL.saturating_sub(now.since(since)));
        let due = self.tasks.values().filter_map(|running| running.task.until_punctuation(now)).min();
        let positions_due = self.moved().next().map(|_| self.until_positions_commit(now));
        [due, commit_due, positions_due].into_iter().flatten().fold(idle, Duration::min)
    }

    /// How long a drained transaction may wait for more: not at all before it is.
    fn linger(&self) -> Duration {
        let drained = self.transaction.drained_since;
        drained.map_or(Duration::ZERO, |drained| self.pace.linger(drained, self.application.host.uptime()))
    }

    /// Zero also when the clock was set back: then it would not be for too long.
    fn until_positions_commit(&self, now: Timestamp) -> Duration {
        let wait = (self.last_positions_commit + POSITIONS_INTERVAL).since(now);
        if wait > POSITIONS_INTERVAL { Duration::ZERO } else { wait }
    }

    // ---- the group ----

    /// New partitions: nothing is read before their tasks are ready.
    fn assigned(
        &mut self,
        partitions: &[TopicPartition],
        metadata: GroupMetadata,
    ) -> Result<(), WorkerError> {
        if faults::FRESH_METADATA.is_on() && self.keeps_tasks_of(partitions) {
            self.metadata = Some(metadata);
            return Ok(self.seek()?);
        }
        self.abort_if_open()?;
        self.give_up_tasks();
        self.metadata = Some(metadata);
        self.application.inquiry.ask();
        self.consumer.assign(&[])?;
        self.pulse.trust();
        self.pending = self.complete(partitions);
        self.forget_others();
        info!(worker = %self.name, partitions = ?self.pending.keys().collect::<Vec<_>>(), "assigned");
        self.prepare();
        Ok(())
    }

    /// Partitions that were lost may be written by others now: what stores have of them in memory only is given up.
    fn forget_others(&self) {
        let application = &self.application;
        for partition in (0..application.partitions).filter(|partition| !self.pending.contains_key(partition))
        {
            // Another worker of this process may have it.
            let Some(_lease) = application.leases.take(partition) else { continue };
            for store in &application.topology.stores {
                application.stores.forget_unwritten(&store.name, partition);
            }
        }
    }

    /// Whether the tasks that run are those of the assignment: for a fault.
    fn keeps_tasks_of(&self, assigned: &[TopicPartition]) -> bool {
        let partitions: std::collections::BTreeSet<i32> = assigned.iter().map(|a| a.partition).collect();
        !self.tasks.is_empty() && self.tasks.keys().eq(partitions.iter())
    }

    /// The partitions of the assignment, and why a task cannot run because another member has a part of it.
    fn complete(&self, assigned: &[TopicPartition]) -> BTreeMap<i32, Option<String>> {
        let partitions = assigned.iter().map(|assigned| assigned.partition);
        let missing = |partition: i32| {
            let has =
                |topic: &str| assigned.iter().any(|a| a.partition == partition && a.topic.as_ref() == topic);
            let topics = self.application.topology.source_topics().map(|topic| &topic.name);
            let missing: Vec<&str> = topics.map(AsRef::as_ref).filter(|topic| !has(topic)).collect();
            (!missing.is_empty())
                .then(|| format!("partition {partition} of {} is not assigned with it", missing.join(", ")))
        };
        partitions.map(|partition| (partition, missing(partition))).collect()
    }

    /// Has the pending tasks made ready.
    fn prepare(&mut self) {
        self.assignment += 1;
        self.restored = None;
        let partitions =
            self.pending.iter().filter(|(_, refused)| refused.is_none()).map(|(partition, _)| *partition);
        let request = Request::Prepare { assignment: self.assignment, partitions: partitions.collect() };
        self.requests.send(request);
        self.report();
    }

    /// The partitions are to be given up: the transaction is committed while they are still this worker's.
    fn revoked(&mut self, lost: bool) -> Result<(), WorkerError> {
        info!(worker = %self.name, lost, "revoked");
        if faults::FRESH_METADATA.is_on() && !self.tasks.is_empty() {
            return Ok(self.consumer.unassign()?);
        }
        if lost {
            self.abort_if_open()?;
        } else {
            self.commit()?;
            self.touch()?;
        }
        self.give_up_tasks();
        self.metadata = None;
        self.consumer.unassign()?;
        self.report();
        Ok(())
    }

    fn give_up_tasks(&mut self) {
        for partition in self.tasks.keys() {
            self.application.readers.give_up(*partition);
            self.application.health.clear(&punctuation_of(*partition));
        }
        self.stuck.keys().for_each(|input| self.application.health.clear(input));
        self.stuck.clear();
        self.tasks.clear();
        self.pending.clear();
        self.transaction = Transaction::default();
        self.retry = Retry::default();
    }

    /// After a gap in the poll loop, the group says whether this worker is still one of it.
    fn regain_trust(&mut self) -> Result<(), WorkerError> {
        if self.pulse.is_trusted() || self.tasks.is_empty() {
            return Ok(());
        }
        let committed: Vec<_> = self.each_position(Task::committed_positions).collect();
        match self.consumer.commit(&committed) {
            Ok(()) => self.pulse.trust(),
            // The group has gone on without it, or nobody answers: the next worker joins anew.
            Err(error) if error.kind == ErrorKind::Fenced => return Err(error.into()),
            Err(error) => debug!(worker = %self.name, %error, "still not trusted"),
        }
        Ok(())
    }

    // ---- tasks ----

    fn take_answers(&mut self) -> Result<(), WorkerError> {
        loop {
            let answer = match self.answers.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Empty) => return Ok(()),
                // It serves as long as there is a worker.
                Err(TryRecvError::Disconnected) => return Err(WorkerError::NoRestorer),
            };
            match answer {
                Answer::Ready(prepared) if prepared.assignment == self.assignment => self.start(prepared)?,
                Answer::Refused { assignment, partition, reason } if assignment == self.assignment => {
                    warn!(worker = %self.name, partition, %reason, "the task does not run");
                    self.pending.insert(partition, Some(reason));
                    self.report();
                }
                Answer::Progress { assignment, standing } if assignment == self.assignment => {
                    self.restored = Some(standing);
                    self.report();
                }
                Answer::End { input, as_of, end } => {
                    if let Some(running) = self.tasks.get_mut(&input.partition) {
                        running.task.answer_end(&input.topic, as_of, end);
                    }
                }
                // Of an earlier assignment: dropping it gives the lease back.
                Answer::Ready(_) | Answer::Refused { .. } | Answer::Progress { .. } => {}
            }
        }
    }

    fn start(&mut self, prepared: Prepared) -> Result<(), WorkerError> {
        // The consumer begins anew at the tasks' positions, so those of the open transaction have to be final.
        self.commit()?;
        let Prepared { partition, lease, stores, positions, .. } = prepared;
        if self.pending.remove(&partition).is_none() {
            return Ok(());
        }
        let application = &self.application;
        let task = Task::new(
            application.topology.clone(),
            partition,
            application.partitions,
            stores,
            application.readers.tables.clone(),
            positions.clone(),
            self.now(),
        );
        application.readers.host(partition, task.committed_stores(), positions, self.pulse.clone());
        self.tasks.insert(partition, Running { task, _lease: lease });
        self.seek()?;
        self.report();
        Ok(())
    }

    /// Reads on at the tasks' positions.
    fn seek(&mut self) -> Result<(), ClientError> {
        let positions: Vec<_> = self.each_position(Task::positions).collect();
        self.consumer.assign(&positions)
    }

    fn each_position<'a>(
        &'a self,
        positions: impl Fn(&'a Task) -> &'a BTreeMap<Arc<str>, i64> + 'a,
    ) -> impl Iterator<Item = (TopicPartition, i64)> + 'a {
        self.tasks.iter().flat_map(move |(partition, running)| {
            let input = |(topic, position): (&Arc<str>, &i64)| {
                (TopicPartition::new(topic.clone(), *partition), *position)
            };
            positions(&running.task).iter().map(input)
        })
    }

    fn moved(&self) -> impl Iterator<Item = (TopicPartition, i64)> + '_ {
        self.tasks.iter().flat_map(|(partition, running)| {
            running
                .task
                .moved()
                .map(|(topic, position)| (TopicPartition::new(topic.clone(), *partition), position))
        })
    }

    // ---- records ----

    fn process(&mut self, record: ConsumerRecord) -> Result<(), WorkerError> {
        let now = self.clock;
        let input = TopicPartition { topic: record.topic.clone(), partition: record.partition };
        let Some(running) = self.tasks.get_mut(&record.partition) else { return Ok(()) };
        let result = match self.retry.condemned(&input, record.offset) {
            Some(Condemned { reason, stripped }) => {
                warn!(worker = %self.name, %input, offset = record.offset, %reason, stripped, "dead letter");
                if stripped {
                    running.task.stripped_dead_letter(&record, &reason);
                } else {
                    running.task.dead_letter(&record, "ProcessError", &reason);
                }
                Ok(())
            }
            None => catch_panic(|| running.task.process(&record, now)),
        };
        let has_effects = running.task.has_effects();
        let is_much = running.task.output_count() >= SENT_TOGETHER;
        if has_effects {
            self.transaction.since.get_or_insert(now);
        }
        self.transaction.records += 1;
        let culprit = Some((input, record.offset));
        let mut sent = result.map_err(Failure::Process);
        if is_much {
            sent = sent.and_then(|()| self.send_output().map_err(Failure::Client));
        }
        match sent {
            Err(failure) => self.failed(failure, culprit),
            Ok(()) if self.is_full(now) => self.commit_or_blame(culprit),
            Ok(()) => Ok(()),
        }
    }

    fn is_full(&self, now: Timestamp) -> bool {
        let Transaction { begun, since, records, .. } = self.transaction;
        let has_passed =
            |start: Option<Timestamp>| start.is_some_and(|s| now.since(s) >= MAX_TRANSACTION_TIME);
        self.retry.is_record_by_record()
            || records >= MAX_TRANSACTION_RECORDS
            || has_passed(begun)
            || has_passed(since)
    }

    /// Whether somebody waits for what was done.
    fn is_urgent(&self) -> bool {
        self.tasks.values().any(|running| running.task.is_urgent())
    }

    /// The input is drained: what somebody waits for is committed, and what is read to its end is known.
    fn drained(&mut self) -> Result<(), WorkerError> {
        let now = self.now();
        let has_effects = self.has_effects();
        self.transaction.drained_since.get_or_insert_with(|| self.application.host.uptime());
        let is_patient = !self.linger().is_zero();
        // What is in Kafka already holds up its readers there.
        let is_due = (self.transaction.begun.is_some() && !is_patient)
            || self.transaction.since.is_some_and(|since| now.since(since) >= COMMIT_INTERVAL)
            || (self.until_positions_commit(now).is_zero() && self.moved().next().is_some());
        if is_due || (has_effects && self.is_urgent() && !is_patient) {
            self.commit()?;
        } else {
            if !has_effects {
                (self.transaction.records, self.transaction.drained_since) = (0, None);
                self.tasks.values_mut().for_each(|running| running.task.calm_down());
            }
            self.publish_positions();
        }
        self.note_ends()?;
        if self.last_touch > now || now.since(self.last_touch) >= TOUCH_INTERVAL {
            self.touch()?;
        }
        Ok(())
    }

    fn has_effects(&self) -> bool {
        self.tasks.values().any(|running| running.task.has_effects())
    }

    /// Records without effect count as committed: what is committed is what they leave behind.
    fn publish_positions(&self) {
        for (partition, running) in self.tasks.iter().filter(|(_, running)| !running.task.has_effects()) {
            self.application.readers.advance(*partition, running.task.positions());
        }
    }

    /// What is due by the wall clock, in a transaction without records; if that fails each task's in one of its own, so
    /// that it fails alone. A worker that is not trusted may have lost its partitions, and waits.
    fn punctuate(&mut self) -> Result<(), WorkerError> {
        let now = self.now();
        let is_due =
            |running: &Running| running.task.until_punctuation(now).is_some_and(|wait| wait.is_zero());
        let is_trusted = self.pulse.is_trusted() || faults::BARE_PUNCTUATION.is_on();
        if self.transaction.begun.is_some() || !is_trusted || !self.tasks.values().any(is_due) {
            return Ok(());
        }
        // What lingers there of records is not theirs.
        if self.has_effects() {
            self.commit()?;
        }
        let due: Vec<i32> = self
            .tasks
            .iter()
            .filter(|(_, running)| is_due(running))
            .map(|(partition, _)| *partition)
            .collect();
        match self.punctuate_tasks(&due, now) {
            Ok(()) => due.iter().for_each(|task| self.application.health.clear(&punctuation_of(*task))),
            Err(failure) => {
                // Kafka would take no more of them one by one.
                let is_of_one = failure.kind() == Some(ErrorKind::Refused);
                self.back_from_punctuation(failure)?;
                for partition in &due {
                    if let Some(running) = self.tasks.get_mut(partition) {
                        running.task.punctuate_again(now);
                    }
                }
                if is_of_one {
                    self.punctuate_each(&due, now)?;
                }
            }
        }
        self.ask_for_ends();
        Ok(())
    }

    /// What was due and failed, each task's alone.
    fn punctuate_each(&mut self, partitions: &[i32], now: Timestamp) -> Result<(), WorkerError> {
        for partition in partitions {
            match self.punctuate_tasks(&[*partition], now) {
                Ok(()) => self.application.health.clear(&punctuation_of(*partition)),
                Err(failure) => {
                    self.application.metrics.add("punctuation_failures", 1);
                    self.application.health.set(&punctuation_of(*partition), failure.to_string());
                    self.back_from_punctuation(failure)?;
                }
            }
        }
        Ok(())
    }

    /// Back to the last commit, which is after all effects of records: how far inputs were read stays known, or the
    /// punctuations of one task would keep those of all others from what they wait for.
    fn back_from_punctuation(&mut self, failure: Failure) -> Result<(), WorkerError> {
        let ends: Vec<_> = self
            .tasks
            .iter_mut()
            .map(|(partition, running)| (*partition, running.task.take_ends()))
            .collect();
        self.back_to_last_commit(failure)?;
        for (partition, ends) in ends {
            if let Some(running) = self.tasks.get_mut(&partition) {
                running.task.put_ends(ends);
            }
        }
        Ok(())
    }

    fn punctuate_tasks(&mut self, partitions: &[i32], now: Timestamp) -> Result<(), Failure> {
        for partition in partitions {
            let Some(running) = self.tasks.get_mut(partition) else { continue };
            catch_panic(|| running.task.punctuate(now)).map_err(Failure::Process)?;
        }
        if !self.has_effects() {
            return Ok(());
        }
        let offsets: Vec<(TopicPartition, i64)> = self.moved().collect();
        let metadata = self.metadata.clone();
        if faults::BARE_PUNCTUATION.is_on() {
            self.metadata = None;
        }
        let ends = self.commit_to_kafka(&offsets).map_err(Failure::Client);
        self.metadata = metadata;
        let ends = ends?;
        self.committed(&ends, offsets).map_err(Failure::Store)
    }

    fn ask_for_ends(&mut self) {
        for (partition, running) in &mut self.tasks {
            for (topic, as_of) in running.task.take_end_requests() {
                let input = TopicPartition::new(topic, *partition);
                self.requests.send(Request::End { input, as_of });
            }
        }
    }

    /// Where an input's end was asked for: how far it is read.
    fn note_ends(&mut self) -> Result<(), WorkerError> {
        for (partition, running) in &mut self.tasks {
            let awaited: Vec<Arc<str>> = running.task.awaited_ends().cloned().collect();
            for topic in awaited {
                if let Some(position) =
                    self.consumer.position(&TopicPartition::new(topic.clone(), *partition))?
                {
                    running.task.read_up_to(&topic, position);
                }
            }
        }
        self.ask_for_ends();
        Ok(())
    }

    // ---- the transaction ----

    /// Sends what the tasks have put out, within the transaction.
    fn send_output(&mut self) -> Result<(), ClientError> {
        self.begin()?;
        let mut output = self.tasks.values_mut().flat_map(|running| running.task.take_output());
        output.try_for_each(|record| self.producer.send(record, None))
    }

    fn begin(&mut self) -> Result<(), ClientError> {
        if self.transaction.begun.is_none() {
            self.producer.begin()?;
            self.transaction.begun = Some(self.now());
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), WorkerError> {
        self.commit_or_blame(None)
    }

    /// Commits what is done, if anything. `culprit` is the record to blame when it is the only one.
    fn commit_or_blame(&mut self, culprit: Option<(TopicPartition, i64)>) -> Result<(), WorkerError> {
        let offsets: Vec<(TopicPartition, i64)> = self.moved().collect();
        if self.transaction.begun.is_none() && offsets.is_empty() {
            return Ok(());
        }
        match self.commit_to_kafka(&offsets) {
            Ok(ends) => Ok(self.committed(&ends, offsets)?),
            Err(error) => self.failed(Failure::Client(error), culprit),
        }
    }

    /// Outputs, changelog and offsets in one transaction. The last offset of each slot of the changelog.
    fn commit_to_kafka(
        &mut self,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<Vec<(usize, i64)>, ClientError> {
        self.transaction.committing_since = Some(self.application.host.uptime());
        self.send_output()?;
        let stores = self.application.topology.stores.len();
        for (ordinal, running) in self.tasks.values().enumerate() {
            for (store, change) in running.task.changelog() {
                self.producer.send_change(change, ordinal * stores + store)?;
            }
        }
        let ends = self.producer.flush()?;
        // Also where no input has moved: it is by the offsets that the broker sees whose partitions these are.
        let unmoved: Vec<_>;
        let offsets = if offsets.is_empty() {
            unmoved = self.each_position(Task::committed_positions).collect();
            &unmoved
        } else {
            offsets
        };
        if faults::STORE_FIRST.is_on() {
            self.store_early(&ends);
        }
        if faults::TOLD_EARLY.is_on() {
            self.publish_all();
        }
        if faults::OFFSETS_APART.is_on() {
            let offsets = offsets.to_vec();
            self.producer.commit()?;
            self.consumer.commit(&offsets)?;
            return Ok(ends);
        }
        if let Some(metadata) = &self.metadata {
            self.producer.send_offsets(offsets, metadata)?;
        }
        match self.producer.commit() {
            Err(error) if faults::UNKNOWN_IS_FAILED.is_on() && error.kind == ErrorKind::Fenced => {
                self.producer.init_transactions()?;
                self.transaction.begun = None;
                Err(ClientError { kind: ErrorKind::Abortable, ..error })
            }
            committed => committed.map(|()| ends),
        }
    }

    /// The stores take what Kafka has not committed yet: for a fault.
    fn store_early(&mut self, ends: &[(usize, i64)]) {
        let (now, stores) = (self.now(), self.application.topology.stores.len().max(1));
        for (ordinal, running) in self.tasks.values_mut().enumerate() {
            let of_task = ends.iter().filter(|(slot, _)| slot / stores == ordinal);
            running
                .task
                .store_early(&of_task.map(|(slot, offset)| (slot % stores, offset + 1)).collect(), now);
        }
    }

    /// Readers are told of positions that are not committed yet: for a fault.
    fn publish_all(&self) {
        for (partition, running) in &self.tasks {
            self.application.readers.advance(*partition, running.task.positions());
        }
    }

    /// Kafka has committed: now, and only now, the stores take what was written, and readers see it.
    fn committed(
        &mut self,
        ends: &[(usize, i64)],
        offsets: Vec<(TopicPartition, i64)>,
    ) -> Result<(), BackendError> {
        let now = self.now();
        let stores = self.application.topology.stores.len().max(1);
        let (readers, metrics) = (&self.application.readers, &self.application.metrics);
        for (ordinal, (partition, running)) in self.tasks.iter_mut().enumerate() {
            let of_task = ends.iter().filter(|(slot, _)| slot / stores == ordinal);
            let checkpoints = of_task.map(|(slot, offset)| (slot % stores, offset + 1)).collect();
            let audience = readers.audience(*partition);
            let committed = running.task.commit(&checkpoints, now, audience)?;
            readers.committed(*partition, running.task.positions());
            readers.changed(*partition, committed.keys, audience);
            for (name, count) in committed.counts {
                metrics.add(name, count);
            }
        }
        metrics.add("committed_transactions", 1);
        metrics.add("processed_records", self.transaction.records as u64);
        let uptime = self.application.host.uptime();
        let began = self.transaction.committing_since.unwrap_or(uptime);
        self.pace.committed(self.transaction.records, began, uptime);
        self.transaction = Transaction::default();
        self.clock = now;
        self.last_positions_commit = now;
        self.retry.committed(offsets);
        if std::mem::take(&mut self.failures) > 0 {
            self.application.health.clear(&self.transactions());
        }
        Ok(())
    }

    fn abort_if_open(&mut self) -> Result<(), WorkerError> {
        if self.transaction.begun.is_some() {
            self.producer.abort()?;
        }
        self.roll_back();
        Ok(())
    }

    fn roll_back(&mut self) {
        self.tasks.values_mut().for_each(|running| running.task.abort());
        self.transaction = Transaction::default();
    }

    /// A transaction with records has failed. `culprit` is the record to blame, if there is one.
    fn failed(
        &mut self,
        failure: Failure,
        culprit: Option<(TopicPartition, i64)>,
    ) -> Result<(), WorkerError> {
        let ends: BTreeMap<_, _> = self.moved().collect();
        if failure.kind() == Some(ErrorKind::Refused) && !ends.is_empty() {
            self.retry.failed(ends, culprit, failure.reason());
        }
        self.back_to_last_commit(failure)
    }

    /// Back to the last commit, by the shortest way that is safe.
    fn back_to_last_commit(&mut self, failure: Failure) -> Result<(), WorkerError> {
        self.application.metrics.add("aborted_transactions", 1);
        let reason = failure.reason();
        warn!(worker = %self.name, %reason, "the transaction is aborted");
        match failure.kind() {
            Some(ErrorKind::Refused) => {}
            Some(ErrorKind::Abortable | ErrorKind::Retriable) => self.bide(&reason),
            // What Kafka has of this transaction is for the next producer with this id to find out.
            Some(kind @ (ErrorKind::Fenced | ErrorKind::OffsetOutOfRange | ErrorKind::Fatal)) => {
                return Err(ClientError { kind, attempted: "go on".to_string(), reason }.into());
            }
            None => return Err(WorkerError::Stores(reason)),
        }
        self.abort_if_open()?;
        Ok(self.seek()?)
    }

    /// Kafka does not take transactions: from the second time on it is given a moment, and somebody is told.
    fn bide(&mut self, reason: &str) {
        self.failures = self.failures.saturating_add(1);
        if self.failures > 1 {
            self.application.health.set(&self.transactions(), reason);
            self.application.stop.wait(FAILURE_WAIT);
        }
    }

    /// Under what name the health tells of this worker's transactions.
    fn transactions(&self) -> String {
        format!("transactions of {}", self.name)
    }

    // ---- health ----

    /// Says which tasks do not run, and why.
    fn report(&self) {
        let health = &self.application.health;
        let refused =
            self.pending.iter().filter_map(|(p, reason)| Some(format!("task {p}: {}", reason.as_ref()?)));
        let mut reasons: Vec<String> = refused.collect();
        let restoring: Vec<String> =
            self.pending.iter().filter(|(_, reason)| reason.is_none()).map(|(p, _)| p.to_string()).collect();
        if self.metadata.is_none() {
            reasons.push("joining the group".to_string());
        }
        if !restoring.is_empty() {
            let restored = self.restored.map_or(String::new(), |standing| format!(": {standing}"));
            reasons.push(format!("restoring the tasks of partitions {}{restored}", restoring.join(", ")));
        }
        if reasons.is_empty() { health.clear(&self.name) } else { health.set(&self.name, reasons.join("; ")) }
    }
}

/// Under what name the health tells of a task's punctuations.
fn punctuation_of(partition: i32) -> String {
    format!("punctuation of task {partition}")
}

/// A processor that panics has failed on its record, as any other failure. What it leaves half done is thrown away
/// with the transaction.
fn catch_panic(work: impl FnOnce() -> Result<(), ProcessError>) -> Result<(), ProcessError> {
    caught(work).unwrap_or_else(|panic| Err(ProcessError::Other(panic.to_string())))
}
