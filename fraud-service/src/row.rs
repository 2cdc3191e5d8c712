//! What is remembered of an order.

use domain::{Judgement, ReasonCode};
use serde::{Deserialize, Serialize};

/// An order's latest attempt: what was said of it, and what it added to its hour.
///
/// To which hour does not stand here: customer, currency and time of creation never change, and come with
/// each record of the order.
///
/// There is one row an order. A newer attempt takes out what the older one added and takes its place, and
/// what comes of an older attempt afterwards is known to be stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) attempt: u32,
    pub(crate) standing: Standing,
}

/// How an attempt stands with the limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Standing {
    /// It passed and counts: what it adds, in minor units; not negative.
    Counted(i64),
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
            Self::Counted(_) | Self::TakenOut => Some(Judgement::Pass),
            Self::Refused { code, detail } => Some(Judgement::Fail { code: *code, detail: detail.clone() }),
            Self::FailedBefore => None,
        }
    }

    /// What the attempt adds to its hour.
    pub(crate) fn value(&self) -> i64 {
        match self {
            Self::Counted(value) => *value,
            Self::TakenOut | Self::Refused { .. } | Self::FailedBefore => 0,
        }
    }
}
