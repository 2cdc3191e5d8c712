//! Topics and the cluster.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataTopic;

use super::assignment;
use super::config::Settings;
use super::description::description;
use super::error::{failed, failed_with};
use super::log::ClientLog;
use super::names::Names;
use crate::client::{Admin, ClientError, ErrorKind, GroupMember, TopicDescription};
use crate::record::TopicPartition;
use crate::topic::TopicSpec;

const PATIENCE: Duration = Duration::from_secs(5);

/// rdkafka's admin client; its answers are woken from a thread of its own.
pub(super) struct ClusterAdmin {
    client: AdminClient<ClientLog>,
    names: Names,
}

impl ClusterAdmin {
    pub(super) fn new(settings: &Settings) -> Result<Self, ClientError> {
        let client = settings
            .admin()
            .create_with_context(ClientLog::new("admin"))
            .map_err(failed("make an admin client"))?;
        Ok(Self { client, names: Names::new(settings.prefix()) })
    }

    /// What the cluster says of these topics. Asks for all topics: asking for one by name can create it.
    fn find(&mut self, topics: &[Arc<str>]) -> Result<Vec<Option<Found>>, ClientError> {
        let attempt = "list the topics";
        let metadata = self.client.inner().fetch_metadata(None, PATIENCE).map_err(failed(attempt))?;
        let find = |topic: &Arc<str>| {
            let name = self.names.on_cluster(topic);
            match metadata.topics().iter().find(|topic| topic.name() == name) {
                Some(topic) => found(topic),
                None => Ok(None),
            }
        };
        topics.iter().map(find).collect::<Result<_, _>>().map_err(failed_with(attempt))
    }

    /// The settings of these topics, which exist.
    fn settings_of(&mut self, topics: &[Arc<str>]) -> Result<Vec<ConfigResource>, ClientError> {
        let attempt = format!("describe {}", topics.join(", "));
        let names: Vec<String> =
            topics.iter().map(|topic| self.names.on_cluster(topic).to_string()).collect();
        let wanted: Vec<ResourceSpecifier<'_>> =
            names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answers =
            block_on(self.client.describe_configs(&wanted, &options())).map_err(failed(attempt.clone()))?;
        answers.into_iter().collect::<Result<_, _>>().map_err(failed_with(attempt))
    }

    /// The broker that answers learns of new topics a moment after the controller has made them.
    fn await_topics(&mut self, topics: &[Arc<str>]) -> Result<(), ClientError> {
        let deadline = Instant::now() + PATIENCE;
        let is_there = |found: &Option<Found>| matches!(found, Some(Found { is_led: true, .. }));
        while !self.find(topics)?.iter().all(is_there) {
            if Instant::now() >= deadline {
                return Err(ClientError {
                    kind: ErrorKind::Retriable,
                    attempted: format!("create {}", topics.join(", ")),
                    reason: "they are created and cannot be seen yet".to_string(),
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Admin for ClusterAdmin {
    fn cluster_id(&mut self) -> Result<String, ClientError> {
        self.client.inner().fetch_cluster_id(PATIENCE).ok_or_else(|| ClientError {
            kind: ErrorKind::Retriable,
            attempted: "ask for the cluster's id".to_string(),
            reason: "no broker has told it".to_string(),
        })
    }

    fn describe(&mut self, topics: &[Arc<str>]) -> Result<Vec<Option<TopicDescription>>, ClientError> {
        let found = self.find(topics)?;
        let existing: Vec<Arc<str>> = topics
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_some())
            .map(|(topic, _)| topic.clone())
            .collect();
        if existing.is_empty() {
            return Ok(vec![None; topics.len()]);
        }
        let mut settings = existing.iter().zip(self.settings_of(&existing)?);
        let mut describe = |found: Found| {
            let (topic, settings) = settings.next()?;
            let value = |name: &str| settings.get(name)?.value.clone();
            Some(description(topic, found.partitions, value))
        };
        found.into_iter().map(|found| found.and_then(&mut describe).transpose()).collect()
    }

    fn create(&mut self, topics: &[TopicSpec], partitions: i32, replication: i32) -> Result<(), ClientError> {
        let wanted: Vec<(String, Vec<(&str, String)>)> = topics
            .iter()
            .map(|topic| (self.names.on_cluster(&topic.name).to_string(), topic.cleanup.settings()))
            .collect();
        let wanted: Vec<NewTopic<'_>> = wanted
            .iter()
            .map(|(name, settings)| {
                let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
                settings.iter().fold(topic, |topic, (setting, value)| topic.set(setting, value))
            })
            .collect();
        let answers = block_on(self.client.create_topics(&wanted, &options()));
        for answer in answers.map_err(failed("create topics"))? {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(failed_with(format!("create {name}"))(code)),
            }
        }
        let names: Vec<Arc<str>> = topics.iter().map(|topic| topic.name.clone()).collect();
        self.await_topics(&names)
    }

    fn delete_records(&mut self, before: &[(TopicPartition, i64)]) -> Result<(), ClientError> {
        if before.is_empty() {
            return Ok(());
        }
        let attempt = || format!("delete records of {} partitions", before.len());
        let list = self.names.list_at(before).map_err(failed(attempt()))?;
        let answer = block_on(self.client.delete_records(&list, &options())).map_err(failed(attempt()))?;
        let partitions: Vec<TopicPartition> = before.iter().map(|(partition, _)| partition.clone()).collect();
        self.names.offsets_in(&answer, &partitions).map(drop).map_err(failed(attempt()))
    }

    /// Of all brokers: each tells of the groups that it coordinates.
    fn members(&mut self, group: &str) -> Result<Vec<GroupMember>, ClientError> {
        let attempt = format!("ask for the members of {group}");
        let name = self.names.on_cluster(&group.into()).to_string();
        let list = self.client.inner().fetch_group_list(Some(&name), PATIENCE);
        let list = list.map_err(failed(attempt))?;
        let mut members = Vec::new();
        for group in list.groups().iter().filter(|group| group.name() == name) {
            // During a rebalance the coordinator still tells the assignment before it.
            let is_stable = group.state() == "Stable";
            for member in group.members() {
                let assignment = member.assignment().filter(|_| is_stable).unwrap_or_default();
                members.push(assignment::member(member.client_id(), assignment, &mut self.names));
            }
        }
        Ok(members)
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// A topic of the cluster.
struct Found {
    partitions: i32,
    /// Whether each partition has a leader: it can be used.
    is_led: bool,
}

fn found(topic: &MetadataTopic) -> Result<Option<Found>, RDKafkaErrorCode> {
    match topic.error().map(RDKafkaErrorCode::from) {
        None => {}
        // The second one: it is being made.
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::LeaderNotAvailable) => {
            return Ok(None);
        }
        Some(code) => return Err(code),
    }
    let is_led = topic.partitions().iter().all(|partition| partition.leader() >= 0);
    let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
    Ok(Some(Found { partitions, is_led }))
}
