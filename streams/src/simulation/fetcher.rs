//! What a client reads: its partitions with their positions.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use super::cluster::Cluster;
use super::partition_log::PartitionLog;
use super::refusal::Refusal;
use crate::client::ClientError;
use crate::record::{ConsumerRecord, TopicPartition};

#[derive(Debug, Default)]
pub(super) struct Fetcher {
    positions: BTreeMap<TopicPartition, Position>,
    /// Where the last record came from: the others are next.
    last: Option<TopicPartition>,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    offset: i64,
    /// Its error was told; nothing more is read of it.
    is_stopped: bool,
}

impl Fetcher {
    pub(super) fn assign(&mut self, positions: &[(TopicPartition, i64)]) {
        let from = |offset: i64| Position { offset, is_stopped: false };
        self.positions =
            positions.iter().map(|(partition, offset)| (partition.clone(), from(*offset))).collect();
        self.last = None;
    }

    pub(super) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.positions.get(partition).map(|position| position.offset)
    }

    /// Tells of a cluster whether there is anything to be read now, be it an error.
    pub(super) fn readiness(&self) -> impl Fn(&Cluster) -> bool + Send + use<> {
        let reading = self.positions.iter().filter(|(_, position)| !position.is_stopped);
        let positions: Vec<_> =
            reading.map(|(partition, position)| (partition.clone(), position.offset)).collect();
        move |cluster| {
            positions.iter().any(|(partition, offset)| {
                let is_readable =
                    |log: &PartitionLog| *offset < log.last_stable_offset() || *offset > log.high();
                cluster.log(partition).is_ok_and(is_readable)
            })
        }
    }

    /// The next committed record of any partition, each in its turn.
    pub(super) fn poll(&mut self, cluster: &Cluster) -> Result<Option<ConsumerRecord>, ClientError> {
        for partition in self.turns() {
            match self.read(&partition, cluster) {
                Ok(None) => {}
                Ok(found) => {
                    self.last = Some(partition);
                    return Ok(found);
                }
                Err(refusal) => return Err(refusal.of(format!("read {partition}"))),
            }
        }
        Ok(None)
    }

    fn turns(&self) -> Vec<TopicPartition> {
        let Some(last) = &self.last else { return self.positions.keys().cloned().collect() };
        let after = self.positions.range((Excluded(last), Unbounded));
        let others = self.positions.range(..=last);
        after.chain(others).map(|(partition, _)| partition.clone()).collect()
    }

    fn read(
        &mut self,
        partition: &TopicPartition,
        cluster: &Cluster,
    ) -> Result<Option<ConsumerRecord>, Refusal> {
        let Some(position) = self.positions.get_mut(partition).filter(|position| !position.is_stopped) else {
            return Ok(None);
        };
        if !cluster.topics.contains_key(&partition.topic) {
            // As with the real one, which goes on asking for a time.
            return Ok(None);
        }
        let found = cluster.log(partition).and_then(|log| log.read_committed(position.offset));
        let found = found.inspect_err(|_| position.is_stopped = true)?;
        position.offset = found.next;
        Ok(found.record.map(|(offset, timestamp, payload)| ConsumerRecord {
            topic: partition.topic.clone(),
            partition: partition.partition,
            offset,
            timestamp,
            key: payload.key.clone(),
            value: payload.value.clone(),
            headers: payload.headers.clone(),
        }))
    }
}
