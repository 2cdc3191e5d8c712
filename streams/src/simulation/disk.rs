//! What an instance keeps beyond the lives of its processes: its name and its stores.
//!
//! A crash can take the latest writes of each store with it, or a whole store, or everything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use std::ops::Bound;

use bytes::Bytes;

use super::process::ProcessState;
use crate::state_directory::{InstanceState, StateDirectoryError, TransactionalIds};
use crate::store::{
    BackendError, Change, Checkpoint, MemoryStore, StoreBackend, StoreSupplier, Visit, WriteBufferManager,
};

/// The disk of an instance.
#[derive(Default)]
pub(super) struct Disk(Mutex<Content>);

#[derive(Default)]
struct Content {
    instance: String,
    /// The most threads that each application ever had.
    threads: BTreeMap<String, usize>,
    changelogs: BTreeMap<String, BTreeSet<Arc<str>>>,
    stores: BTreeMap<(String, String, i32), Arc<DiskStore>>,
}

/// What a crash does to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Everything that was written is there.
    None,
    /// Each store may have lost its latest writes.
    LostWrites,
    /// Each store may be gone.
    LostStores,
    /// All is gone, the instance's name too.
    LostDisk,
}

/// How many writes of a store a crash can take with it.
const UNSAFE_WRITES: usize = 6;

impl Disk {
    pub(super) fn of(instance: &str) -> Self {
        Self(Mutex::new(Content { instance: instance.to_string(), ..Content::default() }))
    }

    /// The process has crashed.
    pub(super) fn suffer(&self, damage: Damage, random: &mut fastrand::Rng) {
        let mut content = self.lock();
        match damage {
            Damage::None => {}
            Damage::LostWrites => content.stores.values().for_each(|store| store.forget_latest(random)),
            Damage::LostStores => content.stores.retain(|_, _| random.bool()),
            Damage::LostDisk => {
                let instance = format!("{}'", content.instance);
                *content = Content { instance, ..Content::default() };
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The disk, as one process sees it.
pub(super) struct MountedDisk {
    pub(super) disk: Arc<Disk>,
    pub(super) process: Arc<ProcessState>,
    pub(super) write_buffers: Arc<WriteBufferManager>,
}

impl StoreSupplier for MountedDisk {
    fn store(
        &self,
        application: &str,
        store: &str,
        partition: i32,
    ) -> Result<Arc<dyn StoreBackend>, BackendError> {
        let key = (application.to_string(), store.to_string(), partition);
        let store = self.disk.lock().stores.entry(key).or_default().clone();
        Ok(Arc::new(MountedStore { store, process: self.process.clone() }))
    }
}

impl InstanceState for MountedDisk {
    fn write_buffers(&self) -> Arc<WriteBufferManager> {
        self.write_buffers.clone()
    }

    fn bind_to_cluster(&self, _cluster_id: &str) -> Result<(), StateDirectoryError> {
        // There is only one.
        Ok(())
    }

    fn transactional_ids(
        &self,
        application: &str,
        threads: usize,
    ) -> Result<TransactionalIds, StateDirectoryError> {
        let mut content = self.disk.lock();
        let Content { instance, threads: known, .. } = &mut *content;
        Ok(TransactionalIds::next(application, instance, threads, known))
    }

    fn changelogs(&self, application: &str) -> Option<BTreeSet<Arc<str>>> {
        self.disk.lock().changelogs.get(application).cloned()
    }

    fn note_changelogs(
        &self,
        application: &str,
        changelogs: &BTreeSet<Arc<str>>,
    ) -> Result<(), StateDirectoryError> {
        self.disk.lock().changelogs.insert(application.to_string(), changelogs.clone());
        Ok(())
    }
}

/// A store, and how to take back its latest writes.
#[derive(Default)]
struct DiskStore {
    store: MemoryStore,
    undo: Mutex<VecDeque<(Vec<Change>, Option<Checkpoint>)>>,
}

impl DiskStore {
    fn write(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError> {
        let before = changes.iter().map(|(key, _)| Ok((key.clone(), self.store.get(key)?)));
        let before = before.collect::<Result<Vec<_>, BackendError>>()?;
        let mut undo = self.undo.lock().unwrap_or_else(PoisonError::into_inner);
        undo.push_back((before, self.store.checkpoint()?));
        if undo.len() > UNSAFE_WRITES {
            undo.pop_front();
        }
        self.store.apply(changes, checkpoint)
    }

    fn forget_latest(&self, random: &mut fastrand::Rng) {
        let mut undo = self.undo.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..random.usize(..=undo.len()) {
            let Some((before, checkpoint)) = undo.pop_back() else { return };
            // A store in memory does not fail.
            let _ = match checkpoint {
                Some(checkpoint) => self.store.apply(before, checkpoint),
                None => self.store.clear(),
            };
        }
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.undo.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.store.clear()
    }
}

/// The store, as one process sees it.
struct MountedStore {
    store: Arc<DiskStore>,
    process: Arc<ProcessState>,
}

impl MountedStore {
    /// Writing takes its time, and a process that crashes meanwhile has not written.
    fn may_write(&self, attempted: &'static str) -> Result<(), BackendError> {
        let world = &self.process.world;
        world.scheduler.sleep(Duration::from_millis(world.scheduler.random(|random| random.u64(..2))));
        let drawn = world.scheduler.random(|random| random.u32(..10_000));
        if world.scheduler.has_crashed() || drawn < world.weather().failing_writes {
            let source = std::io::Error::other("the disk does not take it");
            return Err(BackendError { attempted, source: Box::new(source) });
        }
        Ok(())
    }
}

impl StoreBackend for MountedStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        self.store.store.get(key)
    }

    fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        self.store.store.range(from, to, visit)
    }

    fn apply(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError> {
        self.may_write("write to a store")?;
        self.process.world.scheduler.note(format_args!("its store stands at {}", checkpoint.offset));
        self.store.write(changes, checkpoint)?;
        self.process.world.scheduler.sleep(Duration::ZERO);
        Ok(())
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, BackendError> {
        self.store.store.checkpoint()
    }

    fn clear(&self) -> Result<(), BackendError> {
        self.may_write("clear a store")?;
        self.process.world.scheduler.note(format_args!("its store is cleared"));
        self.store.clear()
    }
}
