//! The orders of a running topology.

use domain::{NewOrder, Order, OrderId, OrderRequest, Origin, timestamp_from_millis};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use service::Problem;
use service::topics::ORDER_REQUESTS;
use streams::{CommandWriter, Queries, Store};

use crate::orders::Orders;

/// Reads the view, and writes commands.
pub(crate) struct KafkaOrders {
    queries: Queries,
    commands: CommandWriter,
    view: Store<OrderId, Order>,
}

impl KafkaOrders {
    pub(crate) fn new(queries: Queries, commands: CommandWriter, view: Store<OrderId, Order>) -> Self {
        Self { queries, commands, view }
    }
}

impl Orders for KafkaOrders {
    fn partition(&self, id: &OrderId) -> i32 {
        self.queries.partition_of(id)
    }

    fn get(&self, id: &OrderId) -> Result<Option<Order>, Problem> {
        Ok(self.queries.get(&self.view, id)?)
    }

    fn watch(&self, id: &OrderId) -> BoxFuture<'static, ()> {
        let mut watcher = self.queries.watch(&self.view, id);
        async move { watcher.changed().await }.boxed()
    }

    fn request(&self, order: NewOrder) -> BoxFuture<'_, Result<Origin, Problem>> {
        async move {
            let id = order.id.clone();
            let requested_at = timestamp_from_millis(jiff::Timestamp::now().as_millisecond());
            let request = OrderRequest::Create { order, requested_at };
            let written = self.commands.send(&ORDER_REQUESTS, &id, &request).await?;
            Ok(Origin { partition: written.partition, offset: written.offset })
        }
        .boxed()
    }

    fn carried_out(&self, request: Origin) -> BoxFuture<'_, Result<(), Problem>> {
        async move { Ok(self.queries.committed(&ORDER_REQUESTS, request.partition, request.offset).await?) }
            .boxed()
    }
}
