//! The directory in which a process keeps its stores and its name.
//!
//! It belongs to one process at a time, to one cluster, and gives the instance an id that outlives the
//! process, from which the transactional ids are made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::store::{
    BackendError, FjallStores, OpenStoresError, StoreBackend, StoreSupplier, WriteBufferManager,
};

/// A state directory, locked for this process until it is dropped.
pub struct StateDirectory {
    path: PathBuf,
    identity: Mutex<Identity>,
    stores: FjallStores,
    write_buffers: Arc<WriteBufferManager>,
    _lock: File,
}

/// What the file `instance.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    instance_id: String,
    cluster_id: Option<String>,
    /// The most threads that each application ever had here: each had a transactional id.
    threads: BTreeMap<String, usize>,
    /// The changelogs with which each application last ran here.
    #[serde(default)]
    changelogs: BTreeMap<String, BTreeSet<String>>,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirectoryError {
    /// Another process uses it.
    #[error("the data directory {} is in use by another process: give each process a directory of its own", .0.display())]
    InUse(PathBuf),
    /// The file system refuses.
    #[error("could not {attempted} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        attempted: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The stores cannot be opened.
    #[error(transparent)]
    Stores(#[from] OpenStoresError),
    /// The stores cannot be given up.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl StateDirectory {
    /// Opens `path`, which is made where it is not there. `instance_id` names the instance; without one the
    /// directory's own name is used, and made up at the first time.
    pub fn open(path: &Path, instance_id: Option<&str>) -> Result<Self, StateDirectoryError> {
        let io = |attempted, path: &Path| {
            let path = path.to_owned();
            move |source| StateDirectoryError::Io { attempted, path, source }
        };
        fs::create_dir_all(path).map_err(io("create the data directory", path))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(io("create", &lock_path))?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => StateDirectoryError::InUse(path.to_owned()),
            TryLockError::Error(source) => io("lock", &lock_path)(source),
        })?;
        let known = read_identity(&path.join(IDENTITY)).map_err(io("read", &path.join(IDENTITY)))?;
        let identity = match (known, instance_id) {
            (Some(known), None) => known,
            (Some(known), Some(given)) if known.instance_id == given => known,
            (known, given) => Identity {
                instance_id: given.map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_string),
                cluster_id: known.and_then(|known| known.cluster_id),
                threads: BTreeMap::new(),
                changelogs: BTreeMap::new(),
            },
        };
        let stores = FjallStores::open(&path.join("stores"))?;
        let directory = Self {
            path: path.to_owned(),
            identity: Mutex::new(identity),
            stores,
            write_buffers: Arc::default(),
            _lock: lock,
        };
        directory.save(&directory.identity())?;
        Ok(directory)
    }

    /// The instance's name: the same each time this directory is used.
    pub fn instance_id(&self) -> String {
        self.identity().instance_id.clone()
    }

    fn identity(&self) -> std::sync::MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Several applications of one process may come here at once: the caller holds the lock.
    fn save(&self, identity: &Identity) -> Result<(), StateDirectoryError> {
        let path = self.path.join(IDENTITY);
        let io = |source| StateDirectoryError::Io { attempted: "write", path: path.clone(), source };
        let text = serde_json::to_vec_pretty(identity).map_err(|e| io(e.into()))?;
        let temporary = path.with_extension("tmp");
        fs::write(&temporary, text).map_err(io)?;
        fs::rename(&temporary, &path).map_err(io)
    }
}

/// What an instance keeps beyond the life of its process: its stores, and who it is.
pub(crate) trait InstanceState: StoreSupplier {
    /// What counts the changes that its stores have in memory only.
    fn write_buffers(&self) -> Arc<WriteBufferManager>;

    /// Says which cluster the stores belong to. Those of another cluster are given up.
    fn bind_to_cluster(&self, cluster_id: &str) -> Result<(), StateDirectoryError>;

    /// The transactional ids of an application's threads, and those of threads that it once had here beyond
    /// them: their transactions have to be ended too.
    fn transactional_ids(
        &self,
        application: &str,
        threads: usize,
    ) -> Result<TransactionalIds, StateDirectoryError>;

    /// The changelogs that an application had when it last ran here; none if it did not, as far as is known.
    fn changelogs(&self, application: &str) -> Option<BTreeSet<Arc<str>>>;

    /// An application runs here now, with these changelogs.
    fn note_changelogs(
        &self,
        application: &str,
        changelogs: &BTreeSet<Arc<str>>,
    ) -> Result<(), StateDirectoryError>;
}

impl InstanceState for StateDirectory {
    fn write_buffers(&self) -> Arc<WriteBufferManager> {
        self.write_buffers.clone()
    }

    fn bind_to_cluster(&self, cluster_id: &str) -> Result<(), StateDirectoryError> {
        let mut identity = self.identity();
        match &identity.cluster_id {
            Some(known) if known == cluster_id => return Ok(()),
            Some(known) => {
                warn!(%known, found = %cluster_id, "the stores belong to another cluster and are given up");
                self.stores.clear()?;
                identity.threads.clear();
                identity.changelogs.clear();
            }
            None if self.stores.is_empty() => {}
            None => {
                warn!("nobody knows which cluster the stores belong to: they are given up");
                self.stores.clear()?;
            }
        }
        identity.cluster_id = Some(cluster_id.to_string());
        self.save(&identity)
    }

    fn transactional_ids(
        &self,
        application: &str,
        threads: usize,
    ) -> Result<TransactionalIds, StateDirectoryError> {
        let mut identity = self.identity();
        let Identity { instance_id, threads: known, .. } = &mut *identity;
        let ids = TransactionalIds::next(application, instance_id, threads, known);
        self.save(&identity)?;
        Ok(ids)
    }

    fn changelogs(&self, application: &str) -> Option<BTreeSet<Arc<str>>> {
        let identity = self.identity();
        let known = identity.changelogs.get(application)?;
        Some(known.iter().map(|changelog| changelog.as_str().into()).collect())
    }

    fn note_changelogs(
        &self,
        application: &str,
        changelogs: &BTreeSet<Arc<str>>,
    ) -> Result<(), StateDirectoryError> {
        let mut identity = self.identity();
        let changelogs = changelogs.iter().map(ToString::to_string).collect();
        if identity.changelogs.get(application) == Some(&changelogs) {
            return Ok(());
        }
        identity.changelogs.insert(application.to_string(), changelogs);
        self.save(&identity)
    }
}

/// The transactional ids of one application on one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransactionalIds {
    /// One a thread.
    pub(crate) current: Vec<String>,
    /// Those of threads that are no more.
    pub(crate) former: Vec<String>,
}

impl TransactionalIds {
    /// Those for so many threads on an instance. `known` holds the most that each application ever had there.
    pub(crate) fn next(
        application: &str,
        instance: &str,
        threads: usize,
        known: &mut BTreeMap<String, usize>,
    ) -> Self {
        let ever = known.entry(application.to_string()).or_default();
        *ever = threads.max(*ever);
        let id = |thread| format!("{application}-{instance}-{thread}");
        Self { current: (0..threads).map(id).collect(), former: (threads..*ever).map(id).collect() }
    }
}

impl StoreSupplier for StateDirectory {
    fn store(
        &self,
        application: &str,
        store: &str,
        partition: i32,
    ) -> Result<Arc<dyn StoreBackend>, BackendError> {
        self.stores.store(application, store, partition)
    }
}

const IDENTITY: &str = "instance.json";

/// A damaged file is as good as none: the instance gets a new name, and waits for the old one's transactions to time out.
fn read_identity(path: &Path) -> io::Result<Option<Identity>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let identity = serde_json::from_slice(&text);
    Ok(identity
        .inspect_err(|error| warn!(path = %path.display(), %error, "the instance's name is lost"))
        .ok())
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;
    use crate::Timestamp;
    use crate::store::Checkpoint;

    #[test]
    fn a_second_process_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let first = StateDirectory::open(directory.path(), None).unwrap();
        let second = StateDirectory::open(directory.path(), None).err().unwrap();
        assert!(matches!(second, StateDirectoryError::InUse(_)), "{second}");
        drop(first);
        StateDirectory::open(directory.path(), None).unwrap();
    }

    #[test]
    fn the_instance_keeps_its_name_and_its_threads() {
        let directory = tempfile::tempdir().unwrap();
        let first = StateDirectory::open(directory.path(), None).unwrap();
        let name = first.instance_id();
        assert_eq!(first.transactional_ids("app", 3).unwrap().current.len(), 3);
        drop(first);
        let second = StateDirectory::open(directory.path(), None).unwrap();
        assert_eq!(second.instance_id(), name);
        let ids = second.transactional_ids("app", 1).unwrap();
        assert_eq!(ids.current, [format!("app-{name}-0")]);
        assert_eq!(ids.former, [format!("app-{name}-1"), format!("app-{name}-2")]);
    }

    #[test]
    fn stores_of_another_cluster_are_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::open(directory.path(), None).unwrap();
        state.bind_to_cluster("one").unwrap();
        let store = state.store("app", "store", 0).unwrap();
        let checkpoint = Checkpoint { offset: 3, at: Timestamp::from_millis(1) };
        store.apply(vec![("a".into(), Some("1".into()))], checkpoint).unwrap();
        state.bind_to_cluster("one").unwrap();
        assert_eq!(store.checkpoint().unwrap(), Some(checkpoint));
        state.bind_to_cluster("other").unwrap();
        assert_eq!(store.checkpoint().unwrap(), None);
        let mut entries = 0;
        store
            .range(Bound::Unbounded, Bound::Unbounded, &mut |_, _| {
                entries += 1;
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(entries, 0);
    }

    #[test]
    fn the_changelogs_of_a_cluster_are_known_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let open = || StateDirectory::open(directory.path(), None).unwrap();
        let changelogs: BTreeSet<Arc<str>> = BTreeSet::from(["log".into(), "orders".into()]);
        let state = open();
        state.bind_to_cluster("one").unwrap();
        assert_eq!(state.changelogs("app"), None);
        state.note_changelogs("app", &changelogs).unwrap();
        state.note_changelogs("without", &BTreeSet::new()).unwrap();
        drop(state);
        let state = open();
        assert_eq!(state.changelogs("app"), Some(changelogs));
        assert_eq!(state.changelogs("without"), Some(BTreeSet::new()));
        state.bind_to_cluster("other").unwrap();
        assert_eq!(state.changelogs("app"), None);
    }

    /// As after the name was lost.
    #[test]
    fn stores_of_an_unknown_cluster_are_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint { offset: 3, at: Timestamp::from_millis(1) };
        let kept = |prepare: &dyn Fn(&Path), instance: Option<&str>| {
            prepare(&directory.path().join(IDENTITY));
            let state = StateDirectory::open(directory.path(), instance).unwrap();
            state.bind_to_cluster("one").unwrap();
            let store = state.store("app", "store", 0).unwrap();
            let kept = store.checkpoint().unwrap().is_some();
            store.apply(vec![("a".into(), Some("1".into()))], checkpoint).unwrap();
            kept
        };
        let leave = |_: &Path| {};
        assert!(!kept(&leave, None), "it is new");
        assert!(kept(&leave, None));
        assert!(kept(&leave, Some("another name")), "the cluster is known");
        assert!(!kept(&|file| fs::write(file, "{").unwrap(), None));
        assert!(!kept(&|file| fs::remove_file(file).unwrap(), None));
    }

    #[test]
    fn an_identity_that_cannot_be_read_is_no_lost_one() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(IDENTITY)).unwrap();
        let error = StateDirectory::open(directory.path(), None).err().unwrap();
        assert!(matches!(error, StateDirectoryError::Io { attempted: "read", .. }), "{error}");
    }
}
