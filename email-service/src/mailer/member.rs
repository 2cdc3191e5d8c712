//! The mailer as a member of its group: what it does between two polls.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use service::topics;
use streams::{
    Admin, ClientError, ClientSupplier, ErrorKind, GroupConsumer, GroupEvent, Membership, Reader,
    TopicPartition,
};
use tokio::runtime::Handle;

use super::courier::Courier;
use super::lanes::{Lanes, Offsets};
use super::{MAILER_GROUP, MailerConfig, MailerError, PAUSE};

/// A member of the mailers' group.
pub(super) struct Member {
    consumer: Box<dyn GroupConsumer>,
    reader: Box<dyn Reader>,
    courier: Arc<Courier>,
    runtime: Handle,
    read_ahead: usize,
    patience: Duration,
    /// Partitions that were assigned, as long as it is not known from where on to read them.
    assigned: Option<Vec<TopicPartition>>,
    lanes: Option<Lanes>,
    last_commit: Instant,
}

/// How long to wait for records when there is nothing else to do: also the longest that a stop goes unnoticed.
const IDLE: Duration = Duration::from_millis(200);
/// How long to wait for records while mails are under way, whose offsets have to be committed.
const BUSY: Duration = Duration::from_millis(20);
/// Offsets of records for which nothing was sent are committed this late: each commit costs the broker much the same.
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);
/// How many records to take between two commits.
const BATCH: usize = 256;

/// Whether all tier topics are there.
pub(super) fn topics_exist(admin: &mut dyn Admin) -> Result<bool, MailerError> {
    Ok(admin.describe(&tier_topics())?.iter().all(Option::is_some))
}

impl Member {
    pub(super) fn join(
        clients: &dyn ClientSupplier,
        courier: Arc<Courier>,
        config: &MailerConfig,
        runtime: Handle,
    ) -> Result<Self, MailerError> {
        let group = MAILER_GROUP.to_owned();
        let mut consumer = clients.consumer(&Membership { group, client_id: config.client_id.clone() })?;
        let reader = clients.reader(MAILER_GROUP)?;
        consumer.subscribe(&tier_topics())?;
        let (read_ahead, patience) = (config.read_ahead.max(1), config.patience);
        Ok(Self {
            consumer,
            reader,
            courier,
            runtime,
            read_ahead,
            patience,
            assigned: None,
            lanes: None,
            last_commit: Instant::now(),
        })
    }

    /// Reads a batch of records, and commits what was settled meanwhile.
    pub(super) fn turn(&mut self) -> Result<(), MailerError> {
        // Without polls the group would go on without this member.
        let begun = self.begin();
        self.adjust()?;
        self.read()?;
        if let Some(lanes) = &mut self.lanes {
            lanes.settle();
            lanes.check()?;
            if lanes.has_sent() || self.last_commit.elapsed() >= COMMIT_INTERVAL {
                self.commit_if_possible()?;
            }
        }
        begun
    }

    /// Finishes what is under way, commits it and leaves the group.
    pub(super) fn leave(mut self) {
        self.finish(false);
        self.consumer.close();
    }

    fn read(&mut self) -> Result<(), MailerError> {
        let busy = self.assigned.is_some() || self.lanes.as_ref().is_some_and(Lanes::is_busy);
        let mut wait = if busy { BUSY } else { IDLE };
        for _ in 0..BATCH {
            let Some(event) = self.consumer.poll(wait)? else { break };
            if !self.take(event)? {
                break;
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// Whether to read on.
    fn take(&mut self, event: GroupEvent) -> Result<bool, MailerError> {
        match event {
            GroupEvent::Record(record) => Ok(self.lanes.as_mut().is_none_or(|lanes| lanes.read(record))),
            GroupEvent::Assigned(partitions, _) => {
                self.finish(false);
                self.assigned = Some(partitions);
                Ok(false)
            }
            GroupEvent::Revoked { lost } => {
                self.finish(lost);
                self.consumer.unassign()?;
                Ok(false)
            }
        }
    }

    /// Begins with what was assigned, once it is known where.
    fn begin(&mut self) -> Result<(), MailerError> {
        let Some(partitions) = &self.assigned else { return Ok(()) };
        let starts = starts(self.reader.as_mut(), partitions)?;
        self.consumer.assign(&starts)?;
        self.lanes = Some(Lanes::start(starts, self.read_ahead, &self.courier, &self.runtime));
        self.assigned = None;
        Ok(())
    }

    /// Reads only what has room.
    fn adjust(&mut self) -> Result<(), MailerError> {
        if let Some(positions) = self.lanes.as_mut().and_then(Lanes::adjust) {
            self.consumer.assign(&positions)?;
        }
        Ok(())
    }

    /// What cannot be committed now stays to be committed: either trying again helps, or the group has gone
    /// on without this member and a poll will say so.
    fn commit_if_possible(&mut self) -> Result<(), ClientError> {
        self.commit().or_else(|error| match error.kind {
            ErrorKind::Retriable | ErrorKind::Fenced => {
                tracing::warn!(%error, "the offsets of sent mails are not committed yet");
                Ok(())
            }
            _ => Err(error),
        })
    }

    fn commit(&mut self) -> Result<(), ClientError> {
        let Some(lanes) = &mut self.lanes else { return Ok(()) };
        let offsets = lanes.uncommitted();
        if !offsets.is_empty() {
            self.consumer.commit(&offsets)?;
            lanes.commit(&offsets);
            self.last_commit = Instant::now();
        }
        Ok(())
    }

    /// Ends the present assignment. What is under way is waited for even when the partitions are lost: there
    /// is no taking back.
    fn finish(&mut self, lost: bool) {
        self.assigned = None;
        let deadline = Instant::now() + self.patience;
        if let Some(lanes) = &mut self.lanes {
            lanes.finish(deadline);
        }
        if !lost {
            self.commit_until(deadline);
        }
        self.lanes = None;
    }

    fn commit_until(&mut self, deadline: Instant) {
        while let Err(error) = self.commit() {
            if error.kind != ErrorKind::Retriable || Instant::now() >= deadline {
                tracing::error!(%error, "mails that were sent will be sent a second time");
                return;
            }
            thread::park_timeout(PAUSE);
        }
    }
}

/// After the last commit, or with the first record that is there. Retention may have taken records that
/// were never committed.
fn starts(reader: &mut dyn Reader, partitions: &[TopicPartition]) -> Result<Offsets, MailerError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let committed = reader.committed(partitions)?;
    let watermarks = reader.watermarks(partitions)?;
    let starts = partitions.iter().zip(committed).zip(watermarks).map(|((partition, committed), log)| {
        let start = committed.unwrap_or(log.low).max(log.low);
        if committed.is_some_and(|committed| committed < start) {
            tracing::error!(%partition, ?committed, start, "mails were not sent before their records expired");
        }
        (partition.clone(), start)
    });
    Ok(starts.collect())
}

fn tier_topics() -> Vec<Arc<str>> {
    topics::TIERS.iter().map(|topic| topic.name().into()).collect()
}
