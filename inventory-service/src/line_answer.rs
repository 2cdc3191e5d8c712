//! What a product answers for an order: the value on the repartition topic by order.

use domain::{Judgement, ProductId, ReasonCode};
use serde::{Deserialize, Serialize};

use crate::rules::Shortage;
use crate::unreadable::Unreadable;

/// One product's answer to an attempt; the order is the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineAnswer {
    pub(crate) product_id: ProductId,
    pub(crate) attempt: u32,
    pub(crate) judgement: LineJudgement,
}

/// Whether the pieces of one product are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum LineJudgement {
    /// They are reserved.
    Pass,
    /// They are not.
    Short(Shortage),
    /// Nobody can tell.
    Unreadable,
}

impl LineJudgement {
    /// The judgement on the order, if it hangs on this product alone.
    pub(crate) fn of(self, product: &ProductId) -> Judgement {
        match self {
            Self::Pass => Judgement::Pass,
            Self::Short(shortage) => {
                Judgement::Fail { code: ReasonCode::OutOfStock, detail: format!("{product}: {shortage}") }
            }
            Self::Unreadable => Unreadable.judgement(format_args!("{product}: the stock")),
        }
    }
}
