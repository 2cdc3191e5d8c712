//! The cases of a task, and which of them are due.

use std::ops::Bound;

use domain::{OrderId, Outcome};
use streams::{Context, Store, StoreError, TopologyBuilder};

use crate::case::Case;
use crate::due_key::DueKey;

/// Two stores that are always written together: each case stands once in the index, where it is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CaseStore {
    pub(crate) cases: Store<OrderId, Case>,
    pub(crate) due: Store<DueKey, ()>,
}

type AggregatorContext<'a> = Context<'a, OrderId, Outcome>;

impl CaseStore {
    pub(crate) fn declare(builder: &mut TopologyBuilder) -> Self {
        Self { cases: builder.store("cases"), due: builder.store("due") }
    }

    pub(crate) fn get(
        &self,
        context: &AggregatorContext<'_>,
        order_id: &OrderId,
    ) -> Result<Option<Case>, StoreError> {
        context.get(&self.cases, order_id)
    }

    /// Puts `case` where `known` was.
    pub(crate) fn put(
        &self,
        context: &mut AggregatorContext<'_>,
        order_id: &OrderId,
        known: Option<&DueKey>,
        case: &Case,
    ) -> Result<(), StoreError> {
        let due = DueKey::new(case.due(), order_id);
        if known != Some(&due) {
            known.iter().for_each(|known| context.delete(&self.due, known));
            context.put(&self.due, &due, &())?;
        }
        context.put(&self.cases, order_id, case)
    }

    pub(crate) fn delete(&self, context: &mut AggregatorContext<'_>, due: &DueKey) {
        context.delete(&self.due, due);
        context.delete(&self.cases, &due.order_id);
    }

    /// At most `limit` cases that are due by now, those first that have been for longest.
    pub(crate) fn due(
        &self,
        context: &AggregatorContext<'_>,
        limit: usize,
    ) -> Result<Vec<DueKey>, StoreError> {
        let end = DueKey::end(context.now());
        let due = context.range(&self.due, Bound::Unbounded, Bound::Excluded(&end), limit)?;
        Ok(due.into_iter().map(|(key, ())| key).collect())
    }
}
