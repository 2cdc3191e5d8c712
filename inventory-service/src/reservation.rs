//! What a product remembers of an attempt, until the attempt is over.

use std::fmt;
use std::str::FromStr;

use domain::{OrderId, ProductId};
use serde::{Deserialize, Serialize};

use crate::key::{InvalidKey, part};
use crate::line_answer::LineJudgement;
use crate::rules::Shortage;

/// Product, order and attempt. As text, the attempts of one order at one
/// product stand next to each other, the first one first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReservationKey {
    pub(crate) product_id: ProductId,
    pub(crate) order_id: OrderId,
    pub(crate) attempt: u32,
}

/// What the product answered. A refusal is kept as well, so that the same
/// question gets the same answer after the stock has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reservation {
    /// So many pieces are reserved.
    Reserved(i64),
    /// Nothing is.
    Refused(Shortage),
}

impl Reservation {
    /// The pieces that are reserved.
    pub(crate) fn quantity(self) -> i64 {
        match self {
            Self::Reserved(quantity) => quantity,
            Self::Refused(_) => 0,
        }
    }

    pub(crate) fn judgement(self) -> LineJudgement {
        match self {
            Self::Reserved(_) => LineJudgement::Pass,
            Self::Refused(shortage) => LineJudgement::Short(shortage),
        }
    }
}

impl fmt::Display for ReservationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ten digits: as many as the largest attempt has.
        write!(f, "{}/{}/{:010}", self.product_id, self.order_id, self.attempt)
    }
}

impl FromStr for ReservationKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let parts = &mut text.split('/');
        match (part(parts), part(parts), part(parts), parts.next()) {
            (Some(product_id), Some(order_id), Some(attempt), None) => {
                Ok(Self { product_id, order_id, attempt })
            }
            _ => Err(InvalidKey::new(text, "product/order/attempt")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(product: &str, order: &str, attempt: u32) -> ReservationKey {
        ReservationKey { product_id: product.parse().unwrap(), order_id: order.parse().unwrap(), attempt }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "p-1", "p-1/o-1", "p-1/o-1/x", "p-1//0000000001", "p-1/o-1/0000000001/"] {
            let error = text.parse::<ReservationKey>().unwrap_err();
            assert_eq!(error.to_string(), format!("{text:?} is not of the form product/order/attempt"));
        }
    }

    proptest! {
        #[test]
        fn a_key_is_read_back(product in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", order in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", attempt: u32) {
            let key = key(&product, &order, attempt);
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }

        #[test]
        fn attempts_stand_in_their_order(one: u32, other: u32) {
            let (left, right) = (key("p", "o", one).to_string(), key("p", "o", other).to_string());
            prop_assert_eq!(left.cmp(&right), one.cmp(&other));
        }
    }
}
