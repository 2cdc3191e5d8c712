//! Repartition topics keep their records until they are processed; then they are deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use crate::application::Application;
use crate::record::TopicPartition;
use crate::topic::Cleanup;

/// How often.
const INTERVAL: Duration = Duration::from_secs(30);

/// Deletes what is processed of this instance's partitions, every half minute, until the stop is requested.
pub(crate) fn run(application: &Arc<Application>) {
    let topology = &application.topology;
    let purged = || topology.source_topics().filter(|topic| topic.cleanup == Cleanup::Purged);
    if purged().next().is_none() {
        return;
    }
    let mut done: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    while !application.stop.wait(INTERVAL) {
        let processed: Vec<(TopicPartition, i64)> = purged()
            .flat_map(|topic| application.readers.committed_positions(&topic.name))
            .filter(|(partition, position)| done.get(partition).is_none_or(|done| done < position))
            .collect();
        if processed.is_empty() {
            continue;
        }
        let deleted = application.clients.admin().and_then(|mut admin| admin.delete_records(&processed));
        match deleted {
            Ok(()) => done.extend(processed),
            Err(error) => debug!(%error, "repartition topics are purged later"),
        }
    }
}
