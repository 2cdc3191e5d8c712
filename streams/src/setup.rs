//! Before anything is read: the cluster is known, the topics are there and as they should be.

use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use crate::client::{Admin, ClientError, TopicDescription};
use crate::topic::TopicSpec;
use crate::topology::Topology;

/// What an application expects of its topics.
pub(crate) struct Topics {
    /// Those that it writes, and therefore creates.
    pub(crate) owned: Vec<TopicSpec>,
    /// Those that others write, and that it waits for.
    pub(crate) foreign: Vec<TopicSpec>,
    pub(crate) partitions: i32,
    pub(crate) replication: i32,
}

/// Why the topics are not ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// Kafka does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Their owner has not created them yet.
    #[error("waiting for topics {}", .0.join(", "))]
    Missing(Vec<String>),
    /// Somebody has to decide which of the two it should be.
    #[error("topic {topic} has {what} {found}, but {expected} is needed")]
    Mismatch { topic: Arc<str>, what: &'static str, found: String, expected: String },
}

impl Topics {
    pub(crate) fn of(topology: &Topology, extra: &[TopicSpec], partitions: i32, replication: i32) -> Self {
        let mut owned = topology.owned_topics();
        owned.extend(
            extra
                .iter()
                .filter(|extra| !owned.iter().any(|o| o.name == extra.name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let is_foreign = |topic: &&TopicSpec| !owned.iter().any(|owned| owned.name == topic.name);
        let read = topology.source_topics().chain(topology.global_topics());
        let foreign = read.filter(is_foreign).cloned().collect();
        Self { owned, foreign, partitions, replication }
    }

    /// Creates what is missing and checks what is there. The time for which the tombstones of changelogs stay.
    pub(crate) fn ensure(&self, admin: &mut dyn Admin) -> Result<Duration, SetupError> {
        let names = |topics: &[TopicSpec]| topics.iter().map(|topic| topic.name.clone()).collect::<Vec<_>>();
        let all: Vec<TopicSpec> = self.owned.iter().chain(&self.foreign).cloned().collect();
        let mut described = admin.describe(&names(&all))?;
        let missing = self.owned.iter().zip(&described).filter(|(_, found)| found.is_none());
        let missing: Vec<TopicSpec> = missing.map(|(topic, _)| topic.clone()).collect();
        if !missing.is_empty() {
            info!(topics = %names(&missing).join(", "), partitions = self.partitions, "creating");
            admin.create(&missing, self.partitions, self.replication)?;
            described = admin.describe(&names(&all))?;
        }
        let mut missing = Vec::new();
        let mut delete_retention = Duration::MAX;
        for (topic, found) in all.iter().zip(described) {
            match found {
                Some(found) => {
                    self.check(topic, &found)?;
                    delete_retention = delete_retention.min(found.delete_retention);
                }
                None => missing.push(topic.name.to_string()),
            }
        }
        if missing.is_empty() { Ok(delete_retention) } else { Err(SetupError::Missing(missing)) }
    }

    fn check(&self, topic: &TopicSpec, found: &TopicDescription) -> Result<(), SetupError> {
        let mismatch = |what, found: &dyn ToString, expected: &dyn ToString| SetupError::Mismatch {
            topic: topic.name.clone(),
            what,
            found: found.to_string(),
            expected: expected.to_string(),
        };
        if found.partitions != self.partitions {
            return Err(mismatch("partitions:", &found.partitions, &self.partitions));
        }
        if found.cleanup_policy != topic.cleanup.policy() {
            return Err(mismatch("cleanup.policy", &found.cleanup_policy, &topic.cleanup.policy()));
        }
        Ok(())
    }
}
