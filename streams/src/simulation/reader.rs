//! A reader outside any group.

use std::time::Duration;

use super::cluster::{Cluster, Shared, lock};
use super::fetcher::Fetcher;
use super::refusal::Refusal;
use crate::client::{ClientError, Reader, Watermarks};
use crate::faults;
use crate::record::{ConsumerRecord, TopicPartition};

/// Reads partitions, and asks for offsets.
pub(super) struct PartitionReader {
    cluster: Shared,
    group: String,
    fetcher: Fetcher,
}

impl PartitionReader {
    pub(super) fn new(cluster: Shared, group: &str) -> Self {
        Self { cluster, group: group.to_string(), fetcher: Fetcher::default() }
    }

    /// Tells of a cluster whether there is anything to be read now.
    pub(super) fn readiness(&self) -> impl Fn(&Cluster) -> bool + Send + use<> {
        self.fetcher.readiness()
    }
}

impl Reader for PartitionReader {
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError> {
        let cluster = lock(&self.cluster);
        let Some(group) = cluster.groups.get(&self.group) else { return Ok(vec![None; partitions.len()]) };
        let offsets = partitions.iter().map(|partition| match group.offsets.fetch(partition) {
            Err(_) if faults::UNSTABLE_FETCH.is_on() => Ok(group.offsets.decided(partition)),
            fetched => fetched,
        });
        let attempt = || format!("fetch the committed offsets of {}", self.group);
        offsets.collect::<Result<_, _>>().map_err(|refusal| refusal.of(attempt()))
    }

    fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError> {
        let cluster = lock(&self.cluster);
        let ends = |partition| -> Result<Watermarks, Refusal> {
            let log = cluster.log(partition)?;
            let is_stable = faults::RESTORE_TO_STABLE.is_on();
            let high = if is_stable { log.last_stable_offset() } else { log.high() };
            Ok(Watermarks { low: log.low(), high })
        };
        let attempt = || format!("ask for the ends of {} partitions", partitions.len());
        partitions.iter().map(ends).collect::<Result<_, _>>().map_err(|refusal| refusal.of(attempt()))
    }

    fn last_stable_offsets(&mut self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ClientError> {
        let cluster = lock(&self.cluster);
        let ends = partitions.iter().map(|partition| Ok(cluster.log(partition)?.last_stable_offset()));
        let attempt = || format!("ask for the ends of {} partitions", partitions.len());
        ends.collect::<Result<_, Refusal>>().map_err(|refusal| refusal.of(attempt()))
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        self.fetcher.assign(positions);
        Ok(())
    }

    fn poll(&mut self, _wait: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
        self.fetcher.poll(&lock(&self.cluster))
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        Ok(self.fetcher.position(partition))
    }
}
