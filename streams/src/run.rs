//! What a task's records run in: its stores, what it has put out since the last commit, and the time.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::Timestamp;
use crate::codec::{Key, Value, decode_key, decode_value, encode_key, encode_value};
use crate::end_of_input::EndOfInput;
use crate::faults;
use crate::global::{GlobalTable, TableState};
use crate::partitioner::partition_of;
use crate::processor::ProcessError;
use crate::record::{Header, Origin, ProducerRecord};
use crate::store::{OverlayStore, Store, StoreError};
use crate::topology::{AnyRecord, NodeId, Topology};

pub(crate) struct Run {
    pub(crate) topology: Arc<Topology>,
    pub(crate) partition: i32,
    pub(crate) partitions: i32,
    pub(crate) now: Timestamp,
    pub(crate) started_at: Timestamp,
    pub(crate) origin: Option<Origin>,
    pub(crate) stores: Vec<OverlayStore>,
    pub(crate) tables: Arc<[TableState]>,
    pub(crate) ends: BTreeMap<Arc<str>, EndOfInput>,
    pub(crate) output: Vec<ProducerRecord>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// How many records the task has taken.
    pub(crate) taken: usize,
    /// How many of them since the processor that is punctuated was so before.
    pub(crate) taken_since: usize,
    /// Whether somebody waits for what was done since the last commit.
    pub(crate) is_urgent: bool,
    /// Whether nobody waits for what comes of the record in work.
    is_late: bool,
    waiting: VecDeque<Waiting>,
}

/// A record on its way to a node.
struct Waiting {
    node: NodeId,
    record: AnyRecord,
    is_late: bool,
}

impl Run {
    pub(crate) fn new(
        topology: Arc<Topology>,
        partition: i32,
        partitions: i32,
        stores: Vec<OverlayStore>,
        tables: Arc<[TableState]>,
        now: Timestamp,
    ) -> Self {
        Self {
            topology,
            partition,
            partitions,
            now,
            started_at: now,
            origin: None,
            stores,
            tables,
            ends: BTreeMap::new(),
            output: Vec::new(),
            counts: BTreeMap::new(),
            taken: 0,
            taken_since: 0,
            is_urgent: false,
            is_late: false,
            waiting: VecDeque::new(),
        }
    }

    /// Hands a record to a node, and all that follows from it to the nodes after it.
    pub(crate) fn run(&mut self, node: NodeId, record: AnyRecord) -> Result<(), ProcessError> {
        self.waiting.push_back(Waiting { node, record, is_late: false });
        self.run_waiting()
    }

    /// Lets a node do what is due by the wall clock, and all that follows from it.
    pub(crate) fn punctuate(&mut self, node: NodeId) -> Result<(), ProcessError> {
        let topology = self.topology.clone();
        self.is_late = false;
        if let Some(processor) = topology.nodes.get(node) {
            processor.punctuate(node, self)?;
        }
        self.run_waiting()
    }

    fn run_waiting(&mut self) -> Result<(), ProcessError> {
        let topology = self.topology.clone();
        while let Some(Waiting { node, record, is_late }) = self.waiting.pop_front() {
            self.is_late = is_late;
            if let Some(processor) = topology.nodes.get(node) {
                let processed = processor.process(node, record, self);
                // It is the record's alone.
                self.is_late = false;
                processed.inspect_err(|_| self.waiting.clear())?;
            }
        }
        Ok(())
    }

    /// Throws away what was put out since the last commit, and what was written to stores.
    pub(crate) fn abort(&mut self, with_stores: bool) {
        if with_stores {
            self.stores.iter_mut().for_each(OverlayStore::abort);
        }
        self.output.clear();
        self.is_urgent = false;
        self.counts.clear();
        self.waiting.clear();
        // What was read to the end may be read again.
        self.ends.clear();
    }

    pub(crate) fn forward<K, V>(&mut self, from: NodeId, key: K, value: V)
    where
        K: Clone + Send + 'static,
        V: Clone + Send + 'static,
    {
        let topology = self.topology.clone();
        let Some((last, others)) = topology.children.get(from).and_then(|children| children.split_last())
        else {
            return;
        };
        for child in others {
            self.wait(*child, Box::new((key.clone(), value.clone())));
        }
        self.wait(*last, Box::new((key, value)));
    }

    fn wait(&mut self, node: NodeId, record: AnyRecord) {
        self.waiting.push_back(Waiting { node, record, is_late: self.is_late });
    }

    /// Nobody waits for what comes of the record in work.
    pub(crate) fn commit_late(&mut self) {
        self.is_late = true;
    }

    /// Somebody may wait for what was done.
    fn hurry(&mut self) {
        self.is_urgent |= !self.is_late;
    }

    pub(crate) fn send(&mut self, topic: Arc<str>, key: Bytes, value: Bytes) {
        let partition = partition_of(&key, self.partitions);
        self.hurry();
        self.output.push(ProducerRecord {
            topic,
            partition,
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        });
    }

    pub(crate) fn send_dead_letter(
        &mut self,
        key: Option<Bytes>,
        value: Option<Bytes>,
        headers: Vec<Header>,
    ) {
        let topic = self.topology.dead_letter_topic();
        self.hurry();
        self.output.push(ProducerRecord { topic, partition: self.partition, key, value, headers });
        self.count("dead_letters");
    }

    pub(crate) fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    pub(crate) fn get<K: Key, V: Value>(
        &self,
        store: &Store<K, V>,
        key: &K,
    ) -> Result<Option<V>, StoreError> {
        let section = &self.topology.sections[store.index];
        let bytes = self.stores[section.store]
            .get(&section.encode_key(key))
            .map_err(|e| self.backend(store.index, e))?;
        bytes.map(|bytes| decode_value(&bytes).map_err(|e| self.undecodable(store.index, e))).transpose()
    }

    pub(crate) fn put<K: Key, V: Value>(
        &mut self,
        store: &Store<K, V>,
        key: &K,
        value: &V,
    ) -> Result<(), StoreError> {
        let value = encode_value(value)
            .map_err(|source| StoreError::Unencodable { store: self.store_name(store.index), source })?;
        let key = self.topology.sections[store.index].encode_key(key);
        self.write(store.index, key, Some(value));
        Ok(())
    }

    pub(crate) fn delete<K: Key, V: Value>(&mut self, store: &Store<K, V>, key: &K) {
        let key = self.topology.sections[store.index].encode_key(key);
        self.write(store.index, key, None);
    }

    /// `key` as it is kept.
    fn write(&mut self, section: usize, key: Bytes, value: Option<Bytes>) {
        let section = &self.topology.sections[section];
        self.stores[section.store].write(section.prefix(), key, value);
        // Others read the topic.
        if self.topology.stores[section.store].is_topic() {
            self.hurry();
        }
    }

    pub(crate) fn prefix<K: Key, V: Value>(
        &self,
        store: &Store<K, V>,
        prefix: &str,
    ) -> Result<Vec<(K, V)>, StoreError> {
        // No UTF-8 text has the byte 0xff, so this is the end of all texts that begin with the prefix.
        let end = [prefix.as_bytes(), &[0xff]].concat();
        self.entries(store, Bound::Included(prefix.as_bytes()), Bound::Excluded(&end), usize::MAX)
    }

    pub(crate) fn range<K: Key, V: Value>(
        &self,
        store: &Store<K, V>,
        from: Bound<&str>,
        to: Bound<&str>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        self.entries(store, from.map(str::as_bytes), to.map(str::as_bytes), limit)
    }

    pub(crate) fn keys<K: Key, V: Value>(
        &self,
        store: &Store<K, V>,
        from: Bound<&str>,
        to: Bound<&str>,
        limit: usize,
    ) -> Result<Vec<K>, StoreError> {
        let entries = self.bytes(store.index, from.map(str::as_bytes), to.map(str::as_bytes), limit)?;
        let key = |(key, _): (Bytes, Bytes)| decode_key(&key).map_err(|e| self.undecodable(store.index, e));
        entries.into_iter().map(key).collect()
    }

    fn entries<K: Key, V: Value>(
        &self,
        store: &Store<K, V>,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        let entries = self.bytes(store.index, from, to, limit)?;
        let decode = |(key, value): (Bytes, Bytes)| Ok((decode_key(&key)?, decode_value(&value)?));
        entries.into_iter().map(|entry| decode(entry).map_err(|e| self.undecodable(store.index, e))).collect()
    }

    /// Entries of a section, with its own keys.
    fn bytes(
        &self,
        section: usize,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let place = &self.topology.sections[section];
        let (from, to) = place.bounds(from, to);
        let (from, to) = (from.as_ref().map(AsRef::as_ref), to.as_ref().map(AsRef::as_ref));
        let entries = self.stores[place.store]
            .range(place.prefix(), from, to, limit)
            .map_err(|e| self.backend(section, e))?;
        Ok(entries.into_iter().filter_map(|(key, value)| Some((place.strip(&key)?, value))).collect())
    }

    pub(crate) fn lookup<K: Key, V: Value>(
        &self,
        table: &GlobalTable<K, V>,
        key: &K,
    ) -> Result<Option<V>, StoreError> {
        let table = &self.tables[table.index];
        let store = || table.name.clone();
        let bytes =
            table.get(&encode_key(key)).map_err(|source| StoreError::Backend { store: store(), source })?;
        let decode = |bytes: Bytes| decode_value(&bytes);
        bytes.map(decode).transpose().map_err(|source| StoreError::Undecodable { store: store(), source })
    }

    pub(crate) fn request_end(&mut self, topic: &str) {
        let now = self.now;
        if let Some(end) = self.ends.get_mut(topic) {
            end.request(now);
        } else {
            self.ends.entry(topic.into()).or_default().request(now);
        }
    }

    pub(crate) fn read_to_end_as_of(&self, topic: &str) -> Option<Timestamp> {
        if faults::END_TAKEN_FOR_GRANTED.is_on() {
            return Some(self.now);
        }
        self.ends.get(topic).and_then(EndOfInput::reached)
    }

    pub(crate) fn request_table_end(&self, table: usize) {
        self.tables[table].request_end(self.now);
    }

    pub(crate) fn table_read_to_end_as_of(&self, table: usize) -> Option<Timestamp> {
        self.tables[table].read_to_end_as_of()
    }

    fn store_name(&self, index: usize) -> Arc<str> {
        self.topology.sections[index].name.clone()
    }

    fn backend(&self, index: usize, source: crate::store::BackendError) -> StoreError {
        StoreError::Backend { store: self.store_name(index), source }
    }

    fn undecodable(&self, index: usize, source: crate::codec::DecodeError) -> StoreError {
        StoreError::Undecodable { store: self.store_name(index), source }
    }
}
