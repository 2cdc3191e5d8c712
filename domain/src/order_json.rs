//! The JSON of an order, on `orders` and in HTTP.
//!
//! Written straight from the order and read without a tree in between. Who
//! needs little of an order reads no more of the same JSON.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::amount::{AmountError, AmountText, parse_amount};
use crate::currency::Currency;
use crate::ids::{CustomerId, OrderId, ProductId};
use crate::new_order::OrderLine;
use crate::order::{HistoryEntry, Order, OrderState, Origin};
use crate::reason::Reason;
use crate::verdict::Validation;

/// An order as HTTP shows it: all of it but the [`Origin`].
#[derive(Debug, Clone, Copy)]
pub struct OrderView<'a>(pub &'a Order);

impl Serialize for OrderView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OrderJson::new(self.0, None).serialize(serializer)
    }
}

impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OrderJson::new(self, Some(self.origin)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawOrder::deserialize(deserializer)?;
        let lines = raw.lines.in_currency(raw.currency).map_err(de::Error::custom)?;
        Ok(Self {
            id: raw.id,
            customer_id: raw.customer_id,
            currency: raw.currency,
            lines,
            state: raw.state,
            attempt: raw.attempt,
            version: raw.version,
            reasons: raw.reasons,
            validations: raw.validations,
            history: raw.history,
            created_at: raw.created_at,
            updated_at: raw.updated_at,
            origin: raw.origin,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderJson<'a> {
    id: &'a OrderId,
    customer_id: &'a CustomerId,
    // In front of what may be long, for a first look.
    state: OrderState,
    attempt: u32,
    version: u32,
    currency: Currency,
    lines: LinesJson<'a>,
    total: Option<AmountText>,
    reasons: &'a [Reason],
    validations: &'a [Validation],
    history: &'a [HistoryEntry],
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
}

impl<'a> OrderJson<'a> {
    fn new(order: &'a Order, origin: Option<Origin>) -> Self {
        let currency = order.currency;
        Self {
            id: &order.id,
            customer_id: &order.customer_id,
            state: order.state,
            attempt: order.attempt,
            version: order.version,
            currency,
            lines: LinesJson::new(&order.lines, currency),
            total: order.total().map(|minor| AmountText { minor, currency }),
            reasons: &order.reasons,
            validations: &order.validations,
            history: &order.history,
            created_at: order.created_at,
            updated_at: order.updated_at,
            origin,
        }
    }
}

/// Lines with the currency that their prices need to be written.
pub(crate) struct LinesJson<'a> {
    lines: &'a [OrderLine],
    currency: Currency,
}

impl<'a> LinesJson<'a> {
    pub(crate) fn new(lines: &'a [OrderLine], currency: Currency) -> Self {
        Self { lines, currency }
    }
}

impl Serialize for LinesJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.lines.iter().map(|line| LineJson {
            product_id: &line.product_id,
            quantity: line.quantity,
            unit_price: AmountText { minor: line.unit_price, currency: self.currency },
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LineJson<'a> {
    product_id: &'a ProductId,
    quantity: i64,
    unit_price: AmountText,
}

/// An order as it is read; `total` follows from the lines and is not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOrder<'a> {
    id: OrderId,
    customer_id: CustomerId,
    currency: Currency,
    #[serde(borrow)]
    lines: UnpricedLines<'a>,
    state: OrderState,
    attempt: u32,
    version: u32,
    reasons: Vec<Reason>,
    validations: Vec<Validation>,
    history: Vec<HistoryEntry>,
    #[serde(deserialize_with = "crate::read_time")]
    created_at: Timestamp,
    #[serde(deserialize_with = "crate::read_time")]
    updated_at: Timestamp,
    origin: Origin,
}

/// The lines of an order as they are read: their prices wait for the currency,
/// which may come after them.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct UnpricedLines<'a>(#[serde(borrow)] Vec<UnpricedLine<'a>>);

impl UnpricedLines<'_> {
    /// The lines, with their prices in `currency`.
    ///
    /// # Errors
    ///
    /// A price is no amount in this currency.
    pub fn in_currency(self, currency: Currency) -> Result<Vec<OrderLine>, InvalidPrice> {
        let line = |(index, line): (usize, UnpricedLine<'_>)| {
            let UnpricedLine { product_id, quantity, unit_price } = line;
            let unit_price =
                parse_amount(&unit_price, currency).map_err(|error| InvalidPrice { index, error })?;
            Ok(OrderLine { product_id, quantity, unit_price })
        };
        self.0.into_iter().enumerate().map(line).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnpricedLine<'a> {
    product_id: ProductId,
    quantity: i64,
    #[serde(borrow)]
    unit_price: Cow<'a, str>,
}

/// The unit price of a line is no amount in the currency of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("lines[{index}].unitPrice: {error}")]
pub struct InvalidPrice {
    /// Which line, from 0.
    pub index: usize,
    /// What is wrong.
    pub error: AmountError,
}

#[cfg(test)]
mod tests;
