//! The committed layer of a store.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

/// A key with its new value, or none where the key is deleted.
pub type Change = (Bytes, Option<Bytes>);

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
    pub(crate) fn new(attempted: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { attempted, source: Box::new(source) }
    }
}

/// The committed state of one store in one partition: sorted bytes, and the changelog offset they stand for.
pub trait StoreBackend: Send + Sync {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError>;

    /// Shows the entries between the bounds to `visit`, in the order of their keys, until it breaks.
    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), BackendError>;

    /// Writes the changes and the checkpoint together: after a crash both are there or neither is.
    fn apply(&self, changes: Vec<Change>, checkpoint: i64) -> Result<(), BackendError>;

    /// The changelog offset that the store stands for: the first one that is not in it. None when it is new.
    fn checkpoint(&self) -> Result<Option<i64>, BackendError>;

    /// Forgets everything, the checkpoint first.
    fn clear(&self) -> Result<(), BackendError>;
}
