//! The order's side, where its products' answers come together.

use domain::{Judgement, OrderId, Timestamp, Verdict};
use streams::{Context, ProcessError, Processor, StoreError};

use crate::attempt::{Attempt, Gathered};
use crate::clock::now;
use crate::line_answer::LineAnswer;
use crate::topology::Stores;
use crate::unreadable::{Unreadable, readable};
use crate::verdict::verdict;

/// Judges an attempt once: when all its products have passed, or the first has not.
///
/// It only judges. What was reserved for an order that fails is released when
/// the order has failed.
pub(crate) struct Gather {
    pub(crate) stores: Stores,
}

type Out<'a> = Context<'a, OrderId, Verdict>;

impl Processor for Gather {
    type KeyIn = OrderId;
    type ValueIn = LineAnswer;
    type KeyOut = OrderId;
    type ValueOut = Verdict;

    fn process(&self, id: OrderId, answer: LineAnswer, context: &mut Out<'_>) -> Result<(), ProcessError> {
        let now = now(context);
        match readable(context.get(&self.stores.attempts, &id))? {
            Ok(Some(Attempt::Gathering(gathering))) if gathering.attempt == answer.attempt => {
                let started_at = gathering.started_at;
                match gathering.take(&answer.product_id, answer.judgement) {
                    Gathered::Judged(judgement) => {
                        self.judge(id, answer.attempt, judgement, started_at, now, context)?;
                    }
                    Gathered::Waiting(gathering) => {
                        context.put(&self.stores.attempts, &id, &Attempt::Gathering(gathering))?;
                    }
                }
            }
            // Judged, over, or forgotten since.
            Ok(_) => context.count("late_answers"),
            Err(Unreadable) => {
                context.count("state_unreadable");
                let judgement = Unreadable.judgement("what is known of the order");
                self.judge(id, answer.attempt, judgement, now, now, context)?;
            }
        }
        Ok(())
    }
}

impl Gather {
    fn judge(
        &self,
        id: OrderId,
        attempt: u32,
        judgement: Judgement,
        started_at: Timestamp,
        now: Timestamp,
        context: &mut Out<'_>,
    ) -> Result<(), StoreError> {
        let verdict = verdict(id.clone(), attempt, judgement, started_at, now);
        context.put(&self.stores.attempts, &id, &Attempt::Judged(verdict.clone()))?;
        context.forward(id, verdict);
        Ok(())
    }
}
