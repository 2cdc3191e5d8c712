//! The cluster's whole state: plain data in a fixed order, so that the same calls lead to the same history.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::compaction::{self, Cleaning};
use super::config::SimulationConfig;
use super::group::Group;
use super::membership::Member;
use super::partition_log::{PartitionLog, Payload};
use super::refusal::Refusal;
use super::transactions::Transactions;
use crate::Timestamp;
use crate::client::{ClientError, OnDelivery};
use crate::record::{ProducerRecord, TopicPartition};
use crate::topic::{Cleanup, TopicSpec};

/// Kafka's `max.message.bytes`, which counts a batch.
const LARGEST_BATCH: usize = 1_048_588;

/// What a batch of one record has about it: its header, and the record's own fields.
const BATCH_OVERHEAD: usize = 80;

/// What the clients share.
pub(super) type Shared = Arc<Mutex<Cluster>>;

pub(super) fn lock(cluster: &Shared) -> MutexGuard<'_, Cluster> {
    cluster.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) config: SimulationConfig,
    pub(super) now: Timestamp,
    pub(super) next_scan: Timestamp,
    pub(super) topics: BTreeMap<Arc<str>, TopicState>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) transactions: Transactions,
    /// The members' client sides, by number.
    pub(super) members: BTreeMap<u64, Member>,
    pub(super) members_made: u64,
    /// The processes whose threads stand still.
    pub(super) paused: BTreeSet<Arc<str>>,
    /// The processes from which nothing gets here, nor back.
    pub(super) cut_off: BTreeSet<Arc<str>>,
    pub(super) is_deferring: bool,
    /// Whether a group learns of a transaction's end before the partitions do.
    pub(super) groups_first: bool,
    /// Grows with everything that a poll can be about.
    pub(super) news: u64,
    pub(super) deferred: VecDeque<Deferred>,
}

#[derive(Debug)]
pub(super) struct TopicState {
    pub(super) cleanup: Cleanup,
    pub(super) delete_retention: Duration,
    pub(super) partitions: Vec<PartitionLog>,
}

/// What Kafka does after it has answered.
pub(super) enum Deferred {
    /// Writes the markers of the transaction of this transactional id.
    Markers(String),
    /// Tells a sender what has become of its record.
    Delivery(OnDelivery, Result<i64, ClientError>),
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deferred::Markers(id) => write!(f, "Markers({id})"),
            Deferred::Delivery(_, delivered) => write!(f, "Delivery({delivered:?})"),
        }
    }
}

impl Cluster {
    pub(super) fn new(config: SimulationConfig) -> Self {
        Self {
            now: config.start,
            next_scan: config.start + config.transaction_scan_interval,
            config,
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            transactions: Transactions::default(),
            members: BTreeMap::new(),
            members_made: 0,
            paused: BTreeSet::new(),
            cut_off: BTreeSet::new(),
            is_deferring: false,
            groups_first: false,
            news: 0,
            deferred: VecDeque::new(),
        }
    }

    pub(super) fn create(
        &mut self,
        spec: &TopicSpec,
        partitions: i32,
        replication: i32,
    ) -> Result<(), Refusal> {
        if self.topics.contains_key(&spec.name) {
            return Ok(());
        }
        let count = usize::try_from(partitions).ok().filter(|count| *count > 0);
        let count = count.ok_or(Refusal::InvalidPartitions)?;
        if !(1..=self.config.brokers).contains(&replication) {
            return Err(Refusal::InvalidReplicationFactor);
        }
        let usual = self.config.delete_retention;
        let topic = TopicState {
            cleanup: spec.cleanup,
            delete_retention: spec.cleanup.delete_retention().unwrap_or(usual).min(usual),
            partitions: std::iter::repeat_with(PartitionLog::default).take(count).collect(),
        };
        self.topics.insert(spec.name.clone(), topic);
        Ok(())
    }

    pub(super) fn log(&self, place: &TopicPartition) -> Result<&PartitionLog, Refusal> {
        let topic = self.topics.get(&place.topic);
        let log = usize::try_from(place.partition).ok().and_then(|number| topic?.partitions.get(number));
        log.ok_or(Refusal::UnknownTopicOrPartition)
    }

    pub(super) fn log_mut(&mut self, place: &TopicPartition) -> Result<&mut PartitionLog, Refusal> {
        self.news += 1;
        let topic = self.topics.get_mut(&place.topic);
        let log = usize::try_from(place.partition).ok().and_then(|number| topic?.partitions.get_mut(number));
        log.ok_or(Refusal::UnknownTopicOrPartition)
    }

    /// Whether the broker takes a record.
    pub(super) fn admit(&self, record: &ProducerRecord) -> Result<(), Refusal> {
        self.log(&place_of(record))?;
        if size_of(record) + BATCH_OVERHEAD > LARGEST_BATCH {
            return Err(Refusal::MessageSizeTooLarge);
        }
        let is_compacted = |topic: &TopicState| topic.cleanup.policy() == "compact";
        if record.key.is_none() && self.topics.get(&record.topic).is_some_and(is_compacted) {
            return Err(Refusal::InvalidRecord);
        }
        Ok(())
    }

    /// Writes a record outside of transactions.
    pub(super) fn append(&mut self, record: ProducerRecord) -> Result<i64, Refusal> {
        self.admit(&record)?;
        let (now, place) = (self.now, place_of(&record));
        Ok(self.log_mut(&place)?.append(payload_of(record), now))
    }

    /// Has the cleaner go through a topic.
    pub(super) fn compact(&mut self, topic: &str) {
        let Some(topic) = self.topics.get_mut(topic) else { return };
        let min_lag = match topic.cleanup {
            Cleanup::Compact { min_lag } => min_lag,
            Cleanup::Changelog => Duration::ZERO,
            Cleanup::Delete | Cleanup::Purged => return,
        };
        let cleaning = Cleaning { min_lag, delete_retention: topic.delete_retention };
        for log in &mut topic.partitions {
            compaction::compact(log, cleaning, self.now);
        }
    }
}

pub(super) fn place_of(record: &ProducerRecord) -> TopicPartition {
    TopicPartition::new(record.topic.clone(), record.partition)
}

pub(super) fn payload_of(record: ProducerRecord) -> Payload {
    Payload { key: record.key, value: record.value, headers: record.headers }
}

fn size_of(record: &ProducerRecord) -> usize {
    let length = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
    let headers = record.headers.iter().map(|header| header.name.len() + length(&header.value));
    length(&record.key) + length(&record.value) + headers.sum::<usize>()
}
