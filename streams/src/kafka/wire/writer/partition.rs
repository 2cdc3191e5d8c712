//! The records of one partition on their way: at most one batch is, so that none overtakes another.
//!
//! The leader knows a producer's batches by producer, epoch and the number of their first record: it takes each once,
//! and none that does not follow the last one. It remembers that for each partition alone, so each partition has an epoch
//! of its own. When nobody can tell whether a batch was written, its records' senders are told so, and the partition goes
//! on in the next epoch: there the numbers begin anew, and what still is on its way in the old one is refused.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::super::batch::Batch;
use super::super::cluster::is_passing;
use super::super::produce::Refusal;
use super::numbering::Numbering;
use super::queue::Waiting;
use crate::client::ErrorKind;
use crate::kafka::error::kind_of_refusal;

/// A batch grows no further: small enough for any topic, as far as single records allow.
const MAX_BATCH: usize = 128 << 10;
/// A batch that is made in the last moment may still be under way for so long.
const LAST_CHANCE: Duration = Duration::from_secs(1);
/// How long not to try again what a leader could not do.
const PAUSE: Duration = Duration::from_millis(50);

/// A partition that records are written to.
pub(super) struct Partition {
    /// The topic's name on the cluster.
    pub(super) topic: StrBytes,
    pub(super) number: i32,
    waiting: VecDeque<Waiting>,
    /// So many of the first ones go alone: one of them was refused, and took the others with it.
    alone: usize,
    batch: Option<Sealed>,
    /// How many batches there have been.
    batches: u64,
    numbering: Option<Numbering>,
    paused_until: Option<Instant>,
    /// What went wrong last.
    trouble: Arc<str>,
}

/// A batch until its fate is known.
struct Sealed {
    number: u64,
    bytes: Bytes,
    records: Vec<Waiting>,
    deadline: Instant,
    is_on_its_way: bool,
    /// Whether it has been on its way, and nobody has said that it was not written.
    may_be_written: bool,
}

/// What came of some records.
#[must_use]
pub(super) struct Fate {
    pub(super) records: Vec<Waiting>,
    /// The offset of the first, or why none was written.
    pub(super) outcome: Result<i64, (ErrorKind, Arc<str>)>,
}

impl Partition {
    pub(super) fn new(topic: StrBytes, number: i32) -> Self {
        Self {
            topic,
            number,
            waiting: VecDeque::new(),
            alone: 0,
            batch: None,
            batches: 0,
            numbering: None,
            paused_until: None,
            trouble: "no answer".into(),
        }
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// Whether there is anything to be sent now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        let has_some = self.is_on_hand() || self.batch.is_none() && !self.waiting.is_empty();
        has_some && self.paused_until.is_none_or(|end| end <= now)
    }

    /// When there is something to do even if nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        let batch = self.batch.as_ref().map(|batch| batch.deadline);
        let first = self.waiting.front().map(|first| first.deadline);
        let has_some = batch.is_some() || first.is_some();
        [batch, first, self.paused_until.filter(|_| has_some)].into_iter().flatten().min()
    }

    /// Whether it has to be given a producer's id before it can send anything.
    pub(super) fn needs_producer(&self) -> bool {
        self.numbering.is_none()
    }

    /// By which producer its batches are numbered.
    pub(super) fn producer(&self) -> Option<i64> {
        self.numbering.map(|numbering| numbering.identity.producer)
    }

    /// Numbers its batches as those of `producer`, which has written nothing to it.
    pub(super) fn number_as(&mut self, producer: i64) {
        self.numbering = Some(Numbering::of(producer));
    }

    /// The batch that is to be sent, by its number; it counts as on its way from now on.
    pub(super) fn dispatch(&mut self, now: Instant) -> Option<(u64, &Bytes)> {
        if self.batch.is_none() {
            self.seal(now);
        }
        let batch = self.batch.as_mut()?;
        batch.is_on_its_way = true;
        Some((batch.number, &batch.bytes))
    }

    fn seal(&mut self, now: Instant) {
        let (Some(numbering), Some(first)) = (self.numbering, self.waiting.front()) else { return };
        let deadline = first.deadline.max(now + LAST_CHANCE);
        let mut batch = Batch::new(first.time);
        let mut count = 0;
        for waiting in &self.waiting {
            let has_room = self.alone == 0 && batch.size() + waiting.record.content().size() <= MAX_BATCH;
            if count > 0 && !has_room {
                break;
            }
            batch.push(waiting.record.content(), waiting.time);
            count += 1;
        }
        self.alone = self.alone.saturating_sub(1);
        self.batches += 1;
        self.batch = Some(Sealed {
            number: self.batches,
            bytes: batch.seal(numbering.identity, numbering.sequence),
            records: self.waiting.drain(..count).collect(),
            deadline,
            is_on_its_way: false,
            may_be_written: false,
        });
    }

    /// Whether the batch of this number is the one whose fate is not known. Others have been given up.
    pub(super) fn awaits(&self, number: u64) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.number == number)
    }

    /// Whether a batch has to be sent again.
    pub(super) fn is_on_hand(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| !batch.is_on_its_way)
    }

    /// The batch was written, from this offset on.
    pub(super) fn written(&mut self, offset: i64) -> Option<Fate> {
        let batch = self.batch.take()?;
        self.count(batch.records.len());
        Some(Fate { records: batch.records, outcome: Ok(offset) })
    }

    /// The batch did not go out, so it was not written either.
    pub(super) fn unsent(&mut self, why: &Arc<str>) {
        self.trouble = why.clone();
        if let Some(batch) = &mut self.batch {
            batch.is_on_its_way = false;
        }
    }

    /// The batch went out, and nobody has said what came of it: it goes again, as it was.
    pub(super) fn unanswered(&mut self, why: &Arc<str>) {
        self.unsent(why);
        if let Some(batch) = &mut self.batch {
            batch.may_be_written = true;
        }
    }

    /// The leader did not take the batch.
    pub(super) fn refused(&mut self, refusal: &Refusal, now: Instant) -> Option<Fate> {
        self.trouble = refusal.reason.as_str().into();
        let verdict = verdict(refusal.error);
        if let Verdict::Again { may_be_written } = verdict {
            self.paused_until = Some(now + PAUSE);
            let batch = self.batch.as_mut()?;
            batch.is_on_its_way = false;
            batch.may_be_written |= may_be_written;
            return None;
        }
        if refusal.error == ResponseError::DuplicateSequenceNumber {
            return self.duplicate(refusal.offset);
        }
        let batch = self.batch.take()?;
        if batch.may_be_written {
            self.renumber(verdict);
            // What comes after it goes on with the new numbers.
            self.paused_until = Some(now + PAUSE);
            return Some(self.not_known(batch.records));
        }
        match verdict {
            Verdict::Renumber | Verdict::NewProducer => {
                self.renumber(verdict);
                self.paused_until = Some(now + PAUSE);
                self.put_back(batch.records);
                None
            }
            Verdict::Final(ErrorKind::Refused) if batch.records.len() > 1 => {
                self.alone = batch.records.len();
                self.put_back(batch.records);
                None
            }
            Verdict::Final(ErrorKind::Retriable) => {
                self.renumber(verdict);
                Some(self.not_known(batch.records))
            }
            // Nothing was written, and nothing is wrong with the records.
            Verdict::NotNow => Some(self.not_known(batch.records)),
            Verdict::Final(kind) => Some(self.failed(batch.records, kind)),
            Verdict::Again { .. } => None,
        }
    }

    /// The batch was written before. Where, the leader remembers of the last few only; ours is the last one, but if it does
    /// not say, nobody can.
    fn duplicate(&mut self, offset: Option<i64>) -> Option<Fate> {
        if let Some(offset) = offset {
            return self.written(offset);
        }
        let batch = self.batch.take()?;
        self.count(batch.records.len());
        self.trouble = "it is written, but where is not known".into();
        Some(self.not_known(batch.records))
    }

    /// Gives up what takes too long.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Fate> {
        let mut late = Vec::new();
        if let Some(batch) = self.batch.take_if(|batch| batch.deadline <= now) {
            if batch.is_open() {
                self.renumber(Verdict::Renumber);
            }
            late = batch.records;
        }
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.deadline <= now) {
            self.alone = self.alone.saturating_sub(1);
            late.push(waiting);
        }
        (!late.is_empty()).then(|| self.not_known(late))
    }

    /// Gives up all of it.
    pub(super) fn give_up(&mut self, kind: ErrorKind, why: &str) -> [Option<Fate>; 2] {
        self.trouble = why.into();
        let batch = self.batch.take().map(|batch| {
            if batch.is_open() {
                self.renumber(Verdict::Renumber);
            }
            let kind = if batch.is_open() { ErrorKind::Retriable } else { kind };
            self.failed(batch.records, kind)
        });
        let records = Vec::from(std::mem::take(&mut self.waiting));
        self.alone = 0;
        [batch, (!records.is_empty()).then(|| self.failed(records, kind))]
    }

    fn not_known(&self, records: Vec<Waiting>) -> Fate {
        self.failed(records, ErrorKind::Retriable)
    }

    fn failed(&self, records: Vec<Waiting>, kind: ErrorKind) -> Fate {
        Fate { records, outcome: Err((kind, self.trouble.clone())) }
    }

    fn put_back(&mut self, records: Vec<Waiting>) {
        records.into_iter().rev().for_each(|waiting| self.waiting.push_front(waiting));
    }

    /// So many records are written.
    fn count(&mut self, records: usize) {
        self.numbering = self.numbering.map(|numbering| numbering.after(records));
    }

    /// Begins to count anew, so that nothing written or not written before matters.
    fn renumber(&mut self, verdict: Verdict) {
        let kept = self.numbering.filter(|_| verdict != Verdict::NewProducer);
        self.numbering = kept.and_then(Numbering::in_next_epoch);
    }
}

impl Sealed {
    /// Whether nobody can tell if it was written, or will be.
    fn is_open(&self) -> bool {
        self.is_on_its_way || self.may_be_written
    }
}

/// What becomes of a batch that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It goes again, as it was.
    Again { may_be_written: bool },
    /// Its numbers do not follow what the leader has.
    Renumber,
    /// The leader does not know its producer, or knows a later one.
    NewProducer,
    /// It is not taken now, whatever is in it.
    NotNow,
    /// It will not be taken at all.
    Final(ErrorKind),
}

fn verdict(error: ResponseError) -> Verdict {
    match error {
        ResponseError::OutOfOrderSequenceNumber => Verdict::Renumber,
        ResponseError::UnknownProducerId
        | ResponseError::InvalidProducerEpoch
        | ResponseError::InvalidProducerIdMapping
        | ResponseError::ProducerFenced => Verdict::NewProducer,
        // The leader may have had it before it said so.
        ResponseError::NotLeaderOrFollower
        | ResponseError::RequestTimedOut
        | ResponseError::NetworkException
        | ResponseError::KafkaStorageError
        | ResponseError::NotEnoughReplicasAfterAppend => Verdict::Again { may_be_written: true },
        ResponseError::InvalidTimestamp => Verdict::NotNow,
        error if is_passing(error) => Verdict::Again { may_be_written: false },
        error => Verdict::Final(kind_of_refusal(error)),
    }
}

#[cfg(test)]
mod tests;
