//! The partitions of one assignment, each with a task of its own that settles its records.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use streams::{ConsumerRecord, TopicPartition};
use tokio::runtime::Handle;
use tokio::sync::{mpsc as queue, watch};
use tokio::task::JoinHandle;

use super::MailerError;
use super::courier::{Courier, Settled, StopSignal};
use super::progress::Progress;

/// The partitions of one assignment.
pub(super) struct Lanes {
    lanes: BTreeMap<TopicPartition, Lane>,
    settled: mpsc::Receiver<Settled>,
    stop: watch::Sender<bool>,
    read_ahead: usize,
    /// Whether anything was sent since the last commit.
    has_sent: bool,
}

struct Lane {
    progress: Progress,
    records: queue::UnboundedSender<ConsumerRecord>,
    task: JoinHandle<()>,
}

/// Partitions with offsets: where to read on, or what to commit.
pub(super) type Offsets = Vec<(TopicPartition, i64)>;

impl Lanes {
    pub(super) fn start(
        starts: Offsets,
        read_ahead: usize,
        courier: &Arc<Courier>,
        runtime: &Handle,
    ) -> Self {
        let (settle, settled) = mpsc::channel();
        let (stop, stopped) = watch::channel(false);
        let lanes = starts.into_iter().map(|(partition, start)| {
            let (records, queue) = queue::unbounded_channel();
            let task = courier.clone().run(queue, settle.clone(), StopSignal(stopped.clone()));
            let lane = Lane { progress: Progress::new(start), records, task: runtime.spawn(task) };
            (partition, lane)
        });
        Self { lanes: lanes.collect(), settled, stop, read_ahead, has_sent: false }
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
            self.take_in(&settled);
        }
    }

    /// Begins nothing new, and waits until what is under way is settled, or until the deadline.
    pub(super) fn finish(&mut self, deadline: Instant) {
        self.stop.send_replace(true);
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            match self.settled.recv_timeout(patience) {
                Ok(settled) => self.take_in(&settled),
                // All tasks have ended.
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    tracing::warn!("a mail under way takes too long and may be sent a second time");
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

    /// Whether anything was sent that would be sent again if its offset were not committed.
    pub(super) fn has_sent(&self) -> bool {
        self.has_sent
    }

    /// What is settled and not committed.
    pub(super) fn uncommitted(&self) -> Offsets {
        self.offsets(Progress::uncommitted)
    }

    /// These offsets are committed.
    pub(super) fn commit(&mut self, offsets: &Offsets) {
        self.has_sent = false;
        for (partition, offset) in offsets {
            if let Some(lane) = self.lanes.get_mut(partition) {
                lane.progress.commit(*offset);
            }
        }
    }

    /// From where on to read what is not paused; none if that has not changed.
    pub(super) fn adjust(&mut self) -> Option<Offsets> {
        let read_ahead = self.read_ahead;
        let changed =
            self.lanes.values_mut().filter_map(|lane| lane.progress.adjust(read_ahead).then_some(()));
        (changed.count() > 0).then(|| self.offsets(Progress::position))
    }

    fn offsets(&self, offset: impl Fn(&Progress) -> Option<i64>) -> Offsets {
        let offsets =
            self.lanes.iter().map(|(partition, lane)| Some((partition.clone(), offset(&lane.progress)?)));
        offsets.flatten().collect()
    }

    fn take_in(&mut self, settled: &Settled) {
        self.has_sent |= settled.was_sent;
        if let Some(lane) = self.lanes.get_mut(&settled.partition) {
            lane.progress.settle(settled.offset);
        }
    }
}
