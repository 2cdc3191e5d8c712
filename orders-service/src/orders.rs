//! Orders as the HTTP side sees them, whatever stands behind.

use std::sync::Arc;

use domain::{NewOrder, OrderId, Origin};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use service::Problem;

use crate::shown_order::ShownOrder;

/// Which changes of an order are of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// All.
    All,
    /// Those to a final state. Others may be told as well.
    Decisions,
}

/// The view of this instance, and the way of a command into it.
pub(crate) trait Orders: Send + Sync + 'static {
    /// The partition in which the order is.
    fn partition(&self, id: &OrderId) -> i32;

    /// The order as it is committed, if it is there.
    fn get(&self, id: &OrderId) -> Result<Option<Arc<ShownOrder>>, Problem>;

    /// Begins to watch an order: an item for each such change since this call, or for several. Ends when the order is no
    /// longer this instance's.
    fn watch(&self, id: &OrderId, changes: Changes) -> BoxStream<'static, ()>;

    /// Asks for the order to be created. Kafka has the request, at the place that is given.
    fn request(&self, order: NewOrder) -> BoxFuture<'_, Result<Origin, Problem>>;

    /// Waits until what a request did is committed.
    fn carried_out(&self, request: Origin) -> BoxFuture<'_, Result<(), Problem>>;
}
