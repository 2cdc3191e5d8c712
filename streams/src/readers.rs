//! Reading stores from outside: committed state only, and only from who owns it.

use std::collections::{BTreeMap, HashMap};
use std::ptr::fn_addr_eq;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::codec::{Key, Value, decode_value, encode_key};
use crate::faults;
use crate::global::{GlobalTable, TableState};
use crate::host::Host;
use crate::partitioner::partition_of;
use crate::record::TopicPartition;
use crate::store::{Store, StoreBackend, StoreError};
use crate::topic::Topic;
use crate::topology::Topology;

/// Reads an application's stores on this instance, waits for positions to be committed and for keys to change.
/// Cheap to clone.
#[derive(Clone)]
pub struct Queries(Arc<Readers>);

/// Why a read has no answer here.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The partition is another instance's, or nobody's yet, or its state is still being restored.
    #[error("partition {partition} of {application} is not served by this instance now")]
    NotMine {
        /// The application.
        application: Arc<str>,
        /// The partition of the key.
        partition: i32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Queries {
    pub(crate) fn new(readers: Arc<Readers>) -> Self {
        Self(readers)
    }

    /// The partition that a key belongs to.
    pub fn partition_of<K: Key>(&self, key: &K) -> i32 {
        partition_of(&encode_key(key), self.0.partition_count())
    }

    /// Whether this instance can answer for a partition now.
    pub fn serves(&self, partition: i32) -> bool {
        self.0.serves(partition)
    }

    /// The committed value under `key`.
    pub fn get<K: Key, V: Value>(&self, store: &Store<K, V>, key: &K) -> Result<Option<V>, QueryError> {
        let bytes = encode_key(key);
        self.get_at(partition_of(&bytes, self.0.partition_count()), store, key)
    }

    /// The committed value under `key` of a store whose keys are not the partition's own.
    pub fn get_at<K: Key, V: Value>(
        &self,
        partition: i32,
        store: &Store<K, V>,
        key: &K,
    ) -> Result<Option<V>, QueryError> {
        let bytes = self.bytes_at(partition, store, encode_key(key))?;
        bytes.map(|bytes| self.decode(store, &bytes)).transpose()
    }

    /// The committed value under `key` as it is stored: for who keeps what came of it before, and compares.
    pub fn get_bytes<K: Key, V: Value>(
        &self,
        store: &Store<K, V>,
        key: &K,
    ) -> Result<Option<Bytes>, QueryError> {
        let key = encode_key(key);
        self.bytes_at(partition_of(&key, self.0.partition_count()), store, key)
    }

    /// What [`Self::get_bytes`] gave, as a value.
    pub fn decode<K: Key, V: Value>(&self, store: &Store<K, V>, bytes: &[u8]) -> Result<V, QueryError> {
        let name = || self.0.topology.sections[store.index].name.clone();
        Ok(decode_value(bytes).map_err(|source| StoreError::Undecodable { store: name(), source })?)
    }

    fn bytes_at<K: Key, V: Value>(
        &self,
        partition: i32,
        store: &Store<K, V>,
        key: Bytes,
    ) -> Result<Option<Bytes>, QueryError> {
        let hosted = self.0.hosted(partition)?;
        let section = &self.0.topology.sections[store.index];
        let bytes = hosted.stores[section.store]
            .get(&section.key(key))
            .map_err(|source| StoreError::Backend { store: section.name.clone(), source })?;
        // What was read may be old if this process slept meanwhile.
        self.0.hosted(partition)?;
        Ok(bytes)
    }

    /// The value under `key` in a global table, as far as this instance has read it.
    pub fn lookup<K: Key, V: Value>(
        &self,
        table: &GlobalTable<K, V>,
        key: &K,
    ) -> Result<Option<V>, QueryError> {
        let table = &self.0.tables[table.index];
        let name = || table.name.clone();
        let bytes =
            table.get(&encode_key(key)).map_err(|source| StoreError::Backend { store: name(), source })?;
        let value = bytes.map(|bytes| decode_value(&bytes)).transpose();
        Ok(value.map_err(|source| StoreError::Undecodable { store: name(), source })?)
    }

    /// Waits until what a record of a source topic did is committed, so that it can be read here. Fails when
    /// the partition is not served here, or no longer.
    pub async fn committed<K, V>(
        &self,
        topic: &Topic<K, V>,
        partition: i32,
        offset: i64,
    ) -> Result<(), QueryError> {
        let not_mine = || self.0.not_mine(partition);
        let mut positions = self.0.hosted(partition)?.positions.subscribe();
        let passed = |positions: &Positions| match positions {
            Positions::Hosted(topics) => topics.get(topic.name()).is_some_and(|position| *position > offset),
            Positions::GivenUp => true,
        };
        match *positions.wait_for(passed).await.map_err(|_| not_mine())? {
            Positions::Hosted(_) => Ok(()),
            Positions::GivenUp => Err(not_mine()),
        }
    }

    /// Waits until a global table has taken in a record of its topic.
    pub async fn table_read<K, V>(&self, table: &GlobalTable<K, V>, partition: i32, offset: i64) {
        let mut positions = self.0.table_positions[table.index].subscribe();
        let passed = |positions: &BTreeMap<i32, i64>| positions.get(&partition).is_some_and(|p| *p > offset);
        // The sender lives as long as `self`, so the wait ends only when the position is passed.
        let _ = positions.wait_for(passed).await;
    }

    /// Begins to watch a key. Register first, then read, then wait: so no change is missed.
    pub fn watch<K: Key, V: Value>(&self, store: &Store<K, V>, key: &K) -> Watcher {
        self.watch_for(store, key, |_| true)
    }

    /// The same for who waits for certain values only: `wanted` is told what is stored from now on, or that nothing is,
    /// on the worker's thread. There may be a change without it.
    pub fn watch_for<K: Key, V: Value>(&self, store: &Store<K, V>, key: &K, wanted: Wanted) -> Watcher {
        let key = encode_key(key);
        let partition = partition_of(&key, self.0.partition_count());
        self.0.watch(partition, store.index, key, wanted)
    }

    /// How many watchers there are.
    pub fn watchers(&self) -> usize {
        self.0
            .feeds
            .iter()
            .map(|feed| feed.watched().bells().map(|bell| bell.changes.receiver_count()).sum::<usize>())
            .sum()
    }
}

/// Whether a value, as it is stored, is one that is waited for; none: it was deleted.
pub type Wanted = fn(Option<&[u8]>) -> bool;

/// Waits for a key to change. Leaves when it is dropped.
pub struct Watcher {
    readers: Arc<Readers>,
    feed: usize,
    key: (usize, Bytes),
    /// There until it is dropped.
    changes: Option<watch::Receiver<()>>,
}

impl Watcher {
    /// Returns when a commit has changed the key since the last call (or since registration). False when the key's
    /// partition is no longer served here: then this watcher will see no more changes.
    pub async fn changed(&mut self) -> bool {
        match &mut self.changes {
            // An error means that the feed was emptied.
            Some(changes) => changes.changed().await.is_ok(),
            None => false,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let keys = &mut self.readers.feeds[self.feed].watched().keys;
        // Before it is looked who is left, and while nobody else looks.
        self.changes = None;
        let Some(bells) = keys.get_mut(&self.key) else { return };
        bells.retain(|bell| bell.changes.receiver_count() > 0);
        if bells.is_empty() {
            keys.remove(&self.key);
        }
    }
}

/// What the workers publish and the queries read.
pub(crate) struct Readers {
    pub(crate) topology: Arc<Topology>,
    pub(crate) tables: Arc<[TableState]>,
    hosted: Vec<RwLock<Option<Arc<Hosted>>>>,
    feeds: Vec<Feed>,
    table_positions: Vec<watch::Sender<BTreeMap<i32, i64>>>,
    trust_for: Duration,
    /// Counts the changes of what is hosted.
    placements: watch::Sender<u64>,
}

/// A partition that a worker of this instance runs.
struct Hosted {
    stores: Vec<Arc<dyn StoreBackend>>,
    positions: watch::Sender<Positions>,
    /// What Kafka has committed of them: of records without effect it learns later.
    committed: Mutex<BTreeMap<Arc<str>, i64>>,
    pulse: Arc<Pulse>,
}

enum Positions {
    /// The first offset of each input whose effects are not committed.
    Hosted(BTreeMap<Arc<str>, i64>),
    /// The partition has gone elsewhere.
    GivenUp,
}

/// The watchers of one partition.
#[derive(Default)]
struct Feed(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    /// By store and key.
    keys: HashMap<(usize, Bytes), Vec<Bell>>,
    /// How many watchers there have been.
    registered: u64,
}

/// Wakes those who want the same of a key.
struct Bell {
    wanted: Wanted,
    changes: watch::Sender<()>,
}

impl Watched {
    fn bells(&self) -> impl Iterator<Item = &Bell> {
        self.keys.values().flatten()
    }
}

/// A key that a commit has changed.
#[derive(Debug)]
pub(crate) struct ChangedKey {
    pub(crate) store: usize,
    pub(crate) key: Bytes,
    /// None: it was deleted.
    pub(crate) value: Option<Bytes>,
}

impl Feed {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who watched a partition at some moment.
#[derive(Clone, Copy)]
pub(crate) struct Audience {
    registered: u64,
    is_empty: bool,
}

impl Audience {
    /// Nobody.
    pub(crate) const NONE: Self = Self { registered: 0, is_empty: true };

    /// Whether nobody watched: then which keys have changed need not be told.
    pub(crate) fn is_empty(self) -> bool {
        self.is_empty
    }
}

/// A worker's sign of life. After a gap in its poll loop the group may have gone on without it, so it is not
/// to be trusted before a commit with its generation has succeeded.
pub(crate) struct Pulse {
    host: Arc<dyn Host>,
    last_beat_ms: AtomicU64,
    trusted: AtomicBool,
}

impl Pulse {
    pub(crate) fn new(host: Arc<dyn Host>) -> Self {
        let pulse = Self { host, last_beat_ms: AtomicU64::new(0), trusted: AtomicBool::new(true) };
        pulse.last_beat_ms.store(pulse.uptime_ms(), Ordering::SeqCst);
        pulse
    }

    /// The worker is at its poll loop. After a longer gap than `limit` it is not trusted any more, before it seems
    /// to be alive again.
    pub(crate) fn beat(&self, limit: Duration) {
        let now = self.uptime_ms();
        let away = now.saturating_sub(self.last_beat_ms.load(Ordering::Acquire));
        if u128::from(away) > limit.as_millis() {
            self.trusted.store(false, Ordering::SeqCst);
        }
        self.last_beat_ms.store(now, Ordering::SeqCst);
    }

    pub(crate) fn trust(&self) {
        self.trusted.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::SeqCst)
    }

    fn is_alive(&self, trust_for: Duration) -> bool {
        let silent = self.uptime_ms().saturating_sub(self.last_beat_ms.load(Ordering::SeqCst));
        (u128::from(silent) <= trust_for.as_millis() && self.is_trusted()) || faults::ZOMBIE_ANSWERS.is_on()
    }

    fn uptime_ms(&self) -> u64 {
        u64::try_from(self.host.uptime().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Readers {
    pub(crate) fn new(
        topology: Arc<Topology>,
        tables: Arc<[TableState]>,
        partitions: i32,
        trust_for: Duration,
    ) -> Self {
        let count = usize::try_from(partitions).unwrap_or_default();
        Self {
            table_positions: tables.iter().map(|_| watch::Sender::default()).collect(),
            topology,
            tables,
            hosted: (0..count).map(|_| RwLock::default()).collect(),
            feeds: (0..count).map(|_| Feed::default()).collect(),
            trust_for,
            placements: watch::Sender::default(),
        }
    }

    /// A worker runs this partition's task from now on.
    pub(crate) fn host(
        &self,
        partition: i32,
        stores: Vec<Arc<dyn StoreBackend>>,
        positions: BTreeMap<Arc<str>, i64>,
        pulse: Arc<Pulse>,
    ) {
        let positions = watch::Sender::new(Positions::Hosted(positions));
        self.replace(
            partition,
            Some(Arc::new(Hosted { stores, positions, committed: Mutex::default(), pulse })),
        );
    }

    /// The partition's task no longer runs here. Whoever waits for it is woken and told.
    pub(crate) fn give_up(&self, partition: i32) {
        if let Some(hosted) = self.replace(partition, None) {
            hosted.positions.send_replace(Positions::GivenUp);
        }
        if let Some(feed) = index(partition).and_then(|index| self.feeds.get(index)) {
            feed.watched().keys.clear();
        }
    }

    /// Changes whenever a partition comes to be hosted here, or goes.
    pub(crate) fn placements(&self) -> watch::Receiver<u64> {
        self.placements.subscribe()
    }

    /// Whether a worker of this instance runs the partition and is to be trusted.
    pub(crate) fn serves(&self, partition: i32) -> bool {
        self.hosted(partition).is_ok()
    }

    /// Who watches the partition now.
    pub(crate) fn audience(&self, partition: i32) -> Audience {
        let feed = index(partition).and_then(|index| self.feeds.get(index));
        let Some(feed) = feed else { return Audience::NONE };
        let watched = feed.watched();
        Audience { registered: watched.registered, is_empty: watched.keys.is_empty() }
    }

    /// A commit has changed these keys; none are told where nobody watched before it. Who has come since may have read
    /// what was there before, and looks again.
    pub(crate) fn changed(&self, partition: i32, keys: Vec<ChangedKey>, before: Audience) {
        let Some(feed) = index(partition).and_then(|index| self.feeds.get(index)) else { return };
        let watched = feed.watched();
        if before.is_empty && watched.registered != before.registered {
            watched.bells().for_each(|bell| bell.changes.send_replace(()));
        }
        for ChangedKey { store, key, value } in keys {
            let bells = watched.keys.get(&(store, key)).into_iter().flatten();
            for bell in bells.filter(|bell| (bell.wanted)(value.as_deref())) {
                bell.changes.send_replace(());
            }
        }
    }

    /// What was read below these positions is committed, or had no effect.
    pub(crate) fn advance(&self, partition: i32, positions: &BTreeMap<Arc<str>, i64>) {
        let Some(hosted) = self.slot(partition) else { return };
        hosted.positions.send_if_modified(|published| match published {
            Positions::Hosted(known) if known != positions => {
                known.clone_from(positions);
                true
            }
            _ => false,
        });
    }

    /// Kafka has committed these positions.
    pub(crate) fn committed(&self, partition: i32, positions: &BTreeMap<Arc<str>, i64>) {
        if let Some(hosted) = self.slot(partition) {
            hosted.committed.lock().unwrap_or_else(PoisonError::into_inner).clone_from(positions);
        }
        self.advance(partition, positions);
    }

    /// What Kafka has committed, in this instance's transactions, of a topic's partitions.
    pub(crate) fn committed_positions(&self, topic: &Arc<str>) -> Vec<(TopicPartition, i64)> {
        let position = |partition: i32| {
            let hosted = self.slot(partition)?;
            let committed = hosted.committed.lock().unwrap_or_else(PoisonError::into_inner);
            committed.get(topic).map(|position| (TopicPartition::new(topic.clone(), partition), *position))
        };
        (0..self.partition_count()).filter_map(position).collect()
    }

    pub(crate) fn table_advance(&self, table: usize, partition: i32, position: i64) {
        self.table_positions[table]
            .send_if_modified(|positions| positions.insert(partition, position) != Some(position));
    }

    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.hosted.len()).unwrap_or(i32::MAX)
    }

    fn hosted(&self, partition: i32) -> Result<Arc<Hosted>, QueryError> {
        let hosted = self.slot(partition).filter(|hosted| hosted.pulse.is_alive(self.trust_for));
        hosted.ok_or_else(|| self.not_mine(partition))
    }

    fn not_mine(&self, partition: i32) -> QueryError {
        QueryError::NotMine { application: self.topology.application.clone(), partition }
    }

    fn slot(&self, partition: i32) -> Option<Arc<Hosted>> {
        self.hosted.get(index(partition)?)?.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, partition: i32, hosted: Option<Arc<Hosted>>) -> Option<Arc<Hosted>> {
        let slot = self.hosted.get(index(partition)?)?;
        let before = std::mem::replace(&mut *slot.write().unwrap_or_else(PoisonError::into_inner), hosted);
        self.placements.send_modify(|changes| *changes = changes.wrapping_add(1));
        before
    }

    fn watch(self: &Arc<Self>, partition: i32, store: usize, key: Bytes, wanted: Wanted) -> Watcher {
        let feed = index(partition).unwrap_or_default();
        let key = (store, key);
        let changes = {
            let mut watched = self.feeds[feed].watched();
            watched.registered += 1;
            let bells = watched.keys.entry(key.clone()).or_default();
            // Two bells for the same, if the compiler has two addresses for a function, ring both.
            match bells.iter().find(|bell| fn_addr_eq(bell.wanted, wanted)) {
                Some(bell) => bell.changes.subscribe(),
                None => {
                    let (changes, subscribed) = watch::channel(());
                    bells.push(Bell { wanted, changes });
                    subscribed
                }
            }
        };
        Watcher { readers: self.clone(), feed, key, changes: Some(changes) }
    }
}

fn index(partition: i32) -> Option<usize> {
    usize::try_from(partition).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_woken(watcher: &Watcher) -> bool {
        watcher.changes.as_ref().unwrap().has_changed().unwrap()
    }

    /// Who registers while a commit is on its way, and is told of no keys, is woken to look for itself.
    #[test]
    fn nobody_misses_a_change() {
        let topology = Arc::new(Topology::builder("a").build());
        let readers = Arc::new(Readers::new(topology, Arc::new([]), 1, Duration::from_secs(1)));
        let changed = |key: &'static str| ChangedKey { store: 0, key: key.into(), value: None };
        let any: Wanted = |_| true;

        let nobody = readers.audience(0);
        assert!(nobody.is_empty());
        readers.changed(0, Vec::new(), nobody);
        let early = readers.watch(0, 0, "early".into(), any);
        assert!(!is_woken(&early), "the change was there before");

        readers.changed(0, Vec::new(), nobody);
        assert!(is_woken(&early), "it may be what has changed");

        let early = readers.watch(0, 0, "early".into(), any);
        let audience = readers.audience(0);
        let late = readers.watch(0, 0, "late".into(), any);
        readers.changed(0, vec![changed("late")], audience);
        assert_eq!((is_woken(&early), is_woken(&late)), (false, true), "the keys tell");
    }

    #[test]
    fn who_waits_for_certain_values_is_woken_by_them_alone() {
        let topology = Arc::new(Topology::builder("a").build());
        let readers = Arc::new(Readers::new(topology, Arc::new([]), 1, Duration::from_secs(1)));
        let any: Wanted = |_| true;
        let last: Wanted = |value| value == Some(b"last");
        let watch = |wanted| readers.watch(0, 0, "k".into(), wanted);
        let watchers = [watch(any), watch(last), watch(last)];
        let change = |value: Option<&'static str>| {
            let key = ChangedKey { store: 0, key: "k".into(), value: value.map(Bytes::from) };
            readers.changed(0, vec![key], readers.audience(0));
        };
        let woken = || watchers.each_ref().map(is_woken);
        change(Some("first"));
        assert_eq!(woken(), [true, false, false]);
        change(None);
        assert_eq!(woken(), [true, false, false]);
        change(Some("last"));
        assert_eq!(woken(), [true; 3]);
        drop(watchers);
        assert!(readers.audience(0).is_empty());
    }
}
