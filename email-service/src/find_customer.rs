//! Finds the customer of each decided order.
//!
//! The customers table is filled from another topic than the one that orders come from, so a customer who
//! was there before the order may not be in the table yet. An order whose customer is not found waits until
//! the table has reached the end that it had when the order was read; who is not there then is unknown, and
//! the order goes on without a customer. Waiting orders stand in a store, the longest waiting first. The
//! question for the table's end does not: it is asked anew as long as an order waits, so a restart may
//! forget it.

use std::ops::Bound;
use std::time::Duration;

use domain::{Customer, CustomerId, OrderId};
use streams::{Context, GlobalTable, ProcessError, Processor, Store, Timestamp};

use crate::decided_order::DecidedOrder;
use crate::order_key::OrderKey;

/// Joins orders with their customers.
pub(crate) struct FindCustomer {
    pub(crate) customers: GlobalTable<CustomerId, Customer>,
    pub(crate) waiting: Store<OrderKey, DecidedOrder>,
}

type TierRecord = domain::TierRecord<DecidedOrder>;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many are looked at at a time; twice as many as records came since, if these are more.
const LOOK_AT: usize = 500;

impl Processor for FindCustomer {
    type KeyIn = OrderId;
    type ValueIn = DecidedOrder;
    type KeyOut = OrderId;
    type ValueOut = TierRecord;

    fn process(
        &self,
        id: OrderId,
        order: DecidedOrder,
        context: &mut Context<'_, OrderId, TierRecord>,
    ) -> Result<(), ProcessError> {
        let customer = context.lookup(&self.customers, &order.head.customer_id)?;
        if customer.is_some() {
            context.forward(id, TierRecord { order, customer });
            return Ok(());
        }
        let key = OrderKey { at: context.now().as_millis(), order: id, attempt: order.head.attempt };
        context.put(&self.waiting, &key, &order)?;
        context.request_table_end(&self.customers);
        Ok(())
    }

    fn punctuation_interval(&self) -> Option<Duration> {
        Some(LOOK_EVERY)
    }

    fn punctuate(&self, context: &mut Context<'_, OrderId, TierRecord>) -> Result<(), ProcessError> {
        let longest = context.range(&self.waiting, Bound::Unbounded, Bound::Unbounded, 1)?;
        let Some((key, _)) = longest.first() else { return Ok(()) };
        match context.table_read_to_end_as_of(&self.customers) {
            Some(reached) if reached.as_millis() >= key.at => self.look_again(reached, context),
            _ => {
                context.request_table_end(&self.customers);
                Ok(())
            }
        }
    }
}

impl FindCustomer {
    /// The orders that began to wait until `reached` have waited long enough.
    fn look_again(
        &self,
        reached: Timestamp,
        context: &mut Context<'_, OrderId, TierRecord>,
    ) -> Result<(), ProcessError> {
        let end = OrderKey::since(reached.as_millis().saturating_add(1));
        let most = LOOK_AT.max(2 * context.records_since());
        let waiting = context.range(&self.waiting, Bound::Unbounded, Bound::Excluded(&end), most)?;
        for (key, order) in waiting {
            context.delete(&self.waiting, &key);
            let customer = context.lookup(&self.customers, &order.head.customer_id)?;
            if customer.is_none() {
                context.count("unknown_customers");
            }
            context.forward(key.order, TierRecord { order, customer });
        }
        Ok(())
    }
}
