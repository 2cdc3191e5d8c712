//! email-service's topology: each decided order, with its customer, goes to the topic of the customer's level.

use domain::{Customer, CustomerId, Level, OrderId, OrderState, TierRecord};
use service::topics;
use streams::{GlobalTable, Store, Topology};

use crate::decided_order::DecidedOrder;
use crate::deduplicate::Deduplicate;
use crate::find_customer::FindCustomer;
use crate::order_key::OrderKey;

/// The application's name: its consumer group, and the prefix of its own topics.
pub const APPLICATION: &str = "email-service";

/// The topology, and what of it can be read from outside.
#[derive(Debug)]
pub struct EmailTopology {
    /// From `orders` to the tier topics.
    pub topology: Topology,
    /// All customers.
    pub customers: GlobalTable<CustomerId, Customer>,
    /// How the attempts ended that were seen decided, by the order's creation.
    pub decided: Store<OrderKey, OrderState>,
    /// Decided orders whose customer was not found, by when they began to wait.
    pub waiting: Store<OrderKey, DecidedOrder>,
}

/// One tier record for each final state of an order.
pub fn topology() -> EmailTopology {
    let mut builder = Topology::builder(APPLICATION);
    let customers = builder.global_table(&topics::CUSTOMERS);
    let decided = builder.store("decided");
    let waiting = builder.store("waiting");
    let tiers = topics::TIERS.map(|topic| topic.values_as(order_id));

    builder
        .source_if(
            &topics::ORDERS.values_as(|order: &DecidedOrder| Some(&order.head.id)),
            DecidedOrder::may_be_in,
        )
        .commit_late(|_, _| true)
        .process(Deduplicate { decided })
        .process(FindCustomer { customers, waiting })
        .sink_by(&tiers, |_, record| tier(record));

    EmailTopology { topology: builder.build(), customers, decided, waiting }
}

fn order_id(record: &TierRecord<DecidedOrder>) -> Option<&OrderId> {
    Some(&record.order.head.id)
}

/// Which of [`topics::TIERS`] a record belongs to. Whom nobody knows has the level that everybody has.
fn tier(record: &TierRecord<DecidedOrder>) -> usize {
    match record.customer.as_ref().map_or(Level::Bronze, |customer| customer.level) {
        Level::Platinum => 0,
        Level::Gold => 1,
        Level::Silver => 2,
        Level::Bronze => 3,
    }
}
