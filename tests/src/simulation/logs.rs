//! The topics as they stand when nothing happens any more.

use std::sync::Arc;
use std::time::Duration;

use service::topics::{ORDER_VALIDATIONS, ORDERS, TIERS};
use streams::simulation::World;
use streams::{
    ClientSupplier, ConsumerRecord, Key, Reader, Timestamp, Topic, TopicPartition, Value, decode_key,
    decode_value,
};

use super::Plan;
use super::customers::Told;
use super::fleet::Fleet;
use super::poison::Poison;
use crate::Service;

/// All committed records.
pub(super) struct Logs<'a> {
    world: &'a World,
    partitions: i32,
}

/// A record of a typed topic.
pub(super) struct Entry<K, V> {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) at: Timestamp,
    pub(super) key: K,
    pub(super) value: V,
}

impl<'a> Logs<'a> {
    /// Waits until everything that was asked for is there, and nothing more comes.
    pub(super) fn at_rest(
        world: &'a World,
        plan: &Plan,
        fleet: &Fleet,
        told: &Told,
        poison: &Poison,
        limit: Duration,
    ) -> Self {
        let logs = Self { world, partitions: plan.partitions };
        let deadline = world.now() + limit;
        while let Some(missing) = logs.missing(told, poison) {
            assert!(world.now() < deadline, "no rest: {missing}; {}", fleet.reasons().join("; "));
            world.sleep(Duration::from_millis(500));
        }
        let mut before = logs.length();
        loop {
            // Longer than anything that is still on its way may take.
            world.sleep(Duration::from_secs(15));
            let now = logs.length();
            if before == now {
                return logs;
            }
            assert!(world.now() < deadline + limit, "no rest: something is written again and again");
            before = now;
        }
    }

    /// What is still to come.
    fn missing(&self, told: &Told, poison: &Poison) -> Option<String> {
        let decided = self.entries(&ORDERS).iter().filter(|entry| entry.value.state.is_final()).count();
        let tiers: usize = TIERS.iter().map(|tier| self.entries(tier).len()).sum();
        let letters: usize = Service::ALL.iter().map(|service| self.dead_letters(*service).len()).sum();
        let expected: usize = poison.records.iter().map(|(topic, _)| Poison::readers(topic).len()).sum();
        let orders = told.orders.len();
        let is_there = decided >= orders && tiers >= orders && letters >= expected;
        (!is_there).then(|| {
            format!(
                "of {orders} orders {decided} are decided and {tiers} in a tier; of {expected} dead letters \
                 {letters} are there"
            )
        })
    }

    /// How many offsets there are in the topics of the pipeline.
    fn length(&self) -> i64 {
        let topics = [ORDERS.name(), ORDER_VALIDATIONS.name()];
        let tiers = TIERS.iter().map(Topic::name);
        topics.into_iter().chain(tiers).map(|topic| self.records(topic).len() as i64).sum()
    }

    pub(super) fn dead_letters(&self, service: Service) -> Vec<ConsumerRecord> {
        self.records(&format!("{}-dlq", service.name()))
    }

    /// The entries of a topic, without the poison that was put there.
    pub(super) fn entries<K: Key, V: Value>(&self, topic: &Topic<K, V>) -> Vec<Entry<K, V>> {
        let records = self.records(topic.name()).into_iter().filter(|record| !Poison::is(record));
        records.map(|record| entry(&record)).collect()
    }

    /// What was put under the keys of a store.
    pub(super) fn store_entries<K: Key, V: Value>(&self, application: &str, store: &str) -> Vec<Entry<K, V>> {
        self.changelog(application, store).iter().map(entry).collect()
    }

    /// The changelog records of a store, with its own keys.
    fn changelog(&self, application: &str, store: &str) -> Vec<ConsumerRecord> {
        let prefix = format!("{store}/");
        let of_store = |record: ConsumerRecord| {
            let key = record.key.filter(|key| key.starts_with(prefix.as_bytes()))?;
            Some(ConsumerRecord { key: Some(key.slice(prefix.len()..)), ..record })
        };
        self.records(&format!("{application}-changelog")).into_iter().filter_map(of_store).collect()
    }

    /// The latest value of each key of a store, as text and JSON.
    pub(super) fn table(
        &self,
        application: &str,
        store: &str,
    ) -> std::collections::BTreeMap<String, serde_json::Value> {
        let mut table = std::collections::BTreeMap::new();
        for record in self.changelog(application, store) {
            let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
            match record.value {
                Some(value) => table.insert(key, serde_json::from_slice(&value).expect("JSON")),
                None => table.remove(&key),
            };
        }
        table
    }

    /// All committed records of a topic, partition by partition.
    pub(super) fn records(&self, topic: &str) -> Vec<ConsumerRecord> {
        let mut reader = self.world.kafka().reader("checks").expect("a simulated reader");
        let partitions: Vec<_> =
            (0..self.partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
        partitions.into_iter().flat_map(|partition| read(&mut *reader, partition)).collect()
    }
}

fn entry<K: Key, V: Value>(record: &ConsumerRecord) -> Entry<K, V> {
    Entry {
        partition: record.partition,
        offset: record.offset,
        at: record.timestamp,
        key: decode_key(record.key.as_deref().expect("a key")).expect("a key of the topic"),
        value: decode_value(record.value.as_deref().expect("a value")).expect("a value of the topic"),
    }
}

fn read(reader: &mut dyn Reader, partition: TopicPartition) -> Vec<ConsumerRecord> {
    let name: Arc<str> = partition.topic.clone();
    let ends = reader.watermarks(std::slice::from_ref(&partition));
    let Ok([ends]) = ends.as_deref() else { return Vec::new() };
    reader.assign(&[(partition, ends.low)]).unwrap_or_else(|error| panic!("{name}: {error}"));
    std::iter::from_fn(|| reader.poll(Duration::ZERO).unwrap_or_else(|error| panic!("{name}: {error}")))
        .collect()
}
