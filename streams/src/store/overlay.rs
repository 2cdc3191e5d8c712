//! A store as a task sees it: the committed layer with the open transaction's writes on top.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use bytes::Bytes;

use super::merge::merge;
use super::{BackendError, Change, Checkpoint, StoreBackend};

pub(crate) struct OverlayStore {
    committed: Arc<dyn StoreBackend>,
    overlay: BTreeMap<Bytes, Option<Bytes>>,
    /// Of each section a key below which none has a value. Spares whoever uses a store as a queue from passing, at
    /// each look at its front, over all that the files still remember as deleted.
    floors: RefCell<BTreeMap<Bytes, Bytes>>,
}

impl OverlayStore {
    pub(crate) fn new(committed: Arc<dyn StoreBackend>) -> Self {
        Self { committed, overlay: BTreeMap::new(), floors: RefCell::default() }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BackendError> {
        match self.overlay.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.committed.get(key),
        }
    }

    /// Sets the value of a key of the section, or deletes the key.
    pub(crate) fn write(&mut self, section: &Bytes, key: Bytes, value: Option<Bytes>) {
        if value.is_some()
            && let Some(floor) = self.floors.get_mut().get_mut(section)
            && key < *floor
        {
            *floor = key.clone();
        }
        self.overlay.insert(key, value);
    }

    /// At most `limit` entries between the bounds, which lie within the section, in the order of their keys.
    pub(crate) fn range(
        &self,
        section: &Bytes,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, BackendError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let floor = self.floors.borrow().get(section).unwrap_or(section).clone();
        let at_floor = match from {
            Bound::Unbounded => true,
            Bound::Included(from) => from <= floor.as_ref(),
            Bound::Excluded(from) => from < floor.as_ref(),
        };
        let found = self.entries(if at_floor { Bound::Included(&floor) } else { from }, to, limit)?;
        if at_floor {
            self.raise_floor(section, floor, found.first().map(|(key, _)| key), to);
        }
        Ok(found)
    }

    /// There is nothing between the floor and `first`, or `to` if there is no first.
    fn raise_floor(&self, section: &Bytes, floor: Bytes, first: Option<&Bytes>, to: Bound<&[u8]>) {
        let higher = match (first, to) {
            (Some(first), _) => first.clone(),
            (None, Bound::Excluded(to) | Bound::Included(to)) => Bytes::copy_from_slice(to),
            (None, Bound::Unbounded) => return,
        };
        self.floors.borrow_mut().insert(section.clone(), floor.max(higher));
    }

    fn entries(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, BackendError> {
        let mut found = Vec::new();
        let mut take = |key: &[u8], value: &[u8]| {
            found.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        merge(&self.overlay, from, to, &mut take, |visit| self.committed.range(from, to, visit))?;
        Ok(found)
    }

    /// The last value of each key that the open transaction wrote.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&Bytes, &Option<Bytes>)> {
        self.overlay.iter()
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.overlay.is_empty()
    }

    /// After Kafka's commit: the overlay goes down to the committed layer, which now stands for `checkpoint`.
    pub(crate) fn commit(&mut self, checkpoint: Checkpoint) -> Result<(), BackendError> {
        let changes: Vec<Change> = std::mem::take(&mut self.overlay).into_iter().collect();
        self.committed.apply(changes, checkpoint)
    }

    /// After an abort: as if the transaction had never been.
    pub(crate) fn abort(&mut self) {
        self.overlay.clear();
        // What the transaction had deleted is there again.
        self.floors.get_mut().clear();
    }

    pub(crate) fn committed(&self) -> &Arc<dyn StoreBackend> {
        &self.committed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::MemoryStore;
    use super::*;

    const ALL: Bytes = Bytes::new();

    fn at(offset: i64) -> Checkpoint {
        Checkpoint { offset, at: crate::Timestamp::from_millis(0) }
    }

    fn key() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(0_u8..4, 0..3).prop_map(Bytes::from)
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        prop::collection::vec((key(), prop::option::of(key())), 0..20)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(Bytes, Option<Bytes>),
        Read(Option<Bytes>, Bytes, usize),
        Commit,
        Abort,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (key(), prop::option::of(key())).prop_map(|(key, value)| Step::Write(key, value)),
            4 => (prop::option::of(key()), key(), 1_usize..4).prop_map(|(from, to, limit)| Step::Read(from, to, limit)),
            1 => Just(Step::Commit),
            1 => Just(Step::Abort),
        ]
    }

    proptest! {
        /// Reads through the overlay are reads of a map to which all writes were applied.
        #[test]
        fn reads_see_both_layers(
            committed in changes(), written in changes(), from in key(), to in key(), limit in 0_usize..12,
        ) {
            let mut model = BTreeMap::new();
            for (key, value) in committed.iter().chain(&written) {
                match value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(key),
                };
            }
            let backend = Arc::new(MemoryStore::default());
            backend.apply(committed, at(1)).unwrap();
            let mut store = OverlayStore::new(backend.clone());
            for (key, value) in written {
                store.write(&ALL, key, value);
            }

            for key in model.keys() {
                let value = store.get(key).unwrap();
                prop_assert_eq!(value.as_ref(), model.get(key));
            }
            let bounds = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
            let expected: Vec<_> = model
                .iter()
                .filter(|(key, _)| **key >= from && **key < to)
                .take(limit)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            prop_assert_eq!(store.range(&ALL, bounds.0, bounds.1, limit).unwrap(), expected);

            store.commit(at(2)).unwrap();
            prop_assert_eq!(backend.checkpoint().unwrap(), Some(at(2)));
            let all: Vec<_> = model.into_iter().collect();
            prop_assert_eq!(store.range(&ALL, Bound::Unbounded, Bound::Unbounded, 100).unwrap(), all);
        }

        /// The same for any sequence of writes, reads, commits and aborts.
        #[test]
        fn reads_between_writes_see_what_is_there(steps in prop::collection::vec(step(), 0..60)) {
            let mut store = OverlayStore::new(Arc::new(MemoryStore::default()));
            let (mut committed, mut model) = (BTreeMap::new(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Write(key, value) => {
                        store.write(&ALL, key.clone(), value.clone());
                        match value {
                            Some(value) => model.insert(key, value),
                            None => model.remove(&key),
                        };
                    }
                    Step::Read(from, to, limit) => {
                        let between = |key: &Bytes| from.as_ref().is_none_or(|from| key >= from) && *key < to;
                        let expected: Vec<_> =
                            model.clone().into_iter().filter(|(key, _)| between(key)).take(limit).collect();
                        let from = from.as_ref().map_or(Bound::Unbounded, |from| Bound::Included(&from[..]));
                        prop_assert_eq!(store.range(&ALL, from, Bound::Excluded(&to[..]), limit).unwrap(), expected);
                    }
                    Step::Commit => {
                        store.commit(at(1)).unwrap();
                        committed.clone_from(&model);
                    }
                    Step::Abort => {
                        store.abort();
                        model.clone_from(&committed);
                    }
                }
            }
        }

        /// What an aborted transaction wrote leaves no trace.
        #[test]
        fn an_abort_leaves_no_trace(committed in changes(), written in changes()) {
            let backend = Arc::new(MemoryStore::default());
            backend.apply(committed, at(1)).unwrap();
            let mut store = OverlayStore::new(backend);
            let all = |store: &OverlayStore| store.range(&ALL, Bound::Unbounded, Bound::Unbounded, 100).unwrap();
            let before = all(&store);
            for (key, value) in written {
                store.write(&ALL, key, value);
            }
            store.abort();
            prop_assert_eq!(all(&store), before);
            prop_assert!(!store.is_dirty());
        }
    }
}
