//! An in-memory Kafka behind the same door as the real one, in virtual time.
//!
//! What holds behind it:
//!
//! - It has no threads and no clock. What happens by time (sessions, rebalances, timeouts of transactions) happens
//!   in [`SimulatedKafka::advance`], in a fixed order: the same calls lead to the same history.
//! - No call waits. One that would wait on the real Kafka for something that nobody here could bring about comes
//!   back at once: `poll` with nothing, `committed` as retriable.
//! - What librdkafka's threads do for an application (heartbeats, joining) goes on by itself as long as its process
//!   runs: see [`SimulatedKafka::process`].
//! - The end of a transaction has two phases, and between them the simulation may look: see
//!   [`SimulatedKafka::defer`].
//! - It behaves as Kafka does, as far as the door shows it. The conformance tests, which the real Kafka passes too,
//!   say so.

mod admin;
mod cluster;
mod compaction;
mod config;
mod consumer;
mod disk;
mod fetcher;
mod group;
mod membership;
mod network;
mod offsets;
mod partition_log;
mod process;
mod producer;
mod reader;
mod refusal;
mod scheduler;
#[cfg(test)]
mod tests;
mod time;
mod trace;
mod transactions;
mod weather;
mod world;
mod writer;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use self::config::SimulationConfig;
pub use self::disk::Damage;
pub use self::process::Process;
pub use self::weather::Weather;
pub use self::world::{Failure, Outsider, Success, World};

use self::cluster::{Cluster, Deferred, Shared, lock};
use crate::Timestamp;
use crate::client::{
    Admin, ClientError, ClientSupplier, GroupConsumer, Membership, Reader, TransactionalProducer, Writer,
};

/// A cluster, as one process sees it: supplies that process's clients.
#[derive(Clone)]
pub struct SimulatedKafka {
    cluster: Shared,
    process: Arc<str>,
}

impl SimulatedKafka {
    /// A new cluster, without topics.
    pub fn new(config: SimulationConfig) -> Self {
        Self { cluster: Arc::new(Mutex::new(Cluster::new(config))), process: "".into() }
    }

    /// The same cluster, as the process `name` sees it.
    pub fn process(&self, name: &str) -> Self {
        Self { cluster: self.cluster.clone(), process: name.into() }
    }

    /// The process stands still: its members give no sign of life. Clients that are dropped meanwhile have crashed;
    /// they leave no group.
    pub fn pause(&self) {
        lock(&self.cluster).paused.insert(self.process.clone());
    }

    /// The process goes on. What it has missed its members learn when time passes next, be it none at all.
    pub fn resume(&self) {
        let mut cluster = lock(&self.cluster);
        cluster.paused.remove(&self.process);
        cluster.wake_members(&self.process);
    }

    /// Nothing gets from the process's members to the cluster any more, nor back. They go on, and take their
    /// partitions for lost when the time of a session has passed without an answer.
    pub fn cut_off(&self) {
        lock(&self.cluster).cut_off.insert(self.process.clone());
    }

    /// Ends [`Self::cut_off`].
    pub fn reconnect(&self) {
        let mut cluster = lock(&self.cluster);
        cluster.cut_off.remove(&self.process);
        cluster.news += 1;
        cluster.wake_members(&self.process);
    }

    /// Virtual time.
    pub fn now(&self) -> Timestamp {
        lock(&self.cluster).now
    }

    /// Lets time pass, and what is due in it happen.
    pub fn advance(&self, by: Duration) {
        lock(&self.cluster).advance(by);
    }

    /// Whether what Kafka does after it has answered waits for [`Self::step`] from now on: writing the markers of a
    /// transaction that is decided, telling a writer's sender. What waits already goes on waiting.
    ///
    /// A producer's next transaction, and the next producer with its id, find the markers written, as they would
    /// wait for them.
    pub fn defer(&self, is_deferring: bool) {
        lock(&self.cluster).is_deferring = is_deferring;
    }

    /// Does the next thing that was deferred: one marker, one delivery report. Whether there was one.
    pub fn step(&self) -> bool {
        step(&self.cluster)
    }

    /// Has the cleaner go through a compacted topic.
    pub fn compact(&self, topic: &str) {
        lock(&self.cluster).compact(topic);
    }

    /// Has the cleaner go through all compacted topics.
    pub fn compact_all(&self) {
        let mut cluster = lock(&self.cluster);
        let topics: Vec<Arc<str>> = cluster.topics.keys().cloned().collect();
        topics.iter().for_each(|topic| cluster.compact(topic));
    }

    /// Deletes a topic, and with it what groups have committed of it.
    pub fn delete(&self, topic: &str) {
        let mut cluster = lock(&self.cluster);
        cluster.topics.remove(topic);
        cluster.groups.values_mut().for_each(|group| group.offsets.forget(topic));
        cluster.news += 1;
    }

    /// Sets a topic's `delete.retention.ms`.
    pub fn set_delete_retention(&self, topic: &str, retention: Duration) {
        if let Some(topic) = lock(&self.cluster).topics.get_mut(topic) {
            topic.delete_retention = retention;
        }
    }
}

fn step(shared: &Shared) -> bool {
    let mut cluster = lock(shared);
    match cluster.deferred.pop_front() {
        None => false,
        Some(Deferred::Markers(id)) => {
            if cluster.write_marker(&id) {
                cluster.deferred.push_front(Deferred::Markers(id));
            }
            true
        }
        Some(Deferred::Delivery(on_delivery, delivered)) => {
            // Not under the lock: the sender may go on with another call.
            drop(cluster);
            on_delivery(delivered);
            true
        }
    }
}

impl fmt::Debug for SimulatedKafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedKafka").field("process", &self.process).finish_non_exhaustive()
    }
}

impl ClientSupplier for SimulatedKafka {
    fn consumer(&self, membership: &Membership) -> Result<Box<dyn GroupConsumer>, ClientError> {
        Ok(Box::new(consumer::Consumer::new(self.cluster.clone(), self.process.clone(), membership)))
    }

    fn producer(&self, transactional_id: &str) -> Result<Box<dyn TransactionalProducer>, ClientError> {
        Ok(Box::new(producer::Producer::new(self.cluster.clone(), transactional_id)))
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, ClientError> {
        Ok(Box::new(reader::PartitionReader::new(self.cluster.clone(), group)))
    }

    fn writer(&self) -> Result<Arc<dyn Writer>, ClientError> {
        Ok(Arc::new(writer::RecordWriter::new(self.cluster.clone())))
    }

    fn session_timeout(&self) -> Duration {
        lock(&self.cluster).config.session_timeout
    }

    fn admin(&self) -> Result<Box<dyn Admin>, ClientError> {
        Ok(Box::new(admin::ClusterAdmin::new(self.cluster.clone())))
    }
}
