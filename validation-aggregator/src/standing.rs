//! What the aggregator reads of an order.

use domain::{OrderId, OrderState, Timestamp, state_of};
use serde::Deserialize;

/// An attempt as it begins. What else its JSON says may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    pub(crate) id: OrderId,
    pub(crate) attempt: u32,
    /// Without one the record is a dead letter; which one it is has been looked at before.
    #[serde(rename = "state")]
    _state: OrderState,
    /// When it began.
    #[serde(deserialize_with = "domain::read_time")]
    pub(crate) updated_at: Timestamp,
}

impl Standing {
    /// Whether an attempt that begins may stand in `json`, or something that is no order at all. That an attempt has
    /// ended is nothing new: it was decided here. In a state that is not known here it has ended, too.
    pub(crate) fn may_be_in(json: &[u8]) -> bool {
        !state_of(json).is_some_and(OrderState::is_final)
    }
}

#[cfg(test)]
impl From<&domain::Order> for Standing {
    fn from(order: &domain::Order) -> Self {
        let domain::Order { id, state, attempt, updated_at, .. } = order.clone();
        Self { id, attempt, _state: state, updated_at }
    }
}

#[cfg(test)]
mod tests {
    use domain::strategies::{any_order, of_tomorrow};
    use proptest::prelude::*;
    use streams::{decode_value, encode_value};

    use super::*;

    proptest! {
        #[test]
        fn it_says_what_the_order_says(order in any_order()) {
            let json = encode_value(&order).unwrap();
            prop_assert_eq!(Standing::may_be_in(&json), !order.state.is_final());
            prop_assert_eq!(decode_value(&json), Ok(Standing::from(&order)));
            prop_assert_eq!(decode_value(&of_tomorrow(&json)), Ok(Standing::from(&order)));
        }
    }
}
