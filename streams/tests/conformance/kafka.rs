//! The real Kafka: one broker for all cases that run at the same time, a prefix for each.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use local_kafka::{Config, LocalKafka};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use streams::kafka::{Kafka, KafkaConfig};
use streams::{ClientSupplier, Timestamp};

use crate::world::{MAX_POLL_INTERVAL, TRANSACTION_TIMEOUT, World};

/// Held weakly: the broker goes with the last case, for statics are never dropped.
static BROKER: Mutex<Weak<LocalKafka>> = Mutex::new(Weak::new());

/// A segment this old is closed by the next record; what is closed is cleaned.
const SEGMENT_TIME: Duration = Duration::from_millis(100);

pub(crate) struct RealKafka {
    config: KafkaConfig,
    kafka: Kafka,
    _broker: Arc<LocalKafka>,
}

impl RealKafka {
    /// With workers' clients and writers that speak the protocol themselves.
    pub(crate) fn of(case: &str) -> Self {
        Self::with(&format!("{}.", case.replace('_', "-")), Vec::new())
    }

    /// With librdkafka's clients only: they are taken as soon as a setting of theirs is asked for.
    pub(crate) fn through_librdkafka(case: &str) -> Self {
        let max_poll_interval = MAX_POLL_INTERVAL.as_millis().to_string();
        // Of all clients: librdkafka wants the one to be no longer than the other even where there is no group.
        let for_all = ["max.poll.interval.ms", "session.timeout.ms"];
        let settings = for_all.map(|name| (name.to_string(), max_poll_interval.clone()));
        Self::with(&format!("{}.rdkafka.", case.replace('_', "-")), settings.to_vec())
    }

    fn with(topic_prefix: &str, client_settings: Vec<(String, String)>) -> Self {
        let broker = broker();
        let config = KafkaConfig {
            topic_prefix: topic_prefix.to_string(),
            transaction_timeout: TRANSACTION_TIMEOUT,
            session_timeout: MAX_POLL_INTERVAL,
            max_poll_interval: MAX_POLL_INTERVAL,
            client_settings,
            ..KafkaConfig::new(broker.bootstrap_servers())
        };
        Self { kafka: Kafka::new(config.clone()), config, _broker: broker }
    }
}

fn broker() -> Arc<LocalKafka> {
    let mut held = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let mut config = Config::from_env();
        // The default is 15 s.
        config.settings.insert("log.cleaner.backoff.ms".to_string(), "50".to_string());
        let broker = Arc::new(LocalKafka::start(config).expect("Kafka starts"));
        *held = Arc::downgrade(&broker);
        broker
    })
}

impl World for RealKafka {
    fn clients(&self) -> Arc<dyn ClientSupplier> {
        Arc::new(self.kafka.clone())
    }

    fn now(&self) -> Timestamp {
        Timestamp::of_wall_clock()
    }

    fn pass(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Time passes by itself.
    fn turn(&self) {}

    fn create_table(&self, topic: &str, delete_retention: Duration) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.config.bootstrap_servers).create().unwrap();
        let name = format!("{}{topic}", self.config.topic_prefix);
        let segment_time = SEGMENT_TIME.as_millis().to_string();
        let delete_retention = delete_retention.as_millis().to_string();
        let settings = [
            ("cleanup.policy", "compact"),
            ("message.timestamp.type", "LogAppendTime"),
            ("segment.ms", segment_time.as_str()),
            ("min.cleanable.dirty.ratio", "0"),
            ("delete.retention.ms", delete_retention.as_str()),
        ];
        let wanted = NewTopic::new(&name, 1, TopicReplication::Fixed(1));
        let wanted = settings.iter().fold(wanted, |wanted, (name, value)| wanted.set(name, value));
        let created = block_on(admin.create_topics([&wanted], &AdminOptions::new())).unwrap();
        created.into_iter().for_each(|created| drop(created.unwrap()));
    }

    /// It comes by itself, to segments that are closed.
    fn clean(&self, _topic: &str) {
        thread::sleep(SEGMENT_TIME * 2);
    }
}
