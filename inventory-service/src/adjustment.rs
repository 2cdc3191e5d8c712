//! What became of a stock adjustment.

use std::fmt;
use std::str::FromStr;

use domain::{AdjustmentId, Origin, ProductId, Stock, Timestamp};
use serde::{Deserialize, Serialize};

use crate::key::{InvalidKey, part};
use crate::rules::AdjustmentRefusal;

/// Names an adjustment: the same id at another product is another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdjustmentKey {
    /// The product whose stock was to change.
    pub product_id: ProductId,
    /// The adjustment's name.
    pub adjustment_id: AdjustmentId,
}

/// The answer to the first command with this key. Whoever sends the key again
/// gets it again; with another quantity than [`quantity`](Self::quantity) that
/// is a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdjustmentResult {
    /// Pieces that were to come in; negative for pieces that were to go.
    pub quantity: i64,
    /// What became of it.
    pub outcome: AdjustmentOutcome,
    /// Where the command stands in `warehouse-inventory`: who wrote that one
    /// sees by it that this is no replay.
    pub origin: Origin,
    /// When it was judged.
    #[serde(deserialize_with = "domain::read_time")]
    pub judged_at: Timestamp,
}

/// What a command did to a stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AdjustmentOutcome {
    /// The stock has changed.
    Applied {
        /// The stock after it.
        stock: Stock,
    },
    /// Nothing has changed.
    Refused {
        /// The reason.
        why: AdjustmentRefusal,
        /// The stock at that time.
        stock: Stock,
    },
}

impl fmt::Display for AdjustmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.product_id, self.adjustment_id)
    }
}

impl FromStr for AdjustmentKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let parts = &mut text.split('/');
        match (part(parts), part(parts), parts.next()) {
            (Some(product_id), Some(adjustment_id), None) => Ok(Self { product_id, adjustment_id }),
            _ => Err(InvalidKey::new(text, "product/adjustment")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_other_text_refused() {
        for text in ["p-1/a-1", "a/b", "a./-"] {
            assert_eq!(text.parse::<AdjustmentKey>().map(|key| key.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "p-1", "p-1/", "/a-1", "p-1/a-1/", "p 1/a-1"] {
            let error = text.parse::<AdjustmentKey>().unwrap_err();
            assert_eq!(error.to_string(), format!("{text:?} is not of the form product/adjustment"));
        }
    }
}
