//! How much of a product there is.

use jiff::Timestamp;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::ids::{AdjustmentId, ProductId};

/// A command to change a stock: the value on `warehouse-inventory`. It is
/// judged where the stock lives, and made once for each id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockAdjustment {
    /// The adjustment's name.
    pub id: AdjustmentId,
    /// The product whose stock changes.
    pub product_id: ProductId,
    /// Pieces that come in; negative for pieces that go.
    pub quantity: i64,
    /// When HTTP took it.
    #[serde(deserialize_with = "crate::read_time")]
    pub requested_at: Timestamp,
}

/// The pieces of one product, and how many of them are spoken for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stock {
    /// Pieces in the warehouse.
    pub on_hand: i64,
    /// Pieces among them that orders have reserved.
    pub reserved: i64,
}

impl Stock {
    /// Pieces that can still be reserved: on hand less reserved.
    pub fn available(self) -> i64 {
        self.on_hand.saturating_sub(self.reserved)
    }
}

/// A stock as HTTP shows it: `{"productId","onHand","reserved","available"}`.
#[derive(Debug, Clone, Copy)]
pub struct StockView<'a> {
    /// The product.
    pub product_id: &'a ProductId,
    /// Its stock.
    pub stock: Stock,
}

impl Serialize for StockView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("StockView", 4)?;
        json.serialize_field("productId", self.product_id)?;
        json.serialize_field("onHand", &self.stock.on_hand)?;
        json.serialize_field("reserved", &self.stock.reserved)?;
        json.serialize_field("available", &self.stock.available())?;
        json.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::parsed;

    #[test]
    fn http_shows_what_is_available() {
        let stock = Stock { on_hand: 10, reserved: 3 };
        let view = StockView { product_id: &parsed("p-1"), stock };
        insta::assert_snapshot!(serde_json::to_string(&view).unwrap(), @r#"{"productId":"p-1","onHand":10,"reserved":3,"available":7}"#);
        insta::assert_snapshot!(serde_json::to_string(&stock).unwrap(), @r#"{"onHand":10,"reserved":3}"#);
    }
}
