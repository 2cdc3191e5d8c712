//! The partitions of one assignment, each with a task of its own that settles its records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use streams::{ConsumerRecord, ProducerRecord, TopicPartition};
use tokio::runtime::Handle;
use tokio::sync::{mpsc as queue, watch};
use tokio::task::JoinHandle;

use super::MailerError;
use super::courier::{Courier, Settled, StopSignal, Work};
use super::metrics::MailerMetrics;
use super::opening::Start;
use super::outbox::Leftover;
use super::progress::Progress;

/// The partitions of one assignment.
pub(super) struct Lanes {
    lanes: BTreeMap<TopicPartition, Lane>,
    settled: mpsc::Receiver<Settled>,
    stop: watch::Sender<bool>,
    read_ahead: usize,
    /// Whether a mail was sent since the last commit was tried: that is not to wait.
    is_urgent: bool,
}

struct Lane {
    progress: Progress,
    /// To be written with the next commit.
    outputs: Vec<ProducerRecord>,
    records: queue::UnboundedSender<ConsumerRecord>,
    task: JoinHandle<()>,
}

/// Partitions with offsets: where to read on, or what to commit.
pub(super) type Offsets = Vec<(TopicPartition, i64)>;

/// How often to look whether there is less time left.
const LOOK: Duration = Duration::from_millis(100);

impl Lanes {
    pub(super) fn start(
        starts: BTreeMap<TopicPartition, Start>,
        read_ahead: usize,
        courier: &Arc<Courier>,
        metrics: &MailerMetrics,
        runtime: &Handle,
    ) -> Self {
        let (settle, all_settled) = mpsc::channel();
        let (stop, stopped) = watch::channel(false);
        let mut all_waiting = BTreeMap::new();
        let mut lanes = BTreeMap::new();
        for (partition, Start { committed, settled, waiting, outputs }) in starts {
            let (records, queue) = queue::unbounded_channel();
            let waiting = Arc::new(Mutex::new(waiting));
            all_waiting.insert(partition.clone(), waiting.clone());
            let work = Work {
                partition: partition.clone(),
                records: queue,
                waiting,
                settled: settle.clone(),
                stop: StopSignal(stopped.clone()),
            };
            let task = runtime.spawn(courier.clone().run(work));
            lanes.insert(
                partition,
                Lane { progress: Progress::new(committed, settled), outputs, records, task },
            );
        }
        metrics.set_waiting(all_waiting);
        Self { lanes, settled: all_settled, stop, read_ahead, is_urgent: false }
    }

    /// Hands a record to its lane. Whether that lane can take more.
    pub(super) fn read(&mut self, record: ConsumerRecord) -> bool {
        let partition = TopicPartition::new(record.topic.clone(), record.partition);
        let Some(lane) = self.lanes.get_mut(&partition) else { return true };
        if lane.progress.read(record.offset) {
            // A lane that has ended is found by `check`. In its queue a record may wait for long.
            _ = lane.records.send(record.into_owned());
        }
        !lane.progress.is_full(self.read_ahead)
    }

    /// Takes in what was settled meanwhile.
    pub(super) fn settle(&mut self) {
        while let Ok(settled) = self.settled.try_recv() {
            self.take_in(settled);
        }
    }

    /// Begins nothing new, and waits until what is under way is settled, or until the deadline, which may come nearer.
    pub(super) fn finish(&mut self, deadline: impl Fn() -> Instant) {
        self.stop.send_replace(true);
        loop {
            let patience = deadline().saturating_duration_since(Instant::now());
            match self.settled.recv_timeout(patience.min(LOOK)) {
                Ok(settled) => self.take_in(settled),
                // All tasks have ended.
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) if !patience.is_zero() => {}
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let under_way: Vec<String> = self
                        .lanes
                        .iter()
                        .filter(|(_, lane)| !lane.task.is_finished())
                        .map(|(partition, lane)| format!("{partition}@{}", lane.progress.settled()))
                        .collect();
                    tracing::warn!(
                        ?under_way,
                        "mails take too long and are sent a second time if the server takes them yet"
                    );
                    return;
                }
            }
        }
    }

    /// Whether something is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.lanes.values().any(|lane| lane.progress.is_busy())
    }

    /// Every lane still works, as long as nobody has asked for a stop.
    pub(super) fn check(&self) -> Result<(), MailerError> {
        match self.lanes.iter().find(|(_, lane)| lane.task.is_finished()) {
            Some((partition, _)) => Err(MailerError::Ended(partition.clone())),
            None => Ok(()),
        }
    }

    /// Whether a mail was sent that would be sent again if that were not committed.
    pub(super) fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// A commit has failed: it is not tried again at once.
    pub(super) fn commit_later(&mut self) {
        self.is_urgent = false;
    }

    /// What is settled and not committed.
    pub(super) fn uncommitted(&self) -> Offsets {
        self.offsets(Progress::uncommitted)
    }

    /// How far each partition is settled.
    pub(super) fn settled(&self) -> Offsets {
        self.offsets(|progress| Some(progress.settled()))
    }

    /// What is to be written with the offsets.
    pub(super) fn outputs(&self) -> Vec<ProducerRecord> {
        self.lanes.values().flat_map(|lane| &lane.outputs).cloned().collect()
    }

    /// These offsets are committed, and all outputs are written.
    pub(super) fn commit(&mut self, offsets: &Offsets) {
        self.is_urgent = false;
        for (partition, offset) in offsets {
            if let Some(lane) = self.lanes.get_mut(partition) {
                lane.progress.commit(*offset);
                lane.outputs.clear();
            }
        }
    }

    /// What could not be committed.
    pub(super) fn leftovers(self) -> impl Iterator<Item = (TopicPartition, Leftover)> {
        self.lanes.into_iter().filter_map(|(partition, lane)| {
            let is_open = lane.progress.uncommitted().is_some() || !lane.outputs.is_empty();
            let settled = lane.progress.settled();
            is_open.then_some((partition, Leftover { settled, outputs: lane.outputs }))
        })
    }

    /// From where on to read what is not paused; none if that has not changed.
    pub(super) fn adjust(&mut self) -> Option<Offsets> {
        let read_ahead = self.read_ahead;
        let changed =
            self.lanes.values_mut().filter_map(|lane| lane.progress.adjust(read_ahead).then_some(()));
        (changed.count() > 0).then(|| self.positions())
    }

    /// From where on to read what is not paused.
    pub(super) fn positions(&self) -> Offsets {
        self.offsets(Progress::position)
    }

    fn offsets(&self, offset: impl Fn(&Progress) -> Option<i64>) -> Offsets {
        let offsets =
            self.lanes.iter().map(|(partition, lane)| Some((partition.clone(), offset(&lane.progress)?)));
        offsets.flatten().collect()
    }

    fn take_in(&mut self, settled: Settled) {
        let Settled { partition, offset, was_sent, outputs } = settled;
        self.is_urgent |= was_sent;
        if let Some(lane) = self.lanes.get_mut(&partition) {
            if let Some(offset) = offset {
                lane.progress.settle(offset);
            }
            lane.outputs.extend(outputs);
        }
    }
}
