//! From `orders` to `order-validations`, without a detour.

use domain::{Check, Order, OrderId, OrderState, Verdict, timestamp_from_millis};
use service::topics;
use streams::{Context, ProcessError, Processor, Topology};

use crate::rule::judge;

/// Judges each order that is in state CREATED.
pub fn topology() -> Topology {
    let mut builder = Topology::builder("details-service");

    builder
        .source(&topics::ORDERS)
        .filter(|_, order| order.state == OrderState::Created)
        .process(DetailsCheck)
        .sink(&topics::ORDER_VALIDATIONS);

    builder.build()
}

struct DetailsCheck;

impl Processor for DetailsCheck {
    type KeyIn = OrderId;
    type ValueIn = Order;
    type KeyOut = OrderId;
    type ValueOut = Verdict;

    fn process(
        &self,
        _key: OrderId,
        order: Order,
        context: &mut Context<'_, OrderId, Verdict>,
    ) -> Result<(), ProcessError> {
        let now = timestamp_from_millis(context.now().as_millis());
        let verdict = judge(&order).into_verdict(&order, Check::OrderDetailsCheck, now, now);
        context.forward(order.id, verdict);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
