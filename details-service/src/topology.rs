//! From `orders` to `order-validations`, without a detour.

use domain::{Check, OrderId, Verdict, timestamp_from_millis};
use service::topics;
use streams::{Context, ProcessError, Processor, Topology};

use crate::draft::Draft;
use crate::rule::judge;

/// Judges each order that is in state CREATED.
pub fn topology() -> Topology {
    let mut builder = Topology::builder("details-service");

    builder
        .source_if(&topics::ORDERS.values_as(|order: &Draft| Some(&order.id)), Draft::may_be_in)
        .process(DetailsCheck)
        .sink(&topics::ORDER_VALIDATIONS);

    builder.build()
}

struct DetailsCheck;

impl Processor for DetailsCheck {
    type KeyIn = OrderId;
    type ValueIn = Draft;
    type KeyOut = OrderId;
    type ValueOut = Verdict;

    fn process(
        &self,
        _key: OrderId,
        order: Draft,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<(), ProcessError> {
        let now = timestamp_from_millis(context.now().as_millis());
        let verdict =
            judge(&order).into_verdict(order.id.clone(), order.attempt, Check::OrderDetailsCheck, now, now);
        context.forward(order.id, verdict);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
