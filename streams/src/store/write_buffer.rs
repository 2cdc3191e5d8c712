//! Committed changes that are not on disk yet.
//!
//! Kafka has them in the changelog, so a crash may take them: the store on disk then stands for an earlier offset,
//! and is restored from there. Meanwhile what is written and soon deleted, or written again and again, costs the disk
//! nothing, and what was written lately is read from memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;

use super::merge::merge;
use super::{BackendError, Change, Checkpoint, StoreBackend, StoreSupplier, Visit};
use crate::Timestamp;
use crate::faults;

/// How many bytes of keys and values a store may have in memory only.
const MOST_BYTES: usize = 512 << 10;
/// How old they may become, as far as anything is written.
const MOST_TIME: Duration = Duration::from_secs(2);

/// The stores of an application on one instance, each with a buffer.
pub(crate) struct BufferedStores {
    disk: Arc<dyn StoreSupplier>,
    known: Mutex<HashMap<(String, i32), Arc<BufferedStore>>>,
}

impl BufferedStores {
    pub(crate) fn new(disk: Arc<dyn StoreSupplier>) -> Self {
        Self { disk, known: Mutex::default() }
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
        let store = Arc::new(BufferedStore::new(self.disk.store(application, store, partition)?));
        known.insert(key, store.clone());
        Ok(store)
    }
}

/// A store on disk with its latest changes in memory. It has one writer at a time, who holds the task's lease.
struct BufferedStore {
    disk: Arc<dyn StoreBackend>,
    buffer: RwLock<Buffer>,
}

#[derive(Default)]
struct Buffer {
    changes: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
    /// When the oldest of the changes was committed.
    since: Option<Timestamp>,
    /// On their way to the disk, and older than the changes.
    leaving: BTreeMap<Bytes, Option<Bytes>>,
    /// What disk and buffer together stand for; none if nothing was written since the start.
    checkpoint: Option<Checkpoint>,
}

impl Buffer {
    fn take_in(&mut self, changes: Vec<Change>, checkpoint: Checkpoint) {
        for (key, value) in changes {
            self.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
            self.changes.insert(key, value);
        }
        self.since.get_or_insert(checkpoint.at);
        self.checkpoint = Some(checkpoint);
    }

    fn is_full(&self, now: Timestamp) -> bool {
        self.bytes >= MOST_BYTES || self.since.is_some_and(|since| now.since(since) >= MOST_TIME)
    }

    fn leave(&mut self) -> Vec<Change> {
        self.leaving.append(&mut self.changes);
        (self.bytes, self.since) = (0, None);
        self.leaving.clone().into_iter().collect()
    }

    fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.changes.get(key).or_else(|| self.leaving.get(key))
    }
}

impl BufferedStore {
    fn new(disk: Arc<dyn StoreBackend>) -> Self {
        Self { disk, buffer: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Buffer> {
        self.buffer.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Buffer> {
        self.buffer.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings all changes to the disk, in one write. Who reads meanwhile finds them here or there.
    fn flush(&self, checkpoint: Checkpoint) -> Result<(), BackendError> {
        let changes = self.write().leave();
        self.disk.apply(changes, checkpoint)?;
        self.write().leaving.clear();
        Ok(())
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

    /// Without changes, or when there are enough of them, all goes to the disk.
    fn apply(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError> {
        if faults::CHECKPOINT_AHEAD.is_on() {
            self.disk.apply(Vec::new(), checkpoint)?;
        }
        let is_due = changes.is_empty();
        let is_full = {
            let mut buffer = self.write();
            buffer.take_in(changes, checkpoint);
            buffer.is_full(checkpoint.at)
        };
        if is_due || is_full { self.flush(checkpoint) } else { Ok(()) }
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, BackendError> {
        let buffered = self.read().checkpoint;
        buffered.map_or_else(|| self.disk.checkpoint(), |checkpoint| Ok(Some(checkpoint)))
    }

    fn clear(&self) -> Result<(), BackendError> {
        *self.write() = Buffer::default();
        self.disk.clear()
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

    fn buffered() -> (Arc<MemoryStore>, BufferedStore) {
        let disk = Arc::new(MemoryStore::default());
        (disk.clone(), BufferedStore::new(disk))
    }

    #[test]
    fn the_disk_has_changes_when_they_are_old_or_many_or_asked_for() {
        let large = "x".repeat(MOST_BYTES);
        for (case, last, on_disk) in [
            ("young and few", (vec![change("b", Some("2"))], at(2, 1_999)), None),
            ("old", (vec![change("b", Some("2"))], at(2, 2_000)), Some(2)),
            ("many", (vec![change("b", Some(&large))], at(2, 0)), Some(2)),
            ("asked for", (vec![], at(1, 5)), Some(1)),
        ] {
            let (disk, store) = buffered();
            store.apply(vec![change("a", Some("1"))], at(1, 0)).unwrap();
            store.apply(last.0, last.1).unwrap();
            assert_eq!(disk.checkpoint().unwrap().map(|checkpoint| checkpoint.offset), on_disk, "{case}");
            assert_eq!(store.checkpoint().unwrap(), Some(last.1), "{case}");
            assert_eq!(disk.get(b"a").unwrap().is_some(), on_disk.is_some(), "{case}");
            assert_eq!(store.get(b"a").unwrap(), Some("1".into()), "{case}");
        }
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
        let store = BufferedStore::new(disk.clone());
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
        let stores = BufferedStores::new(Arc::new(Disk));
        stores.store("a", "s", 0).unwrap().apply(vec![change("a", Some("1"))], at(1, 0)).unwrap();
        assert!(stores.store("a", "s", 0).unwrap().get(b"a").unwrap().is_some());
        assert!(stores.store("a", "s", 1).unwrap().get(b"a").unwrap().is_none());
    }

    proptest! {
        /// However changes come and go to the disk, who reads sees them all, and the disk holds what its checkpoint
        /// says.
        #[test]
        fn what_is_read_is_what_was_written(
            steps in prop::collection::vec((prop::collection::vec(("[a-d]{1,2}", prop::option::of("[x-z]")), 0..4), 0_i64..1500), 0..30),
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
            }
        }
    }
}
