//! The log of one partition.
//!
//! Every record and every marker of a transaction's end takes an offset. The high watermark is the end of the log;
//! the last stable offset is where the first open transaction begins, and committed reads go no further.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::refusal::Refusal;
use super::transactions::Identity;
use crate::Timestamp;
use crate::record::Header;

/// The log, and what the partition knows of its producers.
#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    low: i64,
    high: i64,
    pub(super) entries: BTreeMap<i64, Entry>,
    /// Where the open transaction of each producer begins.
    open: BTreeMap<i64, i64>,
    /// The latest epoch that each producer was seen with.
    epochs: BTreeMap<i64, i16>,
}

/// What stands at one offset.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) timestamp: Timestamp,
    pub(super) content: Content,
    /// When a tombstone or marker may go: set once the cleaner has seen it.
    pub(super) delete_horizon: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) enum Content {
    Record(Payload, Fate),
    /// The end of a transaction.
    Marker,
}

/// A record without its place.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<Header>,
}

/// What has become of a record's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The transaction of this producer is open.
    Open(i64),
    /// It was committed, or there was none.
    Committed,
    Aborted,
}

/// What a committed read from an offset finds.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) record: Option<(i64, Timestamp, &'a Payload)>,
    /// Where to go on.
    pub(super) next: i64,
}

impl PartitionLog {
    pub(super) fn low(&self) -> i64 {
        self.low
    }

    pub(super) fn high(&self) -> i64 {
        self.high
    }

    pub(super) fn last_stable_offset(&self) -> i64 {
        self.open.values().min().copied().unwrap_or(self.high).max(self.low)
    }

    /// Appends a record outside of transactions.
    pub(super) fn append(&mut self, payload: Payload, now: Timestamp) -> i64 {
        self.push(Content::Record(payload, Fate::Committed), now)
    }

    /// Appends a record of the producer's open transaction, unless a later epoch of it was seen.
    pub(super) fn append_open(
        &mut self,
        payload: Payload,
        producer: Identity,
        now: Timestamp,
    ) -> Result<i64, Refusal> {
        self.admit(producer)?;
        let offset = self.push(Content::Record(payload, Fate::Open(producer.id)), now);
        self.open.entry(producer.id).or_insert(offset);
        Ok(offset)
    }

    /// Writes the marker that ends the producer's transaction.
    pub(super) fn end_transaction(&mut self, producer: Identity, is_committed: bool, now: Timestamp) {
        self.epochs.insert(producer.id, producer.epoch);
        if let Some(begin) = self.open.remove(&producer.id) {
            let fate = if is_committed { Fate::Committed } else { Fate::Aborted };
            for entry in self.entries.range_mut(begin..).map(|(_, entry)| entry) {
                match &mut entry.content {
                    Content::Record(_, found) if *found == Fate::Open(producer.id) => *found = fate,
                    _ => {}
                }
            }
        }
        self.push(Content::Marker, now);
    }

    /// The first committed record at or above an offset.
    pub(super) fn read_committed(&self, from: i64) -> Result<Found<'_>, Refusal> {
        if from < self.low || from > self.high {
            return Err(Refusal::OffsetOutOfRange);
        }
        let end = self.last_stable_offset().max(from);
        let record = self.entries.range(from..end).find_map(|(offset, entry)| match &entry.content {
            Content::Record(payload, Fate::Committed) => Some((*offset, entry.timestamp, payload)),
            _ => None,
        });
        Ok(Found { next: record.map_or(end, |(offset, ..)| offset + 1), record })
    }

    /// Deletes what is below an offset: Kafka's `DeleteRecords`.
    pub(super) fn delete_before(&mut self, offset: i64) -> Result<(), Refusal> {
        if offset > self.high {
            return Err(Refusal::OffsetOutOfRange);
        }
        self.low = self.low.max(offset);
        self.entries = self.entries.split_off(&self.low);
        Ok(())
    }

    fn admit(&mut self, producer: Identity) -> Result<(), Refusal> {
        let seen = self.epochs.entry(producer.id).or_insert(producer.epoch);
        if producer.epoch < *seen {
            return Err(Refusal::InvalidProducerEpoch);
        }
        *seen = producer.epoch;
        Ok(())
    }

    fn push(&mut self, content: Content, now: Timestamp) -> i64 {
        let offset = self.high;
        self.high += 1;
        self.entries.insert(offset, Entry { timestamp: now, content, delete_horizon: None });
        offset
    }
}
