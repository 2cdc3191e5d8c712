//! What this check has to know of an order: the value that goes by customer.

use domain::{Currency, CustomerId, OrderId, OrderState};
use serde::{Deserialize, Serialize};

use crate::priced_order::PricedOrder;

/// An order, as far as the limit is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Purchase {
    pub(crate) order_id: OrderId,
    pub(crate) attempt: u32,
    pub(crate) currency: Currency,
    /// Milliseconds since the Unix epoch. An order from before it counts as one from its first moment.
    pub(crate) created_at: u64,
    pub(crate) event: Event,
}

/// What has happened to the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Event {
    /// It waits for its verdict.
    Created {
        /// In minor units, any `i64`; none if it cannot be counted.
        total: Option<i64>,
    },
    /// It does not count any more.
    Failed,
}

impl Purchase {
    /// Who orders, and what. Nothing of an order in another state: it goes on counting as it did.
    pub(crate) fn of(order: PricedOrder) -> Option<(CustomerId, Self)> {
        let PricedOrder { id, customer_id, state, attempt, currency, total, created_at } = order;
        let event = match state {
            OrderState::Created => Event::Created { total },
            OrderState::Failed => Event::Failed,
            OrderState::Validated | OrderState::Unknown(_) => return None,
        };
        let created_at = created_at.as_millisecond().try_into().unwrap_or(0);
        Some((customer_id, Self { order_id: id, attempt, currency, created_at, event }))
    }
}
