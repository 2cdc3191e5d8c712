//! What is checked of an order, and how a check can end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::names;

names! {
    /// One of the independent checks, each made by a validator of its own.
    pub enum Check {
        /// Does the customer order for more than the limit within an hour?
        FraudCheck = "FRAUD_CHECK",
        /// Is everything in stock?
        InventoryCheck = "INVENTORY_CHECK",
        /// Is the order itself in order?
        OrderDetailsCheck = "ORDER_DETAILS_CHECK",
    }
}

impl Check {
    /// The checks that an order has to pass: all that are known.
    pub const ALL: [Self; 3] = [Self::FraudCheck, Self::InventoryCheck, Self::OrderDetailsCheck];
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckResult {
    /// Nothing speaks against the order.
    Pass,
    /// The order is refused.
    Fail,
    /// The validator could not judge.
    Error,
}

impl fmt::Display for CheckResult {
    /// The name in JSON, such as `PASS`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
