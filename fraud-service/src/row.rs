//! What is remembered of an order.

use domain::{Currency, Judgement, ReasonCode};
use serde::{Deserialize, Serialize};

/// An order's latest attempt: what was said of it, and what it added to which sums.
///
/// There is one row an order. A newer attempt takes out what the older one added and takes its place, and
/// what comes of an older attempt afterwards is known to be stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) attempt: u32,
    pub(crate) currency: Currency,
    /// Milliseconds since the Unix epoch.
    pub(crate) created_at: u64,
    pub(crate) standing: Standing,
}

/// How an attempt stands with the limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Standing {
    /// It passed and counts.
    Counted {
        /// What it adds, in minor units; not negative.
        value: i64,
    },
    /// It passed, and then failed for another reason.
    TakenOut,
    /// It did not pass and never counted.
    Refused {
        /// What is wrong.
        code: ReasonCode,
        /// The particulars, for people.
        detail: String,
    },
    /// It had failed when it was first seen.
    FailedBefore,
}

impl Standing {
    /// What was said of the attempt; nothing if nobody asked.
    pub(crate) fn judgement(&self) -> Option<Judgement> {
        match self {
            Self::Counted { .. } | Self::TakenOut => Some(Judgement::Pass),
            Self::Refused { code, detail } => Some(Judgement::Fail { code: *code, detail: detail.clone() }),
            Self::FailedBefore => None,
        }
    }
}

impl Row {
    /// What the row adds to the sums of its currency.
    pub(crate) fn value(&self) -> i64 {
        match self.standing {
            Standing::Counted { value } => value,
            _ => 0,
        }
    }
}
