//! The order's side, where it comes in: what each product is asked.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use domain::{Judgement, OrderId, OrderState, ProductId, Verdict};
use streams::{Context, ProcessError, Processor, StoreError};

use crate::attempt::{Attempt, Gathering};
use crate::basket::Basket;
use crate::clock::now;
use crate::demand::{Demand, demand};
use crate::stock_request::{ReplyTo, StockAction, StockRequest};
use crate::sweep::{self, is_old, sweep};
use crate::topology::Stores;
use crate::unreadable::{Unreadable, readable};
use crate::verdict::verdict;

/// Asks the products of a new order to reserve, and tells those of a decided
/// one how it ended.
///
/// The requests to a product come to it in the order in which the order's
/// states came by here. So it is enough to know here which attempts are over:
/// no request of theirs can follow.
pub(crate) struct ReceiveOrder {
    pub(crate) stores: Stores,
}

/// What follows from an order's state.
#[derive(Debug, Clone)]
pub(crate) enum Received {
    /// It can be judged at once, or was judged before.
    Verdict(Verdict),
    /// A product has something to do.
    Request(ProductId, StockRequest),
}

impl Received {
    pub(crate) fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Verdict(verdict) => Some(verdict),
            Self::Request(..) => None,
        }
    }

    pub(crate) fn request(self) -> Option<(ProductId, StockRequest)> {
        match self {
            Self::Verdict(_) => None,
            Self::Request(product, request) => Some((product, request)),
        }
    }
}

type Products = BTreeMap<ProductId, i64>;
type Out<'a> = Context<'a, OrderId, Received>;

impl Processor for ReceiveOrder {
    type KeyIn = OrderId;
    type ValueIn = Basket;
    type KeyOut = OrderId;
    type ValueOut = Received;

    fn process(&self, id: OrderId, order: Basket, context: &mut Out<'_>) -> Result<(), ProcessError> {
        let action = match order.state {
            OrderState::Created => None,
            OrderState::Validated => Some(StockAction::Confirm),
            OrderState::Failed => Some(StockAction::Release),
            // Nothing is known of what would follow.
            OrderState::Unknown(_) => {
                context.count("orders_in_unknown_states");
                return Ok(());
            }
        };
        match (demand(&order.lines), action) {
            (Demand::Judged(judgement), None) => judge(id, order.attempt, judgement, context),
            (Demand::Judged(_), Some(_)) => {}
            (Demand::Of(products), None) => self.created(id, &order, products, context)?,
            (Demand::Of(products), Some(action)) => self.ended(id, &order, products, action, context)?,
        }
        Ok(())
    }

    fn punctuation_interval(&self) -> Option<Duration> {
        Some(sweep::INTERVAL)
    }

    fn punctuate(&self, context: &mut Out<'_>) -> Result<(), ProcessError> {
        let now = now(context);
        let over = |attempt: &Attempt| attempt.over_since().is_some_and(|at| is_old(at, now));
        Ok(sweep(context, &self.stores.attempts, &self.stores.cursors, "attempts", over)?)
    }
}

impl ReceiveOrder {
    fn created(
        &self,
        id: OrderId,
        order: &Basket,
        products: Products,
        context: &mut Out<'_>,
    ) -> Result<(), StoreError> {
        let Ok(known) = readable(context.get(&self.stores.attempts, &id))? else {
            context.count("state_unreadable");
            judge(id, order.attempt, Unreadable.judgement("what is known of the order"), context);
            return Ok(());
        };
        match (Attempt::compare(order, known.as_ref()), known) {
            (Ordering::Greater, _) => self.begin(&id, order.attempt, products, context)?,
            (Ordering::Equal, Some(Attempt::Judged(verdict))) => {
                context.forward(id, Received::Verdict(verdict))
            }
            // The answers are on their way.
            (Ordering::Equal, _) => {}
            (Ordering::Less, _) => context.count("stale_orders"),
        }
        Ok(())
    }

    fn begin(
        &self,
        id: &OrderId,
        attempt: u32,
        products: Products,
        context: &mut Out<'_>,
    ) -> Result<(), StoreError> {
        let started_at = now(context);
        let reply_to = if products.len() > 1 {
            let waiting = products.keys().cloned().collect();
            let row = Attempt::Gathering(Gathering { attempt, started_at, waiting });
            context.put(&self.stores.attempts, id, &row)?;
            ReplyTo::Gather
        } else {
            if let Some(before @ 1..) = attempt.checked_sub(1) {
                // Whether or not its end was seen, it is over now.
                let row = Attempt::Over { attempt: before, at: started_at };
                context.put(&self.stores.attempts, id, &row)?;
            }
            ReplyTo::Aggregator { started_at }
        };
        for (product, quantity) in products {
            let action = StockAction::Reserve { quantity, reply_to };
            request(id, attempt, product, action, context);
        }
        Ok(())
    }

    fn ended(
        &self,
        id: OrderId,
        order: &Basket,
        products: Products,
        action: StockAction,
        context: &mut Out<'_>,
    ) -> Result<(), StoreError> {
        // A row that cannot be read is replaced: the order's end does not depend on it.
        let known = readable(context.get(&self.stores.attempts, &id))?.unwrap_or(None);
        if Attempt::compare(order, known.as_ref()).is_le() {
            context.count("stale_orders");
            return Ok(());
        }
        let row = Attempt::Over { attempt: order.attempt, at: now(context) };
        context.put(&self.stores.attempts, &id, &row)?;
        for product in products.into_keys() {
            request(&id, order.attempt, product, action, context);
        }
        Ok(())
    }
}

fn judge(id: OrderId, attempt: u32, judgement: Judgement, context: &mut Out<'_>) {
    let now = now(context);
    let verdict = verdict(id.clone(), attempt, judgement, now, now);
    context.forward(id, Received::Verdict(verdict));
}

fn request(id: &OrderId, attempt: u32, product: ProductId, action: StockAction, context: &mut Out<'_>) {
    let request = StockRequest { order_id: id.clone(), attempt, action };
    context.forward(id.clone(), Received::Request(product, request));
}
