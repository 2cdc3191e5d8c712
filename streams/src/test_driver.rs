//! Runs a topology in memory, with the time that the test says: no Kafka, no threads, no waiting.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::Timestamp;
use crate::codec::{Key, Value, decode_key, decode_value, encode_key, encode_value};
use crate::global::TableState;
use crate::partitioner::partition_of;
use crate::readers::Audience;
use crate::record::{ConsumerRecord, ProducerRecord};
use crate::store::{Checkpoint, MemoryStore, Store, StoreBackend};
use crate::task::Task;
use crate::topic::Topic;
use crate::topology::Topology;

/// A topology under test. (Kafka Streams calls it `TopologyTestDriver`.)
///
/// Each record that is piped in is processed at once, with all that follows from it through repartition
/// topics, and committed. What comes out stays to be read, topic by topic.
///
/// Its methods panic where a test would fail anyway: when a processor returns an error, or when what
/// comes out is not what the topic should hold.
pub struct TestDriver {
    topology: Arc<Topology>,
    partitions: i32,
    now: Timestamp,
    tasks: Vec<Task>,
    stores: Vec<Vec<Arc<dyn StoreBackend>>>,
    tables: Arc<[TableState]>,
    logs: BTreeMap<(Arc<str>, i32), i64>,
    input: VecDeque<ConsumerRecord>,
    output: BTreeMap<Arc<str>, VecDeque<ConsumerRecord>>,
    changelog: BTreeMap<Arc<str>, Vec<ConsumerRecord>>,
    counts: BTreeMap<&'static str, u64>,
}

impl TestDriver {
    /// Runs `topology` with topics of one partition, from the Unix epoch on.
    pub fn new(topology: Topology) -> Self {
        Self::with_partitions(topology, 1)
    }

    /// Runs `topology` with topics of `partitions` partitions, from the Unix epoch on.
    pub fn with_partitions(topology: Topology, partitions: i32) -> Self {
        let memory = || Arc::new(MemoryStore::default()) as Arc<dyn StoreBackend>;
        let stores = (0..partitions).map(|_| topology.stores.iter().map(|_| memory()).collect()).collect();
        let tables = topology.global_tables.iter().map(|table| {
            TableState::new(table.topic.name.clone(), (0..partitions).map(|_| memory()).collect())
        });
        let tables = tables.collect();
        let mut driver = Self {
            topology: Arc::new(topology),
            partitions,
            now: Timestamp::default(),
            tasks: Vec::new(),
            stores,
            tables,
            logs: BTreeMap::new(),
            input: VecDeque::new(),
            output: BTreeMap::new(),
            changelog: BTreeMap::new(),
            counts: BTreeMap::new(),
        };
        driver.restart();
        driver
    }

    /// Stops all tasks and starts them anew at the present time, with the stores as they are.
    pub fn restart(&mut self) {
        let tasks = (0..self.partitions).zip(&self.stores).map(|(partition, stores)| {
            let position =
                |topic: &Arc<str>| self.logs.get(&(topic.clone(), partition)).copied().unwrap_or(0);
            let topics = self.topology.source_topics().map(|topic| topic.name.clone());
            let positions = topics.map(|topic| (topic.clone(), position(&topic))).collect();
            Task::new(
                self.topology.clone(),
                partition,
                self.partitions,
                stores.clone(),
                self.tables.clone(),
                positions,
                self.now,
            )
        });
        self.tasks = tasks.collect();
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the time on to `now` without anything happening on the way: for the first moment of a test.
    pub fn set_time(&mut self, now: Timestamp) {
        self.now = now;
        self.restart();
    }

    /// Lets time pass: every punctuation happens when it is due, and inputs count as read to their ends.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.next_punctuation().filter(|due| *due <= end) {
            self.now = due;
            for index in 0..self.tasks.len() {
                self.tasks[index].punctuate(self.now).expect("a punctuation fails");
                self.commit(index);
            }
            self.run();
        }
        self.now = end;
    }

    fn next_punctuation(&self) -> Option<Timestamp> {
        self.tasks
            .iter()
            .filter_map(|task| task.until_punctuation(self.now))
            .min()
            .map(|wait| self.now + wait)
    }

    /// Pipes a record into a source topic or the topic of a global table.
    pub fn pipe<K: Key, V: Value>(&mut self, topic: &Topic<K, V>, key: &K, value: &V) {
        let value = encode_value(value).expect("a value can be written");
        self.pipe_bytes(topic.name(), Some(encode_key(key)), Some(value));
    }

    /// Pipes bytes in, whatever they are.
    pub fn pipe_bytes(&mut self, topic: &str, key: Option<Bytes>, value: Option<Bytes>) {
        let partition = key.as_deref().map_or(0, |key| partition_of(key, self.partitions));
        self.pipe_at(topic, partition, key, value);
    }

    /// Pipes bytes into a partition, be it the key's own or another.
    pub fn pipe_at(&mut self, topic: &str, partition: i32, key: Option<Bytes>, value: Option<Bytes>) {
        let record =
            self.log(ProducerRecord { topic: topic.into(), partition, key, value, headers: Vec::new() });
        self.deliver(record);
        self.run();
    }

    /// The records that came out on a topic since the last call, in order.
    pub fn read<K: Key, V: Value>(&mut self, topic: &Topic<K, V>) -> Vec<(K, V)> {
        let decode = |record: ConsumerRecord| {
            let key = decode_key(&record.key.expect("a record has a key")).expect("a key of the topic");
            let value =
                decode_value(&record.value.expect("a record has a value")).expect("a value of the topic");
            (key, value)
        };
        self.read_records(topic.name()).into_iter().map(decode).collect()
    }

    /// The records that came out on a topic since the last call, as bytes: dead letters, for example.
    pub fn read_records(&mut self, topic: &str) -> Vec<ConsumerRecord> {
        self.output.get_mut(topic).map(|records| records.drain(..).collect()).unwrap_or_default()
    }

    /// All records that a store's changelog got so far.
    pub fn changelog<K: Key, V: Value>(&self, store: &Store<K, V>) -> Vec<(K, Option<V>)> {
        let section = &self.topology.sections[store.index];
        let name = &self.topology.stores[section.store].changelog.name;
        let decode = |record: &ConsumerRecord| {
            let key = section.strip(record.key.as_ref().expect("a record has a key"))?;
            let value = record.value.as_deref();
            let value = value.map(|value| decode_value(value).expect("a value of the store"));
            Some((decode_key(&key).expect("a key of the store"), value))
        };
        self.changelog.get(name).into_iter().flatten().filter_map(decode).collect()
    }

    /// The value under `key` in a store.
    pub fn get<K: Key, V: Value>(&self, store: &Store<K, V>, key: &K) -> Option<V> {
        let section = &self.topology.sections[store.index];
        let key = section.encode_key(key);
        let value = self
            .tasks
            .iter()
            .find_map(|task| task.store(section.store)?.get(&key).expect("memory can be read"));
        value.map(|value| decode_value(&value).expect("a value of the store"))
    }

    /// All entries of a store, task by task, in the order of their keys.
    pub fn entries<K: Key, V: Value>(&self, store: &Store<K, V>) -> Vec<(K, V)> {
        let section = &self.topology.sections[store.index];
        let (from, to) = section.bounds(Bound::Unbounded, Bound::Unbounded);
        let (from, to) = (from.as_ref().map(AsRef::as_ref), to.as_ref().map(AsRef::as_ref));
        let entries = self.tasks.iter().filter_map(|task| task.store(section.store)).flat_map(|store| {
            store.range(section.prefix(), from, to, usize::MAX).expect("memory can be read")
        });
        let decode = |(key, value): (Bytes, Bytes)| {
            let key = section.strip(&key).expect("a key of the section");
            (
                decode_key(&key).expect("a key of the store"),
                decode_value(&value).expect("a value of the store"),
            )
        };
        entries.map(decode).collect()
    }

    /// How often a processor counted under `name`.
    pub fn counted(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Puts bytes under a key of a store, past everything: to see what a damaged store does.
    pub fn damage<K: Key, V: Value>(&mut self, store: &Store<K, V>, key: &K, bytes: impl Into<Bytes>) {
        let section = &self.topology.sections[store.index];
        let key = encode_key(key);
        let partition = usize::try_from(partition_of(&key, self.partitions)).unwrap_or_default();
        let change = vec![(section.key(key), Some(bytes.into()))];
        let checkpoint = Checkpoint { offset: 0, at: self.now };
        self.stores[partition][section.store].apply(change, checkpoint).expect("memory can be written");
    }

    fn run(&mut self) {
        while let Some(record) = self.input.pop_front() {
            self.deliver(record);
        }
        self.answer_ends();
    }

    fn deliver(&mut self, record: ConsumerRecord) {
        for (spec, table) in self.topology.global_tables.iter().zip(self.tables.iter()) {
            if spec.topic.name == record.topic
                && let Ok(change) = spec.change(&record, self.partitions)
            {
                let partition = usize::try_from(record.partition).unwrap_or_default();
                let checkpoint = Checkpoint { offset: record.offset + 1, at: self.now };
                table.partitions[partition].apply(vec![change], checkpoint).expect("memory can be written");
            }
        }
        if self.topology.source(&record.topic).is_some() {
            let index = usize::try_from(record.partition).unwrap_or_default();
            self.tasks[index].process(&record, self.now).expect("a record fails");
            self.commit(index);
        }
    }

    fn commit(&mut self, index: usize) {
        let output: Vec<ProducerRecord> = self.tasks[index].take_output().collect();
        let changelog = self.tasks[index].changelog().map(|(store, change)| (store, change.into()));
        let changelog: Vec<(usize, ProducerRecord)> = changelog.collect();
        for record in output {
            let record = self.log(record);
            if self.topology.source(&record.topic).is_some() {
                self.input.push_back(record);
            } else {
                self.output.entry(record.topic.clone()).or_default().push_back(record);
            }
        }
        let mut checkpoints = BTreeMap::new();
        for (store, record) in changelog {
            let record = self.log(record);
            checkpoints.insert(store, record.offset + 1);
            self.output.entry(record.topic.clone()).or_default().push_back(record.clone());
            self.changelog.entry(record.topic.clone()).or_default().push(record);
        }
        let committed =
            self.tasks[index].commit(&checkpoints, self.now, Audience::NONE).expect("memory can be written");
        for (name, count) in committed.counts {
            *self.counts.entry(name).or_default() += count;
        }
    }

    /// Everything piped in is processed, so each end that is asked for is reached.
    fn answer_ends(&mut self) {
        for task in &mut self.tasks {
            for (topic, as_of) in task.take_end_requests() {
                task.answer_end(&topic, as_of, 0);
                task.read_up_to(&topic, 0);
            }
        }
        for table in self.tables.iter() {
            let mut end = table.end();
            if let Some(as_of) = end.take_request() {
                end.answer(as_of, Vec::new());
                end.advance(&[]);
            }
        }
    }

    /// Gives a record its place in the log.
    fn log(&mut self, record: ProducerRecord) -> ConsumerRecord {
        let end = self.logs.entry((record.topic.clone(), record.partition)).or_default();
        let offset = *end;
        *end += 1;
        ConsumerRecord {
            topic: record.topic,
            partition: record.partition,
            offset,
            timestamp: self.now,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }
    }
}
