//! From `orders`, by customer, to `order-validations`.

use service::topics;
use streams::{Store, Topology};

use crate::fraud_check::FraudCheck;
use crate::hour::Hour;
use crate::keys::{HourKey, RowKey};
use crate::policy::FraudPolicy;
use crate::priced_order::PricedOrder;
use crate::purchase::Purchase;
use crate::row::Row;

/// Which orders exceed what a customer may spend in an hour.
pub fn topology(policy: FraudPolicy) -> Topology {
    with_stores(policy).0
}

/// The topology, and its stores for the tests to look into.
fn with_stores(policy: FraudPolicy) -> (Topology, Stores) {
    let mut builder = Topology::builder("fraud-service");
    // What earlier versions kept as "rows" and "sums" is not read any more.
    let rows = builder.store("judged");
    let hours = builder.store("hours");

    builder
        .source_if(&topics::ORDERS.values_as(|order: &PricedOrder| Some(&order.id)), PricedOrder::matters)
        .commit_late(|_, order: &PricedOrder| order.state.is_final())
        .flat_map(|_, order| Purchase::of(order))
        .repartition("orders-by-customer")
        .process(FraudCheck { policy, rows, hours })
        .sink(&topics::ORDER_VALIDATIONS);

    (builder.build(), (rows, hours))
}

type Stores = (Store<RowKey, Row>, Store<HourKey, Hour>);

#[cfg(test)]
mod tests;
