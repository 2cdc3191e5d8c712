//! Waiting for an order to become what is waited for.

use std::sync::Arc;
use std::time::Duration;

use domain::OrderId;
use futures::StreamExt as _;
use service::{Call, Interrupted, Problem};

use crate::orders::Orders;
use crate::shown_order::ShownOrder;

/// An order as it was when the wait ended, and how that was.
pub(super) struct Waited {
    pub(super) order: Option<Arc<ShownOrder>>,
    /// None when what was waited for is there.
    pub(super) interrupted: Option<Interrupted>,
}

/// Waits until `enough` holds for the order `id`, or its absence: for what is left of `patience` at most, and not
/// beyond the shutdown's grace. Costs no thread, and ends when it is dropped.
///
/// # Errors
///
/// The order cannot be read, or no longer here.
pub(super) async fn wait_for(
    orders: &dyn Orders,
    id: &OrderId,
    call: &Call,
    patience: Duration,
    enough: impl Fn(Option<&ShownOrder>) -> bool,
) -> Result<Waited, Problem> {
    let waited = call.shutdown().wait_with_grace(call.time_left(patience), until(orders, id, &enough));
    match waited.await {
        Ok(order) => Ok(Waited { order: order?, interrupted: None }),
        Err(interrupted) => {
            let order = orders.get(id)?;
            // It may have come at the last moment.
            let interrupted = Some(interrupted).filter(|_| !enough(order.as_deref()));
            Ok(Waited { order, interrupted })
        }
    }
}

async fn until(
    orders: &dyn Orders,
    id: &OrderId,
    enough: &impl Fn(Option<&ShownOrder>) -> bool,
) -> Result<Option<Arc<ShownOrder>>, Problem> {
    loop {
        // Before the read, so that no change falls between the two. It ends when the order's partition moves.
        let mut changes = orders.watch(id);
        loop {
            // Given back before the wait: those who wait are many.
            if let Some(order) = get_if(orders, id, enough)? {
                return Ok(order);
            }
            if changes.next().await.is_none() {
                break;
            }
        }
    }
}

/// The order, or its absence, if that is enough.
fn get_if(
    orders: &dyn Orders,
    id: &OrderId,
    enough: &impl Fn(Option<&ShownOrder>) -> bool,
) -> Result<Option<Option<Arc<ShownOrder>>>, Problem> {
    let order = orders.get(id)?;
    Ok(enough(order.as_deref()).then_some(order))
}
