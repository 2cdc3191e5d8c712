//! Why an order failed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::Check;

/// One reason why an order failed: for programs a code, for people a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The check that refused the order or, with [`ReasonCode::TimedOut`], that
    /// is missing. None if the reason belongs to no check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// What is wrong.
    pub code: ReasonCode,
    /// The particulars, such as `p-1: 3 asked, 2 available`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What can be wrong with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReasonCode {
    /// The customer's orders of the last hour reach the limit.
    LimitExceeded,
    /// Less is available than was asked for.
    OutOfStock,
    /// The order has no lines.
    NoLines,
    /// A quantity is zero or negative.
    QuantityNotPositive,
    /// A unit price is negative.
    NegativePrice,
    /// The total is beyond `i64` minor units.
    TotalOverflow,
    /// The order cannot be judged by this check, because of what another check
    /// has to say about it.
    InvalidOrder,
    /// What the validator knows for this order's key cannot be read.
    StateUnreadable,
    /// A verdict did not come before the deadline.
    TimedOut,
}

impl fmt::Display for ReasonCode {
    /// The name in JSON, such as `OUT_OF_STOCK`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
