//! The log cleaner.
//!
//! Of each key the last committed record stays. What the transactions in flight may still decide, what is younger
//! than `min.compaction.lag.ms`, and the newest entry (Kafka's active segment) are not looked at. Tombstones and
//! markers go `delete.retention.ms` after the cleaner has first seen them (KIP-534).

use std::collections::BTreeMap;
use std::time::Duration;

use super::partition_log::{Content, Entry, Fate, PartitionLog};
use crate::Timestamp;

/// How a topic is cleaned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cleaning {
    pub(super) min_lag: Duration,
    pub(super) delete_retention: Duration,
}

/// Cleans the log once.
pub(super) fn compact(log: &mut PartitionLog, cleaning: Cleaning, now: Timestamp) {
    let end = cleanable_end(log, cleaning.min_lag, now);
    let mut last_of_key = BTreeMap::new();
    for (offset, entry) in log.entries.range(..end) {
        if let Content::Record(payload, Fate::Committed) = &entry.content {
            last_of_key.insert(payload.key.clone(), *offset);
        }
    }
    log.entries.retain(|offset, entry| {
        if *offset >= end {
            return true;
        }
        match &entry.content {
            Content::Record(_, Fate::Aborted) => false,
            Content::Record(payload, _) if last_of_key.get(&payload.key) != Some(offset) => false,
            Content::Record(payload, _) if payload.value.is_some() => true,
            Content::Record(..) | Content::Marker => stays(entry, cleaning.delete_retention, now),
        }
    });
}

fn cleanable_end(log: &PartitionLog, min_lag: Duration, now: Timestamp) -> i64 {
    let young = log.entries.iter().find(|(_, entry)| entry.timestamp + min_lag > now);
    let newest = log.entries.last_key_value();
    let ends = [young, newest].map(|entry| entry.map(|(offset, _)| *offset));
    ends.into_iter().flatten().fold(log.last_stable_offset(), i64::min)
}

fn stays(entry: &mut Entry, delete_retention: Duration, now: Timestamp) -> bool {
    match entry.delete_horizon {
        Some(horizon) => now < horizon,
        None => {
            entry.delete_horizon = Some(now + delete_retention);
            true
        }
    }
}
