//! Before anything is read: the cluster is known, the topics are there and as they should be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::client::{Admin, ClientError, Reader, TopicDescription};
use crate::record::TopicPartition;
use crate::topic::{Cleanup, TopicSpec};
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

/// For how long the tombstones of topics stay at least: Kafka's `delete.retention.ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    changelogs: Duration,
    others: Duration,
}

impl Retention {
    /// That of topics that are cleaned in this way.
    pub(crate) fn of(self, cleanup: Cleanup) -> Duration {
        if cleanup == Cleanup::Changelog { self.changelogs } else { self.others }
    }
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
    ) -> Result<Retention, SetupError> {
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
        let mut retention = Retention { changelogs: Duration::MAX, others: Duration::MAX };
        for (number, (topic, found)) in all.iter().zip(described).enumerate() {
            match found {
                Some(found) => {
                    self.check(topic, &found)?;
                    if number < self.owned.len() {
                        coarse
                            .extend(wanted_settings(topic, &found).map(|settings| (&*topic.name, settings)));
                    }
                    let is_changelog = topic.cleanup == Cleanup::Changelog;
                    let known = if is_changelog { &mut retention.changelogs } else { &mut retention.others };
                    *known = found.delete_retention.min(*known);
                }
                None => missing.push(topic.name.to_string()),
            }
        }
        if !missing.is_empty() {
            return Err(SetupError::Missing(missing));
        }
        warn_of_settings(&coarse);
        Ok(retention)
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

/// What the topic should be set to for the cleaner to come to it earlier, if it should.
fn wanted_settings(topic: &TopicSpec, found: &TopicDescription) -> Option<String> {
    let bytes = topic.cleanup.segment_bytes().filter(|bytes| found.segment_bytes > *bytes);
    let time = topic.cleanup.delete_retention().filter(|time| found.delete_retention > *time);
    let settings = [
        bytes.map(|bytes| format!("segment.bytes={bytes}")),
        time.map(|time| format!("delete.retention.ms={}", time.as_millis())),
    ];
    let settings: Vec<String> = settings.into_iter().flatten().collect();
    (!settings.is_empty()).then(|| settings.join(","))
}

/// A topic that is there already stays as somebody has set it.
fn warn_of_settings(topics: &[(&str, String)]) {
    for (topic, settings) in topics {
        warn!(
            topic,
            "it is cleaned later than it could be, and more than is needed stays on the disk and is read at a restore; to \
             change it: kafka-configs.sh --alter --entity-type topics --entity-name {topic} \
             --add-config {settings}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60;

    /// What is to be set of a topic with such segments, in MiB, and such tombstones.
    #[track_caller]
    fn check(cleanup: Cleanup, mebibytes: u64, hours: u64, expected: Option<&str>) {
        let topic = TopicSpec { name: "t".into(), cleanup };
        let found = TopicDescription {
            partitions: 1,
            cleanup_policy: cleanup.policy().to_string(),
            delete_retention: Duration::from_secs(hours * HOUR),
            segment_bytes: mebibytes << 20,
        };
        assert_eq!(wanted_settings(&topic, &found).as_deref(), expected, "{cleanup:?}");
    }

    #[test]
    fn what_is_cleaned_later_than_it_could_be_is_named() {
        let compact = Cleanup::Compact { min_lag: Duration::ZERO };
        check(Cleanup::Delete, 1024, 24, None);
        check(compact, 1024, 24, Some("segment.bytes=52428800"));
        check(Cleanup::Purged, 1024, 24, Some("segment.bytes=52428800"));
        check(Cleanup::Changelog, 1024, 24, Some("segment.bytes=16777216,delete.retention.ms=14400000"));
        check(Cleanup::Changelog, 16, 5, Some("delete.retention.ms=14400000"));
        for (cleanup, mebibytes, hours) in [
            (compact, 50, 24),
            (Cleanup::Purged, 50, 24),
            (Cleanup::Changelog, 16, 4),
            (Cleanup::Changelog, 1, 1),
        ] {
            check(cleanup, mebibytes, hours, None);
        }
    }
}
