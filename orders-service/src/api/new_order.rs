//! An order as a client gives it.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::json;
use service::api::{Id, Quantity};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// What a client orders
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(examples(new_order_example))]
pub struct NewOrder {
    /// The order's name. Without one the server makes one: with the header Idempotency-Key always the same for the
    /// same customer and key, otherwise a new one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<Id>,
    /// Who orders
    pub customer_id: Id,
    /// The currency of all prices
    pub currency: Currency,
    /// What is ordered. That there is something is a question for the checks, not for the form
    #[schema(max_items = 100)]
    pub lines: Vec<NewOrderLine>,
}

/// So and so many pieces of one product
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOrderLine {
    /// What is ordered
    pub product_id: Id,
    /// How many pieces. That it is positive is a question for the checks
    pub quantity: Quantity,
    /// The price of one piece
    pub unit_price: Price,
}

/// An amount as it is taken.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Price {
    /// A decimal number in a string.
    Text(String),
    /// A JSON number.
    Number(serde_json::Number),
}

/// A currency.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Currency(pub String);

pub(crate) fn new_order_example() -> serde_json::Value {
    json!({
        "id": "01J9Z", "customerId": "c-15", "currency": "EUR",
        "lines": [{ "productId": "p-1", "quantity": 3, "unitPrice": "12.50" }],
    })
}

impl PartialSchema for Price {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,4})?$"))
            .examples(["12.50"]);
        let number = ObjectBuilder::new().schema_type(Type::Number).examples([json!(12.5)]);
        let description = "A decimal number, as a string or as a JSON number, without exponent: at most as many \
            decimals as the currency has, and within 64 bits when counted in its minor unit. It is read from its \
            text, never through a float";
        OneOfBuilder::new().item(text).item(number).description(Some(description)).into()
    }
}

impl ToSchema for Price {}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        let currency = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(format!(
                "A code of ISO 4217 of {} that has a minor unit",
                domain::Currency::LIST_OF
            )))
            .enum_values(Some(CURRENCIES.iter().map(String::as_str)))
            .examples(["EUR"]);
        currency.into()
    }
}

impl ToSchema for Currency {}

/// Every three letters in which the domain takes orders: asked, so that the two cannot differ.
static CURRENCIES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let letters = || 'A'..='Z';
    let codes =
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
    codes
        .filter(|code| code.parse().is_ok_and(|currency: domain::Currency| !currency.is_withdrawn()))
        .collect()
});
