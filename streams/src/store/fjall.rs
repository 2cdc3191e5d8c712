//! The committed layer on disk: one fjall database per process, in it a keyspace for each store and partition.
//!
//! What is written comes sorted and in large batches, because Kafka's changelog is the journal and the write buffer
//! is above ([`super::write_buffer`]). So each batch becomes a table of the LSM tree as it is (fjall calls that
//! ingestion), past fjall's own journal and memtable. A batch is there as a whole or not at all.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::config::{PartitioningPolicy, PinningPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode};
use tracing::warn;

use super::{BackendError, Change, Checkpoint, StoreBackend, StoreSupplier, Visit};
use crate::Timestamp;

const CACHE_BYTES: u64 = 16 << 20;
/// What fjall asks for at least: its journal stays empty.
const JOURNAL_BYTES: u64 = 64 << 20;
/// So many batches are merged with all that was written before, at a time.
const NEW_TABLES: u8 = 8;
/// fjall's limit for the name of a keyspace.
const LONGEST_NAME: usize = 255;

/// The database that holds all stores of a process.
pub struct FjallStores {
    database: Database,
    /// By their names.
    known: Mutex<HashMap<String, Arc<FjallStore>>>,
}

/// The stores' files cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the stores in {} cannot be opened: {source}", path.display())]
pub struct OpenStoresError {
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl FjallStores {
    /// Opens the database in `path`. Damaged files are given up: their content is in the changelogs. What else is in
    /// the way, such as a want of space, of rights or of open files, is an error and leaves them as they are.
    pub fn open(path: &Path) -> Result<Self, OpenStoresError> {
        let opened = Self::try_open(path).or_else(|error| {
            if !is_damage(&error) {
                return Err(error);
            }
            warn!(path = %path.display(), %error, "the stores are damaged and will be restored from their changelogs");
            std::fs::remove_dir_all(path)?;
            Self::try_open(path)
        });
        opened.map_err(|source| OpenStoresError { path: path.to_owned(), source: Box::new(source) })
    }

    fn try_open(path: &Path) -> fjall::Result<Self> {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()?;
        Ok(Self { database, known: Mutex::default() })
    }

    /// Whether there is no store.
    pub fn is_empty(&self) -> bool {
        self.database.list_keyspace_names().is_empty()
    }

    /// Forgets all stores.
    pub fn clear(&self) -> Result<(), BackendError> {
        self.database.list_keyspace_names().iter().try_for_each(|name| self.named(name)?.clear())
    }

    fn named(&self, name: &str) -> Result<Arc<FjallStore>, BackendError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = known.get(name) {
            return Ok(store.clone());
        }
        let store = Arc::new(FjallStore::open(&self.database, name)?);
        known.insert(name.to_string(), store.clone());
        Ok(store)
    }
}

impl StoreSupplier for FjallStores {
    fn store(
        &self,
        application: &str,
        store: &str,
        partition: i32,
    ) -> Result<Arc<dyn StoreBackend>, BackendError> {
        Ok(self.named(&format!("{application}/{store}/{partition}"))?)
    }
}

/// Whether the files are certainly not what was written, or not of this program: trying again cannot help.
fn is_damage(error: &fjall::Error) -> bool {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => {
            is_damage_of_file(error.kind())
        }
        fjall::Error::Storage(_)
        | fjall::Error::JournalRecovery(_)
        | fjall::Error::InvalidVersion(_)
        | fjall::Error::Decompress(_)
        | fjall::Error::InvalidTrailer
        | fjall::Error::InvalidTag(_)
        | fjall::Error::Unrecoverable => true,
        _ => false,
    }
}

/// Of files within the database: one that is missing, or left from a database that was never finished, one that is cut.
fn is_damage_of_file(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{AlreadyExists, InvalidData, InvalidInput, NotFound, UnexpectedEof};
    matches!(kind, NotFound | AlreadyExists | UnexpectedEof | InvalidData | InvalidInput)
}

/// One store in one partition.
struct FjallStore {
    database: Database,
    name: String,
    /// Made with the first write.
    keyspace: RwLock<Option<Keyspace>>,
    is_damaged: AtomicBool,
}

/// What stands before the keys of entries.
const ENTRY: u8 = b'e';
/// The byte after it: the end of all entries.
const ENTRIES_END: &[u8] = b"f";
/// Where the checkpoint stands, before all entries.
const CHECKPOINT: &[u8] = b"c";

/// Filters and indexes of tables stay in memory, 1 to 2 bytes a key: most reads are for keys that are not on the disk.
fn options() -> KeyspaceCreateOptions {
    let compaction = Leveled::default().with_l0_threshold(NEW_TABLES);
    KeyspaceCreateOptions::default()
        .compaction_strategy(Arc::new(compaction))
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .filter_block_partitioning_policy(PartitioningPolicy::all(false))
        .index_block_pinning_policy(PinningPolicy::all(true))
        .index_block_partitioning_policy(PartitioningPolicy::all(false))
}

fn entry(key: &[u8]) -> Vec<u8> {
    [&[ENTRY], key].concat()
}

impl FjallStore {
    fn open(database: &Database, name: &str) -> Result<Self, BackendError> {
        let attempted = "open a store";
        if name.len() > LONGEST_NAME {
            let reason = format!("its name {name:?} has more than {LONGEST_NAME} bytes");
            return Err(BackendError { attempted, source: reason.into() });
        }
        let (database, name) = (database.clone(), name.to_string());
        let store = Self { database, name, keyspace: RwLock::default(), is_damaged: AtomicBool::new(false) };
        if store.database.keyspace_exists(&store.name) {
            store.create().map_err(|e| BackendError::new(attempted, e))?;
        }
        Ok(store)
    }

    /// What has failed, and whether for a damage.
    fn failed(&self, attempted: &'static str) -> impl Fn(fjall::Error) -> BackendError {
        move |error| {
            if is_damage(&error) {
                self.is_damaged.store(true, Ordering::Relaxed);
            }
            BackendError::new(attempted, error)
        }
    }

    fn keyspace(&self) -> Option<Keyspace> {
        self.keyspace.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keyspace, which is made where there is none.
    fn create(&self) -> fjall::Result<Keyspace> {
        let keyspace = self.database.keyspace(&self.name, options)?;
        *self.keyspace.write().unwrap_or_else(PoisonError::into_inner) = Some(keyspace.clone());
        Ok(keyspace)
    }

    fn write(&self, changes: &BTreeMap<Bytes, Option<Bytes>>, checkpoint: Checkpoint) -> fjall::Result<()> {
        let keyspace = match self.keyspace() {
            Some(keyspace) => keyspace,
            None => self.create()?,
        };
        // It fails if merging tables has failed before: then nothing is merged any more until the stores are opened
        // anew, and writing must not go on as if it were.
        self.database.persist(PersistMode::Buffer)?;
        let mut table = keyspace.start_ingestion()?;
        table.write(
            CHECKPOINT,
            [checkpoint.offset, checkpoint.at.as_millis()].map(i64::to_be_bytes).concat(),
        )?;
        let mut entry = vec![ENTRY];
        for (key, value) in changes {
            entry.truncate(1);
            entry.extend_from_slice(key);
            match value {
                Some(value) => table.write(&*entry, &**value)?,
                None => table.write_tombstone(&*entry)?,
            }
        }
        table.finish()
    }
}

impl StoreBackend for FjallStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        let Some(keyspace) = self.keyspace() else { return Ok(None) };
        let value = keyspace.get(entry(key)).map_err(self.failed("read a key"))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        let Some(keyspace) = self.keyspace() else { return Ok(()) };
        let from = match from {
            Bound::Unbounded => Bound::Included(entry(b"")),
            bound => bound.map(entry),
        };
        let to = match to {
            Bound::Unbounded => Bound::Excluded(ENTRIES_END.to_vec()),
            bound => bound.map(entry),
        };
        for entry in keyspace.range::<Vec<u8>, _>((from, to)) {
            let (key, value) = entry.into_inner().map_err(self.failed("read a range"))?;
            if visit(key.get(1..).unwrap_or_default(), &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError> {
        self.apply_sorted(&changes.into_iter().collect(), checkpoint)
    }

    fn apply_sorted(
        &self,
        changes: &BTreeMap<Bytes, Option<Bytes>>,
        checkpoint: Checkpoint,
    ) -> Result<(), BackendError> {
        self.write(changes, checkpoint).map_err(self.failed("write a batch"))
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, BackendError> {
        let Some(keyspace) = self.keyspace() else { return Ok(None) };
        let value = keyspace.get(CHECKPOINT).map_err(self.failed("read the checkpoint"))?;
        // A checkpoint of another length is damage: none means a restore from the start.
        Ok(value.and_then(|value| {
            let (offset, at) = value.split_at_checked(8)?;
            let number = |bytes: &[u8]| bytes.try_into().ok().map(i64::from_be_bytes);
            Some(Checkpoint { offset: number(offset)?, at: Timestamp::from_millis(number(at)?) })
        }))
    }

    fn clear(&self) -> Result<(), BackendError> {
        let mut slot = self.keyspace.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(keyspace) = &*slot {
            let deleted = self.database.delete_keyspace(keyspace.clone());
            deleted.map_err(|e| BackendError::new("clear the store", e))?;
            *slot = None;
        }
        self.is_damaged.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
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

    /// A store that `write` has been to.
    fn written(path: &Path, partition: i32) -> Arc<dyn StoreBackend> {
        let store = FjallStores::open(path).unwrap().store("app", "store", partition).unwrap();
        store.apply(vec![change("a", Some("1"))], at(7)).unwrap();
        store
    }

    #[test]
    fn only_damage_is_damage() {
        let io = |error: io::Error| {
            [fjall::Error::Storage(LsmError::Io(io::Error::new(error.kind(), ""))), error.into()]
        };
        let of_system = |number: i32| io(io::Error::from_raw_os_error(number));
        let (no_such_file, io_error, no_right, not_a_directory, no_more_files, no_space, no_quota) =
            (2, 5, 13, 20, 24, 28, 122);
        for (errors, expected) in [
            (of_system(no_such_file), true),
            (of_system(io_error), false),
            (of_system(no_right), false),
            (of_system(not_a_directory), false),
            (of_system(no_more_files), false),
            (of_system(no_space), false),
            (of_system(no_quota), false),
            (io(io::ErrorKind::UnexpectedEof.into()), true),
            (io(io::ErrorKind::InvalidData.into()), true),
            ([fjall::Error::Locked, fjall::Error::Poisoned], false),
            ([fjall::Error::InvalidVersion(None), fjall::Error::Unrecoverable], true),
            ([fjall::Error::InvalidTrailer, LsmError::InvalidHeader("block").into()], true),
        ] {
            for error in errors {
                assert_eq!(is_damage(&error), expected, "{error:?}");
            }
        }
    }

    #[test]
    fn what_is_in_the_way_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stores");
        std::fs::write(&path, "not a directory").unwrap();
        let error = FjallStores::open(&path).err().unwrap();
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a directory");
    }

    const STORES: &str = "STORES_TO_OPEN";

    /// It opens them in a process of its own, that may open few files.
    #[test]
    fn stores_stay_when_there_are_too_few_open_files() {
        let directory = tempfile::tempdir().unwrap();
        for partition in 0..16 {
            drop(written(directory.path(), partition));
        }
        let mut few_files = std::process::Command::new("sh");
        few_files.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
        few_files.args(["--ignored", "--exact", "--nocapture", "store::fjall::tests::opens_stores"]);
        let output = few_files.env(STORES, directory.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let stores = FjallStores::open(directory.path()).unwrap();
        assert_eq!(stores.store("app", "store", 3).unwrap().checkpoint().unwrap(), Some(at(7)));
    }

    #[test]
    #[ignore = "a part of the test before"]
    fn opens_stores() {
        let path = PathBuf::from(std::env::var_os(STORES).unwrap());
        let one_more = || std::fs::File::open("/dev/null");
        let mut taken: Vec<_> = std::iter::from_fn(|| one_more().ok()).collect();
        let mut failures = 0;
        // Each time it comes a little further.
        while let Err(error) = FjallStores::open(&path) {
            assert!(format!("{error}").contains("Too many open files"), "{error}");
            failures += 1;
            taken.pop().expect("there are enough open files for it");
        }
        assert!(failures > 4, "{failures}");
    }

    #[test]
    fn a_damage_that_is_found_later_is_known_until_the_store_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        drop(written(directory.path(), 0));
        for table in tables(directory.path()) {
            let mut bytes = std::fs::read(&table).unwrap();
            // The first block has the entries.
            bytes[..64].fill(0xff);
            std::fs::write(&table, bytes).unwrap();
        }
        let stores = FjallStores::open(directory.path()).unwrap();
        let store = stores.store("app", "store", 0).unwrap();
        assert!(!store.is_damaged());
        store.get(b"a").unwrap_err();
        assert!(store.is_damaged());
        store.clear().unwrap();
        assert!(!store.is_damaged());
        store.apply(vec![change("a", Some("2"))], at(8)).unwrap();
        assert_eq!(store.get(b"a").unwrap(), Some(Bytes::from("2")));
    }

    /// The files of all stores' tables.
    fn tables(path: &Path) -> Vec<PathBuf> {
        let keyspaces = std::fs::read_dir(path.join("keyspaces")).unwrap().map(|entry| entry.unwrap().path());
        let stores = keyspaces.filter(|keyspace| !keyspace.ends_with("0"));
        stores
            .flat_map(|store| std::fs::read_dir(store.join("tables")).unwrap())
            .map(|table| table.unwrap().path())
            .collect()
    }
}
