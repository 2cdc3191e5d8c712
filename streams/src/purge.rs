//! Repartition topics keep their records until they are processed; then they are deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::debug;

use crate::application::Application;
use crate::guard::guarded;
use crate::record::TopicPartition;
use crate::topic::{Cleanup, TopicSpec};
use crate::topology::Topology;

/// How often.
const INTERVAL: Duration = Duration::from_secs(30);
const WHO: &str = "purge";

/// Deletes what is processed of this instance's partitions, every half minute, until the stop is requested.
pub(crate) fn run(application: &Application) {
    if purged(&application.topology).next().is_none() {
        return;
    }
    let mut done: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    while !application.stop.wait(INTERVAL) {
        guarded(&application.health, WHO, || purge(application, &mut done));
    }
}

fn purged(topology: &Topology) -> impl Iterator<Item = &TopicSpec> {
    topology.source_topics().filter(|topic| topic.cleanup == Cleanup::Purged)
}

/// Deletes what is processed and was not when it was `done`.
fn purge(application: &Application, done: &mut BTreeMap<TopicPartition, i64>) {
    let processed: Vec<(TopicPartition, i64)> = purged(&application.topology)
        .flat_map(|topic| application.readers.committed_positions(&topic.name))
        .filter(|(partition, position)| done.get(partition).is_none_or(|done| done < position))
        .collect();
    if processed.is_empty() {
        return;
    }
    let deleted = application.clients.admin().and_then(|mut admin| admin.delete_records(&processed));
    match deleted {
        Ok(()) => done.extend(processed),
        Err(error) => debug!(%error, "repartition topics are purged later"),
    }
}
