//! Topics and the cluster.

use std::sync::Arc;

use super::cluster::{Shared, TopicState, lock};
use super::group::{Group, GroupState};
use crate::client::{Admin, ClientError, GroupMember, TopicDescription};
use crate::record::TopicPartition;
use crate::topic::TopicSpec;

/// As long as the ids that Kafka makes.
const CLUSTER_ID: &str = "simulated-kafka-id-001";

/// Kafka's `log.segment.bytes`.
const DEFAULT_SEGMENT: u64 = 1 << 30;

/// The admin client.
pub(super) struct ClusterAdmin {
    cluster: Shared,
}

impl ClusterAdmin {
    pub(super) fn new(cluster: Shared) -> Self {
        Self { cluster }
    }
}

impl Admin for ClusterAdmin {
    fn cluster_id(&mut self) -> Result<String, ClientError> {
        Ok(CLUSTER_ID.to_string())
    }

    fn describe(&mut self, topics: &[Arc<str>]) -> Result<Vec<Option<TopicDescription>>, ClientError> {
        let cluster = lock(&self.cluster);
        Ok(topics.iter().map(|topic| cluster.topics.get(topic).map(description)).collect())
    }

    fn create(&mut self, topics: &[TopicSpec], partitions: i32, replication: i32) -> Result<(), ClientError> {
        let mut cluster = lock(&self.cluster);
        topics.iter().try_for_each(|topic| {
            let created = cluster.create(topic, partitions, replication);
            created.map_err(|refusal| refusal.of(format!("create {}", topic.name)))
        })
    }

    fn delete_records(&mut self, before: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let mut cluster = lock(&self.cluster);
        for (partition, offset) in before {
            let deleted = cluster.log_mut(partition).and_then(|log| log.delete_before(*offset));
            deleted.map_err(|refusal| refusal.of(format!("delete records of {partition}")))?;
        }
        Ok(())
    }

    fn members(&mut self, group: &str) -> Result<Vec<GroupMember>, ClientError> {
        Ok(lock(&self.cluster).groups.get(group).map(members).unwrap_or_default())
    }
}

fn members(group: &Group) -> Vec<GroupMember> {
    let is_stable = group.state == GroupState::Stable;
    let member = |member: &super::group::GroupMember| GroupMember {
        client_id: member.client_id.clone(),
        partitions: if is_stable { member.assignment.clone() } else { Vec::new() },
    };
    group.members.values().map(member).collect()
}

fn description(topic: &TopicState) -> TopicDescription {
    TopicDescription {
        partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        cleanup_policy: topic.cleanup.policy().to_string(),
        delete_retention: topic.delete_retention,
        segment_bytes: topic.cleanup.segment_bytes().unwrap_or(DEFAULT_SEGMENT),
    }
}
