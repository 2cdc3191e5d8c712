//! What this check reads of an order.

use std::borrow::Cow;

use domain::{Currency, CustomerId, OrderId, OrderState, Timestamp, parse_amount, state_of};
use serde::{Deserialize, Deserializer, de};

/// An order with what it comes to. What else its JSON says may be anything, the products of its lines too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PricedOrder {
    pub(crate) id: OrderId,
    pub(crate) customer_id: CustomerId,
    pub(crate) state: OrderState,
    pub(crate) attempt: u32,
    pub(crate) currency: Currency,
    /// In minor units, any `i64`; none if it cannot be counted.
    pub(crate) total: Option<i64>,
    pub(crate) created_at: Timestamp,
}

impl PricedOrder {
    /// Whether `json` may say something to this check. An order that is VALIDATED goes on counting as it did, and so
    /// does one in a state that is not known here.
    pub(crate) fn matters(json: &[u8]) -> bool {
        state_of(json).is_none_or(|state| matches!(state, OrderState::Created | OrderState::Failed))
    }
}

impl<'de> Deserialize<'de> for PricedOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawOrder { id, customer_id, state, attempt, currency, lines, created_at } =
            RawOrder::deserialize(deserializer)?;
        let total = total(&lines, currency).map_err(de::Error::custom)?;
        Ok(Self { id, customer_id, state, attempt, currency, total, created_at })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOrder<'a> {
    id: OrderId,
    customer_id: CustomerId,
    state: OrderState,
    attempt: u32,
    currency: Currency,
    #[serde(borrow)]
    lines: Vec<RawLine<'a>>,
    #[serde(deserialize_with = "domain::read_time")]
    created_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLine<'a> {
    quantity: i64,
    #[serde(borrow)]
    unit_price: Cow<'a, str>,
}

/// The sum of the lines, as [`domain::Order::total`] has it, or what is wrong with a price.
fn total(lines: &[RawLine<'_>], currency: Currency) -> Result<Option<i64>, String> {
    let mut total = Some(0_i64);
    for (index, RawLine { quantity, unit_price }) in lines.iter().enumerate() {
        let price = parse_amount(unit_price, currency);
        let price = price.map_err(|error| format!("lines[{index}].unitPrice: {error}"))?;
        total = total.and_then(|total| total.checked_add(quantity.checked_mul(price)?));
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use domain::strategies::{any_order, of_tomorrow};
    use proptest::prelude::*;
    use streams::{decode_value, encode_value};

    use super::*;

    fn read_from(order: &domain::Order) -> PricedOrder {
        let total = order.total();
        let domain::Order { id, customer_id, state, attempt, currency, created_at, .. } = order.clone();
        PricedOrder { id, customer_id, state, attempt, currency, total, created_at }
    }

    /// What is read of an order in EUR with such lines: its total.
    #[track_caller]
    fn check(lines: &str, expected: Result<Option<i64>, &str>) {
        let json = format!(
            r#"{{"id":"o","customerId":"c","state":"CREATED","attempt":1,"currency":"EUR","lines":[{lines}],
                "createdAt":"2026-03-01T10:00:00Z"}}"#
        );
        let found = decode_value::<PricedOrder>(json.as_bytes()).map_err(|error| error.to_string());
        match (found.map(|order| order.total), expected) {
            (Ok(total), Ok(expected)) if total == expected => {}
            (Err(error), Err(expected)) if error.contains(expected) => {}
            (found, expected) => panic!("{lines}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_total_is_counted_of_prices_that_are_amounts() {
        check("", Ok(Some(0)));
        check(r#"{"quantity":3,"unitPrice":"12.50"},{"quantity":-1,"unitPrice":"0.05"}"#, Ok(Some(3745)));
        let most = r#"{"quantity":1,"unitPrice":"92233720368547758.07"}"#;
        check(most, Ok(Some(i64::MAX)));
        check(&format!("{most},{most}"), Ok(None));
        check(&format!(r#"{most},{most},{{"quantity":1,"unitPrice":"1e3"}}"#), Err("lines[2].unitPrice"));
        check(r#"{"unitPrice":"12.50"}"#, Err("missing field `quantity`"));
    }

    proptest! {
        #[test]
        fn it_says_what_the_order_says(order in any_order()) {
            let json = encode_value(&order).unwrap();
            prop_assert_eq!(decode_value(&json), Ok(read_from(&order)));
            prop_assert_eq!(decode_value(&of_tomorrow(&json)), Ok(read_from(&order)));
            let matters = [OrderState::Created, OrderState::Failed].contains(&order.state);
            prop_assert_eq!(PricedOrder::matters(&json), matters);
        }

        #[test]
        fn lines_that_can_be_counted_are(
            lines in prop::collection::vec((-9_i64..9, -999_i64..9999), 0..5),
            order in any_order(),
        ) {
            let line = |(quantity, unit_price)| domain::OrderLine {
                product_id: "p".parse().unwrap(),
                quantity,
                unit_price,
            };
            let order = domain::Order { lines: lines.into_iter().map(line).collect(), ..order };
            let json = encode_value(&order).unwrap();
            prop_assert_eq!(decode_value(&json), Ok(read_from(&order)));
        }
    }
}
