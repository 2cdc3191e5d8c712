//! The committed layer of a store.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use bytes::Bytes;

use crate::Timestamp;

/// A key with its new value, or none where the key is deleted.
pub type Change = (Bytes, Option<Bytes>);

/// Sees the entries of a range, key and value, one after the other, until it breaks.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Why the committed layer failed.
#[derive(Debug, thiserror::Error)]
#[error("could not {attempted}: {source}")]
pub struct BackendError {
    /// What was attempted.
    pub attempted: &'static str,
    /// Why it failed.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl BackendError {
    pub(crate) fn new(
        attempted: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { attempted, source: Box::new(source) }
    }
}

/// What a store stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The first offset of the changelog that is not in the store.
    pub offset: i64,
    /// When the store was last known to be up to date. Tombstones vanish from a changelog after a while: a
    /// store that has slept through that would keep what was deleted.
    pub at: Timestamp,
}

/// The committed state of one store in one partition: sorted bytes, and the changelog offset they stand for.
pub trait StoreBackend: Send + Sync {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError>;

    /// Shows the entries between the bounds to `visit`, in the order of their keys, until it breaks.
    fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), BackendError>;

    /// Writes the changes and the checkpoint together: after a crash both are there or neither is.
    fn apply(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError>;

    /// The same of changes that stay the caller's.
    fn apply_sorted(
        &self,
        changes: &BTreeMap<Bytes, Option<Bytes>>,
        checkpoint: Checkpoint,
    ) -> Result<(), BackendError> {
        self.apply(changes.clone().into_iter().collect(), checkpoint)
    }

    /// What the store stands for; none when it is new.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, BackendError>;

    /// Forgets everything, the checkpoint first.
    fn clear(&self) -> Result<(), BackendError>;

    /// Whether its files have turned out to be damaged, since it was opened or cleared. Then only clearing helps.
    fn is_damaged(&self) -> bool {
        false
    }
}

/// Gives out the stores of a process.
pub trait StoreSupplier: Send + Sync {
    /// The store `store` of `application` in one partition. Asked for twice, it is the same store.
    fn store(
        &self,
        application: &str,
        store: &str,
        partition: i32,
    ) -> Result<Arc<dyn StoreBackend>, BackendError>;
}
