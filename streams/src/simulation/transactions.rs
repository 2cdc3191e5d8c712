//! The transaction coordinator.
//!
//! The end of a transaction has two phases: it is decided, and from then on nothing can change it; then a marker is
//! written to each partition and group that takes part. Only with its marker a partition shows what was decided.
//! Each new producer, and each timeout, takes a later epoch: the earlier one is fenced.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::{Cluster, Deferred, payload_of, place_of};
use super::group::Identification;
use super::refusal::Refusal;
use crate::Timestamp;
use crate::record::{ProducerRecord, TopicPartition};

/// The coordinator's state, by transactional id.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    by_id: BTreeMap<String, Coordinated>,
    producers_made: i64,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

#[derive(Debug)]
struct Coordinated {
    producer: Identity,
    transaction: Option<Transaction>,
}

#[derive(Debug)]
struct Transaction {
    since: Timestamp,
    /// Those that take part; at the end those that have no marker yet.
    partitions: BTreeSet<TopicPartition>,
    groups: BTreeSet<String>,
    decision: Option<Decision>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Commit,
    Abort,
}

impl Cluster {
    /// A new producer with this transactional id: what the earlier one left open is aborted.
    pub(super) fn init_producer(&mut self, id: &str) -> Identity {
        self.write_markers(id);
        self.fence(id);
        self.write_markers(id);
        let made = &mut self.transactions.producers_made;
        let mut fresh = || {
            *made += 1;
            Identity { id: *made, epoch: 0 }
        };
        match self.transactions.by_id.get_mut(id) {
            Some(known) => {
                known.producer = known.producer.next().unwrap_or_else(fresh);
                known.producer
            }
            None => {
                let producer = fresh();
                self.transactions.by_id.insert(id.to_string(), Coordinated { producer, transaction: None });
                producer
            }
        }
    }

    /// Takes a partition into the producer's transaction.
    pub(super) fn add_partition(
        &mut self,
        id: &str,
        producer: Identity,
        place: TopicPartition,
    ) -> Result<(), Refusal> {
        self.log(&place)?;
        self.transaction(id, producer)?.partitions.insert(place);
        Ok(())
    }

    /// Writes a record to a partition that takes part in the transaction.
    pub(super) fn append_open(&mut self, producer: Identity, record: ProducerRecord) -> Result<i64, Refusal> {
        self.admit(&record)?;
        let (now, place) = (self.now, place_of(&record));
        self.log_mut(&place)?.append_open(payload_of(record), producer, now)
    }

    /// Takes a group into the producer's transaction.
    pub(super) fn add_group(&mut self, id: &str, producer: Identity, group: &str) -> Result<(), Refusal> {
        self.transaction(id, producer)?.groups.insert(group.to_string());
        Ok(())
    }

    /// Puts a group's offsets into the transaction, if they come from a member of its generation.
    pub(super) fn hold_offsets(
        &mut self,
        producer: Identity,
        member: &Identification,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), Refusal> {
        let group = self.groups.get_mut(&member.group).ok_or(Refusal::UnknownMemberId)?;
        group.check(&member.id, member.generation)?;
        group.offsets.hold(producer.id, offsets);
        Ok(())
    }

    /// Decides the producer's transaction.
    pub(super) fn end_transaction(
        &mut self,
        id: &str,
        producer: Identity,
        decision: Decision,
    ) -> Result<(), Refusal> {
        let transaction = self.transactions.of(id, producer)?;
        let open = transaction.as_mut().filter(|transaction| transaction.decision.is_none());
        open.ok_or(Refusal::InvalidTransactionalState)?.decision = Some(decision);
        self.have_markers_written(id);
        Ok(())
    }

    /// Aborts the transactions that have been open for too long.
    pub(super) fn abort_timed_out(&mut self) {
        let (now, timeout) = (self.now, self.config.transaction_timeout);
        let is_late = |coordinated: &Coordinated| {
            let transaction = coordinated.transaction.as_ref();
            transaction.is_some_and(|open| open.decision.is_none() && open.since + timeout < now)
        };
        let by_id = self.transactions.by_id.iter();
        let late: Vec<String> =
            by_id.filter(|(_, coordinated)| is_late(coordinated)).map(|(id, _)| id.clone()).collect();
        for id in late {
            self.fence(&id);
            self.have_markers_written(&id);
        }
    }

    /// Writes one marker of a decided transaction. Whether there are more.
    pub(super) fn write_marker(&mut self, id: &str) -> bool {
        let now = self.now;
        let Some(Coordinated { producer, transaction: slot }) = self.transactions.by_id.get_mut(id) else {
            return false;
        };
        let Some(transaction) = slot else { return false };
        let Some(decision) = transaction.decision else { return false };
        let (producer, is_committed) = (*producer, decision == Decision::Commit);
        let group = if self.groups_first { transaction.groups.pop_first() } else { None };
        let partition = if group.is_none() { transaction.partitions.pop_first() } else { None };
        let is_group = group.is_none() && partition.is_none();
        let group = if is_group { transaction.groups.pop_first() } else { group };
        let has_more = !transaction.partitions.is_empty() || !transaction.groups.is_empty();
        if !has_more {
            *slot = None;
        }
        if let Some(log) = partition.and_then(|partition| self.log_mut(&partition).ok()) {
            log.end_transaction(producer, is_committed, now);
        }
        if let Some(group) = group.and_then(|group| self.groups.get_mut(&group)) {
            group.offsets.end_transaction(producer.id, is_committed);
        }
        has_more
    }

    fn have_markers_written(&mut self, id: &str) {
        if self.is_deferring {
            self.deferred.push_back(Deferred::Markers(id.to_string()));
        } else {
            self.write_markers(id);
        }
    }

    fn write_markers(&mut self, id: &str) {
        while self.write_marker(id) {}
    }

    /// The producer's open transaction. The next one begins only after the markers of the last one.
    fn transaction(&mut self, id: &str, producer: Identity) -> Result<&mut Transaction, Refusal> {
        let now = self.now;
        self.transactions.of(id, producer)?;
        self.write_markers(id);
        let begun = || Transaction {
            since: now,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            decision: None,
        };
        Ok(self.transactions.of(id, producer)?.get_or_insert_with(begun))
    }

    /// Aborts what is open, with a later epoch.
    fn fence(&mut self, id: &str) {
        let Some(coordinated) = self.transactions.by_id.get_mut(id) else { return };
        let Some(open) = coordinated.transaction.as_mut().filter(|open| open.decision.is_none()) else {
            return;
        };
        open.decision = Some(Decision::Abort);
        coordinated.producer.epoch += 1;
    }
}

impl Transactions {
    /// The transaction of this producer, unless a later one has taken over.
    fn of(&mut self, id: &str, producer: Identity) -> Result<&mut Option<Transaction>, Refusal> {
        match self.by_id.get_mut(id) {
            Some(known) if known.producer == producer => Ok(&mut known.transaction),
            _ => Err(Refusal::InvalidProducerEpoch),
        }
    }
}

impl Identity {
    /// The same producer's next epoch. The last ones are left for the coordinator, that it can always fence.
    fn next(self) -> Option<Self> {
        (self.epoch < i16::MAX - 2).then_some(Self { epoch: self.epoch + 1, ..self })
    }
}
