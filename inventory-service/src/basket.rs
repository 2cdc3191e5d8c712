//! What this service reads of an order.

use domain::{OrderId, OrderState, ProductId};
use serde::Deserialize;

/// An order without money and without history. What its JSON says of these may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Basket {
    pub(crate) id: OrderId,
    pub(crate) state: OrderState,
    pub(crate) attempt: u32,
    pub(crate) lines: Vec<Pieces>,
}

/// So many pieces of a product: any `i64`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pieces {
    pub(crate) product_id: ProductId,
    pub(crate) quantity: i64,
}

#[cfg(test)]
mod tests {
    use domain::strategies::{any_order, of_tomorrow};
    use domain::{Order, OrderLine};
    use proptest::prelude::*;
    use streams::{decode_value, encode_value};

    use super::*;

    fn read_from(order: &Order) -> Basket {
        let Order { id, state, attempt, lines, .. } = order.clone();
        let pieces = |OrderLine { product_id, quantity, .. }| Pieces { product_id, quantity };
        Basket { id, state, attempt, lines: lines.into_iter().map(pieces).collect() }
    }

    /// Whether an order with such a line is read, and if not, why.
    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        let json = format!(r#"{{"id":"o","state":"CREATED","attempt":1,"lines":[{line}],"total":{{}}}}"#);
        let error = decode_value::<Basket>(json.as_bytes()).err().map(|error| error.to_string());
        match (&error, expected) {
            (None, None) => {}
            (Some(error), Some(expected)) if error.contains(expected) => {}
            _ => panic!("{line}: {error:?}, not {expected:?}"),
        }
    }

    #[test]
    fn what_is_read_must_be_well_formed() {
        check(r#"{"productId":"p","quantity":-1,"unitPrice":"a lot"}"#, None);
        check(r#"{"productId":"p","quantity":1.5}"#, Some("invalid type: floating point `1.5`"));
        check(r#"{"productId":"p/1","quantity":1}"#, Some("an id must consist of"));
        check(r#"{"productId":"p"}"#, Some("missing field `quantity`"));
    }

    proptest! {
        #[test]
        fn a_basket_says_what_the_order_says(order in any_order()) {
            let json = encode_value(&order).unwrap();
            prop_assert_eq!(decode_value(&json), Ok(read_from(&order)));
            prop_assert_eq!(decode_value(&of_tomorrow(&json)), Ok(read_from(&order)));
        }
    }
}
