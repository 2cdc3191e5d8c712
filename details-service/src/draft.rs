//! What this check reads of an order.

use domain::{Currency, OrderId, OrderLine, OrderState, UnpricedLines, state_of};
use serde::{Deserialize, Deserializer, de};

/// An order that waits for its verdict. What else its JSON says may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) id: OrderId,
    /// CREATED, unless somebody reads what is not [`Draft::may_be_in`].
    pub(crate) state: OrderState,
    pub(crate) attempt: u32,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<OrderLine>,
}

impl Draft {
    /// Whether an order in state CREATED may stand in `json`, or something that is no order at all.
    pub(crate) fn may_be_in(json: &[u8]) -> bool {
        state_of(json).is_none_or(|state| state == OrderState::Created)
    }
}

impl<'de> Deserialize<'de> for Draft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawDraft { id, state, attempt, currency, lines } = RawDraft::deserialize(deserializer)?;
        let lines = lines.in_currency(currency).map_err(de::Error::custom)?;
        Ok(Self { id, state, attempt, currency, lines })
    }
}

#[derive(Deserialize)]
struct RawDraft<'a> {
    id: OrderId,
    state: OrderState,
    attempt: u32,
    currency: Currency,
    #[serde(borrow)]
    lines: UnpricedLines<'a>,
}

#[cfg(test)]
impl From<&domain::Order> for Draft {
    fn from(order: &domain::Order) -> Self {
        let domain::Order { id, state, attempt, currency, lines, .. } = order.clone();
        Self { id, state, attempt, currency, lines }
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
        fn a_draft_says_what_the_order_says(order in any_order()) {
            let json = encode_value(&order).unwrap();
            prop_assert_eq!(decode_value(&json), Ok(Draft::from(&order)));
            prop_assert_eq!(decode_value(&of_tomorrow(&json)), Ok(Draft::from(&order)));
            prop_assert_eq!(Draft::may_be_in(&json), order.state == OrderState::Created);
        }
    }

    /// What is read of JSON with these members besides `id` and `attempt`.
    #[track_caller]
    fn check(members: &str, expected: Result<(), &str>) {
        let json = format!(r#"{{"id":"o","attempt":1,{members}}}"#);
        assert!(Draft::may_be_in(json.as_bytes()), "{json}");
        match (decode_value::<Draft>(json.as_bytes()).map_err(|error| error.to_string()), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(expected)) if error.contains(expected) => {}
            (found, expected) => panic!("{json}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn what_is_read_must_be_well_formed() {
        check(r#""state":"CREATED","currency":"EUR","lines":[],"customerId":7"#, Ok(()));
        check(r#""currency":"EUR","lines":[]"#, Err("missing field `state`"));
        check(r#""state":7,"currency":"EUR","lines":[]"#, Err("invalid type: integer `7`"));
        check(r#""state":"CREATED","currency":"EUR""#, Err("missing field `lines`"));
        let line = |price: &str| {
            let line = format!(r#"{{"productId":"p","quantity":1,"unitPrice":"{price}"}}"#);
            format!(r#""state":"CREATED","currency":"EUR","lines":[{line}]"#)
        };
        check(&line("1.25"), Ok(()));
        check(&line("1.255"), Err("lines[0].unitPrice: an amount in EUR must have at most 2 decimals"));
    }
}
