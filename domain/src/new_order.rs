//! What a client orders.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::currency::Currency;
use crate::ids::{CustomerId, OrderId, ProductId};
use crate::order_json::{LinesJson, UnpricedLines};

/// The content of an order as its client gives it. Two requests for one order
/// id mean the same exactly if these are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// The order's name.
    pub id: OrderId,
    /// Who orders.
    pub customer_id: CustomerId,
    /// The currency of all its prices.
    pub currency: Currency,
    /// What is ordered, in the client's order. May be empty or nonsensical:
    /// that is for the checks to judge.
    pub lines: Vec<OrderLine>,
}

/// So and so many pieces of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// What is ordered.
    pub product_id: ProductId,
    /// How many pieces. Any `i64`: whether it is positive is a business question.
    pub quantity: i64,
    /// The price of one piece, in minor units of the order's currency. May be
    /// negative, for the same reason.
    pub unit_price: i64,
}

impl OrderLine {
    /// Quantity times unit price in minor units, or none beyond `i64`.
    pub fn amount(&self) -> Option<i64> {
        self.quantity.checked_mul(self.unit_price)
    }
}

impl Serialize for NewOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("NewOrder", 4)?;
        json.serialize_field("id", &self.id)?;
        json.serialize_field("customerId", &self.customer_id)?;
        json.serialize_field("currency", &self.currency)?;
        json.serialize_field("lines", &LinesJson::new(&self.lines, self.currency))?;
        json.end()
    }
}

impl<'de> Deserialize<'de> for NewOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawNewOrder { id, customer_id, currency, lines } = RawNewOrder::deserialize(deserializer)?;
        let lines = lines.in_currency(currency).map_err(de::Error::custom)?;
        Ok(Self { id, customer_id, currency, lines })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNewOrder<'a> {
    id: OrderId,
    customer_id: CustomerId,
    currency: Currency,
    #[serde(borrow)]
    lines: UnpricedLines<'a>,
}
