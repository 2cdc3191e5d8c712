//! What the aggregator reads of an order.

use domain::{OrderId, OrderState, Timestamp};
use serde::Deserialize;

/// Where an order stands. What else its JSON says may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    pub(crate) id: OrderId,
    pub(crate) state: OrderState,
    pub(crate) attempt: u32,
    /// When it came to stand there.
    #[serde(deserialize_with = "domain::read_time")]
    pub(crate) updated_at: Timestamp,
}

#[cfg(test)]
impl From<&domain::Order> for Standing {
    fn from(order: &domain::Order) -> Self {
        let domain::Order { id, state, attempt, updated_at, .. } = order.clone();
        Self { id, state, attempt, updated_at }
    }
}

#[cfg(test)]
mod tests {
    use domain::strategies::any_order;
    use proptest::prelude::*;
    use streams::{decode_value, encode_value};

    use super::*;

    proptest! {
        #[test]
        fn it_says_what_the_order_says(order in any_order()) {
            let json = encode_value(&order).unwrap();
            prop_assert_eq!(decode_value(&json), Ok(Standing::from(&order)));
        }
    }
}
