//! What a product is asked for an order: the value on the repartition topic by product.

use domain::{OrderId, Timestamp};
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};

/// One product's part of an attempt; the product is the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StockRequest {
    pub(crate) order_id: OrderId,
    pub(crate) attempt: u32,
    pub(crate) action: StockAction,
}

/// What is to be done with the attempt's reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StockAction {
    /// Make it, if there is enough.
    #[serde(rename_all = "camelCase")]
    Reserve { quantity: i64, reply_to: ReplyTo },
    /// The pieces leave the warehouse.
    Confirm,
    /// The pieces can be had by others.
    Release,
}

/// Who waits for the answer to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ReplyTo {
    /// The order has no other product: the answer is the verdict.
    #[serde(rename_all = "camelCase")]
    Aggregator {
        /// When the check of the order began.
        #[serde(with = "millis")]
        started_at: Timestamp,
    },
    /// It is to be put together with the answers of other products.
    Gather,
}
