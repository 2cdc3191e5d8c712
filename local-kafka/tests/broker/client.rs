//! What the tests do with a broker, as any client would.

use std::time::{Duration, Instant};

use local_kafka::LocalKafka;
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

pub(crate) const TOPIC: &str = "records";
const PATIENCE: Duration = Duration::from_secs(20);

fn config(kafka: &LocalKafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.bootstrap_servers());
    config
}

pub(crate) fn create_topic(kafka: &LocalKafka) {
    let admin: AdminClient<DefaultClientContext> = config(kafka).create().unwrap();
    let topics = [NewTopic::new(TOPIC, 1, TopicReplication::Fixed(1))];
    let options = AdminOptions::new();
    let created = admin.create_topics(&topics, &options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for outcome in runtime.block_on(created).unwrap() {
        outcome.unwrap();
    }
}

/// Writes one record in a transaction.
pub(crate) fn produce(kafka: &LocalKafka, payload: &str) {
    let producer: BaseProducer = config(kafka).set("transactional.id", "test").create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::<(), str>::to(TOPIC).payload(payload)).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
}

/// Reads the topic to its end, as a member of a group.
pub(crate) fn consume(kafka: &LocalKafka) -> Vec<String> {
    let consumer: BaseConsumer = config(kafka)
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    let mut records = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match consumer.poll(PATIENCE) {
            Some(Ok(record)) => records.push(record.payload_view::<str>().unwrap().unwrap().to_owned()),
            Some(Err(KafkaError::PartitionEOF(_))) => return records,
            Some(Err(error)) => panic!("{error} after {records:?}"),
            // A rebalance ends a poll, too.
            None => {}
        }
    }
    panic!("the topic did not end after {records:?}");
}

pub(crate) fn answers(kafka: &LocalKafka, patience: Duration) -> bool {
    let client: BaseConsumer = config(kafka).create().unwrap();
    client.fetch_metadata(None, patience).is_ok()
}
