//! The product's side: where the stock is.

use std::ops::Bound;

use domain::{OrderId, ProductId, Stock, Verdict};
use streams::faults::Fault;
use streams::{Context, ProcessError, Processor, StoreError};

use crate::clock::now;
use crate::line_answer::{LineAnswer, LineJudgement};
use crate::reservation::{Reservation, ReservationKey};
use crate::rules;
use crate::stock_request::{ReplyTo, StockAction, StockRequest};
use crate::topology::Stores;
use crate::unreadable::{Unreadable, readable};
use crate::verdict::verdict;

/// Stock that a failed order had reserved stays reserved.
pub const RELEASE_FORGOTTEN: Fault = Fault::named("release forgotten");

/// Reserves, confirms and releases the pieces of a product, each once for an attempt.
pub(crate) struct ReserveStock {
    pub(crate) stores: Stores,
}

/// A product's reply to an order.
#[derive(Debug, Clone)]
pub(crate) enum Replied {
    /// To the aggregator: the order has no other product.
    Verdict(Verdict),
    /// To the gather step.
    Answer(LineAnswer),
}

impl Replied {
    pub(crate) fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Verdict(verdict) => Some(verdict),
            Self::Answer(_) => None,
        }
    }

    pub(crate) fn answer(self) -> Option<LineAnswer> {
        match self {
            Self::Verdict(_) => None,
            Self::Answer(answer) => Some(answer),
        }
    }
}

type Out<'a> = Context<'a, OrderId, Replied>;

impl Processor for ReserveStock {
    type KeyIn = ProductId;
    type ValueIn = StockRequest;
    type KeyOut = OrderId;
    type ValueOut = Replied;

    fn process(
        &self,
        product_id: ProductId,
        request: StockRequest,
        context: &mut Out<'_>,
    ) -> Result<(), ProcessError> {
        let StockRequest { order_id, attempt, action } = request;
        let key = ReservationKey { product_id, order_id, attempt };
        match action {
            StockAction::Reserve { quantity, reply_to } => {
                let judgement =
                    readable(self.reserve(&key, quantity, context))?.unwrap_or_else(|Unreadable| {
                        context.count("state_unreadable");
                        LineJudgement::Unreadable
                    });
                reply(key, judgement, reply_to, context);
            }
            StockAction::Confirm => self.settle(&key, rules::confirm, context)?,
            StockAction::Release if RELEASE_FORGOTTEN.is_on() => {}
            StockAction::Release => self.settle(&key, rules::release, context)?,
        }
        Ok(())
    }
}

impl ReserveStock {
    /// Everything is read before anything is written: what cannot be read changes nothing.
    fn reserve(
        &self,
        key: &ReservationKey,
        quantity: i64,
        context: &mut Out<'_>,
    ) -> Result<LineJudgement, StoreError> {
        if let Some(made) = context.get(&self.stores.reservations, key)? {
            return Ok(made.judgement());
        }
        let before = context.get(&self.stores.stock, &key.product_id)?.unwrap_or_default();
        let superseded = self.superseded(key, context)?;

        let freed = self.release_all(before, superseded, context);
        let (after, reservation) = match rules::reserve(freed, quantity) {
            Ok(after) => (after, Reservation::Reserved(quantity)),
            Err(shortage) => (freed, Reservation::Refused(shortage)),
        };
        context.put(&self.stores.reservations, key, &reservation)?;
        self.put_changed(&key.product_id, before, after, context)?;
        Ok(reservation.judgement())
    }

    /// Ends the attempt's reservation as `rule` says, and with it those of the attempts before.
    fn settle(
        &self,
        key: &ReservationKey,
        rule: fn(Stock, i64) -> Stock,
        context: &mut Out<'_>,
    ) -> Result<(), StoreError> {
        let superseded = self.superseded(key, context)?;
        let made = context.get(&self.stores.reservations, key)?;
        if made.is_none() && superseded.is_empty() {
            return Ok(());
        }
        let before = context.get(&self.stores.stock, &key.product_id)?.unwrap_or_default();

        let mut after = self.release_all(before, superseded, context);
        if let Some(made) = made {
            context.delete(&self.stores.reservations, key);
            after = rule(after, made.quantity());
        }
        self.put_changed(&key.product_id, before, after, context)
    }

    /// The rows of the attempts before this one.
    fn superseded(
        &self,
        key: &ReservationKey,
        context: &Out<'_>,
    ) -> Result<Vec<(ReservationKey, Reservation)>, StoreError> {
        // Nearly every order has one attempt: it is spared the search.
        if key.attempt <= 1 {
            return Ok(Vec::new());
        }
        let first = ReservationKey { attempt: 0, ..key.clone() }.to_string();
        let (from, to) = (Bound::Included(first.as_str()), key.to_string());
        context.range(&self.stores.reservations, from, Bound::Excluded(&to), usize::MAX)
    }

    fn release_all(
        &self,
        stock: Stock,
        rows: Vec<(ReservationKey, Reservation)>,
        context: &mut Out<'_>,
    ) -> Stock {
        rows.into_iter().fold(stock, |stock, (key, row)| {
            context.delete(&self.stores.reservations, &key);
            rules::release(stock, row.quantity())
        })
    }

    /// A product that nobody ever put in stock does not get a record by being asked for.
    fn put_changed(
        &self,
        product: &ProductId,
        before: Stock,
        after: Stock,
        context: &mut Out<'_>,
    ) -> Result<(), StoreError> {
        if after == before { Ok(()) } else { context.put(&self.stores.stock, product, &after) }
    }
}

fn reply(key: ReservationKey, judgement: LineJudgement, reply_to: ReplyTo, context: &mut Out<'_>) {
    let ReservationKey { product_id, order_id, attempt } = key;
    let reply = match reply_to {
        ReplyTo::Aggregator { started_at } => {
            let judgement = judgement.of(&product_id);
            Replied::Verdict(verdict(order_id.clone(), attempt, judgement, started_at, now(context)))
        }
        ReplyTo::Gather => Replied::Answer(LineAnswer { product_id, attempt, judgement }),
    };
    context.forward(order_id, reply);
}
