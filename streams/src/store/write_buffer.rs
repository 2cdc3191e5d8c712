//! Committed changes that are not on disk yet.
//!
//! Kafka has them in the changelog, so a crash may take them: the store on disk then stands for an earlier offset,
//! and is restored from there. Meanwhile what is written and soon deleted, or written again and again, costs the disk
//! nothing, and what was written lately is read from memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;

use super::merge::merge;
use super::{BackendError, Change, Checkpoint, StoreBackend, StoreSupplier, Visit};
use crate::Timestamp;
use crate::faults;

/// What a process has in memory only before its stores begin to write to disk.
const MOST_BYTES: usize = 26 << 20;
/// What is more than that, in percent, before those write whose entries mostly are deleted before they are written.
const FOR_THE_SHORT_LIVED: usize = 150;
/// The share of it below which a store does not write: a write costs the disk much the same, however little it is.
const LEAST_SHARE: usize = 32;
/// How old changes may become, as far as anything is written.
const MOST_TIME: Duration = Duration::from_secs(30);
/// What an entry takes besides its key and value.
const ENTRY_BYTES: usize = 128;

/// Counts what all stores of a process have in memory only. (RocksDB calls it the write buffer manager.)
#[derive(Debug)]
pub(crate) struct WriteBufferManager {
    most_bytes: usize,
    bytes: AtomicUsize,
}

impl Default for WriteBufferManager {
    fn default() -> Self {
        Self::new(MOST_BYTES)
    }
}

impl WriteBufferManager {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { most_bytes, bytes: AtomicUsize::new(0) }
    }

    /// A store has so much now, and had so much.
    fn note(&self, now: usize, before: usize) {
        self.bytes.fetch_add(now, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
    }

    /// Whether a store that has so much is to write it to disk.
    fn is_due(&self, buffer: &Buffer) -> bool {
        let least = self.most_bytes / LEAST_SHARE;
        let is_short_lived = buffer.spared > buffer.written.max(least);
        let most = if is_short_lived { self.most_bytes / 100 * FOR_THE_SHORT_LIVED } else { self.most_bytes };
        buffer.bytes >= least && self.bytes.load(Ordering::Relaxed) > most
    }
}

/// The stores of an application on one instance, each with a buffer.
pub(crate) struct BufferedStores {
    disk: Arc<dyn StoreSupplier>,
    manager: Arc<WriteBufferManager>,
    known: Mutex<HashMap<(String, i32), Arc<BufferedStore>>>,
}

impl BufferedStores {
    pub(crate) fn new(disk: Arc<dyn StoreSupplier>, manager: Arc<WriteBufferManager>) -> Self {
        Self { disk, manager, known: Mutex::default() }
    }

    /// The store `store` of `application` in one partition, always the same.
    pub(crate) fn store(
        &self,
        application: &str,
        store: &str,
        partition: i32,
    ) -> Result<Arc<dyn StoreBackend>, BackendError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (store.to_string(), partition);
        if let Some(store) = known.get(&key) {
            return Ok(store.clone());
        }
        let disk = self.disk.store(application, store, partition)?;
        let store = Arc::new(BufferedStore::new(disk, self.manager.clone()));
        known.insert(key, store.clone());
        Ok(store)
    }

    /// Gives up what a store has in memory only: it stands for what the disk says. Nobody may be using it.
    pub(crate) fn forget_unwritten(&self, store: &str, partition: i32) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = known.get(&(store.to_string(), partition)) {
            store.change(|buffer| *buffer = Buffer::default());
        }
    }
}

/// A store on disk with its latest changes in memory. It has one writer at a time, who holds the task's lease.
struct BufferedStore {
    disk: Arc<dyn StoreBackend>,
    buffer: RwLock<Buffer>,
    manager: Arc<WriteBufferManager>,
}

#[derive(Default)]
struct Buffer {
    changes: BTreeMap<Bytes, Option<Bytes>>,
    /// What the changes take.
    bytes: usize,
    /// When the oldest of the changes was committed.
    since: Option<Timestamp>,
    /// On their way to the disk, and older than the changes.
    leaving: BTreeMap<Bytes, Option<Bytes>>,
    /// What disk and buffer together stand for; none if nothing was written since the start.
    checkpoint: Option<Checkpoint>,
    /// What was deleted before it was written to the disk, and what was written.
    spared: usize,
    written: usize,
}

impl Buffer {
    fn take_in(
        &mut self,
        changes: Vec<Change>,
        checkpoint: Checkpoint,
        disk: &dyn StoreBackend,
    ) -> Result<(), BackendError> {
        for (key, value) in changes {
            // What the disk does not know, it need not forget.
            let is_needless = value.is_none()
                && !matches!(self.leaving.get(&key), Some(Some(_)))
                && disk.get(&key)?.is_none();
            let key_length = key.len();
            let size =
                |value: &Option<Bytes>| ENTRY_BYTES + key_length + value.as_ref().map_or(0, Bytes::len);
            let before = if is_needless {
                let before = self.changes.remove(&key);
                self.spared += before.as_ref().map_or(0, size);
                before
            } else {
                self.bytes += size(&value);
                self.changes.insert(key, value)
            };
            self.bytes -= before.as_ref().map_or(0, size);
        }
        self.since.get_or_insert(checkpoint.at);
        self.checkpoint = Some(checkpoint);
        Ok(())
    }

    fn is_old(&self, now: Timestamp) -> bool {
        self.since.is_some_and(|since| now.since(since) >= MOST_TIME)
    }

    fn leave(&mut self) {
        self.leaving.append(&mut self.changes);
        self.written += self.bytes;
        (self.bytes, self.since) = (0, None);
    }

    fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.changes.get(key).or_else(|| self.leaving.get(key))
    }
}

impl BufferedStore {
    fn new(disk: Arc<dyn StoreBackend>, manager: Arc<WriteBufferManager>) -> Self {
        Self { disk, buffer: RwLock::default(), manager }
    }

    fn read(&self) -> RwLockReadGuard<'_, Buffer> {
        self.buffer.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Buffer> {
        self.buffer.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the buffer, and has the manager know what it takes then.
    fn change<T>(&self, change: impl FnOnce(&mut Buffer) -> T) -> T {
        let mut buffer = self.write();
        let before = buffer.bytes;
        let result = change(&mut buffer);
        self.manager.note(buffer.bytes, before);
        result
    }

    /// Whether the disk says it already: nothing of nothing, or the same of a moment ago.
    fn needs_no_write(&self, checkpoint: Checkpoint) -> Result<bool, BackendError> {
        let buffer = self.read();
        if !buffer.changes.is_empty() || !buffer.leaving.is_empty() {
            return Ok(false);
        }
        let on_disk = self.disk.checkpoint()?;
        Ok(on_disk.is_none_or(|on_disk| {
            on_disk.offset == checkpoint.offset && checkpoint.at.since(on_disk.at) < MOST_TIME
        }))
    }

    /// Brings all changes to the disk, in one write. Who reads meanwhile finds them here or there.
    fn flush(&self, checkpoint: Checkpoint) -> Result<(), BackendError> {
        self.change(Buffer::leave);
        // There is no other writer.
        self.disk.apply_sorted(&self.read().leaving, checkpoint)?;
        let _gone = std::mem::take(&mut self.write().leaving);
        Ok(())
    }
}

impl Drop for BufferedStore {
    fn drop(&mut self) {
        self.change(|buffer| *buffer = Buffer::default());
    }
}

impl StoreBackend for BufferedStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        let buffered = self.read().get(key).cloned();
        buffered.map_or_else(|| self.disk.get(key), Ok)
    }

    fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        let buffer = self.read();
        let older = |visit: &mut Visit<'_>| {
            merge(&buffer.leaving, from, to, visit, |visit| self.disk.range(from, to, visit))
        };
        merge(&buffer.changes, from, to, visit, older)
    }

    /// Without changes, or when they are old or the process has too many, all goes to the disk.
    fn apply(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError> {
        if faults::CHECKPOINT_AHEAD.is_on() {
            self.disk.apply(Vec::new(), checkpoint)?;
        }
        let is_asked_for = changes.is_empty();
        if is_asked_for && self.needs_no_write(checkpoint)? {
            self.write().checkpoint = Some(checkpoint);
            return Ok(());
        }
        self.change(|buffer| buffer.take_in(changes, checkpoint, &*self.disk))?;
        let is_due = {
            let buffer = self.read();
            is_asked_for || buffer.is_old(checkpoint.at) || self.manager.is_due(&buffer)
        };
        if is_due { self.flush(checkpoint) } else { Ok(()) }
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, BackendError> {
        let buffered = self.read().checkpoint;
        buffered.map_or_else(|| self.disk.checkpoint(), |checkpoint| Ok(Some(checkpoint)))
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.change(|buffer| *buffer = Buffer::default());
        self.disk.clear()
    }

    fn is_damaged(&self) -> bool {
        self.disk.is_damaged()
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use proptest::prelude::*;

    use super::super::MemoryStore;
    use super::*;

    fn at(offset: i64, millis: i64) -> Checkpoint {
        Checkpoint { offset, at: Timestamp::from_millis(millis) }
    }

    fn change(key: &str, value: Option<&str>) -> Change {
        (Bytes::copy_from_slice(key.as_bytes()), value.map(|value| Bytes::copy_from_slice(value.as_bytes())))
    }

    fn entries(store: &dyn StoreBackend) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut found = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            found.push((text(key), text(value)));
            ControlFlow::Continue(())
        };
        store.range(Bound::Unbounded, Bound::Unbounded, &mut visit).unwrap();
        found
    }

    const BUDGET: usize = 10_000;

    fn buffered() -> (Arc<MemoryStore>, BufferedStore) {
        let disk = Arc::new(MemoryStore::default());
        (disk.clone(), BufferedStore::new(disk, Arc::new(WriteBufferManager::new(BUDGET))))
    }

    #[test]
    fn the_disk_has_changes_when_they_are_old_or_many_or_asked_for() {
        let large = "x".repeat(BUDGET);
        for (case, others, last, on_disk) in [
            ("young and few", 0, (vec![change("b", Some("2"))], at(2, 29_999)), None),
            ("old", 0, (vec![change("b", Some("2"))], at(2, 30_000)), Some(2)),
            ("many", 0, (vec![change("b", Some(&large))], at(2, 0)), Some(2)),
            (
                "many with those of others",
                BUDGET,
                (vec![change("b", Some(&large[..200]))], at(2, 0)),
                Some(2),
            ),
            ("few with those of others", BUDGET, (vec![change("b", Some("2"))], at(2, 0)), None),
            ("asked for", 0, (vec![], at(1, 5)), Some(1)),
        ] {
            let (disk, store) = buffered();
            store.manager.note(others, 0);
            store.apply(vec![change("a", Some("1"))], at(1, 0)).unwrap();
            store.apply(last.0, last.1).unwrap();
            assert_eq!(disk.checkpoint().unwrap().map(|checkpoint| checkpoint.offset), on_disk, "{case}");
            assert_eq!(store.checkpoint().unwrap(), Some(last.1), "{case}");
            assert_eq!(disk.get(b"a").unwrap().is_some(), on_disk.is_some(), "{case}");
            assert_eq!(store.get(b"a").unwrap(), Some("1".into()), "{case}");
        }
    }

    #[test]
    fn what_dies_young_is_written_last() {
        let half = "x".repeat(BUDGET / 2);
        for (case, dies, others, is_written) in [
            ("lives", false, BUDGET, true),
            ("dies", true, BUDGET, false),
            ("dies, but there is too much", true, BUDGET + BUDGET / 2, true),
        ] {
            let (disk, store) = buffered();
            store.apply(vec![change("a", Some(&half))], at(1, 0)).unwrap();
            if dies {
                store.apply(vec![change("a", None)], at(2, 0)).unwrap();
            }
            store.manager.note(others, 0);
            store.apply(vec![change("b", Some(&half[..BUDGET / 4]))], at(3, 0)).unwrap();
            assert_eq!(disk.get(b"b").unwrap().is_some(), is_written, "{case}");
        }
    }

    #[test]
    fn the_disk_is_not_told_what_it_says_already() {
        let (disk, store) = buffered();
        store.apply(vec![], at(0, 7)).unwrap();
        assert_eq!((store.checkpoint().unwrap(), disk.checkpoint().unwrap()), (Some(at(0, 7)), None));
        store.apply(vec![change("a", Some("1"))], at(3, 10)).unwrap();
        for (asked, on_disk) in [
            (at(3, 10), at(3, 10)),
            (at(3, 30_009), at(3, 10)),
            (at(3, 30_010), at(3, 30_010)),
            (at(4, 30_011), at(4, 30_011)),
        ] {
            store.apply(vec![], asked).unwrap();
            assert_eq!(store.checkpoint().unwrap(), Some(asked));
            assert_eq!(disk.checkpoint().unwrap(), Some(on_disk), "asked to say {asked:?}");
        }
    }

    #[test]
    fn what_the_disk_has_never_seen_leaves_nothing_when_it_is_deleted() {
        let (disk, store) = buffered();
        store.apply(vec![change("kept", Some("1")), change("gone", Some("1"))], at(1, 0)).unwrap();
        store.apply(vec![], at(1, 0)).unwrap();
        let changes = ["gone", "brief", "unknown"].map(|key| change(key, None));
        store.apply(vec![change("brief", Some("1"))], at(2, 0)).unwrap();
        store.apply(changes.to_vec(), at(3, 0)).unwrap();
        let buffer = store.read();
        assert_eq!(buffer.changes.keys().collect::<Vec<_>>(), ["gone"]);
        assert_eq!(buffer.bytes, ENTRY_BYTES + "gone".len());
        assert_eq!(store.manager.bytes.load(Ordering::Relaxed), buffer.bytes);
        drop(buffer);
        assert_eq!(entries(&store), [("kept".to_string(), "1".to_string())]);
        store.apply(vec![], at(3, 0)).unwrap();
        assert_eq!(entries(&*disk), [("kept".to_string(), "1".to_string())]);
        assert_eq!(store.manager.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_the_disk_refuses_is_kept_and_goes_with_the_next() {
        struct Full(MemoryStore, std::sync::atomic::AtomicBool);
        impl StoreBackend for Full {
            fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
                self.0.get(key)
            }
            fn range(
                &self,
                from: Bound<&[u8]>,
                to: Bound<&[u8]>,
                visit: &mut Visit<'_>,
            ) -> Result<(), BackendError> {
                self.0.range(from, to, visit)
            }
            fn apply(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError> {
                if self.1.load(std::sync::atomic::Ordering::SeqCst) {
                    return Err(BackendError::new("write", std::io::Error::other("full")));
                }
                self.0.apply(changes, checkpoint)
            }
            fn checkpoint(&self) -> Result<Option<Checkpoint>, BackendError> {
                self.0.checkpoint()
            }
            fn clear(&self) -> Result<(), BackendError> {
                self.0.clear()
            }
        }
        let disk = Arc::new(Full(MemoryStore::default(), true.into()));
        let store = BufferedStore::new(disk.clone(), Arc::default());
        store.apply(vec![change("a", Some("1")), change("b", Some("1"))], at(1, 0)).unwrap();
        store.apply(vec![], at(1, 0)).unwrap_err();
        assert_eq!(store.get(b"a").unwrap(), Some("1".into()));
        disk.1.store(false, std::sync::atomic::Ordering::SeqCst);
        store.apply(vec![change("a", None)], at(2, 0)).unwrap();
        store.apply(vec![], at(2, 0)).unwrap();
        assert_eq!(entries(&disk.0), [("b".to_string(), "1".to_string())]);
        assert_eq!(disk.checkpoint().unwrap(), Some(at(2, 0)));
    }

    #[test]
    fn a_store_is_the_same_for_all_who_ask() {
        struct Disk;
        impl StoreSupplier for Disk {
            fn store(&self, _: &str, _: &str, _: i32) -> Result<Arc<dyn StoreBackend>, BackendError> {
                Ok(Arc::new(MemoryStore::default()))
            }
        }
        let stores = BufferedStores::new(Arc::new(Disk), Arc::default());
        stores.store("a", "s", 0).unwrap().apply(vec![change("a", Some("1"))], at(1, 0)).unwrap();
        assert!(stores.store("a", "s", 0).unwrap().get(b"a").unwrap().is_some());
        assert!(stores.store("a", "s", 1).unwrap().get(b"a").unwrap().is_none());
    }

    #[test]
    fn what_is_given_up_is_restored_from_what_the_disk_says() {
        struct Disk(Arc<MemoryStore>);
        impl StoreSupplier for Disk {
            fn store(&self, _: &str, _: &str, _: i32) -> Result<Arc<dyn StoreBackend>, BackendError> {
                Ok(self.0.clone())
            }
        }
        let manager = Arc::new(WriteBufferManager::default());
        let stores = BufferedStores::new(Arc::new(Disk(Arc::default())), manager.clone());
        let store = stores.store("a", "s", 0).unwrap();
        store.apply(vec![change("a", Some("1"))], at(1, 0)).unwrap();
        store.apply(vec![], at(1, 0)).unwrap();
        store.apply(vec![change("b", Some("2"))], at(2, 0)).unwrap();
        for (of, expected) in [("other", Some(at(2, 0))), ("s", Some(at(1, 0)))] {
            stores.forget_unwritten(of, 0);
            assert_eq!(store.checkpoint().unwrap(), expected, "after forgetting {of}");
        }
        assert_eq!(entries(&*store), [("a".to_string(), "1".to_string())]);
        assert_eq!(manager.bytes.load(Ordering::Relaxed), 0);
    }

    proptest! {
        /// However changes come and go to the disk, who reads sees them all, and the disk holds what its checkpoint
        /// says.
        #[test]
        fn what_is_read_is_what_was_written(
            steps in prop::collection::vec((prop::collection::vec(("[a-d]{1,2}", prop::option::of("[x-z]")), 0..4), 0_i64..20_000), 0..30),
        ) {
            let (disk, store) = buffered();
            let mut models = vec![BTreeMap::new()];
            let mut now = 0;
            for (offset, (changes, passed)) in (1..).zip(steps) {
                now += passed;
                let mut model = models.last().unwrap().clone();
                for (key, value) in &changes {
                    match value {
                        Some(value) => model.insert(key.clone(), value.clone()),
                        None => model.remove(key),
                    };
                }
                let changes = changes.iter().map(|(key, value)| change(key, value.as_deref())).collect();
                store.apply(changes, at(offset, now)).unwrap();
                let expected: Vec<_> = model.clone().into_iter().collect();
                prop_assert_eq!(entries(&store), expected);
                models.push(model);
                let on_disk = disk.checkpoint().unwrap().map_or(0, |checkpoint| checkpoint.offset);
                let expected: Vec<_> = models[usize::try_from(on_disk).unwrap()].clone().into_iter().collect();
                prop_assert_eq!(entries(&*disk), expected);
                let buffer = store.read();
                let size = |(key, value): (&Bytes, &Option<Bytes>)| {
                    ENTRY_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len)
                };
                prop_assert_eq!(buffer.bytes, buffer.changes.iter().map(size).sum::<usize>());
                prop_assert_eq!(store.manager.bytes.load(Ordering::Relaxed), buffer.bytes);
            }
        }
    }
}
