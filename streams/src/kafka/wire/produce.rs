//! One request that writes batches to several partitions, and its answer taken apart.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::kafka::error::reason_of_refusal;

/// Topics are named by their names up to this version; from it on, partitions join transactions by being written to.
pub(super) const VERSION: i16 = 12;
/// Written once all replicas that are in sync have it.
const ACKS_ALL: i16 = -1;

/// Writes each batch to the partition of its topic. `timeout` is how long the leader may wait for its replicas.
pub(super) fn request<'a>(
    batches: impl Iterator<Item = (&'a StrBytes, i32, &'a Bytes)>,
    timeout: Duration,
) -> ProduceRequest {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for (topic, partition, bytes) in batches {
        let written = PartitionProduceData::default().with_index(partition).with_records(Some(bytes.clone()));
        match topics.iter_mut().find(|known| known.name.0 == *topic) {
            Some(topic) => topic.partition_data.push(written),
            None => topics.push(
                TopicProduceData::default()
                    .with_name(TopicName(topic.clone()))
                    .with_partition_data(vec![written]),
            ),
        }
    }
    ProduceRequest::default()
        .with_acks(ACKS_ALL)
        .with_timeout_ms(timeout.as_millis() as i32)
        .with_topic_data(topics)
}

/// What a leader says to a partition's batch.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) topic: StrBytes,
    pub(super) partition: i32,
    /// The offset of the batch's first record, or why it was not taken.
    pub(super) outcome: Result<i64, Refusal>,
}

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) error: ResponseError,
    pub(super) reason: String,
    /// The offset of the batch's first record, where it is known even so.
    pub(super) offset: Option<i64>,
}

/// What is said to each of the batches.
pub(super) fn answers(response: ProduceResponse) -> impl Iterator<Item = Answer> {
    response.responses.into_iter().flat_map(|topic| {
        let TopicName(name) = topic.name;
        topic.partition_responses.into_iter().map(move |written| {
            let outcome = match written.error_code.err() {
                None => Ok(written.base_offset),
                Some(error) => Err(Refusal {
                    error,
                    reason: reason_of_refusal(error, written.error_message.as_deref()),
                    offset: Some(written.base_offset).filter(|offset| *offset >= 0),
                }),
            };
            Answer { topic: name.clone(), partition: written.index, outcome }
        })
    })
}
