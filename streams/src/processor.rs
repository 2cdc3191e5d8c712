//! Processors: the steps of a topology that remember something or decide.

use std::marker::PhantomData;
use std::ops::Bound;
use std::time::Duration;

use crate::Timestamp;
use crate::codec::{EncodeError, Key, Value};
use crate::global::GlobalTable;
use crate::record::Origin;
use crate::run::Run;
use crate::store::{Store, StoreError};
use crate::topic::Topic;
use crate::topology::NodeId;

/// A step that may keep state, decide, and forward any number of records.
///
/// A processor has no state of its own: what it remembers lives in stores, and the time is told to it.
/// So an aborted transaction leaves no trace, and one processor serves all tasks.
pub trait Processor: Send + Sync + 'static {
    /// The key of the records that come in.
    type KeyIn: Clone + Send + 'static;
    /// The value of the records that come in.
    type ValueIn: Clone + Send + 'static;
    /// The key of the records that go out.
    type KeyOut: Clone + Send + 'static;
    /// The value of the records that go out.
    type ValueOut: Clone + Send + 'static;

    /// Takes one record.
    fn process(
        &self,
        key: Self::KeyIn,
        value: Self::ValueIn,
        context: &mut Context<'_, Self::KeyOut, Self::ValueOut>,
    ) -> Result<(), ProcessError>;

    /// How often [`Processor::punctuate`] is to be called, by the wall clock. Never, by default.
    fn punctuation_interval(&self) -> Option<Duration> {
        None
    }

    /// Called in each task whenever the interval has passed.
    fn punctuate(&self, context: &mut Context<'_, Self::KeyOut, Self::ValueOut>) -> Result<(), ProcessError> {
        let _ = context;
        Ok(())
    }
}

/// Why a record could not be processed. The transaction is aborted and tried again; a record that fails
/// alone three times goes to the dead letter topic.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A store failed or holds what it should not hold.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record that cannot be written as JSON.
    #[error("a record for topic {topic:?}: {source}")]
    Encode {
        /// The topic it was meant for.
        topic: String,
        /// What is wrong with it.
        source: EncodeError,
    },
    /// Whatever else the processor has to say.
    #[error("{0}")]
    Other(String),
}

/// What a processor may do while it takes a record: read and write stores, forward records, ask the time.
pub struct Context<'a, K, V> {
    run: &'a mut Run,
    node: NodeId,
    types: PhantomData<fn(K, V)>,
}

impl<'a, K: Clone + Send + 'static, V: Clone + Send + 'static> Context<'a, K, V> {
    pub(crate) fn new(run: &'a mut Run, node: NodeId) -> Self {
        Self { run, node, types: PhantomData }
    }

    /// Hands a record to all that comes after this processor, once the processor has returned.
    pub fn forward(&mut self, key: K, value: V) {
        self.run.forward(self.node, key, value);
    }

    /// The time: the wall clock's, or what a test or simulation says.
    pub fn now(&self) -> Timestamp {
        self.run.now
    }

    /// When this task began to run here.
    pub fn task_started_at(&self) -> Timestamp {
        self.run.started_at
    }

    /// The partition that this task works on.
    pub fn partition(&self) -> i32 {
        self.run.partition
    }

    /// Where the record that is being processed stands; none in a punctuation.
    pub fn origin(&self) -> Option<&Origin> {
        self.run.origin.as_ref()
    }

    /// In a punctuation: how many records this task has taken since the processor's last one, those included that
    /// were taken again after a failure. Work that has to keep up with what comes in is a share of it, such as removing
    /// what is old; a fixed number at a time would fall behind above some load.
    pub fn records_since(&self) -> usize {
        self.run.taken_since
    }

    /// The value under `key`.
    pub fn get<SK: Key, SV: Value>(&self, store: &Store<SK, SV>, key: &SK) -> Result<Option<SV>, StoreError> {
        self.run.get(store, key)
    }

    /// Sets the value under `key`.
    pub fn put<SK: Key, SV: Value>(
        &mut self,
        store: &Store<SK, SV>,
        key: &SK,
        value: &SV,
    ) -> Result<(), StoreError> {
        self.run.put(store, key, value)
    }

    /// Deletes `key`, which need not be there.
    pub fn delete<SK: Key, SV: Value>(&mut self, store: &Store<SK, SV>, key: &SK) {
        self.run.delete(store, key);
    }

    /// At most `limit` entries whose keys' text lies between the bounds, in the order of that text.
    pub fn range<SK: Key, SV: Value>(
        &self,
        store: &Store<SK, SV>,
        from: Bound<&str>,
        to: Bound<&str>,
        limit: usize,
    ) -> Result<Vec<(SK, SV)>, StoreError> {
        self.run.range(store, from, to, limit)
    }

    /// As [`Context::range`], but the keys alone: a value that cannot be decoded is no obstacle.
    pub fn keys<SK: Key, SV: Value>(
        &self,
        store: &Store<SK, SV>,
        from: Bound<&str>,
        to: Bound<&str>,
        limit: usize,
    ) -> Result<Vec<SK>, StoreError> {
        self.run.keys(store, from, to, limit)
    }

    /// All entries whose keys' text begins with `prefix`, in the order of that text.
    pub fn prefix<SK: Key, SV: Value>(
        &self,
        store: &Store<SK, SV>,
        prefix: &str,
    ) -> Result<Vec<(SK, SV)>, StoreError> {
        self.run.prefix(store, prefix)
    }

    /// The value under `key` in a global table, as far as this instance has read it.
    pub fn lookup<GK: Key, GV: Value>(
        &self,
        table: &GlobalTable<GK, GV>,
        key: &GK,
    ) -> Result<Option<GV>, StoreError> {
        self.run.lookup(table, key)
    }

    /// Asks how far this partition of a source topic reaches now. [`Context::read_to_end_as_of`] has
    /// the answer once the task has got there.
    pub fn request_end<TK, TV>(&mut self, topic: &Topic<TK, TV>) {
        self.run.request_end(topic.name());
    }

    /// The latest moment that was asked for of which it is known that all that stood in the topic's
    /// partition by then has been processed. None before the first answer.
    pub fn read_to_end_as_of<TK, TV>(&self, topic: &Topic<TK, TV>) -> Option<Timestamp> {
        self.run.read_to_end_as_of(topic.name())
    }

    /// As [`Context::request_end`], for all partitions of a global table.
    pub fn request_table_end<GK, GV>(&mut self, table: &GlobalTable<GK, GV>) {
        self.run.request_table_end(table.index);
    }

    /// As [`Context::read_to_end_as_of`], for all partitions of a global table.
    pub fn table_read_to_end_as_of<GK, GV>(&self, table: &GlobalTable<GK, GV>) -> Option<Timestamp> {
        self.run.table_read_to_end_as_of(table.index)
    }

    /// Asks for a commit as soon as the input is drained: for changes of stores that somebody waits to read. What goes
    /// to a topic asks for it by itself.
    pub fn commit(&mut self) {
        self.run.is_urgent = true;
    }

    /// Adds one to the counter `name`, which the application's metrics show once the transaction is committed.
    pub fn count(&mut self, name: &'static str) {
        self.run.count(name);
    }
}
