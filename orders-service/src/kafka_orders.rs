//! The orders of a running topology.

use std::sync::Arc;

use actix_web::web::Bytes;
use domain::{NewOrder, Order, OrderId, OrderRequest, OrderState, Origin, state_of, timestamp_from_millis};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use moka::sync::Cache;
use service::Problem;
use service::topics::ORDER_REQUESTS;
use streams::{CommandWriter, Queries, Store, Wanted, Watcher};

use crate::orders::{Changes, Orders};
use crate::shown_order::ShownOrder;

/// Reads the view, and writes commands.
pub(crate) struct KafkaOrders {
    queries: Queries,
    commands: CommandWriter,
    view: Store<OrderId, Order>,
    recent: Cache<OrderId, Recent>,
}

/// An order, and the bytes in the view that it was made of: it is as long as they are the same.
#[derive(Clone)]
struct Recent {
    bytes: Bytes,
    order: Arc<ShownOrder>,
}

/// How many bytes of orders are kept for the next who asks, as they are stored; made into values and answers they take
/// about three times as much.
const RECENT: u64 = 2 << 20;

impl KafkaOrders {
    pub(crate) fn new(queries: Queries, commands: CommandWriter, view: Store<OrderId, Order>) -> Self {
        let size = |_: &OrderId, recent: &Recent| u32::try_from(recent.bytes.len()).unwrap_or(u32::MAX);
        let recent = Cache::builder().weigher(size).max_capacity(RECENT).build();
        Self { queries, commands, view, recent }
    }
}

impl Orders for KafkaOrders {
    fn partition(&self, id: &OrderId) -> i32 {
        self.queries.partition_of(id)
    }

    fn get(&self, id: &OrderId) -> Result<Option<Arc<ShownOrder>>, Problem> {
        let Some(bytes) = self.queries.get_bytes(&self.view, id)? else { return Ok(None) };
        if let Some(recent) = self.recent.get(id).filter(|recent| recent.bytes == bytes) {
            return Ok(Some(recent.order));
        }
        let order = Arc::new(ShownOrder::new(self.queries.decode(&self.view, &bytes)?));
        self.recent.insert(id.clone(), Recent { bytes, order: order.clone() });
        Ok(Some(order))
    }

    fn watch(&self, id: &OrderId, changes: Changes) -> BoxStream<'static, ()> {
        let wanted: Wanted = match changes {
            Changes::All => |_| true,
            Changes::Decisions => may_be_decided,
        };
        let watcher = self.queries.watch_for(&self.view, id, wanted);
        let next = async |mut watcher: Watcher| watcher.changed().await.then_some(((), watcher));
        stream::unfold(watcher, next).boxed()
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

/// Whether an order of the view is decided, or not known to be undecided.
fn may_be_decided(json: Option<&[u8]>) -> bool {
    json.and_then(state_of).is_none_or(OrderState::is_final)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::{created, decided};

    #[test]
    fn decisions_are_told_from_other_changes() {
        let json = |order: Order| serde_json::to_vec(&order).unwrap();
        assert!(!may_be_decided(Some(&json(created("o-1")))));
        assert!(may_be_decided(Some(&json(decided("o-1")))));
        // Whoever waits shall see what is wrong.
        assert!(may_be_decided(Some(b"no JSON")));
        assert!(may_be_decided(None));
    }
}
