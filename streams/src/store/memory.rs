//! A committed layer in memory, for tests and simulation.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{BackendError, Change, Checkpoint, StoreBackend, Visit};

/// A store that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<Bytes, Bytes>,
    checkpoint: Option<Checkpoint>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoreBackend for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        Ok(self.state().entries.get(key).cloned())
    }

    fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        for (key, value) in self.state().entries.range::<[u8], _>((from, to)) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, changes: Vec<Change>, checkpoint: Checkpoint) -> Result<(), BackendError> {
        let mut state = self.state();
        for (key, value) in changes {
            match value {
                Some(value) => state.entries.insert(key, value),
                None => state.entries.remove(&key),
            };
        }
        state.checkpoint = Some(checkpoint);
        Ok(())
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, BackendError> {
        Ok(self.state().checkpoint)
    }

    fn clear(&self) -> Result<(), BackendError> {
        *self.state() = State::default();
        Ok(())
    }
}
