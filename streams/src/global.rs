//! Global tables: a topic held whole in every instance, for lookups by other keys than the records' own.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::Timestamp;
use crate::codec::{DecodeError, Key, Value, decode_record};
use crate::end_of_input::EndOfInput;
use crate::partitioner::{check_place, partition_of};
use crate::record::ConsumerRecord;
use crate::rejection::Rejection;
use crate::store::{BackendError, StoreBackend};
use crate::topic::{Topic, TopicSpec};

/// A processor's hold on a global table of its topology.
pub struct GlobalTable<K, V> {
    pub(crate) index: usize,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> GlobalTable<K, V> {
    pub(crate) fn new(index: usize) -> Self {
        Self { index, types: PhantomData }
    }
}

impl<K, V> Clone for GlobalTable<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for GlobalTable<K, V> {}

impl<K, V> fmt::Debug for GlobalTable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GlobalTable({})", self.index)
    }
}

/// A global table as the topology declares it.
pub(crate) struct GlobalTableSpec {
    pub(crate) topic: TopicSpec,
    check: Box<CheckFn>,
}

/// Whether a record, which is no tombstone, is one of the table's topic.
type CheckFn = dyn Fn(&[u8], &[u8]) -> Result<(), DecodeError> + Send + Sync;

impl GlobalTableSpec {
    pub(crate) fn new<K: Key, V: Value>(topic: &Topic<K, V>) -> Self {
        let key_of = topic.key_of;
        let check = move |key: &[u8], value: &[u8]| decode_record(Some(key), Some(value), key_of).map(drop);
        Self { topic: topic.spec(), check: Box::new(check) }
    }

    /// What a record changes in the table, whose topic has `partitions`; why nothing, when it is none of this topic.
    pub(crate) fn change(
        &self,
        record: &ConsumerRecord,
        partitions: i32,
    ) -> Result<(Bytes, Option<Bytes>), Rejection> {
        check_place(record.key.as_deref(), record.partition, partitions)?;
        let key = record.key.clone().ok_or(DecodeError::Missing("key"))?;
        if let Some(value) = &record.value {
            (self.check)(&key, value)?;
        }
        Ok((key, record.value.clone()))
    }
}

/// The content of one global table: a store a partition.
pub(crate) struct TableState {
    pub(crate) name: Arc<str>,
    pub(crate) partitions: Vec<Arc<dyn StoreBackend>>,
    end: Mutex<EndOfInput>,
}

impl TableState {
    pub(crate) fn new(name: Arc<str>, partitions: Vec<Arc<dyn StoreBackend>>) -> Self {
        Self { name, partitions, end: Mutex::default() }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        let count = i32::try_from(self.partitions.len()).unwrap_or(i32::MAX);
        let partition = usize::try_from(partition_of(key, count)).unwrap_or_default();
        self.partitions.get(partition).map_or(Ok(None), |store| store.get(key))
    }

    pub(crate) fn request_end(&self, now: Timestamp) {
        self.end().request(now);
    }

    pub(crate) fn read_to_end_as_of(&self) -> Option<Timestamp> {
        self.end().reached()
    }

    pub(crate) fn end(&self) -> MutexGuard<'_, EndOfInput> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
