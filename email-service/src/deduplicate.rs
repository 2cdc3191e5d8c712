//! Lets each final state of an order pass once.
//!
//! `orders` holds one final record for each attempt. The same record comes again only when the topic is read
//! again on purpose; the transactions see to all else. So it is enough to know the attempts of the last days:
//! a row is forgotten [`KEPT`] after its order was created. That is how long `orders` keeps every state
//! before compaction may drop it, and it bounds the store. A row stands under the order's creation, which all
//! records of an order agree on: one row finds an attempt and, being the oldest, is found when its time is up.

use std::ops::Bound;
use std::time::Duration;

use domain::{OrderId, OrderState};
use streams::{Context, ProcessError, Processor, Store};

use crate::decided_order::DecidedOrder;
use crate::order_key::OrderKey;

/// Forwards the first final record of each attempt.
pub(crate) struct Deduplicate {
    pub(crate) decided: Store<OrderKey, OrderState>,
}

/// How long an attempt is remembered, counted from the order's creation.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How often old rows are looked for; rarely, since what was deleted costs something to be passed over.
const FORGET_EVERY: Duration = Duration::from_secs(2);
/// How many rows go at once, so that nobody waits for it; twice as many as records came since, if these are more: each
/// adds one at most, so the store never grows while it holds old ones.
const FORGET: usize = 1000;

impl Processor for Deduplicate {
    type KeyIn = OrderId;
    type ValueIn = DecidedOrder;
    type KeyOut = OrderId;
    type ValueOut = DecidedOrder;

    fn process(
        &self,
        id: OrderId,
        order: DecidedOrder,
        context: &mut Context<'_, OrderId, DecidedOrder>,
    ) -> Result<(), ProcessError> {
        let at = order.head.created_at.as_millisecond();
        let key = OrderKey { at, order: id.clone(), attempt: order.head.attempt };
        if context.get(&self.decided, &key)?.is_some() {
            context.count("duplicates");
            return Ok(());
        }
        context.put(&self.decided, &key, &order.head.state)?;
        context.forward(id, order);
        Ok(())
    }

    fn punctuation_interval(&self) -> Option<Duration> {
        Some(FORGET_EVERY)
    }

    fn punctuate(&self, context: &mut Context<'_, OrderId, DecidedOrder>) -> Result<(), ProcessError> {
        let end = OrderKey::since((context.now() - KEPT).as_millis());
        let most = FORGET.max(2 * context.records_since());
        let old = context.range(&self.decided, Bound::Unbounded, Bound::Excluded(&end), most)?;
        for (key, _) in old {
            context.delete(&self.decided, &key);
        }
        Ok(())
    }
}
