//! An order on its way to the tier topics.

use domain::{CustomerId, OrderId, OrderState, Timestamp, state_of};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

/// An order with its JSON as it came, in which it goes on: what is passed on is not taken apart. What is not read
/// here may be anything that is JSON; the mailer says what is wrong with it when it has somebody to write to.
#[derive(Debug, Clone)]
pub struct DecidedOrder {
    json: Box<RawValue>,
    pub(crate) head: Head,
}

/// What is read of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    pub(crate) id: OrderId,
    pub(crate) customer_id: CustomerId,
    pub(crate) state: OrderState,
    pub(crate) attempt: u32,
    #[serde(deserialize_with = "domain::read_time")]
    pub(crate) created_at: Timestamp,
}

impl DecidedOrder {
    /// Whether a decided order may stand in `json`, or something that is no order at all. There is no mail about a
    /// state that is not known here.
    pub(crate) fn may_be_in(json: &[u8]) -> bool {
        state_of(json).is_none_or(|state| matches!(state, OrderState::Validated | OrderState::Failed))
    }
}

impl<'de> Deserialize<'de> for DecidedOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let head = serde_json::from_str(json.get()).map_err(de::Error::custom)?;
        Ok(Self { json, head })
    }
}

impl Serialize for DecidedOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl PartialEq for DecidedOrder {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get()
    }
}

#[cfg(test)]
mod tests {
    use domain::strategies::{any_order, of_tomorrow};
    use domain::{Order, TierRecord};
    use proptest::prelude::*;
    use streams::{decode_value, encode_value};

    use super::*;

    proptest! {
        #[test]
        fn an_order_goes_on_as_it_came(order in any_order()) {
            let json = encode_value(&order).unwrap();
            let is_decided = [OrderState::Validated, OrderState::Failed].contains(&order.state);
            prop_assert_eq!(DecidedOrder::may_be_in(&json), is_decided);
            let read: DecidedOrder = decode_value(&json).unwrap();
            let Order { id, customer_id, state, attempt, created_at, .. } = order.clone();
            prop_assert_eq!(&read.head, &Head { id, customer_id, state, attempt, created_at });
            prop_assert_eq!(encode_value(&read).unwrap(), json);
            let of_tomorrow: DecidedOrder = decode_value(&of_tomorrow(&encode_value(&order).unwrap())).unwrap();
            prop_assert_eq!(of_tomorrow.head, read.head.clone());
            let whole = TierRecord { order, customer: None };
            let passed_on = encode_value(&TierRecord { order: read, customer: None }).unwrap();
            prop_assert_eq!(decode_value(&passed_on), Ok(whole.clone()));
            prop_assert_eq!(passed_on, encode_value(&whole).unwrap());
        }
    }
}
