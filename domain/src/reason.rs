//! Why an order failed.

use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::names::names;

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

names! {
    /// What can be wrong with an order.
    pub enum ReasonCode {
        /// The customer's orders of an hour reach the limit.
        LimitExceeded = "LIMIT_EXCEEDED",
        /// Less is available than was asked for.
        OutOfStock = "OUT_OF_STOCK",
        /// The order has no lines.
        NoLines = "NO_LINES",
        /// A quantity is zero or negative.
        QuantityNotPositive = "QUANTITY_NOT_POSITIVE",
        /// A unit price is negative.
        NegativePrice = "NEGATIVE_PRICE",
        /// The total is beyond `i64` minor units.
        TotalOverflow = "TOTAL_OVERFLOW",
        /// The order cannot be judged by this check, because of what another check
        /// has to say about it.
        InvalidOrder = "INVALID_ORDER",
        /// What the validator knows for this order's key cannot be read.
        StateUnreadable = "STATE_UNREADABLE",
        /// A verdict did not come before the deadline, or the order came to the
        /// check when it could not be judged any more.
        TimedOut = "TIMED_OUT",
    }
}
