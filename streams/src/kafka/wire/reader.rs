//! A reader outside any group: what is committed, how far partitions reach, and their records.
//!
//! Records are fetched inside `poll`, on the thread of whoever reads (`fetch.rs`); questions wait for their answers, for
//! a short time. The ends of a partition are asked for as one who reads uncommitted records: others are told the last
//! stable offset, and a commit whose marker is not written yet lies beyond that. The last stable offset itself is asked
//! for as one who reads committed records.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    GroupId, ListOffsetsRequest, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster::{Broker, CallError, Cluster, Coordinated, failed, is_passing};
use super::fetch::Fetch;
use super::link;
use crate::client::{ClientError, Reader, Watermarks};
use crate::kafka::config::Settings;
use crate::kafka::names::Names;
use crate::record::{ConsumerRecord, TopicPartition};

/// One question: short, so that who asks can stop.
const PATIENCE: Duration = Duration::from_secs(2);
/// A poll waits no longer at a time; a clock cannot count for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// A consumer, not a broker.
const NO_REPLICA: i32 = -1;
const NO_EPOCH: i32 = -1;
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

/// An end of a partition's log.
#[derive(Clone, Copy)]
pub(super) enum End {
    First,
    /// Where the first open transaction begins, else the last end.
    Stable,
    Last,
}

impl End {
    /// The time that stands for it, and to whom it is told.
    fn on_wire(self) -> (i64, i8) {
        match self {
            End::First => (-2, READ_UNCOMMITTED),
            End::Stable => (-1, READ_COMMITTED),
            End::Last => (-1, READ_UNCOMMITTED),
        }
    }
}

/// The reader. It connects to nothing before it is used.
pub(in crate::kafka) struct PartitionReader {
    group: String,
    group_on_cluster: StrBytes,
    names: Names,
    cluster: Cluster,
    fetch: Fetch,
}

impl PartitionReader {
    pub(in crate::kafka) fn new(settings: &Settings, group: &str) -> Self {
        let group_on_cluster = settings.on_cluster(group);
        Self {
            group: group.to_string(),
            names: Names::new(settings.prefix()),
            cluster: Cluster::new(settings.servers(), &group_on_cluster),
            fetch: Fetch::new(settings.servers(), StrBytes::from_string(group_on_cluster.clone())),
            group_on_cluster: StrBytes::from_string(group_on_cluster),
        }
    }

    /// The partitions' topics as the cluster names them.
    fn on_cluster(&mut self, partitions: &[TopicPartition]) -> Vec<StrBytes> {
        partitions.iter().map(|place| self.names.on_wire(&place.topic)).collect()
    }

    /// One end of each of these partitions.
    fn ends(&mut self, partitions: &[TopicPartition], end: End) -> Result<Vec<i64>, ClientError> {
        let places = self.on_cluster(partitions).into_iter().zip(partitions);
        let places: Vec<_> = places.map(|(topic, place)| (topic, place.partition)).collect();
        ends(&mut self.cluster, &places, end)
            .map_err(|error| failed(format!("ask for the ends of {} partitions", partitions.len()), error))
    }
}

/// One end of each of these partitions, by the cluster's names of their topics.
pub(super) fn ends(
    cluster: &mut Cluster,
    places: &[(StrBytes, i32)],
    end: End,
) -> Result<Vec<i64>, CallError> {
    let deadline = Instant::now() + PATIENCE;
    let mut by_leader: HashMap<Broker, Vec<&(StrBytes, i32)>> = HashMap::new();
    for place in places {
        let leader = cluster.leader(&place.0, place.1, deadline)?;
        let leader = leader.ok_or(CallError::Refused(ResponseError::LeaderNotAvailable))?;
        by_leader.entry(leader).or_default().push(place);
    }
    let mut ends: HashMap<(StrBytes, i32), i64> = HashMap::new();
    for (leader, asked) in by_leader {
        let answer = cluster.call(leader, &list_offsets(&asked, end), 7, deadline)?;
        for topic in answer.topics {
            for partition in topic.partitions {
                if let Some(error) = partition.error_code.err() {
                    if is_passing(error) {
                        cluster.forget_leader(&topic.name.0, partition.partition_index);
                    }
                    return Err(CallError::Refused(error));
                }
                ends.insert((topic.name.0.clone(), partition.partition_index), partition.offset);
            }
        }
    }
    let ends: Option<Vec<i64>> = places.iter().map(|place| ends.get(place).copied()).collect();
    // The broker did not answer for all of them.
    ends.ok_or(CallError::Refused(ResponseError::UnknownTopicOrPartition))
}

impl Reader for PartitionReader {
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, ClientError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let topics = self.on_cluster(partitions);
        let request = offset_fetch(&self.group_on_cluster, topics.iter().zip(partitions));
        let answer = self.cluster.call_coordinator(
            Coordinated::Group,
            &self.group_on_cluster,
            &request,
            8,
            Instant::now() + PATIENCE,
            first_refusal,
        );
        let answer = answer
            .map_err(|error| failed(format!("fetch the committed offsets of {}", self.group), error))?;
        let answered = answer.groups.into_iter().flat_map(|group| group.topics).flat_map(|topic| {
            let offset = move |index, offset| ((topic.name.0.clone(), index), offset);
            topic.partitions.into_iter().map(move |p| offset(p.partition_index, p.committed_offset))
        });
        let offsets: HashMap<(StrBytes, i32), i64> = answered.collect();
        // Where nothing is committed stands -1.
        let offset_of = |(topic, place): (StrBytes, &TopicPartition)| {
            offsets.get(&(topic, place.partition)).copied().filter(|offset| *offset >= 0)
        };
        Ok(topics.into_iter().zip(partitions).map(offset_of).collect())
    }

    fn watermarks(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Watermarks>, ClientError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let lows = self.ends(partitions, End::First)?;
        let highs = self.ends(partitions, End::Last)?;
        Ok(lows.into_iter().zip(highs).map(|(low, high)| Watermarks { low, high }).collect())
    }

    fn last_stable_offsets(&mut self, partitions: &[TopicPartition]) -> Result<Vec<i64>, ClientError> {
        if partitions.is_empty() { Ok(Vec::new()) } else { self.ends(partitions, End::Stable) }
    }

    fn assign(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let names = &mut self.names;
        self.fetch.assign(
            positions.iter().map(|(place, offset)| (place.clone(), names.on_wire(&place.topic), *offset)),
        );
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<ConsumerRecord>, ClientError> {
        if let Some(record) = self.fetch.next()? {
            return Ok(Some(record));
        }
        let mut now = Instant::now();
        let end = now + wait.min(LONGEST_WAIT);
        loop {
            self.fetch.advance(now);
            if let Some(record) = self.fetch.next()? {
                return Ok(Some(record));
            }
            if now >= end {
                return Ok(None);
            }
            link::wait_for_any(self.fetch.readiness(), self.fetch.due(now).map_or(end, |due| due.min(end)));
            now = Instant::now();
        }
    }

    fn position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ClientError> {
        Ok(self.fetch.position(partition))
    }
}

fn list_offsets(partitions: &[&(StrBytes, i32)], end: End) -> ListOffsetsRequest {
    let (time, isolation) = end.on_wire();
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (topic, number) in partitions {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(*number)
            .with_current_leader_epoch(NO_EPOCH)
            .with_timestamp(time);
        match topics.iter_mut().find(|known| known.name.0 == *topic) {
            Some(known) => known.partitions.push(wanted),
            None => topics.push(
                ListOffsetsTopic::default().with_name(TopicName(topic.clone())).with_partitions(vec![wanted]),
            ),
        }
    }
    ListOffsetsRequest::default()
        .with_replica_id(NO_REPLICA.into())
        .with_isolation_level(isolation)
        .with_topics(topics)
}

fn offset_fetch<'a>(
    group: &StrBytes,
    partitions: impl Iterator<Item = (&'a StrBytes, &'a TopicPartition)>,
) -> OffsetFetchRequest {
    let mut topics: Vec<OffsetFetchRequestTopics> = Vec::new();
    for (topic, place) in partitions {
        match topics.iter_mut().find(|known| known.name.0 == *topic) {
            Some(known) => known.partition_indexes.push(place.partition),
            None => topics.push(
                OffsetFetchRequestTopics::default()
                    .with_name(TopicName(topic.clone()))
                    .with_partition_indexes(vec![place.partition]),
            ),
        }
    }
    let group =
        OffsetFetchRequestGroup::default().with_group_id(GroupId(group.clone())).with_topics(Some(topics));
    OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true)
}

/// The first error that an answer names; 0 if there is none.
fn first_refusal(answer: &OffsetFetchResponse) -> i16 {
    let of_groups = answer.groups.iter().map(|group| group.error_code);
    let topics = answer.groups.iter().flat_map(|group| &group.topics);
    let of_partitions = topics.flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
    of_groups.chain(of_partitions).find(|code| *code != 0).unwrap_or_default()
}
