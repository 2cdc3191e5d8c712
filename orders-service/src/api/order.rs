//! An order as the service shows it.

use serde::{Deserialize, Serialize};
use serde_json::json;
use service::api::{Id, Quantity};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::verdicts::{Reason, Validation};

/// An order in its present state
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(examples(order_example))]
pub struct Order {
    /// The order's name
    pub id: Id,
    /// Who ordered
    pub customer_id: Id,
    /// Where it stands
    pub state: OrderState,
    /// Which attempt at validation this is
    #[schema(minimum = 1)]
    pub attempt: u32,
    /// Grows by one with each change
    #[schema(minimum = 1)]
    pub version: u32,
    /// The currency of all its prices; one that ISO 4217 has withdrawn stays in the orders from before
    #[schema(pattern = r"^[A-Z]{3}$")]
    pub currency: String,
    /// What is ordered
    #[schema(max_items = 100)]
    pub lines: Vec<OrderLine>,
    /// The sum of all lines; null if it is beyond 64 bits, in the minor unit of the currency
    #[schema(required, pattern = r"^-?(0|[1-9][0-9]*)(\.[0-9]{1,4})?$")]
    pub total: Option<String>,
    /// Why it failed; empty unless it did
    pub reasons: Vec<Reason>,
    /// The verdicts that had arrived when it was decided
    pub validations: Vec<Validation>,
    /// Every state it was in, the oldest first
    #[schema(min_items = 1)]
    pub history: Vec<HistoryEntry>,
    /// When it was created
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was changed last
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// So and so many pieces of one product
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderLine {
    /// What is ordered
    pub product_id: Id,
    /// How many pieces
    pub quantity: Quantity,
    /// The price of one piece
    pub unit_price: Amount,
}

/// An amount as it is shown.
#[derive(Debug, Serialize, Deserialize)]
pub struct Amount(pub String);

/// From CREATED an order goes to one of the others, and stays
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the vocabulary is explained where it is made, in domain")]
pub enum OrderState {
    Created,
    Validated,
    Failed,
}

/// A state that an order reached
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryEntry {
    /// The state
    pub state: OrderState,
    /// The version in which it was reached
    #[schema(minimum = 1)]
    pub version: u32,
    /// When it was reached
    #[schema(format = DateTime)]
    pub at: String,
}

/// An order that will be there
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The order's name
    pub id: Id,
}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        let amount = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A decimal number with all decimals of its currency"))
            .pattern(Some(r"^-?(0|[1-9][0-9]*)(\.[0-9]{1,4})?$"))
            .examples(["12.50"]);
        amount.into()
    }
}

impl ToSchema for Amount {}

pub(crate) fn order_example() -> serde_json::Value {
    json!({
        "id": "01J9Z", "customerId": "c-15",
        "state": "FAILED", "attempt": 1, "version": 2, "currency": "EUR",
        "lines": [{ "productId": "p-1", "quantity": 3, "unitPrice": "12.50" }], "total": "37.50",
        "reasons": [
            { "check": "INVENTORY_CHECK", "code": "OUT_OF_STOCK", "detail": "p-1: 3 asked, 2 available" },
        ],
        "validations": [
            {
                "check": "ORDER_DETAILS_CHECK", "result": "PASS",
                "startedAt": "2026-01-02T03:04:05.7Z", "finishedAt": "2026-01-02T03:04:05.7Z",
            },
            {
                "check": "INVENTORY_CHECK", "result": "FAIL",
                "code": "OUT_OF_STOCK", "detail": "p-1: 3 asked, 2 available",
                "startedAt": "2026-01-02T03:04:05.7Z", "finishedAt": "2026-01-02T03:04:05.72Z",
            },
        ],
        "history": [
            { "state": "CREATED", "version": 1, "at": "2026-01-02T03:04:05.678Z" },
            { "state": "FAILED", "version": 2, "at": "2026-01-02T03:04:05.75Z" },
        ],
        "createdAt": "2026-01-02T03:04:05.678Z", "updatedAt": "2026-01-02T03:04:05.75Z",
    })
}
