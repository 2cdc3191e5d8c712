//! Waiting for an order to become what is waited for.

use std::sync::Arc;
use std::time::Duration;

use domain::OrderId;
use futures::StreamExt as _;
use service::{Call, Interrupted, Problem};

use super::version_tag::KnownVersions;
use crate::orders::{Changes, Orders};
use crate::shown_order::ShownOrder;

/// An order as it was when the wait ended, and how that was.
pub(super) struct Waited {
    pub(super) order: Option<Arc<ShownOrder>>,
    /// None when what was waited for is there.
    pub(super) interrupted: Option<Interrupted>,
}

/// What is waited for.
#[derive(Clone, Copy)]
pub(super) enum Awaited<'a> {
    /// The order in a version that is none of these.
    News(&'a KnownVersions),
    /// The order in a final state.
    Decision,
}

impl Awaited<'_> {
    fn is(self, order: &ShownOrder) -> bool {
        match self {
            Self::News(known) => !known.contain(order),
            Self::Decision => order.state.is_final(),
        }
    }

    /// The changes that can bring it: whoever waits is not woken by others. They may be many.
    fn changes(self) -> Changes {
        match self {
            Self::News(_) => Changes::All,
            Self::Decision => Changes::Decisions,
        }
    }
}

/// Waits for the order `id` to be as it is awaited: for what is left of `patience` at most, and not beyond the
/// shutdown's grace. Costs no thread, and ends when it is dropped.
///
/// # Errors
///
/// The order cannot be read, or no longer here.
pub(super) async fn wait_for(
    orders: &dyn Orders,
    id: &OrderId,
    call: &Call,
    patience: Duration,
    awaited: Awaited<'_>,
) -> Result<Waited, Problem> {
    let waited = call.shutdown().wait_with_grace(call.time_left(patience), until(orders, id, awaited));
    match waited.await {
        Ok(order) => Ok(Waited { order: Some(order?), interrupted: None }),
        Err(interrupted) => {
            let order = orders.get(id)?;
            // It may have come at the last moment.
            let is_there = order.as_ref().is_some_and(|order| awaited.is(order));
            Ok(Waited { order, interrupted: (!is_there).then_some(interrupted) })
        }
    }
}

async fn until(orders: &dyn Orders, id: &OrderId, awaited: Awaited<'_>) -> Result<Arc<ShownOrder>, Problem> {
    loop {
        // Before the read, so that no change falls between the two. It ends when the order's partition moves.
        let mut changes = orders.watch(id, awaited.changes());
        loop {
            // Given back before the wait: those who wait are many.
            if let Some(order) = get_if(orders, id, awaited)? {
                return Ok(order);
            }
            if changes.next().await.is_none() {
                break;
            }
        }
    }
}

/// The order, if it is as it is awaited.
fn get_if(
    orders: &dyn Orders,
    id: &OrderId,
    awaited: Awaited<'_>,
) -> Result<Option<Arc<ShownOrder>>, Problem> {
    Ok(orders.get(id)?.filter(|order| awaited.is(order)))
}
