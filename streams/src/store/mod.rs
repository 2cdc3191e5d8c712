//! State stores: what processors remember.
//!
//! A store has layers. The *committed* layer ([`StoreBackend`]) holds what Kafka has committed to the store's
//! changelog, together with the changelog offset that it stands for: the latest of it in memory, the rest on disk. The
//! *overlay* holds what the open transaction wrote; it goes down only after Kafka's commit, and is thrown
//! away when the transaction is aborted. So a store is never ahead of Kafka.
//!
//! What a processor knows as a store is a [`Section`] of what is kept: stores share their files and their changelog.

mod backend;
mod fjall;
mod memory;
mod merge;
mod overlay;
mod section;
mod write_buffer;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

pub use self::backend::{BackendError, Change, Checkpoint, StoreBackend, StoreSupplier, Visit};
pub use self::fjall::{FjallStores, OpenStoresError};
pub use self::memory::MemoryStore;
pub(crate) use self::overlay::OverlayStore;
pub(crate) use self::section::Section;
pub(crate) use self::write_buffer::{BufferedStores, WriteBufferManager};

use crate::codec::{DecodeError, EncodeError};
use crate::topic::TopicSpec;

/// A processor's hold on a store of its topology.
pub struct Store<K, V> {
    pub(crate) index: usize,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Store<K, V> {
    pub(crate) fn new(index: usize) -> Self {
        Self { index, types: PhantomData }
    }
}

impl<K, V> Clone for Store<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Store<K, V> {}

impl<K, V> fmt::Debug for Store<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.index)
    }
}

/// A store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The files failed: the worker starts again from what Kafka says.
    #[error("store {store:?}: {source}")]
    Backend {
        /// The store's name.
        store: Arc<str>,
        /// What failed.
        source: BackendError,
    },
    /// What stands under a key is not what the store should hold: trying again cannot help.
    #[error("store {store:?}: {source}")]
    Undecodable {
        /// The store's name.
        store: Arc<str>,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// A value that cannot be written as JSON.
    #[error("store {store:?}: {source}")]
    Unencodable {
        /// The store's name.
        store: Arc<str>,
        /// What is wrong with it.
        source: EncodeError,
    },
}

/// A store as the topology declares it.
#[derive(Clone)]
pub(crate) struct StoreSpec {
    pub(crate) name: Arc<str>,
    pub(crate) changelog: TopicSpec,
    pub(crate) fold: Fold,
}

impl StoreSpec {
    /// Whether its changelog is a topic with a meaning.
    pub(crate) fn is_topic(&self) -> bool {
        matches!(self.fold, Fold::Accept(_))
    }
}

/// How a record of the changelog is taken into the store when it is restored.
#[derive(Clone)]
pub(crate) enum Fold {
    /// The last value of each key: a changelog of the store's own.
    LastValue,
    /// Only what the function accepts, given the key, the stored value and the record's value (a tombstone is always
    /// accepted): a changelog that is a topic with a meaning.
    Accept(Arc<AcceptFn>),
}

pub(crate) type AcceptFn = dyn Fn(&[u8], Option<&[u8]>, &[u8]) -> bool + Send + Sync;
