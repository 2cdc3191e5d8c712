//! Whether the broker answers.

use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::{Metadata, MetadataTopic};

/// Asks the broker of one cluster whether it is ready for clients.
pub(crate) struct Probe {
    client: BaseConsumer<Silent>,
    cluster_id: String,
}

impl Probe {
    pub(crate) fn new(bootstrap_servers: &str, cluster_id: &str) -> KafkaResult<Self> {
        let client = ClientConfig::new()
            .set("bootstrap.servers", bootstrap_servers)
            .set("broker.address.family", "v4")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "50")
            .set_log_level(RDKafkaLogLevel::Emerg)
            .create_with_context(Silent)?;
        Ok(Self { client, cluster_id: cluster_id.to_owned() })
    }

    /// Waits up to `patience` for the broker to answer, as the cluster that was asked for and not as
    /// another one on the same port, with a leader for each partition.
    pub(crate) fn is_ready(&self, patience: Duration) -> bool {
        self.client.fetch_metadata(None, patience).is_ok_and(|metadata| serves(&metadata))
            && self.client.client().fetch_cluster_id(patience).as_ref() == Some(&self.cluster_id)
    }
}

/// Until the controller has let the broker in, nobody is in the cluster and nobody leads a partition.
fn serves(metadata: &Metadata) -> bool {
    !metadata.brokers().is_empty()
        && metadata
            .topics()
            .iter()
            .flat_map(MetadataTopic::partitions)
            .all(|partition| partition.leader() >= 0)
}

/// Refused connections are what a start looks like, nothing to tell anyone.
struct Silent;

impl ClientContext for Silent {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Silent {}
