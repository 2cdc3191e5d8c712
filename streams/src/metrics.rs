//! What an application counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::TopicPartition;

/// Counters by name, growing from the start of the process; and what stands for a partition at present.
#[derive(Debug, Default)]
pub struct Metrics {
    counters: Mutex<BTreeMap<&'static str, u64>>,
    gauges: Mutex<BTreeMap<&'static str, BTreeMap<TopicPartition, u64>>>,
}

impl Metrics {
    /// All counters with their values, in the order of their names.
    pub fn snapshot(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.counters).clone()
    }

    /// What stands for partitions at present, by its name.
    pub fn gauges(&self) -> BTreeMap<&'static str, BTreeMap<TopicPartition, u64>> {
        lock(&self.gauges).clone()
    }

    pub(crate) fn add(&self, name: &'static str, count: u64) {
        *lock(&self.counters).entry(name).or_default() += count;
    }

    /// What stands for these partitions, and for no others.
    pub(crate) fn set_gauges(&self, name: &'static str, values: BTreeMap<TopicPartition, u64>) {
        lock(&self.gauges).insert(name, values);
    }

    /// What stands for this partition; none: nothing does any more.
    pub(crate) fn set_gauge(&self, name: &'static str, partition: &TopicPartition, value: Option<u64>) {
        let mut gauges = lock(&self.gauges);
        let values = gauges.entry(name).or_default();
        match value {
            Some(value) => drop(values.insert(partition.clone(), value)),
            None => drop(values.remove(partition)),
        }
    }
}

fn lock<T>(values: &Mutex<T>) -> MutexGuard<'_, T> {
    values.lock().unwrap_or_else(PoisonError::into_inner)
}
