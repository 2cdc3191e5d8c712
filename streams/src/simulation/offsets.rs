//! A group's offsets: committed ones, and those of transactions that are not decided.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use crate::record::TopicPartition;

#[derive(Debug, Default)]
pub(super) struct GroupOffsets {
    committed: BTreeMap<TopicPartition, Written>,
    /// By producer.
    pending: BTreeMap<i64, BTreeMap<TopicPartition, Written>>,
    writes: u64,
}

/// An offset, and its place in the order of writes: a transaction that ends late does not undo a later commit.
#[derive(Clone, Copy, Debug)]
struct Written {
    place: u64,
    offset: i64,
}

impl GroupOffsets {
    /// Commits outside of a transaction.
    pub(super) fn commit(&mut self, offsets: &[(TopicPartition, i64)]) {
        for (partition, offset) in offsets {
            let written = self.write(*offset);
            self.committed.insert(partition.clone(), written);
        }
    }

    /// Holds these offsets until the producer's transaction has ended.
    pub(super) fn hold(&mut self, producer: i64, offsets: &[(TopicPartition, i64)]) {
        for (partition, offset) in offsets {
            let written = self.write(*offset);
            self.pending.entry(producer).or_default().insert(partition.clone(), written);
        }
    }

    /// The marker of the producer's transaction has come.
    pub(super) fn end_transaction(&mut self, producer: i64, is_committed: bool) {
        let pending = self.pending.remove(&producer).unwrap_or_default();
        for (partition, written) in pending.into_iter().filter(|_| is_committed) {
            let is_later = |known: &Written| known.place > written.place;
            if !self.committed.get(&partition).is_some_and(is_later) {
                self.committed.insert(partition, written);
            }
        }
    }

    /// A stable fetch.
    pub(super) fn fetch(&self, partition: &TopicPartition) -> Result<Option<i64>, Refusal> {
        if self.pending.values().any(|offsets| offsets.contains_key(partition)) {
            return Err(Refusal::UnstableOffsetCommit);
        }
        Ok(self.committed.get(partition).map(|written| written.offset))
    }

    /// What is committed, whatever pends on it.
    pub(super) fn decided(&self, partition: &TopicPartition) -> Option<i64> {
        self.committed.get(partition).map(|written| written.offset)
    }

    /// The topic is deleted.
    pub(super) fn forget(&mut self, topic: &str) {
        self.committed.retain(|partition, _| &*partition.topic != topic);
    }

    fn write(&mut self, offset: i64) -> Written {
        self.writes += 1;
        Written { place: self.writes, offset }
    }
}
