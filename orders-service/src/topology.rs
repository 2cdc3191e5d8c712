//! The life of orders, from commands and outcomes to `orders`.
//!
//! The state machine is [`domain::apply`]; here it meets Kafka. What becomes of an order is put into the
//! view, and the view's changelog is the topic `orders` itself: an order is written once, and what can be
//! read in the view is what stands on the topic.

use domain::{
    NewOrder, Order, OrderEvent, OrderId, OrderRequest, OrderState, Origin, Outcome, Timestamp, Transition,
    supersedes, timestamp_from_millis,
};
use service::topics::{ORDER_OUTCOMES, ORDER_REQUESTS, ORDERS};
use streams::{Context, ProcessError, Processor, Store, Topology};

/// The topology, and the view in which its readers find the orders.
#[derive(Debug)]
pub struct OrdersTopology {
    /// Reads `order-requests` and `order-outcomes`, writes `orders`.
    pub topology: Topology,
    /// Every order in its present state.
    pub view: Store<OrderId, Order>,
}

/// Carries out commands to orders, and moves orders to where their outcomes say.
pub fn topology() -> OrdersTopology {
    let mut builder = Topology::builder("orders-service");
    let view = builder.topic_store("orders", &ORDERS, supersedes);

    builder.source(&ORDER_REQUESTS).process(CarryOut { view });
    builder.source(&ORDER_OUTCOMES).process(MoveOn { view });

    OrdersTopology { topology: builder.build(), view }
}

/// Commands to orders.
struct CarryOut {
    view: Store<OrderId, Order>,
}

/// Outcomes of their validation.
struct MoveOn {
    view: Store<OrderId, Order>,
}

impl Processor for CarryOut {
    type KeyIn = OrderId;
    type ValueIn = OrderRequest;
    type KeyOut = ();
    type ValueOut = ();

    fn process(
        &self,
        key: OrderId,
        request: OrderRequest,
        context: &mut Context<'_, (), ()>,
    ) -> Result<(), ProcessError> {
        let OrderRequest::Create { order: new_order, .. } = request else {
            // Whoever sent it sees by the order that it was not carried out.
            context.count("requests_unknown");
            return Ok(());
        };
        let event = creation(new_order, context)?;
        step(&self.view, &key, event, context)
    }
}

impl Processor for MoveOn {
    type KeyIn = OrderId;
    type ValueIn = Outcome;
    type KeyOut = ();
    type ValueOut = ();

    fn process(
        &self,
        key: OrderId,
        outcome: Outcome,
        context: &mut Context<'_, (), ()>,
    ) -> Result<(), ProcessError> {
        let event = OrderEvent::Outcome { outcome: &outcome, at: now(context) };
        step(&self.view, &key, event, context)
    }
}

/// The order counts from when it is created, not from when that was asked for: its checks begin now.
fn creation(new_order: NewOrder, context: &Context<'_, (), ()>) -> Result<OrderEvent<'static>, ProcessError> {
    let request =
        context.origin().ok_or_else(|| ProcessError::Other("a request comes from nowhere".into()))?;
    let origin = Origin { partition: request.partition, offset: request.offset };
    Ok(OrderEvent::Create { new_order, at: now(context), origin })
}

fn now(context: &Context<'_, (), ()>) -> Timestamp {
    timestamp_from_millis(context.now().as_millis())
}

/// Lets `event` happen to the order `id`. What does not change the order is counted.
fn step(
    view: &Store<OrderId, Order>,
    id: &OrderId,
    event: OrderEvent<'_>,
    context: &mut Context<'_, (), ()>,
) -> Result<(), ProcessError> {
    let current = context.get(view, id)?;
    match domain::apply(current.as_ref(), event) {
        Transition::Changed(order) => {
            context.put(view, id, &order)?;
            context.count(counter(order.state));
        }
        Transition::Replayed => context.count("requests_replayed"),
        Transition::Conflict => context.count("requests_conflicting"),
        Transition::Refused(_) => context.count("transitions_refused"),
    }
    Ok(())
}

fn counter(reached: OrderState) -> &'static str {
    match reached {
        OrderState::Created => "orders_created",
        OrderState::Validated => "orders_validated",
        OrderState::Failed => "orders_failed",
        OrderState::Unknown(_) => "orders_in_unknown_states",
    }
}

#[cfg(test)]
mod tests;
