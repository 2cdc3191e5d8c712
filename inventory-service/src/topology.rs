//! How the steps hang together, and what they remember.

use domain::{OrderId, ProductId, Stock};
use service::topics;
use streams::{Store, Topology, TopologyBuilder};

use crate::adjust_stock::AdjustStock;
use crate::adjustment::{AdjustmentKey, AdjustmentResult};
use crate::attempt::Attempt;
use crate::basket::Basket;
use crate::gather::Gather;
use crate::receive_order::{ReceiveOrder, Received};
use crate::reservation::{Reservation, ReservationKey};
use crate::reserve_stock::{Replied, ReserveStock};

/// Reserves stock for orders, judges them by it, and adjusts it; with the
/// stores that HTTP reads.
pub fn topology() -> (Topology, Stores) {
    let mut builder = Topology::builder("inventory-service");
    let stores = Stores::new(&mut builder);

    let received = builder
        .source(&topics::ORDERS.values_as(|order: &Basket| Some(&order.id)))
        .commit_late(|_, order| order.state.is_final())
        .process(ReceiveOrder { stores });
    let verdicts = received.clone().filter_map_values(|_, received: Received| received.verdict());
    verdicts.sink(&topics::ORDER_VALIDATIONS);

    let replied = received
        .flat_map(|_, received| received.request())
        .repartition("orders-by-product")
        .process(ReserveStock { stores });
    let verdicts = replied.clone().filter_map_values(|_, replied: Replied| replied.verdict());
    verdicts.sink(&topics::ORDER_VALIDATIONS);

    replied
        .filter_map_values(|_, replied: Replied| replied.answer())
        .repartition("answers-by-order")
        .process(Gather { stores })
        .sink(&topics::ORDER_VALIDATIONS);

    builder.source(&topics::WAREHOUSE_INVENTORY).process(AdjustStock { stores });

    (builder.build(), stores)
}

/// What the inventory remembers, each row in the partition of its product or,
/// where the order is the key, of its order.
#[derive(Debug, Clone, Copy)]
pub struct Stores {
    /// How much of each product there is. None is 0.
    pub stock: Store<ProductId, Stock>,
    /// What became of the adjustments of the last day.
    pub adjustments: Store<AdjustmentKey, AdjustmentResult>,
    /// What the products answered to the attempts under way.
    pub(crate) reservations: Store<ReservationKey, Reservation>,
    /// The attempts under way that wait for several products, and the orders
    /// that ended in the last day.
    pub(crate) attempts: Store<OrderId, Attempt>,
    /// How far the sweep of each store got.
    pub(crate) cursors: Store<String, String>,
}

impl Stores {
    fn new(builder: &mut TopologyBuilder) -> Self {
        Self {
            stock: builder.store("stock"),
            adjustments: builder.store("adjustments"),
            reservations: builder.store("reservations"),
            attempts: builder.store("attempts"),
            cursors: builder.store("cursors"),
        }
    }
}
