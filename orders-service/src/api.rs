//! The forms of what the service takes and gives over HTTP, as its OpenAPI document describes them.

mod headers;
mod new_order;
mod operations;
mod order;
#[cfg(test)]
mod tests;
mod verdicts;

use utoipa::OpenApi;

pub use headers::{EntityTag, Location, PreferenceApplied};
pub use new_order::{Currency, NewOrder, NewOrderLine, Price};
pub use order::{Accepted, Amount, HistoryEntry, Order, OrderLine, OrderState};
pub use verdicts::{Check, CheckResult, Reason, ReasonCode, Validation};

/// The document of the service's routes.
#[derive(OpenApi)]
#[openapi(
    paths(operations::create_order, operations::order, operations::validated_order),
    components(schemas(NewOrder, Order)),
    tags((
        name = "orders",
        description = "Orders, and what becomes of them. `/orders` and what lies below it answer as `/v1/orders` and what \
            lies below that",
    )),
)]
pub(crate) struct OrdersApi;
