//! Commands to stocks.

use std::time::Duration;

use domain::{Origin, ProductId, StockAdjustment};
use streams::{Context, ProcessError, Processor};

use crate::adjustment::{AdjustmentKey, AdjustmentOutcome, AdjustmentResult};
use crate::clock::now;
use crate::rules;
use crate::sweep::{self, is_old, sweep};
use crate::topology::Stores;

/// Judges each adjustment once and keeps the answer for a day. Nothing comes
/// out: who sent the command reads the answer from the store.
///
/// A stock that cannot be read cannot be adjusted: such a command becomes a
/// dead letter, and leaves no answer that would stand after a repair.
pub(crate) struct AdjustStock {
    pub(crate) stores: Stores,
}

impl Processor for AdjustStock {
    type KeyIn = ProductId;
    type ValueIn = StockAdjustment;
    type KeyOut = ();
    type ValueOut = ();

    fn process(
        &self,
        product_id: ProductId,
        adjustment: StockAdjustment,
        context: &mut Context<'_, (), ()>,
    ) -> Result<(), ProcessError> {
        // Who sent it waits for it.
        context.commit();
        let StockAdjustment { id, quantity, .. } = adjustment;
        let key = AdjustmentKey { product_id, adjustment_id: id };
        if context.get(&self.stores.adjustments, &key)?.is_some() {
            context.count("repeated_adjustments");
            return Ok(());
        }
        let before = context.get(&self.stores.stock, &key.product_id)?.unwrap_or_default();
        let outcome = match rules::adjust(before, quantity) {
            Ok(stock) => {
                context.put(&self.stores.stock, &key.product_id, &stock)?;
                AdjustmentOutcome::Applied { stock }
            }
            Err(why) => AdjustmentOutcome::Refused { why, stock: before },
        };
        let judged_at = now(context);
        let result = AdjustmentResult { quantity, outcome, origin: origin(context), judged_at };
        Ok(context.put(&self.stores.adjustments, &key, &result)?)
    }

    fn punctuation_interval(&self) -> Option<Duration> {
        Some(sweep::INTERVAL)
    }

    fn punctuate(&self, context: &mut Context<'_, (), ()>) -> Result<(), ProcessError> {
        let now = now(context);
        let old = |result: &AdjustmentResult| is_old(result.judged_at, now);
        Ok(sweep(context, &self.stores.adjustments, &self.stores.cursors, "adjustments", old)?)
    }
}

fn origin(context: &Context<'_, (), ()>) -> Origin {
    let origin = context.origin().expect("a processor takes records only, and each has its place");
    Origin { partition: origin.partition, offset: origin.offset }
}
