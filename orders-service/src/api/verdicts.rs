//! What the checks say of an order.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A verdict on an order
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validation {
    /// The check that judged
    pub check: Check,
    /// How it ended
    pub result: CheckResult,
    /// What is wrong, for programs; not there on PASS
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<ReasonCode>,
    /// What is wrong, for people
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
    /// When the validator began with the order
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When it had judged
    #[schema(format = DateTime)]
    pub finished_at: String,
}

/// A reason why an order failed
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The check that refused the order or, with TIMED_OUT, that is missing
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub check: Option<Check>,
    /// What is wrong, for programs
    pub code: ReasonCode,
    /// What is wrong, for people
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
}

/// One of the independent checks
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the vocabulary is explained where it is made, in domain")]
pub enum Check {
    FraudCheck,
    InventoryCheck,
    OrderDetailsCheck,
}

/// How a check ended; ERROR says that it could not judge
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the vocabulary is explained where it is made, in domain")]
pub enum CheckResult {
    Pass,
    Fail,
    Error,
}

/// What can be wrong with an order
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the vocabulary is explained where it is made, in domain")]
pub enum ReasonCode {
    LimitExceeded,
    OutOfStock,
    NoLines,
    QuantityNotPositive,
    NegativePrice,
    TotalOverflow,
    InvalidOrder,
    StateUnreadable,
    TimedOut,
}
