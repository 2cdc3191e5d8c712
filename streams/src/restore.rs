//! Making tasks ready: where to go on, and the stores as Kafka has them.
//!
//! Runs on a thread of its own with a reader of its own, so that the worker keeps polling and the group need not
//! wait. For each task, in this order, which matters:
//!
//! 1. the committed offsets of its inputs, read stable: this waits until a transaction that the task's last owner
//!    left pending is decided;
//! 2. the true high watermark of its changelogs. The last stable offset would not do: it can lie before a commit whose
//!    marker is not written yet (Kafka Streams' KAFKA-10167);
//! 3. the changelogs, committed records only, up to that mark.
//!
//! The same thread answers how far inputs reach now, and has repartition topics purged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use bytes::Bytes;
use tracing::{info, warn};

use crate::Timestamp;
use crate::application::{Application, Lease};
use crate::client::{ClientError, ErrorKind, Reader, Watermarks};
use crate::faults;
use crate::guard::Panicked;
use crate::mailbox::{Receiver, Sender};
use crate::metrics::Metrics;
use crate::partitioner::check_place;
use crate::progress::{Progress, Standing};
use crate::record::{ConsumerRecord, TopicPartition};
use crate::setup::Retention;
use crate::store::{BackendError, Change, Checkpoint, Fold, StoreBackend, StoreSpec};

/// What a worker asks of its restorer.
pub(crate) enum Request {
    /// Make these partitions' tasks ready. What an earlier request still asks for is given up.
    Prepare { assignment: u64, partitions: Vec<i32> },
    /// Tell how far this input reaches.
    End { input: TopicPartition, as_of: Timestamp },
}

/// What it answers.
pub(crate) enum Answer {
    /// The task can run.
    Ready(Prepared),
    /// How far the restore of these partitions' stores has come.
    Progress { assignment: u64, standing: Standing },
    /// The task cannot run as things are.
    Refused { assignment: u64, partition: i32, reason: String },
    /// The high watermark of an input, asked for after `as_of`.
    End { input: TopicPartition, as_of: Timestamp, end: i64 },
}

/// Without a reader nothing can be prepared. A question for an end is asked again.
fn refuse(answers: &Sender<Answer>, request: Request, error: &ClientError) {
    let Request::Prepare { assignment, partitions } = request else { return };
    for partition in partitions {
        answers.send(Answer::Refused { assignment, partition, reason: error.to_string() });
    }
}

/// All that a task needs to run.
pub(crate) struct Prepared {
    pub(crate) assignment: u64,
    pub(crate) partition: i32,
    pub(crate) lease: Lease,
    pub(crate) stores: Vec<Arc<dyn StoreBackend>>,
    pub(crate) positions: BTreeMap<Arc<str>, i64>,
}

/// Why a restore stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

const POLL: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_millis(100);
/// How long to wait after a store has failed: what the disk or the process lacks may be there then.
const STORE_RETRY: Duration = Duration::from_secs(2);
const BATCH: usize = 10_000;
/// How many offsets of a changelog are still to be read, and about how long that takes.
const OFFSETS_LEFT: &str = "restore_offsets_left";
const SECONDS_LEFT: &str = "restore_seconds_left";
/// No transaction is open for so long, but one that its coordinator has forgotten.
const STANDSTILL: Duration = Duration::from_secs(30);

pub(crate) struct Restorer {
    application: Arc<Application>,
    reader: Box<dyn Reader>,
    requests: Receiver<Request>,
    answers: Sender<Answer>,
    retention: Retention,
    assignment: u64,
    /// Partitions whose offsets are not known yet.
    waiting: Vec<i32>,
    /// Those of the waiting partitions whose stores have failed.
    failing: BTreeMap<i32, Failing>,
    restoring: Vec<Restoring>,
    /// As long as anything is restored.
    progress: Option<Progress>,
}

impl Drop for Restorer {
    fn drop(&mut self) {
        self.forget_progress();
    }
}

/// Why a task has to wait, and until when, by the process's uptime.
struct Failing {
    reason: String,
    until: Duration,
}

/// What a task begins with.
struct Plan {
    positions: BTreeMap<Arc<str>, i64>,
    /// Whether nothing of it was ever committed.
    fresh: bool,
    stores: Vec<StoreRestore>,
}

/// Why a task cannot begin.
#[derive(Debug, thiserror::Error)]
enum Obstacle {
    /// Somebody has to decide what is right.
    #[error("{0}")]
    Refused(String),
    /// A store of its own fails.
    #[error(transparent)]
    Store(#[from] BackendError),
}

/// An input of a task: what is committed of it, and how far its log reaches.
struct Input {
    input: TopicPartition,
    committed: Option<i64>,
    log: Watermarks,
}

impl Input {
    /// Where to go on; an input that was never committed begins at its log's beginning.
    fn position(self) -> (Arc<str>, i64) {
        (self.input.topic, self.committed.unwrap_or(self.log.low))
    }

    /// To go on anywhere else would leave records out, or take them twice.
    fn refusal(&self) -> Option<String> {
        let Watermarks { low, high } = self.log;
        let committed = self.committed.filter(|committed| !(low..=high).contains(committed))?;
        Some(format!(
            "the committed offset {committed} of {} lies outside its log, which reaches from {low} to {high}: \
             records have been deleted, or the topic was made anew. Set the group's offset",
            self.input
        ))
    }
}

/// A task whose stores are on their way.
struct Restoring {
    partition: i32,
    lease: Lease,
    positions: BTreeMap<Arc<str>, i64>,
    fresh: bool,
    stores: Vec<StoreRestore>,
}

/// A store on its way from its checkpoint to the mark.
struct StoreRestore {
    backend: Arc<dyn StoreBackend>,
    changelog: TopicPartition,
    fold: Fold,
    from: i64,
    mark: i64,
    batch: BTreeMap<Bytes, Option<Bytes>>,
    records: u64,
    skipped: u64,
    done: bool,
    /// Why it cannot go on.
    failure: Option<BackendError>,
    /// Since when it has not come any further, by the process's uptime.
    stands_since: Option<Duration>,
}

impl Restorer {
    /// Serves until the worker is gone.
    ///
    /// The reader is made with the first request: then the group has a coordinator. librdkafka, where it reads, asks for one
    /// when a client is made, and where there is none yet it asks again only half a second later.
    pub(crate) fn serve(
        application: Arc<Application>,
        requests: Receiver<Request>,
        answers: Sender<Answer>,
        retention: Retention,
    ) {
        while let Some(request) = requests.recv() {
            match application.clients.reader(&application.topology.application) {
                Ok(reader) => {
                    let (assignment, waiting, restoring) = (0, Vec::new(), Vec::new());
                    let failing = BTreeMap::new();
                    let mut restorer = Self {
                        application,
                        reader,
                        requests,
                        answers,
                        retention,
                        assignment,
                        waiting,
                        failing,
                        restoring,
                        progress: None,
                    };
                    restorer.take(request);
                    return restorer.run();
                }
                Err(error) => refuse(&answers, request, &error),
            }
        }
    }

    fn run(mut self) {
        while self.take_requests() {
            if let Err(error) = self.step() {
                warn!(%error, "restore: trying again");
                self.start_over();
                // A batch that cannot be read stays one.
                let is_refused =
                    matches!(&error, RestoreError::Client(error) if error.kind == ErrorKind::Refused);
                self.requests.wait(if is_refused { STORE_RETRY } else { RETRY });
            }
        }
    }

    /// Takes in what was asked; waits for a request when there is nothing to do. Whether the worker is still there.
    fn take_requests(&mut self) -> bool {
        if self.waiting.is_empty() && self.restoring.is_empty() {
            match self.requests.recv() {
                Some(request) => self.take(request),
                None => return false,
            }
        }
        loop {
            match self.requests.try_recv() {
                Ok(request) => self.take(request),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Prepare { assignment, partitions } => {
                self.assignment = assignment;
                self.waiting = partitions;
                self.failing.clear();
                self.forget_progress();
                self.restoring.clear();
                if let Err(error) = self.read_changelogs() {
                    warn!(%error, "restore: the reader keeps its old assignment");
                }
            }
            Request::End { input, as_of } => match self.reader.watermarks(std::slice::from_ref(&input)) {
                Ok(watermarks) => {
                    for Watermarks { high, .. } in watermarks {
                        self.answer(Answer::End { input: input.clone(), as_of, end: high });
                    }
                }
                // Without an answer, the question is asked again at the next punctuation.
                Err(error) => warn!(%error, %input, "the end of an input is not known"),
            },
        }
    }

    /// Everything that is under way begins again: offsets first.
    fn start_over(&mut self) {
        self.forget_progress();
        self.waiting.extend(self.restoring.drain(..).map(|task| task.partition));
    }

    fn step(&mut self) -> Result<(), RestoreError> {
        if !self.waiting.is_empty() {
            self.begin_waiting()?;
        }
        self.hand_over_finished()?;
        if self.restoring.is_empty() {
            if !self.waiting.is_empty() {
                self.requests.wait(RETRY);
            }
            return Ok(());
        }
        self.restore_some()?;
        self.set_failed_aside()
    }

    /// Steps 1 and 2 for all tasks that wait and whose stores no other thread of this process holds.
    fn begin_waiting(&mut self) -> Result<(), RestoreError> {
        let application = self.application.clone();
        let (failing, uptime) = (&self.failing, application.host.uptime());
        let has_to_wait = |partition: &i32| failing.get(partition).is_some_and(|f| f.until > uptime);
        let mut begun = Vec::new();
        self.waiting.retain(|partition| {
            let lease = if has_to_wait(partition) { None } else { application.leases.take(*partition) };
            let is_waiting = lease.is_none();
            begun.extend(lease.map(|lease| (*partition, lease)));
            is_waiting
        });
        if begun.is_empty() {
            return Ok(());
        }
        let partitions: Vec<i32> = begun.iter().map(|(partition, _)| *partition).collect();
        let plans = match self.plan(&partitions) {
            Ok(plans) => plans,
            Err(error) => {
                self.waiting.extend(partitions);
                return match error {
                    // A transaction of the last owner is pending, or Kafka is away.
                    RestoreError::Client(ClientError { kind: ErrorKind::Retriable, .. }) => Ok(()),
                    error => Err(error),
                };
            }
        };
        for ((partition, lease), plan) in begun.into_iter().zip(plans) {
            match plan {
                Err(Obstacle::Store(error)) => self.set_aside(partition, &error),
                Err(Obstacle::Refused(reason)) => self.refuse(partition, reason),
                Ok(Plan { positions, fresh, stores }) => {
                    self.restoring.push(Restoring { partition, lease, positions, fresh, stores });
                }
            }
        }
        self.read_changelogs()
    }

    /// A store of this task fails, be it for want of space, of rights or of open files. It waits; the others go on.
    fn set_aside(&mut self, partition: i32, error: &BackendError) {
        let reason = format!("{error}; it is tried again");
        let until = self.application.host.uptime() + STORE_RETRY;
        let known = self.failing.insert(partition, Failing { reason: reason.clone(), until });
        if known.is_none_or(|known| known.reason != reason) {
            self.refuse(partition, reason);
        }
        self.waiting.push(partition);
    }

    fn set_failed_aside(&mut self) -> Result<(), RestoreError> {
        let failed: Vec<Restoring> = self.restoring.extract_if(.., |task| task.failure().is_some()).collect();
        if failed.is_empty() {
            return Ok(());
        }
        for store in failed.iter().flat_map(|task| &task.stores) {
            store.forget_gauges(&self.application.metrics);
        }
        for task in &failed {
            if let Some(error) = task.failure() {
                self.set_aside(task.partition, error);
            }
        }
        self.read_changelogs()
    }

    /// What each of these tasks needs. All tasks' offsets are asked for before any changelog's end.
    fn plan(&mut self, partitions: &[i32]) -> Result<Vec<Result<Plan, Obstacle>>, RestoreError> {
        let topology = self.application.topology.clone();
        let topics: Vec<Arc<str>> = topology.source_topics().map(|topic| topic.name.clone()).collect();
        let changelogs: Vec<Arc<str>> =
            topology.stores.iter().map(|store| store.changelog.name.clone()).collect();
        let (inputs, changelogs) = (all_of(&topics, partitions), all_of(&changelogs, partitions));

        let committed = self.reader.committed(&inputs)?;
        let watermarks = self.reader.watermarks(&changelogs)?;
        let logs = self.reader.watermarks(&inputs)?;

        let mut inputs = inputs.into_iter().zip(committed).zip(logs).map(|((input, committed), log)| Input {
            input,
            committed,
            log,
        });
        let mut watermarks = changelogs.into_iter().zip(watermarks);
        let plan = |partition: &i32| {
            let inputs: Vec<Input> = inputs.by_ref().take(topics.len()).collect();
            let fresh = inputs.iter().all(|input| input.committed.is_none());
            let watermarks: Vec<_> = watermarks.by_ref().take(topology.stores.len()).collect();
            if let Some(refusal) = inputs.iter().find_map(Input::refusal) {
                return Err(Obstacle::Refused(refusal));
            }
            let stores = topology.stores.iter().zip(watermarks);
            let stores = stores.map(|(spec, (changelog, watermarks))| {
                self.plan_store(spec, *partition, changelog, watermarks, fresh)
            });
            Ok(Plan {
                fresh,
                stores: stores.collect::<Result<_, Obstacle>>()?,
                positions: inputs.into_iter().map(Input::position).collect(),
            })
        };
        Ok(partitions.iter().map(plan).collect())
    }

    fn plan_store(
        &self,
        spec: &StoreSpec,
        partition: i32,
        changelog: TopicPartition,
        watermarks: Watermarks,
        fresh: bool,
    ) -> Result<StoreRestore, Obstacle> {
        let application = &self.application;
        let backend = application.stores.store(&application.topology.application, &spec.name, partition)?;
        if backend.is_damaged() {
            warn!(%changelog, "the store's files are damaged: it is rebuilt");
        }
        if fresh || backend.is_damaged() {
            // Of a fresh one only the whole changelog tells whether there ever was any state.
            backend.clear()?;
        }
        if let Some(checkpoint) = backend.checkpoint()?
            && checkpoint.offset > 0
            && watermarks.high == 0
        {
            return Err(Obstacle::Refused(format!(
                "the store stands for offset {} of {changelog}, which never had a record: it was deleted and made \
                 anew. Delete the group's offsets to begin anew, or this instance's stores to go on without the state",
                checkpoint.offset
            )));
        }
        let from = self.restore_from(spec, &backend, &changelog, watermarks, application.host.now())?;
        Ok(StoreRestore {
            backend,
            changelog,
            fold: spec.fold.clone(),
            from,
            mark: watermarks.high,
            batch: BTreeMap::new(),
            records: 0,
            skipped: 0,
            done: false,
            failure: None,
            stands_since: None,
        })
    }

    /// Where the changelog has to be read from. A store that cannot be the changelog's is given up first.
    fn restore_from(
        &self,
        spec: &StoreSpec,
        backend: &Arc<dyn StoreBackend>,
        changelog: &TopicPartition,
        watermarks: Watermarks,
        now: Timestamp,
    ) -> Result<i64, BackendError> {
        let Some(checkpoint) = backend.checkpoint()? else {
            backend.clear()?;
            return Ok(watermarks.low);
        };
        if faults::STORE_TRUSTED.is_on() {
            return Ok(watermarks.high);
        }
        let reason = if checkpoint.offset > watermarks.high {
            "its checkpoint lies beyond the changelog's end"
        } else if checkpoint.offset < watermarks.low {
            "the changelog begins after its checkpoint"
        } else if now.since(checkpoint.at) > self.retention.of(spec.changelog.cleanup) / 2 {
            "tombstones that it has not seen may be gone"
        } else {
            return Ok(checkpoint.offset);
        };
        warn!(%changelog, checkpoint = checkpoint.offset, low = watermarks.low, high = watermarks.high, reason, "the store is rebuilt");
        backend.clear()?;
        Ok(watermarks.low)
    }

    fn read_changelogs(&mut self) -> Result<(), RestoreError> {
        let stores = self.restoring.iter().flat_map(|task| &task.stores).filter(|store| !store.done);
        let positions: Vec<_> = stores.map(|store| (store.changelog.clone(), store.from)).collect();
        Ok(self.reader.assign(&positions)?)
    }

    /// Step 3, a batch of it.
    fn restore_some(&mut self) -> Result<(), RestoreError> {
        let (mut records, mut passed) = (0, 0);
        let mut wait = POLL;
        for _ in 0..BATCH {
            match self.reader.poll(wait) {
                Ok(Some(record)) => {
                    records += 1;
                    self.take_in(record);
                }
                Ok(None) => break,
                Err(error) if error.kind == ErrorKind::Retriable => break,
                Err(error) => return Err(error.into()),
            }
            wait = Duration::ZERO;
        }
        let now = self.application.host.now();
        let uptime = self.application.host.uptime();
        for store in self.restoring.iter_mut().flat_map(|task| &mut task.stores).filter(|store| !store.done) {
            let position = self.reader.position(&store.changelog)?.unwrap_or(store.from);
            store.note_standstill(position, uptime);
            passed += u64::try_from(position - store.from).unwrap_or(0);
            store.advance(position, now);
        }
        self.tell_progress(records, passed, uptime);
        Ok(())
    }

    /// After so many more records and offsets.
    fn tell_progress(&mut self, records: u64, passed: u64, uptime: Duration) {
        let stores = || self.restoring.iter().flat_map(|task| &task.stores);
        let left = stores().map(StoreRestore::left).sum();
        let progress = self.progress.get_or_insert_with(|| Progress::new(uptime));
        progress.add(records, passed);
        let Some(standing) = progress.due(left, uptime) else { return };
        info!(partitions = ?self.restoring.iter().map(|task| task.partition).collect::<Vec<_>>(), "restoring: {standing}");
        for store in stores() {
            let metrics = &self.application.metrics;
            metrics.set_gauge(OFFSETS_LEFT, &store.changelog, Some(store.left()));
            metrics.set_gauge(SECONDS_LEFT, &store.changelog, standing.seconds_left);
        }
        self.answer(Answer::Progress { assignment: self.assignment, standing });
    }

    /// Nothing more is told of the restore that was under way.
    fn forget_progress(&mut self) {
        self.progress = None;
        for store in self.restoring.iter().flat_map(|task| &task.stores) {
            store.forget_gauges(&self.application.metrics);
        }
    }

    fn take_in(&mut self, record: ConsumerRecord) {
        let record = record.into_owned();
        let stores = self.restoring.iter_mut().flat_map(|task| &mut task.stores);
        let of_record = |store: &&mut StoreRestore| {
            store.changelog.topic == record.topic && store.changelog.partition == record.partition
        };
        if let Some(store) = stores.filter(|store| !store.done).find(of_record)
            && let Err(error) = store.take_in(record, self.application.partitions)
        {
            store.failure = Some(error);
        }
    }

    fn hand_over_finished(&mut self) -> Result<(), RestoreError> {
        let now = self.application.host.now();
        for store in self.restoring.iter_mut().flat_map(|task| &mut task.stores) {
            if !store.done && store.from >= store.mark {
                store.advance(store.from, now);
            }
        }
        let (finished, restoring): (Vec<_>, Vec<_>) =
            self.restoring.drain(..).partition(|task| task.stores.iter().all(|store| store.done));
        self.restoring = restoring;
        let all_done = self.restoring.is_empty() && !finished.is_empty();
        for task in finished {
            self.hand_over(task);
        }
        if self.restoring.is_empty() {
            self.progress = None;
        }
        // Nothing more is to be fetched.
        if all_done { self.read_changelogs() } else { Ok(()) }
    }

    /// A task without any committed offset must not have state: its offsets have expired or were deleted,
    /// and to begin again would count its inputs twice.
    fn hand_over(&self, task: Restoring) {
        let (application, partition) = (&self.application.topology.application, task.partition);
        for store in &task.stores {
            let (records, skipped) = (store.records, store.skipped);
            store.forget_gauges(&self.application.metrics);
            self.application.metrics.add("restored_records", records);
            self.application.metrics.add("restore_skipped_records", skipped);
            if records > 0 {
                info!(changelog = %store.changelog, records, skipped, "restored");
            }
            if task.fresh && records > 0 {
                let reason = format!(
                    "{application} has state in {} but no committed offsets: they were deleted or have expired. \
                     Set the group's offsets, or delete its changelog topics to begin anew",
                    store.changelog
                );
                self.refuse(partition, reason);
                return;
            }
        }
        self.answer(Answer::Ready(Prepared {
            assignment: self.assignment,
            partition,
            lease: task.lease,
            stores: task.stores.into_iter().map(|store| store.backend).collect(),
            positions: task.positions,
        }));
    }

    fn refuse(&self, partition: i32, reason: String) {
        self.answer(Answer::Refused { assignment: self.assignment, partition, reason });
    }

    fn answer(&self, answer: Answer) {
        self.answers.send(answer);
    }
}

impl Restoring {
    fn failure(&self) -> Option<&BackendError> {
        self.stores.iter().find_map(|store| store.failure.as_ref())
    }
}

impl StoreRestore {
    /// How many offsets are still to be read.
    fn left(&self) -> u64 {
        u64::try_from(self.mark - self.from).unwrap_or(0)
    }

    fn forget_gauges(&self, metrics: &Metrics) {
        for gauge in [OFFSETS_LEFT, SECONDS_LEFT] {
            metrics.set_gauge(gauge, &self.changelog, None);
        }
    }

    /// Takes a record of the changelog into the batch, as the store's fold says.
    fn take_in(&mut self, record: ConsumerRecord, partitions: i32) -> Result<(), BackendError> {
        let Some(key) = record.key else {
            self.skipped += 1;
            return Ok(());
        };
        let accepted = match (&self.fold, &record.value) {
            (Fold::LastValue, _) => true,
            // Others can write to a topic with a meaning, too.
            (Fold::Accept(_), _) if check_place(Some(&key), record.partition, partitions).is_err() => false,
            (Fold::Accept(_), None) => true,
            (Fold::Accept(accept), Some(value)) => {
                let stored = match self.batch.get(&key) {
                    Some(written) => written.clone(),
                    None => self.backend.get(&key)?,
                };
                accept(&key, stored.as_deref(), value)
            }
        };
        if accepted {
            self.batch.insert(key, record.value);
            self.records += 1;
        } else {
            self.skipped += 1;
        }
        Ok(())
    }

    /// Says why nothing comes, if nothing does.
    fn note_standstill(&mut self, position: i64, uptime: Duration) {
        let since = *self.stands_since.get_or_insert(uptime);
        if position > self.from {
            self.stands_since = None;
        } else if uptime.saturating_sub(since) >= STANDSTILL {
            self.stands_since = Some(uptime);
            warn!(
                changelog = %self.changelog, position, of = self.mark,
                "the restore stands still: a transaction is open there that nobody ends; \
                 `kafka-transactions.sh find-hanging` tells which"
            );
        }
    }

    /// Everything below `position` is in the batch: it goes to the store.
    fn advance(&mut self, position: i64, now: Timestamp) {
        if self.failure.is_some() {
            return;
        }
        let changes: Vec<Change> = std::mem::take(&mut self.batch).into_iter().collect();
        self.from = position;
        let is_done = position >= self.mark;
        if is_done || !changes.is_empty() {
            self.failure = self.backend.apply(changes, Checkpoint { offset: position, at: now }).err();
        }
        self.done = is_done && self.failure.is_none();
    }
}

/// Every partition of every topic, partition by partition.
fn all_of(topics: &[Arc<str>], partitions: &[i32]) -> Vec<TopicPartition> {
    let of = |partition: &i32| {
        topics.iter().map(|topic| TopicPartition::new(topic.clone(), *partition)).collect::<Vec<_>>()
    };
    partitions.iter().flat_map(of).collect()
}
