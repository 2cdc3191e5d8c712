//! A real Kafka for tests: one broker for all that run at the same time, a prefix for each.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use local_kafka::{Config, LocalKafka};
use streams::kafka::{Kafka, KafkaConfig};
use streams::{
    Cleanup, ClientError, ClientSupplier, ConsumerRecord, GroupConsumer, GroupEvent, GroupMetadata,
    Membership, ProducerRecord, Reader, TopicPartition, TopicSpec, TransactionalProducer,
};

/// Longer than anything takes that does not hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Held weakly: the broker goes with the last test, for statics are never dropped.
static BROKER: Mutex<Weak<LocalKafka>> = Mutex::new(Weak::new());

/// What a test has to itself.
pub(crate) struct Cluster {
    pub(crate) kafka: Kafka,
    pub(crate) config: KafkaConfig,
    _broker: Arc<LocalKafka>,
}

impl Cluster {
    pub(crate) fn of(test: &str) -> Self {
        let mut held = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
        let broker = held.upgrade().unwrap_or_else(|| {
            let broker = Arc::new(LocalKafka::start(Config::from_env()).expect("Kafka starts"));
            *held = Arc::downgrade(&broker);
            broker
        });
        let config = config(&broker, test);
        Self { kafka: Kafka::new(config.clone()), config, _broker: broker }
    }

    /// A consumer of the group `app`.
    pub(crate) fn consumer(&self, topics: &[&str]) -> Box<dyn GroupConsumer> {
        consumer(&self.kafka, topics)
    }

    pub(crate) fn producer(&self, id: &str) -> Box<dyn TransactionalProducer> {
        producer(&self.kafka, id)
    }

    pub(crate) fn reader(&self) -> Box<dyn Reader> {
        self.kafka.reader("app").unwrap()
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32) {
        create(&self.kafka, topic, partitions, Cleanup::Delete);
    }

    /// Writes these values without a transaction, and returns the last offset.
    pub(crate) fn write(&self, place: &TopicPartition, values: &[&str]) -> i64 {
        let writer = self.kafka.writer().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        for value in values {
            let tell = tell.clone();
            writer.send(record(place, "k", value), Box::new(move |delivered| tell.send(delivered).unwrap()));
        }
        values.iter().map(|_| told.recv_timeout(PATIENCE).unwrap().unwrap()).max().unwrap()
    }
}

pub(crate) fn config(broker: &LocalKafka, test: &str) -> KafkaConfig {
    KafkaConfig { topic_prefix: format!("{test}."), ..KafkaConfig::new(broker.bootstrap_servers()) }
}

pub(crate) fn consumer(kafka: &Kafka, topics: &[&str]) -> Box<dyn GroupConsumer> {
    let membership = Membership { group: "app".to_string(), client_id: "localhost:1".to_string() };
    let mut consumer = kafka.consumer(&membership).unwrap();
    let topics: Vec<Arc<str>> = topics.iter().map(|topic| Arc::from(*topic)).collect();
    consumer.subscribe(&topics).unwrap();
    consumer
}

pub(crate) fn producer(kafka: &Kafka, id: &str) -> Box<dyn TransactionalProducer> {
    let mut producer = kafka.producer(id).unwrap();
    producer.init_transactions().unwrap();
    producer
}

pub(crate) fn create(kafka: &Kafka, topic: &str, partitions: i32, cleanup: Cleanup) {
    kafka.admin().unwrap().create(&[TopicSpec { name: topic.into(), cleanup }], partitions, 1).unwrap();
}

pub(crate) fn place(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

pub(crate) fn record(place: &TopicPartition, key: &str, value: &str) -> ProducerRecord {
    ProducerRecord {
        topic: place.topic.clone(),
        partition: place.partition,
        key: Some(Bytes::from(key.to_string())),
        value: Some(Bytes::from(value.to_string())),
        headers: Vec::new(),
    }
}

/// The consumer's next event.
#[track_caller]
pub(crate) fn event(consumer: &mut dyn GroupConsumer) -> GroupEvent {
    soon("an event", || consumer.poll(Duration::from_millis(100)).unwrap())
}

/// Polls until partitions are assigned, giving up those that are revoked.
#[track_caller]
pub(crate) fn assignment(consumer: &mut dyn GroupConsumer) -> (Vec<TopicPartition>, GroupMetadata) {
    soon("an assignment", || match consumer.poll(Duration::from_millis(100)).unwrap() {
        Some(GroupEvent::Assigned(partitions, metadata)) => Some((partitions, metadata)),
        Some(GroupEvent::Revoked { .. }) => {
            consumer.unassign().unwrap();
            None
        }
        _ => None,
    })
}

/// Joins, and reads all partitions from their beginning.
#[track_caller]
pub(crate) fn assigned_from_beginning(consumer: &mut dyn GroupConsumer) -> GroupMetadata {
    let (partitions, metadata) = assignment(consumer);
    let positions: Vec<_> = partitions.into_iter().map(|partition| (partition, 0)).collect();
    consumer.assign(&positions).unwrap();
    metadata
}

/// The next `count` records of the consumer.
#[track_caller]
pub(crate) fn records(consumer: &mut dyn GroupConsumer, count: usize) -> Vec<ConsumerRecord> {
    let mut records = Vec::new();
    while records.len() < count {
        match event(consumer) {
            GroupEvent::Record(record) => records.push(record),
            other => panic!("{other:?} instead of a record after {records:?}"),
        }
    }
    records
}

/// The next `count` records of the reader.
#[track_caller]
pub(crate) fn read(reader: &mut dyn Reader, count: usize) -> Vec<ConsumerRecord> {
    (0..count).map(|_| soon("a record", || reader.poll(Duration::from_millis(100)).unwrap())).collect()
}

pub(crate) fn values(records: &[ConsumerRecord]) -> Vec<String> {
    let value = |record: &ConsumerRecord| record.value.clone().unwrap_or_default();
    records.iter().map(|record| String::from_utf8(value(record).to_vec()).unwrap()).collect()
}

/// Asks until there is an answer.
#[track_caller]
pub(crate) fn soon<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
    }
}

/// Waits until a partition reaches this far: a transaction that is answered has ended, but the broker writes its marker
/// when it comes to it, and the next transaction's records may stand before that.
#[track_caller]
pub(crate) fn marked(reader: &mut dyn Reader, place: &TopicPartition, high: i64) {
    let place = std::slice::from_ref(place);
    soon("the marker", || {
        let ends = retried("the end", || reader.watermarks(place))[0];
        (ends.high == high).then_some(())
    });
}

/// Repeats a call as long as Kafka says that it may succeed later.
#[track_caller]
pub(crate) fn retried<T>(what: &str, mut call: impl FnMut() -> Result<T, ClientError>) -> T {
    soon(what, || match call() {
        Ok(answer) => Some(answer),
        Err(error) if error.kind == streams::ErrorKind::Retriable => None,
        Err(error) => panic!("{what}: {error}"),
    })
}
