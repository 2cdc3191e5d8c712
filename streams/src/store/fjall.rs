//! The committed layer on disk: one fjall database per process.
//!
//! All stores share one keyspace, each under a prefix of its own, so that the write buffer is one and
//! bounded. Nothing is synced: what a power cut takes away, Kafka's changelog brings back, and fjall's
//! journal comes back as a prefix of what was written, so that a checkpoint never runs ahead of its data.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use tracing::warn;

use super::{BackendError, Change, Checkpoint, StoreBackend, StoreSupplier, Visit};
use crate::Timestamp;

const CACHE_BYTES: u64 = 16 << 20;
const WRITE_BUFFER_BYTES: u64 = 8 << 20;
const JOURNAL_BYTES: u64 = 64 << 20;
const CLEAR_BATCH: usize = 10_000;

/// The database that holds all stores of a process.
#[derive(Clone)]
pub struct FjallStores {
    database: Database,
    keyspace: Keyspace,
}

/// The stores' files cannot be opened, nor be made anew.
#[derive(Debug, thiserror::Error)]
#[error("the stores in {} cannot be opened: {source}", path.display())]
pub struct OpenStoresError {
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl FjallStores {
    /// Opens the database in `path`. Damaged files are given up: their content is in the changelogs.
    pub fn open(path: &Path) -> Result<Self, OpenStoresError> {
        match Self::try_open(path) {
            Ok(stores) => Ok(stores),
            Err(fjall::Error::Locked) => Err(open_error(path, fjall::Error::Locked)),
            Err(damage) => {
                warn!(path = %path.display(), %damage, "the stores are damaged and will be restored from their changelogs");
                std::fs::remove_dir_all(path).map_err(|e| open_error(path, e))?;
                Self::try_open(path).map_err(|e| open_error(path, e))
            }
        }
    }

    fn try_open(path: &Path) -> fjall::Result<Self> {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(WRITE_BUFFER_BYTES);
        let keyspace = database.keyspace("stores", options)?;
        Ok(Self { database, keyspace })
    }

    /// Forgets all stores.
    pub fn clear(&self) -> Result<(), BackendError> {
        self.keyspace.clear().map_err(|e| BackendError::new("clear all stores", e))
    }
}

impl StoreSupplier for FjallStores {
    fn store(
        &self,
        application: &str,
        store: &str,
        partition: i32,
    ) -> Result<Arc<dyn StoreBackend>, BackendError> {
        let prefix = format!("{application}/{store}/{partition}/").into_bytes();
        Ok(Arc::new(FjallStore { stores: self.clone(), prefix }))
    }
}

fn open_error(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> OpenStoresError {
    OpenStoresError { path: path.to_owned(), source: Box::new(source) }
}

/// One store in one partition. Entries stand under `<prefix>e`, the checkpoint under `<prefix>c`.
struct FjallStore {
    stores: FjallStores,
    prefix: Vec<u8>,
}

impl FjallStore {
    fn entry(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, &b"e"[..], key].concat()
    }

    fn checkpoint_key(&self) -> Vec<u8> {
        [&self.prefix, &b"c"[..]].concat()
    }
}

impl StoreBackend for FjallStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        let value =
            self.stores.keyspace.get(self.entry(key)).map_err(|e| BackendError::new("read a key", e))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        let from = match from {
            Bound::Unbounded => Bound::Included(self.entry(b"")),
            bound => bound.map(|key| self.entry(key)),
        };
        let to = match to {
            // "f" is the byte after "e": the end of this store's entries.
            Bound::Unbounded => Bound::Excluded([&self.prefix, &b"f"[..]].concat()),
            bound => bound.map(|key| self.entry(key)),
        };
        let start = self.prefix.len() + 1;
        for entry in self.stores.keyspace.range::<Vec<u8>, _>((from, to)) {
            let (key, value) = entry.into_inner().map_err(|e| BackendError::new("read a range", e))?;
            if visit(key.get(start..).unwrap_or_default(), &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError> {
        let mut batch = self.stores.database.batch();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.stores.keyspace, self.entry(&key), value.as_ref()),
                None => batch.remove(&self.stores.keyspace, self.entry(&key)),
            }
        }
        let checkpoint = [checkpoint.offset, checkpoint.at.as_millis()].map(i64::to_be_bytes).concat();
        batch.insert(&self.stores.keyspace, self.checkpoint_key(), checkpoint);
        batch.commit().map_err(|e| BackendError::new("write a batch", e))
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, BackendError> {
        let value = self
            .stores
            .keyspace
            .get(self.checkpoint_key())
            .map_err(|e| BackendError::new("read the checkpoint", e))?;
        // A checkpoint of another length is damage: none means a restore from the start.
        Ok(value.and_then(|value| {
            let (offset, at) = value.split_at_checked(8)?;
            let number = |bytes: &[u8]| bytes.try_into().ok().map(i64::from_be_bytes);
            Some(Checkpoint { offset: number(offset)?, at: Timestamp::from_millis(number(at)?) })
        }))
    }

    fn clear(&self) -> Result<(), BackendError> {
        let failed = |e| BackendError::new("clear the store", e);
        self.stores.keyspace.remove(self.checkpoint_key()).map_err(failed)?;
        loop {
            let mut batch = self.stores.database.batch();
            for entry in self.stores.keyspace.prefix(self.entry(b"")).take(CLEAR_BATCH) {
                batch.remove(&self.stores.keyspace, entry.key().map_err(failed)?);
            }
            if batch.is_empty() {
                return Ok(());
            }
            batch.commit().map_err(failed)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    fn entries(store: &Arc<dyn StoreBackend>) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        store
            .range(Bound::Unbounded, Bound::Unbounded, &mut |key, value| {
                entries.push((text(key), text(value)));
                ControlFlow::Continue(())
            })
            .unwrap();
        entries
    }

    fn at(offset: i64) -> Checkpoint {
        Checkpoint { offset, at: Timestamp::from_millis(offset * 2) }
    }

    fn change(key: &'static str, value: Option<&'static str>) -> Change {
        (Bytes::from(key), value.map(Bytes::from))
    }

    #[test]
    fn what_was_applied_is_there_after_reopening() {
        let directory = tempfile::tempdir().unwrap();
        {
            let stores = FjallStores::open(directory.path()).unwrap();
            let store = stores.store("app", "store", 0).unwrap();
            store.apply(vec![change("a", Some("1")), change("b", Some("2"))], at(7)).unwrap();
            store.apply(vec![change("a", None), change("c", Some("3"))], at(9)).unwrap();
        }
        let stores = FjallStores::open(directory.path()).unwrap();
        let store = stores.store("app", "store", 0).unwrap();
        assert_eq!(store.checkpoint().unwrap(), Some(at(9)));
        assert_eq!(entries(&store), [("b".into(), "2".into()), ("c".into(), "3".into())]);
        assert_eq!(store.get(b"b").unwrap(), Some(Bytes::from("2")));
    }

    #[test]
    fn stores_and_partitions_are_apart() {
        let directory = tempfile::tempdir().unwrap();
        let stores = FjallStores::open(directory.path()).unwrap();
        let (one, other) =
            (stores.store("app", "store", 1).unwrap(), stores.store("app", "store", 11).unwrap());
        one.apply(vec![change("a", Some("1"))], at(1)).unwrap();
        other.apply(vec![change("a", Some("2"))], at(2)).unwrap();
        one.clear().unwrap();
        assert_eq!((entries(&one), one.checkpoint().unwrap()), (vec![], None));
        assert_eq!(
            (entries(&other), other.checkpoint().unwrap()),
            (vec![("a".into(), "2".into())], Some(at(2)))
        );
    }

    #[test]
    fn damaged_files_are_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stores");
        {
            let stores = FjallStores::open(&path).unwrap();
            stores.store("app", "store", 0).unwrap().apply(vec![change("a", Some("1"))], at(7)).unwrap();
        }
        for file in std::fs::read_dir(&path).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                std::fs::write(file.path(), b"damage").unwrap();
            }
        }
        let stores = FjallStores::open(&path).unwrap();
        assert_eq!(stores.store("app", "store", 0).unwrap().checkpoint().unwrap(), None);
    }
}
