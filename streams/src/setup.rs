//! Before anything is read: the cluster is known, the topics are there and as they should be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::client::{Admin, ClientError, Reader, TopicDescription};
use crate::record::TopicPartition;
use crate::topic::TopicSpec;
use crate::topology::Topology;

/// What an application expects of its topics.
pub(crate) struct Topics {
    application: Arc<str>,
    /// Those that it writes, and therefore creates.
    pub(crate) owned: Vec<TopicSpec>,
    /// Those that others write, and that it waits for.
    pub(crate) foreign: Vec<TopicSpec>,
    /// Those of the owned ones that hold the state.
    changelogs: BTreeSet<Arc<str>>,
    /// Those whose offsets are committed.
    inputs: Vec<Arc<str>>,
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
    /// To make it anew would let the tasks go on without their state.
    #[error(
        "{application} has committed offsets (such as {offset} of {input}), but {changelog}, which holds its state, is \
         not there: it was deleted. Bring it back, or delete the group's offsets to begin anew. If the store is new, or \
         to go on without its state, create the topic"
    )]
    StateLost { application: Arc<str>, changelog: Arc<str>, input: TopicPartition, offset: i64 },
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
        let changelogs = topology.stores.iter().map(|store| store.changelog.name.clone()).collect();
        let inputs = topology.source_topics().map(|topic| topic.name.clone()).collect();
        let application = topology.application.clone();
        Self { application, owned, foreign, changelogs, inputs, partitions, replication }
    }

    /// The topics that hold the state.
    pub(crate) fn changelogs(&self) -> &BTreeSet<Arc<str>> {
        &self.changelogs
    }

    /// Creates what is missing and checks what is there. The time for which the tombstones of changelogs stay.
    ///
    /// `known` are the changelogs that the application had when it last ran on this instance, if that is known: others
    /// are new. `reader` sees its committed offsets.
    pub(crate) fn ensure(
        &self,
        admin: &mut dyn Admin,
        known: Option<&BTreeSet<Arc<str>>>,
        reader: impl FnOnce() -> Result<Box<dyn Reader>, ClientError>,
    ) -> Result<Duration, SetupError> {
        let names = |topics: &[TopicSpec]| topics.iter().map(|topic| topic.name.clone()).collect::<Vec<_>>();
        let all: Vec<TopicSpec> = self.owned.iter().chain(&self.foreign).cloned().collect();
        let mut described = admin.describe(&names(&all))?;
        let missing = self.owned.iter().zip(&described).filter(|(_, found)| found.is_none());
        let missing: Vec<TopicSpec> = missing.map(|(topic, _)| topic.clone()).collect();
        if !missing.is_empty() {
            let is_state = |topic: &&TopicSpec| self.changelogs.contains(&topic.name);
            let is_known = |topic: &&TopicSpec| known.is_none_or(|known| known.contains(&topic.name));
            if let Some(changelog) = missing.iter().filter(is_state).find(is_known) {
                self.refuse_without(&changelog.name, &mut *reader()?)?;
            }
            info!(topics = %names(&missing).join(", "), partitions = self.partitions, "creating");
            admin.create(&missing, self.partitions, self.replication)?;
            described = admin.describe(&names(&all))?;
        }
        let (mut missing, mut coarse) = (Vec::new(), Vec::new());
        let mut delete_retention = Duration::MAX;
        for (number, (topic, found)) in all.iter().zip(described).enumerate() {
            match found {
                Some(found) => {
                    self.check(topic, &found)?;
                    if number < self.owned.len() {
                        coarse.extend(wanted_segment(topic, &found).map(|bytes| (&*topic.name, bytes)));
                    }
                    delete_retention = delete_retention.min(found.delete_retention);
                }
                None => missing.push(topic.name.to_string()),
            }
        }
        if !missing.is_empty() {
            return Err(SetupError::Missing(missing));
        }
        warn_of_segments(&coarse);
        Ok(delete_retention)
    }

    /// An application without its state has no committed offsets either.
    fn refuse_without(&self, changelog: &Arc<str>, reader: &mut dyn Reader) -> Result<(), SetupError> {
        let of = |topic: &Arc<str>| {
            (0..self.partitions).map(|p| TopicPartition::new(topic.clone(), p)).collect::<Vec<_>>()
        };
        let inputs: Vec<TopicPartition> = self.inputs.iter().flat_map(of).collect();
        let committed = reader.committed(&inputs)?;
        let mut committed =
            inputs.into_iter().zip(committed).filter_map(|(input, offset)| Some((input, offset?)));
        committed.next().map_or(Ok(()), |(input, offset)| {
            let (application, changelog) = (self.application.clone(), changelog.clone());
            Err(SetupError::StateLost { application, changelog, input, offset })
        })
    }

    /// What cannot be otherwise.
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

/// The size that the topic's segments should have, if they are larger.
fn wanted_segment(topic: &TopicSpec, found: &TopicDescription) -> Option<u64> {
    topic.cleanup.segment_bytes().filter(|bytes| found.segment_bytes > *bytes)
}

/// A topic that is there already stays as somebody has set it.
fn warn_of_segments(topics: &[(&str, u64)]) {
    for (topic, bytes) in topics {
        warn!(
            topic,
            "its segments are larger than they should be, so it is cleaned late, and more is read at a restore; to \
             change it: kafka-configs.sh --alter --entity-type topics --entity-name {topic} \
             --add-config segment.bytes={bytes}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Cleanup;

    #[test]
    fn larger_segments_than_wanted_are_named() {
        let check = |cleanup: Cleanup, segment_bytes: u64| {
            let topic = TopicSpec { name: "t".into(), cleanup };
            let found = TopicDescription {
                partitions: 1,
                cleanup_policy: cleanup.policy().to_string(),
                delete_retention: Duration::ZERO,
                segment_bytes,
            };
            wanted_segment(&topic, &found)
        };
        let default = 1 << 30;
        assert_eq!(check(Cleanup::Delete, default), None);
        for cleanup in [Cleanup::Changelog, Cleanup::Purged, Cleanup::Compact { min_lag: Duration::ZERO }] {
            let wanted = cleanup.segment_bytes();
            assert_eq!(check(cleanup, default), wanted);
            assert_eq!(check(cleanup, wanted.unwrap()), None);
            assert_eq!(check(cleanup, 1 << 20), None, "somebody wants them so");
        }
    }
}
