//! What a validator says about an order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::{Check, CheckResult};
use crate::ids::OrderId;
use crate::reason::{Reason, ReasonCode};

/// A verdict on one attempt of an order by one check: the value on
/// `order-validations`. It is identified by (order id, attempt, check).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The order judged.
    pub order_id: OrderId,
    /// The check that judged it.
    pub check: Check,
    /// The attempt judged, from 1.
    pub attempt: u32,
    /// How the check ended.
    pub result: CheckResult,
    /// What is wrong; none on PASS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ReasonCode>,
    /// The particulars, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When the validator began with this order.
    #[serde(deserialize_with = "crate::read_time")]
    pub started_at: Timestamp,
    /// When it had judged.
    #[serde(deserialize_with = "crate::read_time")]
    pub finished_at: Timestamp,
}

impl Verdict {
    /// The verdict as the order shows it.
    pub fn validation(&self) -> Validation {
        Validation {
            check: self.check,
            result: self.result,
            code: self.code,
            detail: self.detail.clone(),
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}

/// What a rule says: a verdict without names and times, which a pure rule
/// does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing speaks against the order.
    Pass,
    /// The order is refused.
    Fail {
        /// What is wrong.
        code: ReasonCode,
        /// The particulars, for people.
        detail: String,
    },
    /// The validator could not judge.
    Error {
        /// What is wrong.
        code: ReasonCode,
        /// The particulars, for people.
        detail: String,
    },
}

impl Judgement {
    /// The verdict of `check` on an attempt of an order.
    pub fn into_verdict(
        self,
        order_id: OrderId,
        attempt: u32,
        check: Check,
        started_at: Timestamp,
        finished_at: Timestamp,
    ) -> Verdict {
        let (result, code, detail) = match self {
            Self::Pass => (CheckResult::Pass, None, None),
            Self::Fail { code, detail } => (CheckResult::Fail, Some(code), Some(detail)),
            Self::Error { code, detail } => (CheckResult::Error, Some(code), Some(detail)),
        };
        Verdict { order_id, check, attempt, result, code, detail, started_at, finished_at }
    }
}

/// A verdict as it stands in an order and in an outcome, which name the order
/// and the attempt themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// The check that judged.
    pub check: Check,
    /// How it ended.
    pub result: CheckResult,
    /// What is wrong; none on PASS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<ReasonCode>,
    /// The particulars, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When the validator began with this order.
    #[serde(deserialize_with = "crate::read_time")]
    pub started_at: Timestamp,
    /// When it had judged.
    #[serde(deserialize_with = "crate::read_time")]
    pub finished_at: Timestamp,
}

impl Validation {
    /// Why this makes the order fail, or none if it passed.
    ///
    /// A validator gives a code with whatever is not PASS. One that comes
    /// without gets the general code of its result, so that an order never
    /// fails without a reason.
    pub fn reason(&self) -> Option<Reason> {
        let general = match self.result {
            CheckResult::Pass => return None,
            CheckResult::Fail => ReasonCode::InvalidOrder,
            CheckResult::Error => ReasonCode::StateUnreadable,
        };
        Some(Reason {
            check: Some(self.check),
            code: self.code.unwrap_or(general),
            detail: self.detail.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::nothing_left;

    #[test]
    fn what_did_not_pass_has_a_reason() {
        use CheckResult::{Error, Fail, Pass};
        use ReasonCode::{InvalidOrder, LimitExceeded, StateUnreadable};
        for (result, code, expected) in [
            (Pass, None, None),
            (Fail, Some(LimitExceeded), Some(LimitExceeded)),
            (Fail, None, Some(InvalidOrder)),
            (Error, None, Some(StateUnreadable)),
        ] {
            let validation = Validation { result, code, ..nothing_left().validation() };
            assert_eq!(validation.reason().map(|reason| reason.code), expected, "{result}");
        }
    }
}
