//! The topics of the pipeline: names from the vocabulary, with the types that stand in them. Every value names its key,
//! so that no reader takes it under another one.

use std::time::Duration;

use domain::topics as names;
use domain::{
    Customer, CustomerId, Order, OrderId, OrderRequest, Outcome, ProductId, StockAdjustment, TierRecord,
    Verdict,
};
use streams::Topic;

/// Commands to orders. Written by the HTTP side of orders-service.
pub const ORDER_REQUESTS: Topic<OrderId, OrderRequest> =
    Topic::new(names::ORDER_REQUESTS).keyed_by(OrderRequest::order_id);

/// Orders in their new state. Written by the orders-service topology, whose view's changelog it is. A state
/// stays for a week before compaction may drop it, so that a consumer that was away sees most of them.
pub const ORDERS: Topic<OrderId, Order> = Topic::new(names::ORDERS)
    .compacted(Duration::from_secs(7 * 24 * 60 * 60))
    .keyed_by(|order| Some(&order.id));

/// Verdicts. Written by the three validators, each for its own check.
pub const ORDER_VALIDATIONS: Topic<OrderId, Verdict> =
    Topic::new(names::ORDER_VALIDATIONS).keyed_by(|verdict| Some(&verdict.order_id));

/// Outcomes. Written by validation-aggregator.
pub const ORDER_OUTCOMES: Topic<OrderId, Outcome> =
    Topic::new(names::ORDER_OUTCOMES).keyed_by(|outcome| Some(&outcome.order_id));

/// Commands to stocks. Written by the HTTP side of inventory-service.
pub const WAREHOUSE_INVENTORY: Topic<ProductId, StockAdjustment> =
    Topic::new(names::WAREHOUSE_INVENTORY).keyed_by(|adjustment| Some(&adjustment.product_id));

/// Customers. Written by the HTTP side of email-service.
pub const CUSTOMERS: Topic<CustomerId, Customer> =
    Topic::new(names::CUSTOMERS).compacted(Duration::ZERO).keyed_by(|customer| Some(&customer.id));

/// Decided orders with their customers, one topic a level: platinum, gold, silver, bronze, in the order of
/// [`domain::Level`]. Written by the email-service topology; the mailer's outbox.
pub const TIERS: [Topic<OrderId, TierRecord>; 4] =
    [tier(names::PLATINUM), tier(names::GOLD), tier(names::SILVER), tier(names::BRONZE)];

const fn tier(name: &'static str) -> Topic<OrderId, TierRecord> {
    Topic::new(name).keyed_by(|record| Some(&record.order.id))
}
