//! Reading topics, committed records only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use streams::kafka::Kafka;
use streams::{
    ClientSupplier, CommandWriter, ConsumerRecord, Key, OnDelivery, ProducerRecord, Topic, TopicPartition,
    TopicSpec, TransactionalProducer, Value, decode_key, decode_value, encode_key, encode_value,
    partition_of,
};

use crate::PATIENCE;

/// All records of a pipeline's topics, and a way to put others there.
pub struct TopicLog {
    kafka: Arc<Kafka>,
}

/// A transaction of another program.
pub struct OpenTransaction(Box<dyn TransactionalProducer>);

impl OpenTransaction {
    /// Writes a record of it, and leaves it open until it is dropped.
    pub(crate) fn begin(kafka: &Kafka, topic: &str, partition: i32) -> Self {
        let mut producer = kafka.producer("another-program").expect("a producer");
        let record = ProducerRecord {
            topic: topic.into(),
            partition,
            key: Some("k".into()),
            value: Some("v".into()),
            headers: Vec::new(),
        };
        let opened = producer.init_transactions().and_then(|()| producer.begin());
        let written = opened.and_then(|()| producer.send(record, None)).and_then(|()| producer.flush());
        written.expect("a record in a transaction");
        Self(producer)
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        self.0.abort().expect("it is aborted");
    }
}

/// The number of partitions of every topic.
const PARTITIONS: i32 = 4;

impl TopicLog {
    pub(crate) fn new(kafka: Arc<Kafka>) -> Self {
        Self { kafka }
    }

    /// All records that stand in a topic now, partition by partition.
    pub fn records(&self, topic: &str) -> Vec<ConsumerRecord> {
        self.read(topic, |_| true)
    }

    /// The records of a topic, waiting until there are `count`.
    pub fn await_records(&self, topic: &str, count: usize) -> Vec<ConsumerRecord> {
        self.read(topic, |read| read >= count)
    }

    /// All keys and values that stand in a topic now.
    pub fn entries<K: Key, V: Value>(&self, topic: &Topic<K, V>) -> Vec<(K, V)> {
        let decode = |record: ConsumerRecord| {
            let key =
                decode_key(record.key.as_deref().expect("a record has a key")).expect("a key of the topic");
            let value = record.value.as_deref().expect("a record has a value");
            (key, decode_value(value).expect("a value of the topic"))
        };
        self.records(topic.name()).into_iter().map(decode).collect()
    }

    /// Reads up to the end as it is now, and on until `enough` of the number of records.
    fn read(&self, topic: &str, enough: impl Fn(usize) -> bool) -> Vec<ConsumerRecord> {
        let deadline = Instant::now() + PATIENCE;
        let mut reader = self.kafka.reader("tests").expect("a reader");
        let partitions: Vec<_> = (0..PARTITIONS).map(|p| TopicPartition::new(topic, p)).collect();
        let ends = reader.watermarks(&partitions).expect("the ends are known");
        let beginnings: Vec<_> =
            partitions.iter().zip(&ends).map(|(p, ends)| (p.clone(), ends.low)).collect();
        reader.assign(&beginnings).expect("the topic can be read");
        let mut records = Vec::new();
        loop {
            let mut positions = partitions.iter().map(|p| reader.position(p).expect("the position is known"));
            let at_end = ends.iter().all(|end| positions.next().flatten().is_some_and(|p| p >= end.high));
            if at_end && enough(records.len()) {
                return records;
            }
            drop(positions);
            assert!(Instant::now() < deadline, "{topic}: {} records and no more", records.len());
            records.extend(reader.poll(Duration::from_millis(100)).expect("the topic can be read"));
        }
    }

    /// Creates a topic past the services.
    pub fn create(&self, topic: &TopicSpec, partitions: i32) {
        let mut admin = self.kafka.admin().expect("an admin client");
        admin.create(std::slice::from_ref(topic), partitions, 1).expect("the topic is created");
    }

    /// Writes a record past the services.
    pub async fn write<K: Key, V: Value>(&self, topic: &Topic<K, V>, key: &K, value: &V) {
        let writer = CommandWriter::new(self.kafka.writer().expect("a writer"), PARTITIONS);
        writer.send(topic, key, value).await.expect("the record is written");
    }

    /// Writes bytes past the services, whatever they are.
    pub async fn write_bytes(&self, topic: &str, key: &'static [u8], value: &'static [u8]) {
        self.write_record(ProducerRecord {
            topic: topic.into(),
            partition: partition_of(key, PARTITIONS),
            key: Some(key.into()),
            value: Some(value.into()),
            headers: Vec::new(),
        })
        .await;
    }

    /// Writes a good record into the partition after the one that its key belongs to. The two partitions.
    pub async fn misplace<K: Key, V: Value>(&self, topic: &Topic<K, V>, key: &K, value: &V) -> (i32, i32) {
        let (key, value) = (encode_key(key), encode_value(value).expect("JSON"));
        let home = partition_of(&key, PARTITIONS);
        let partition = (home + 1) % PARTITIONS;
        let topic = topic.name().into();
        self.write_record(ProducerRecord {
            topic,
            partition,
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        })
        .await;
        (home, partition)
    }

    /// Writes what nobody can read after the last record of a topic whose key ends so, under the same key.
    pub async fn damage(&self, topic: &str, key_end: &str) {
        let is_of_key = |record: &ConsumerRecord| {
            record.key.as_deref().is_some_and(|key| key.ends_with(key_end.as_bytes()))
        };
        let record = self.records(topic).into_iter().rfind(is_of_key).expect("there is such a record");
        self.write_record(ProducerRecord {
            topic: record.topic,
            partition: record.partition,
            key: record.key,
            value: Some(b"{not json"[..].into()),
            headers: Vec::new(),
        })
        .await;
    }

    async fn write_record(&self, record: ProducerRecord) {
        let writer = self.kafka.writer().expect("a writer");
        let (sent, delivered) = tokio::sync::oneshot::channel();
        let on_delivery: OnDelivery = Box::new(move |result| drop(sent.send(result)));
        writer.send(record, on_delivery);
        delivered.await.expect("the writer lives").expect("the record is written");
    }
}
