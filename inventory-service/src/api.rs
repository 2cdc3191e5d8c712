//! The forms of what the service takes and gives over HTTP, as its OpenAPI document describes them.

mod operations;

use serde::{Deserialize, Serialize};
use serde_json::json;
use service::api::{Id, Quantity};
use utoipa::{OpenApi, ToSchema};

/// The document of the service's routes.
#[derive(OpenApi)]
#[openapi(
    paths(operations::stock, operations::adjust_stock),
    tags((name = "inventory", description = "What is in the warehouse")),
)]
pub(crate) struct InventoryApi;

/// A change of a stock
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(adjustment_example))]
pub struct Adjustment {
    /// The change's name. Only with one can the request be sent again safely
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<Id>,
    /// Pieces that come in; negative for pieces that go
    pub quantity: Quantity,
}

/// The pieces of one product
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(examples(stock_example))]
pub struct Stock {
    /// The product's name
    pub product_id: Id,
    /// Pieces in the warehouse
    #[schema(minimum = 0)]
    pub on_hand: i64,
    /// Pieces among them that orders have reserved
    #[schema(minimum = 0)]
    pub reserved: i64,
    /// Pieces that can still be reserved
    #[schema(minimum = 0)]
    pub available: i64,
}

fn adjustment_example() -> serde_json::Value {
    json!({ "id": "delivery-7", "quantity": 10 })
}

fn stock_example() -> serde_json::Value {
    json!({ "productId": "p-1", "onHand": 13, "reserved": 3, "available": 10 })
}

#[cfg(test)]
mod tests {
    use domain::{StockView, parse_adjustment};

    use super::*;

    #[test]
    fn a_stock_is_given_as_described() {
        let stock = domain::Stock { on_hand: 13, reserved: 3 };
        let shown = serde_json::to_value(StockView { product_id: &"p-1".parse().unwrap(), stock }).unwrap();
        assert_eq!(shown, stock_example());
        let described: Stock = serde_json::from_value(shown).unwrap();
        assert_eq!(serde_json::to_value(described).unwrap(), stock_example());
    }

    #[test]
    fn an_adjustment_is_taken_as_described() {
        for (body, taken) in [
            (adjustment_example(), true),
            (json!({ "quantity": -1 }), true),
            (json!({ "id": "a" }), false),
            (json!({ "quantity": 1, "onHand": 1 }), false),
        ] {
            assert_eq!(parse_adjustment(body.to_string().as_bytes()).is_ok(), taken, "{body}");
            assert_eq!(serde_json::from_value::<Adjustment>(body.clone()).is_ok(), taken, "{body}");
        }
    }
}
