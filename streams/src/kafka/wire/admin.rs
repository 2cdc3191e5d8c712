//! Topics, the cluster, and the members of groups.
//!
//! What a start asks for first: of the topics that it names, and of the settings that matter, no more. librdkafka asks
//! for all there is, each of its clients several times, and a broker that has just started takes a while for that.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kafka_protocol::error::{ParseResponseErrorCode, ResponseError};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteRecordsRequest, DescribeConfigsRequest, DescribeGroupsRequest, GroupId,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster::{Broker, CallError, Cluster, Coordinated, failed, is_passing};
use super::reader::{End, ends};
use crate::client::{Admin, ClientError, ErrorKind, GroupMember, TopicDescription};
use crate::kafka::assignment;
use crate::kafka::config::Settings;
use crate::kafka::description::{CLEANUP_POLICY, DELETE_RETENTION, SEGMENT_BYTES, description};
use crate::kafka::error::kind_of_refusal;
use crate::kafka::names::Names;
use crate::record::TopicPartition;
use crate::topic::TopicSpec;

const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether a new topic is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What kind of thing a description is asked of.
const TOPIC: i8 = 2;

/// The client. It connects to nothing before it is used.
pub(in crate::kafka) struct ClusterAdmin {
    names: Names,
    prefix: String,
    cluster: Cluster,
}

impl ClusterAdmin {
    pub(in crate::kafka) fn new(settings: &Settings) -> Self {
        Self {
            names: Names::new(settings.prefix()),
            prefix: settings.prefix().to_string(),
            cluster: Cluster::new(settings.servers(), "admin"),
        }
    }

    /// How many partitions these topics have, as far as they are there, in their order.
    fn find(&mut self, topics: &[StrBytes]) -> Result<Vec<Option<i32>>, ClientError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = || format!("find {}", list(topics));
        let answer = self.cluster.metadata(topics, Instant::now() + PATIENCE);
        let answer = answer.map_err(|error| failed(attempt(), error.into()))?;
        let mut found = HashMap::new();
        for topic in answer.topics {
            let of_topic =
                partitions_of(&topic).map_err(|error| failed(attempt(), CallError::Refused(error)))?;
            if let (Some(TopicName(name)), Some(of_topic)) = (topic.name, of_topic) {
                found.insert(name, of_topic);
            }
        }
        Ok(topics.iter().map(|topic| found.get(topic).copied()).collect())
    }

    /// A broker learns of new topics a moment after the controller has made them, and makes their partitions a moment after
    /// it tells of them. Whoever begins sooner asks for each of them again and again.
    fn await_topics(&mut self, topics: &[StrBytes]) -> Result<(), ClientError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(error) = self.use_topics(topics, deadline) else { return Ok(()) };
            let error = failed(format!("use {}, which is created", list(topics)), error);
            if error.kind != ErrorKind::Retriable || Instant::now() >= deadline {
                return Err(error);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Asks all partitions of these topics for something.
    fn use_topics(&mut self, topics: &[StrBytes], deadline: Instant) -> Result<(), CallError> {
        let places = self.cluster.learn(topics, deadline)?;
        let is_there = |topic: &StrBytes| places.iter().any(|(of, _)| of == topic);
        if !topics.iter().all(is_there) {
            return Err(CallError::Refused(ResponseError::UnknownTopicOrPartition));
        }
        ends(&mut self.cluster, &places, End::Last).map(drop)
    }

    /// The settings that a description needs, of topics that exist.
    fn settings_of(
        &mut self,
        topics: &[StrBytes],
    ) -> Result<HashMap<StrBytes, HashMap<String, String>>, ClientError> {
        let attempt = || format!("describe {}", list(topics));
        let wanted =
            [CLEANUP_POLICY, DELETE_RETENTION, SEGMENT_BYTES].map(StrBytes::from_static_str).to_vec();
        let resource = |topic: &StrBytes| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC)
                .with_resource_name(topic.clone())
                .with_configuration_keys(Some(wanted.clone()))
        };
        let request = DescribeConfigsRequest::default().with_resources(topics.iter().map(resource).collect());
        let answer = self.cluster.ask(&request, 4, Instant::now() + PATIENCE, PATIENCE);
        let mut settings = HashMap::new();
        for topic in answer.map_err(|error| failed(attempt(), error.into()))?.results {
            if let Some(error) = topic.error_code.err() {
                return Err(refused(
                    format!("describe {}", &*topic.resource_name),
                    error,
                    topic.error_message,
                ));
            }
            let values = topic.configs.into_iter();
            let values =
                values.filter_map(|setting| Some((setting.name.to_string(), setting.value?.to_string())));
            settings.insert(topic.resource_name, values.collect());
        }
        Ok(settings)
    }
}

impl Admin for ClusterAdmin {
    fn cluster_id(&mut self) -> Result<String, ClientError> {
        let attempt = || "ask for the cluster's id".to_string();
        let answer = self.cluster.metadata(&[], Instant::now() + PATIENCE);
        let answer = answer.map_err(|error| failed(attempt(), error.into()))?;
        answer.cluster_id.map(|id| id.to_string()).ok_or_else(|| ClientError {
            kind: ErrorKind::Retriable,
            attempted: attempt(),
            reason: "no broker has told it".to_string(),
        })
    }

    fn describe(&mut self, topics: &[Arc<str>]) -> Result<Vec<Option<TopicDescription>>, ClientError> {
        let on_cluster: Vec<StrBytes> = topics.iter().map(|topic| self.names.on_wire(topic)).collect();
        let found = self.find(&on_cluster)?;
        let existing = on_cluster.iter().zip(&found).filter(|(_, found)| found.is_some());
        let existing: Vec<StrBytes> = existing.map(|(topic, _)| topic.clone()).collect();
        if existing.is_empty() {
            return Ok(vec![None; topics.len()]);
        }
        let settings = self.settings_of(&existing)?;
        let describe = |((topic, on_cluster), partitions): ((&Arc<str>, &StrBytes), Option<i32>)| {
            let Some(partitions) = partitions else { return Ok(None) };
            let value = |name: &str| settings.get(on_cluster)?.get(name).cloned();
            description(topic, partitions, value).map(Some)
        };
        topics.iter().zip(&on_cluster).zip(found).map(describe).collect()
    }

    fn create(&mut self, topics: &[TopicSpec], partitions: i32, replication: i32) -> Result<(), ClientError> {
        let attempt = || "create topics".to_string();
        let replication = i16::try_from(replication).map_err(|_| ClientError {
            kind: ErrorKind::Fatal,
            attempted: attempt(),
            reason: format!("{replication} replicas are more than Kafka can have"),
        })?;
        let names: Vec<StrBytes> = topics.iter().map(|topic| self.names.on_wire(&topic.name)).collect();
        let wanted = |(topic, name): (&TopicSpec, &StrBytes)| {
            let settings = topic.cleanup.settings().into_iter().map(|(setting, value)| {
                CreatableTopicConfig::default()
                    .with_name(StrBytes::from_static_str(setting))
                    .with_value(Some(StrBytes::from_string(value)))
            });
            CreatableTopic::default()
                .with_name(TopicName(name.clone()))
                .with_num_partitions(partitions)
                .with_replication_factor(replication)
                .with_configs(settings.collect())
        };
        let request = CreateTopicsRequest::default()
            .with_topics(topics.iter().zip(&names).map(wanted).collect())
            .with_timeout_ms(millis(PATIENCE));
        // Whichever broker is asked has the controller do it.
        let answer = self.cluster.ask(&request, 7, Instant::now() + PATIENCE, PATIENCE);
        for topic in answer.map_err(|error| failed(attempt(), error.into()))?.topics {
            match topic.error_code.err() {
                None | Some(ResponseError::TopicAlreadyExists) => {}
                Some(error) => {
                    return Err(refused(format!("create {}", &*topic.name.0), error, topic.error_message));
                }
            }
        }
        self.await_topics(&names)
    }

    fn delete_records(&mut self, before: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        let attempt = || format!("delete records of {} partitions", before.len());
        let deadline = Instant::now() + PATIENCE;
        // One that cannot be done keeps no other from being done.
        let mut refusal = None;
        let mut by_leader: HashMap<Broker, Vec<DeleteRecordsTopic>> = HashMap::new();
        for (place, offset) in before {
            let topic = self.names.on_wire(&place.topic);
            let leader = self.cluster.leader(&topic, place.partition, deadline);
            let Some(leader) = leader.map_err(|error| failed(attempt(), error))? else {
                refusal = Some(ResponseError::LeaderNotAvailable);
                continue;
            };
            let partition =
                DeleteRecordsPartition::default().with_partition_index(place.partition).with_offset(*offset);
            let topics = by_leader.entry(leader).or_default();
            match topics.iter_mut().find(|known| known.name.0 == topic) {
                Some(known) => known.partitions.push(partition),
                None => topics.push(
                    DeleteRecordsTopic::default()
                        .with_name(TopicName(topic))
                        .with_partitions(vec![partition]),
                ),
            }
        }
        for (leader, topics) in by_leader {
            let request =
                DeleteRecordsRequest::default().with_topics(topics).with_timeout_ms(millis(PATIENCE / 2));
            let answer = self.cluster.call(leader, &request, 2, deadline);
            for topic in answer.map_err(|error| failed(attempt(), error.into()))?.topics {
                for partition in topic.partitions {
                    let Some(error) = partition.error_code.err() else { continue };
                    if is_passing(error) {
                        self.cluster.forget_leader(&topic.name.0, partition.partition_index);
                    }
                    refusal = Some(error);
                }
            }
        }
        refusal.map_or(Ok(()), |error| Err(failed(attempt(), CallError::Refused(error))))
    }

    fn members(&mut self, group: &str) -> Result<Vec<GroupMember>, ClientError> {
        let attempt = || format!("ask for the members of {group}");
        let on_cluster = StrBytes::from_string(format!("{}{group}", self.prefix));
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(on_cluster.clone())]);
        let answer = self.cluster.call_coordinator(
            Coordinated::Group,
            &on_cluster,
            &request,
            5,
            Instant::now() + PATIENCE,
            |answer| answer.groups.first().map_or(0, |group| group.error_code),
        );
        let groups = answer.map_err(|error| failed(attempt(), error))?.groups;
        let members = groups.iter().flat_map(|group| {
            // During a rebalance the coordinator still tells the assignment before it.
            let is_stable = &*group.group_state == "Stable";
            group.members.iter().map(move |member| (member, is_stable))
        });
        let members = members.map(|(member, is_stable)| {
            let assignment = if is_stable { &*member.member_assignment } else { &[] };
            assignment::member(&member.client_id, assignment, &mut self.names)
        });
        Ok(members.collect())
    }
}

/// The number of the topic's partitions, if it is there.
fn partitions_of(topic: &MetadataResponseTopic) -> Result<Option<i32>, ResponseError> {
    match topic.error_code.err() {
        None => {}
        // The second one: it is being made.
        Some(ResponseError::UnknownTopicOrPartition | ResponseError::LeaderNotAvailable) => return Ok(None),
        Some(error) => return Err(error),
    }
    Ok(Some(i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
}

fn list(topics: &[StrBytes]) -> String {
    topics.iter().map(|topic| &**topic).collect::<Vec<&str>>().join(", ")
}

fn refused(attempted: String, error: ResponseError, message: Option<StrBytes>) -> ClientError {
    let reason = message.map_or_else(|| error.to_string(), |message| format!("{error}: {}", &*message));
    ClientError { kind: kind_of_refusal(error), attempted, reason }
}

fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}
