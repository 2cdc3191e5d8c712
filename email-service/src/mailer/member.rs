//! The mailer as a member of its group: what it does between two polls.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use service::topics;
use streams::{Admin, ClientError, ErrorKind, GroupConsumer, GroupEvent, GroupMetadata, Membership, Reader};

use super::courier::Courier;
use super::lanes::Lanes;
use super::opening::Opening;
use super::outbox::Outbox;
use super::waiting::WAITING;
use super::{MAILER_GROUP, Mailer, MailerError, PAUSE, StopRequest};

/// A member of the mailers' group.
pub(super) struct Member<'a> {
    mailer: &'a Mailer,
    stop: &'a StopRequest,
    consumer: Box<dyn GroupConsumer>,
    reader: Box<dyn Reader>,
    outbox: Outbox,
    courier: Arc<Courier>,
    /// As of the last assignment.
    membership: Option<GroupMetadata>,
    /// What was assigned, as long as it is not known from where on to read.
    opening: Option<Opening>,
    lanes: Option<Lanes>,
    /// When a commit was last tried.
    last_commit: Instant,
}

/// How long to wait for records when there is nothing else to do: also the longest that a stop goes unnoticed.
const IDLE: Duration = Duration::from_millis(200);
/// How long to wait for records while mails are under way, whose offsets have to be committed.
const BUSY: Duration = Duration::from_millis(20);
/// What needs no haste is committed this late: each commit costs the broker much the same.
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);
/// How many records to take between two commits.
const BATCH: usize = 256;

/// Whether all topics are there.
pub(super) fn topics_exist(admin: &mut dyn Admin) -> Result<bool, MailerError> {
    let mut topics = tier_topics();
    topics.push(WAITING.name().into());
    Ok(admin.describe(&topics)?.iter().all(Option::is_some))
}

impl<'a> Member<'a> {
    pub(super) fn join(mailer: &'a Mailer, stop: &'a StopRequest) -> Result<Self, MailerError> {
        let (clients, config) = (&mailer.clients, &mailer.config);
        let group = MAILER_GROUP.to_owned();
        let mut consumer = clients.consumer(&Membership { group, client_id: config.client_id.clone() })?;
        let reader = clients.reader(MAILER_GROUP)?;
        consumer.subscribe(&tier_topics())?;
        Ok(Self {
            mailer,
            stop,
            consumer,
            reader,
            outbox: Outbox::new(clients.clone(), config.transactional_id.clone()),
            courier: Courier::new(mailer.transport.clone(), config, mailer.metrics.clone()),
            membership: None,
            opening: None,
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
            let pause = if lanes.is_urgent() { Duration::ZERO } else { COMMIT_INTERVAL };
            if self.last_commit.elapsed() >= pause {
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
        let busy = self.opening.is_some() || self.lanes.as_ref().is_some_and(Lanes::is_busy);
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
            GroupEvent::Assigned(partitions, membership) => {
                self.finish(false);
                // The group need not wait until it is known from where on to read.
                self.consumer.assign(&[])?;
                self.membership = Some(membership);
                self.opening = Some(Opening::new(partitions));
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
        let Some(opening) = &mut self.opening else { return Ok(()) };
        let mailer = self.mailer;
        let mut leftovers = mailer.leftovers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(begin) = opening.advance(self.reader.as_mut(), &leftovers)? else { return Ok(()) };
        leftovers.retain(|partition, _| !begin.starts.contains_key(partition));
        drop(leftovers);
        mailer.metrics.set_refused(begin.refused);
        let runtime = &mailer.runtime;
        let read_ahead = mailer.config.read_ahead.max(1);
        let lanes = Lanes::start(begin.starts, read_ahead, &self.courier, &mailer.metrics, runtime);
        let positions = lanes.positions();
        self.lanes = Some(lanes);
        self.opening = None;
        Ok(self.consumer.assign(&positions)?)
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
            ErrorKind::Retriable | ErrorKind::Abortable | ErrorKind::Fenced => {
                tracing::warn!(%error, "what was done about mails is not committed yet");
                self.lanes.iter_mut().for_each(Lanes::commit_later);
                Ok(())
            }
            _ => Err(error),
        })
    }

    fn commit(&mut self) -> Result<(), ClientError> {
        self.last_commit = Instant::now();
        let (Some(lanes), Some(membership)) = (&mut self.lanes, &self.membership) else { return Ok(()) };
        let outputs = lanes.outputs();
        if outputs.is_empty() {
            let offsets = lanes.uncommitted();
            if !offsets.is_empty() {
                self.consumer.commit(&offsets)?;
                lanes.commit(&offsets);
            }
        } else {
            let offsets = lanes.settled();
            self.outbox.commit(&outputs, &offsets, membership)?;
            lanes.commit(&offsets);
        }
        Ok(())
    }

    /// Ends the present assignment. What is under way is waited for even when the partitions are lost: there
    /// is no taking back. What cannot be committed is kept, for when the partition comes back.
    fn finish(&mut self, lost: bool) {
        self.opening = None;
        let (stop, latest) = (self.stop, Instant::now() + self.mailer.config.patience);
        let deadline = || stop.until().map_or(latest, |until| until.min(latest));
        if let Some(lanes) = &mut self.lanes {
            lanes.finish(deadline);
        }
        if !lost {
            self.commit_until(deadline);
        }
        if let Some(lanes) = self.lanes.take() {
            let mut leftovers = self.mailer.leftovers.lock().unwrap_or_else(PoisonError::into_inner);
            leftovers.extend(lanes.leftovers());
        }
        self.mailer.metrics.set_waiting(BTreeMap::new());
        self.mailer.metrics.set_refused(BTreeMap::new());
    }

    fn commit_until(&mut self, deadline: impl Fn() -> Instant) {
        while let Err(error) = self.commit() {
            let is_final = !matches!(error.kind, ErrorKind::Retriable | ErrorKind::Abortable);
            if is_final || Instant::now() >= deadline() {
                tracing::error!(%error, "mails that were sent are not committed: another instance, or this one when it starts again, sends them a second time");
                return;
            }
            thread::park_timeout(PAUSE);
        }
    }
}

fn tier_topics() -> Vec<Arc<str>> {
    topics::TIERS.iter().map(|topic| topic.name().into()).collect()
}
