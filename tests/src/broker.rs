//! One broker for all tests of a process; they keep apart by their prefixes.

use std::sync::{Arc, OnceLock};

use local_kafka::{Config, LocalKafka};
use streams::kafka::{Kafka, KafkaConfig};

/// The address of the broker, which is started at the first call and ends with this process.
pub fn broker() -> &'static str {
    static BROKER: OnceLock<(LocalKafka, String)> = OnceLock::new();
    let start = || {
        let kafka = LocalKafka::start(Config::from_env()).expect("Kafka starts");
        let servers = kafka.bootstrap_servers();
        (kafka, servers)
    };
    &BROKER.get_or_init(start).1
}

/// The same broker as the services of the deployment with this prefix see it.
pub fn kafka(prefix: &str) -> Arc<Kafka> {
    kafka_at(broker(), prefix)
}

/// The same for a broker of the test's own.
pub(crate) fn kafka_at(bootstrap_servers: &str, prefix: &str) -> Arc<Kafka> {
    let config = KafkaConfig { topic_prefix: prefix.to_string(), ..KafkaConfig::new(bootstrap_servers) };
    Arc::new(Kafka::new(config))
}
