//! The inputs' positions, as a transaction takes them.

use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{TopicName, TxnOffsetCommitResponse};
use kafka_protocol::protocol::StrBytes;

use crate::record::TopicPartition;

/// By topic, each with `prefix` before its name.
pub(super) fn positions(prefix: &str, offsets: &[(TopicPartition, i64)]) -> Vec<TxnOffsetCommitRequestTopic> {
    let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
    for (partition, offset) in offsets {
        let name = format!("{prefix}{}", partition.topic);
        let position = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(partition.partition)
            .with_committed_offset(*offset);
        match topics.iter_mut().find(|topic| *topic.name.0 == name) {
            Some(topic) => topic.partitions.push(position),
            None => topics.push(
                TxnOffsetCommitRequestTopic::default()
                    .with_name(TopicName(StrBytes::from_string(name)))
                    .with_partitions(vec![position]),
            ),
        }
    }
    topics
}

/// The first error that an answer names; 0 if there is none.
pub(super) fn first_refusal(answer: &TxnOffsetCommitResponse) -> i16 {
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.error_code).find(|code| *code != 0).unwrap_or_default()
}
