//! What became of an attempt to validate an order.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::OrderId;
use crate::order::OrderState;
use crate::reason::Reason;
use crate::verdict::Validation;

/// The decision on one attempt of an order: the value on `order-outcomes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The order decided.
    pub order_id: OrderId,
    /// The attempt decided, from 1.
    pub attempt: u32,
    /// What was decided.
    pub decision: Decision,
    /// Why it failed; empty if it did not.
    pub reasons: Vec<Reason>,
    /// The verdicts that had arrived by then.
    pub validations: Vec<Validation>,
    /// When it was decided.
    #[serde(deserialize_with = "crate::read_time")]
    pub decided_at: Timestamp,
}

/// The two ways in which validation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// Every required check passed.
    Validated,
    /// A check did not pass, or did not answer in time.
    Failed,
}

impl From<Decision> for OrderState {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Validated => Self::Validated,
            Decision::Failed => Self::Failed,
        }
    }
}

impl fmt::Display for Decision {
    /// The name in JSON, such as `VALIDATED`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
