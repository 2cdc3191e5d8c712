//! A task: one partition of an application. It does no IO but for reading its stores; what it wants done it
//! returns, and the worker does it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::Timestamp;
use crate::dead_letter;
use crate::end_of_input::EndOfInput;
use crate::faults;
use crate::global::TableState;
use crate::partitioner::check_place;
use crate::processor::ProcessError;
use crate::readers::{Audience, ChangedKey};
use crate::record::{ChangelogRecord, ConsumerRecord, ProducerRecord};
use crate::rejection::Rejection;
use crate::run::Run;
use crate::store::{BackendError, Checkpoint, OverlayStore, StoreBackend};
use crate::topology::{NodeId, Topology};

pub(crate) struct Task {
    run: Run,
    /// The first offset of each input that is not processed.
    positions: BTreeMap<Arc<str>, i64>,
    /// The same as of the last commit.
    committed: BTreeMap<Arc<str>, i64>,
    punctuations: Vec<Punctuation>,
    dirty: bool,
}

struct Punctuation {
    node: NodeId,
    interval: Duration,
    due: Timestamp,
    /// How many records the task had taken by the last time.
    taken: usize,
}

impl Punctuation {
    /// Zero when it is due, also when the clock was set back: then it would not be for too long.
    fn until_due(&self, now: Timestamp) -> Duration {
        let wait = self.due.since(now);
        if wait > self.interval { Duration::ZERO } else { wait }
    }
}

/// What a commit made visible: for readers and metrics.
pub(crate) struct Committed {
    pub(crate) keys: Vec<ChangedKey>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

impl Task {
    /// The task of `partition`, whose stores are restored, and which goes on at `positions`.
    pub(crate) fn new(
        topology: Arc<Topology>,
        partition: i32,
        partitions: i32,
        stores: Vec<Arc<dyn StoreBackend>>,
        tables: Arc<[TableState]>,
        positions: BTreeMap<Arc<str>, i64>,
        now: Timestamp,
    ) -> Self {
        let punctuations = topology.nodes.iter().enumerate().filter_map(|(node, processor)| {
            let interval = processor.punctuation_interval()?;
            Some(Punctuation { node, interval, due: now + interval, taken: 0 })
        });
        let punctuations = punctuations.collect();
        let stores = stores.into_iter().map(OverlayStore::new).collect();
        Self {
            run: Run::new(topology, partition, partitions, stores, tables, now),
            committed: positions.clone(),
            positions,
            punctuations,
            dirty: false,
        }
    }

    /// Processes a record; one that stands in the wrong place or cannot be decoded becomes a dead letter. A record that
    /// was processed before (it can come again after a re-assignment) changes nothing.
    pub(crate) fn process(&mut self, record: &ConsumerRecord, now: Timestamp) -> Result<(), ProcessError> {
        let Some(position) = self.positions.get_mut(&record.topic) else { return Ok(()) };
        if record.offset < *position {
            return Ok(());
        }
        *position = record.offset + 1;
        self.run.taken += 1;
        let topology = self.run.topology.clone();
        let Some(source) = topology.source(&record.topic) else { return Ok(()) };
        self.run.now = now;
        let key = record.key.as_deref();
        let decoded = check_place(key, record.partition, self.run.partitions)
            .map_err(Rejection::from)
            .and_then(|()| Ok((source.decode)(key, record.value.as_deref())?));
        match decoded {
            Ok(None) => Ok(()),
            Ok(Some(decoded)) => {
                self.run.origin = Some(record.origin());
                let result = self.run.run(source.node, decoded);
                self.run.origin = None;
                result
            }
            Err(rejection) => {
                self.dead_letter(record, rejection.exception(), &rejection);
                self.run.count(rejection.counter());
                Ok(())
            }
        }
    }

    /// Sends a record that cannot be processed to the dead letter topic, in its place.
    pub(crate) fn dead_letter(
        &mut self,
        record: &ConsumerRecord,
        exception: &str,
        error: &dyn std::fmt::Display,
    ) {
        self.pass(record);
        let headers = dead_letter::headers(record, exception, &error.to_string());
        self.run.send_dead_letter(record.key.clone(), record.value.clone(), headers);
    }

    /// The same without key and value, where not even the dead letter is taken: the headers tell where they are.
    pub(crate) fn stripped_dead_letter(&mut self, record: &ConsumerRecord, error: &dyn std::fmt::Display) {
        self.pass(record);
        let bare = ConsumerRecord { headers: Vec::new(), ..record.clone() };
        self.run.send_dead_letter(
            None,
            None,
            dead_letter::headers(&bare, "ProcessError", &error.to_string()),
        );
    }

    fn pass(&mut self, record: &ConsumerRecord) {
        if let Some(position) = self.positions.get_mut(&record.topic) {
            *position = (*position).max(record.offset + 1);
        }
    }

    /// How long it is until the next punctuation, if there is any.
    pub(crate) fn until_punctuation(&self, now: Timestamp) -> Option<Duration> {
        self.punctuations.iter().map(|punctuation| punctuation.until_due(now)).min()
    }

    /// Does what is due by the wall clock.
    pub(crate) fn punctuate(&mut self, now: Timestamp) -> Result<(), ProcessError> {
        self.run.now = now;
        for punctuation in &mut self.punctuations {
            if punctuation.until_due(now).is_zero() {
                punctuation.due = now + punctuation.interval;
                self.run.taken_since = self.run.taken - punctuation.taken;
                punctuation.taken = self.run.taken;
                self.run.punctuate(punctuation.node)?;
            }
        }
        Ok(())
    }

    /// What was done at `now` was in vain: it is due again.
    pub(crate) fn punctuate_again(&mut self, now: Timestamp) {
        for punctuation in &mut self.punctuations {
            if punctuation.due == now + punctuation.interval {
                punctuation.due = now;
            }
        }
    }

    /// The records that were put out since the last call, in order.
    pub(crate) fn take_output(&mut self) -> std::vec::Drain<'_, ProducerRecord> {
        self.dirty |= !self.run.output.is_empty();
        self.run.output.drain(..)
    }

    /// The changelog records of the open transaction, the last value of each key, with the index of their store.
    pub(crate) fn changelog(&self) -> impl Iterator<Item = (usize, ChangelogRecord<'_>)> {
        let partition = self.run.partition;
        self.run.stores.iter().zip(&self.run.topology.stores).enumerate().flat_map(
            move |(index, (store, spec))| {
                let topic = &spec.changelog.name;
                store.changes().map(move |(key, value)| {
                    (index, ChangelogRecord { topic, partition, key, value: value.as_ref() })
                })
            },
        )
    }

    /// The inputs that have moved since the last commit, with the first offset that is not processed.
    pub(crate) fn moved(&self) -> impl Iterator<Item = (&Arc<str>, i64)> {
        self.positions
            .iter()
            .filter(|(topic, position)| self.committed.get(*topic) != Some(position))
            .map(|(topic, position)| (topic, *position))
    }

    /// All inputs, with the first offset that is not processed.
    pub(crate) fn positions(&self) -> &BTreeMap<Arc<str>, i64> {
        &self.positions
    }

    /// The same as of the last commit.
    pub(crate) fn committed_positions(&self) -> &BTreeMap<Arc<str>, i64> {
        &self.committed
    }

    /// Whether there is anything to commit besides positions.
    pub(crate) fn has_effects(&self) -> bool {
        self.dirty || !self.run.output.is_empty() || self.run.stores.iter().any(OverlayStore::is_dirty)
    }

    /// How many records wait to be sent.
    pub(crate) fn output_count(&self) -> usize {
        self.run.output.len()
    }

    /// Whether somebody waits for what was done since the last commit.
    pub(crate) fn is_urgent(&self) -> bool {
        self.run.is_urgent
    }

    /// Nothing was done that anybody could wait for.
    pub(crate) fn calm_down(&mut self) {
        self.run.is_urgent = false;
    }

    /// After Kafka's commit: the stores take what was written. `checkpoints` gives for each store that was
    /// written the offset after its last changelog record. What has changed is told to whom it may concern.
    pub(crate) fn commit(
        &mut self,
        checkpoints: &BTreeMap<usize, i64>,
        now: Timestamp,
        audience: Audience,
    ) -> Result<Committed, BackendError> {
        let mut keys = Vec::new();
        for (index, store) in self.run.stores.iter_mut().enumerate().filter(|(_, store)| store.is_dirty()) {
            let topology = &self.run.topology;
            if !audience.is_empty() {
                keys.extend(store.changes().filter_map(|(key, value)| {
                    let (store, key) = topology.in_section(index, key)?;
                    Some(ChangedKey { store, key, value: value.clone() })
                }));
            }
            // A store that was written has changelog records, and they were delivered before the commit.
            let offset = checkpoints.get(&index).copied().unwrap_or_default();
            store.commit(Checkpoint { offset, at: now })?;
        }
        self.committed.clone_from(&self.positions);
        self.dirty = false;
        self.run.is_urgent = false;
        Ok(Committed { keys, counts: std::mem::take(&mut self.run.counts) })
    }

    /// The stores take what is not committed yet, as far as they can: for a fault.
    pub(crate) fn store_early(&self, checkpoints: &BTreeMap<usize, i64>, now: Timestamp) {
        for (index, store) in self.run.stores.iter().enumerate().filter(|(_, store)| store.is_dirty()) {
            let changes = store.changes().map(|(key, value)| (key.clone(), value.clone())).collect();
            let offset = checkpoints.get(&index).copied().unwrap_or_default();
            drop(store.committed().apply(changes, Checkpoint { offset, at: now }));
        }
    }

    /// Back to the last commit.
    pub(crate) fn abort(&mut self) {
        self.run.abort(!faults::OVERLAY_KEPT.is_on());
        self.positions.clone_from(&self.committed);
        self.dirty = false;
    }

    /// Says that the stores are up to date, though nothing was written.
    pub(crate) fn touch(&self, now: Timestamp) -> Result<(), BackendError> {
        for store in &self.run.stores {
            if let Some(checkpoint) = store.committed().checkpoint()? {
                store.committed().apply(Vec::new(), Checkpoint { at: now, ..checkpoint })?;
            }
        }
        Ok(())
    }

    /// How far inputs are known to be read, to be kept over an abort that undoes no effect of a record.
    pub(crate) fn take_ends(&mut self) -> BTreeMap<Arc<str>, EndOfInput> {
        std::mem::take(&mut self.run.ends)
    }

    /// What was kept.
    pub(crate) fn put_ends(&mut self, ends: BTreeMap<Arc<str>, EndOfInput>) {
        self.run.ends = ends;
    }

    /// The inputs whose end is asked for, with the time of the question.
    pub(crate) fn take_end_requests(&mut self) -> Vec<(Arc<str>, Timestamp)> {
        let ends = self.run.ends.iter_mut();
        ends.filter_map(|(topic, end)| Some((topic.clone(), end.take_request()?))).collect()
    }

    /// Kafka's answer: the high watermark of this task's partition of `topic`.
    pub(crate) fn answer_end(&mut self, topic: &str, as_of: Timestamp, end: i64) {
        if let Some(ends) = self.run.ends.get_mut(topic) {
            ends.answer(as_of, vec![end]);
        }
    }

    /// The inputs whose end is known and not reached yet.
    pub(crate) fn awaited_ends(&self) -> impl Iterator<Item = &Arc<str>> {
        self.run.ends.iter().filter(|(_, end)| end.is_awaited()).map(|(topic, _)| topic)
    }

    /// The consumer has handed out everything below `position` of `topic`, and all of it is processed.
    pub(crate) fn read_up_to(&mut self, topic: &str, position: i64) {
        if let Some(ends) = self.run.ends.get_mut(topic) {
            ends.advance(&[position]);
        }
    }

    /// The committed layer of a store, for readers.
    pub(crate) fn committed_stores(&self) -> Vec<Arc<dyn StoreBackend>> {
        self.run.stores.iter().map(|store| store.committed().clone()).collect()
    }

    /// The committed layer as bytes, for tests.
    pub(crate) fn store(&self, index: usize) -> Option<&OverlayStore> {
        self.run.stores.get(index)
    }
}
