//! Names inside, as the topology knows them, and on the cluster, behind the prefix.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::record::TopicPartition;

/// So many names are remembered.
const MANY: usize = 10_000;

/// Translates topic names in both directions, making each only once.
#[derive(Debug)]
pub(super) struct Names {
    prefix: String,
    on_cluster: HashMap<Arc<str>, String>,
    inside: HashMap<String, Arc<str>>,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_string(), on_cluster: HashMap::new(), inside: HashMap::new() }
    }

    /// The cluster's name of a topic.
    pub(super) fn on_cluster(&mut self, topic: &Arc<str>) -> &str {
        let prefix = &self.prefix;
        self.on_cluster.entry(topic.clone()).or_insert_with(|| format!("{prefix}{topic}"))
    }

    /// The same, as the protocol has it.
    pub(super) fn on_wire(&mut self, topic: &Arc<str>) -> StrBytes {
        StrBytes::from_string(self.on_cluster(topic).to_string())
    }

    /// Our name of the cluster's topic.
    pub(super) fn inside(&mut self, topic: &str) -> Arc<str> {
        if let Some(known) = self.inside.get(topic) {
            return known.clone();
        }
        // Names come from other members too, who may make up as many as they like.
        if self.inside.len() >= MANY {
            self.inside.clear();
        }
        let inside: Arc<str> = topic.strip_prefix(&self.prefix).unwrap_or(topic).into();
        self.inside.insert(topic.to_string(), inside.clone());
        inside
    }

    /// These partitions, as librdkafka wants them.
    pub(super) fn list(&mut self, partitions: &[TopicPartition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(self.on_cluster(&partition.topic), partition.partition);
        }
        list
    }

    /// These partitions with their offsets, as librdkafka wants them.
    pub(super) fn list_at(&mut self, offsets: &[(TopicPartition, i64)]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            list.add_partition(self.on_cluster(&partition.topic), partition.partition)
                .set_offset(Offset::Offset(*offset))?;
        }
        Ok(list)
    }

    /// What an answer of librdkafka says of each of these partitions, in their order. The first error wins.
    pub(super) fn offsets_in(
        &mut self,
        answer: &TopicPartitionList,
        partitions: &[TopicPartition],
    ) -> KafkaResult<Vec<Option<i64>>> {
        let offset_of = |partition: &TopicPartition| {
            let Some(found) = answer.find_partition(self.on_cluster(&partition.topic), partition.partition)
            else {
                return Ok(None);
            };
            found.error()?;
            Ok(absolute(found.offset()))
        };
        partitions.iter().map(offset_of).collect()
    }
}

/// The offset, if it is a place in the log.
pub(super) fn absolute(offset: Offset) -> Option<i64> {
    match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_stays_outside() {
        let mut names = Names::new("a.");
        let orders: Arc<str> = "orders".into();
        assert_eq!(names.on_cluster(&orders), "a.orders");
        assert_eq!(names.inside("a.orders"), orders);
        assert_eq!(&*names.inside("orders"), "orders", "not one of ours");
        assert!(Arc::ptr_eq(&names.inside("a.orders"), &names.inside("a.orders")), "made only once");
    }
}
