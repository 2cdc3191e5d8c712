//! The orders of a run.

use std::str::FromStr;

use domain::{Currency, CustomerId, NewOrder, OrderId, OrderLine, ProductId};
use uuid::Uuid;

/// Numbered orders, all of them valid: of one piece of one product each, ten a customer. Their ids are new with
/// each run and carry the number, so that it can be told from a key.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    prefix: String,
    count: usize,
}

/// How many products are ordered.
pub(super) const PRODUCTS: usize = 50;

const ORDERS_PER_CUSTOMER: usize = 10;

impl Orders {
    pub(super) fn new(count: usize) -> Self {
        Self { prefix: format!("b{:08x}-", Uuid::new_v4().as_fields().0), count }
    }

    /// How many there are, numbered from 0.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The order of a number, which may be beyond the count where nobody counts.
    pub(super) fn order(&self, number: usize) -> NewOrder {
        let customers = (self.count / ORDERS_PER_CUSTOMER).max(1);
        NewOrder {
            id: self.id(number),
            customer_id: ours::<CustomerId>(&format!("c-{}", number % customers)),
            currency: Currency::EUR,
            lines: vec![OrderLine { product_id: product(number % PRODUCTS), quantity: 1, unit_price: 100 }],
        }
    }

    pub(super) fn id(&self, number: usize) -> OrderId {
        ours(&format!("{}{number}", self.prefix))
    }

    /// The number of the order whose records have this key; none if it is of another run.
    pub(super) fn number(&self, key: &[u8]) -> Option<usize> {
        let digits = key.strip_prefix(self.prefix.as_bytes())?;
        let number = str::from_utf8(digits).ok()?.parse().ok()?;
        (number < self.count).then_some(number)
    }
}

/// The product of a number below [`PRODUCTS`].
pub(super) fn product(number: usize) -> ProductId {
    ours(&format!("product-{number}"))
}

fn ours<T: FromStr<Err: std::fmt::Debug>>(id: &str) -> T {
    id.parse().expect("what is made here of letters, digits and a hyphen is an id: tests have seen it")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_number_is_told_from_the_key() {
        let orders = Orders::new(1000);
        let key = |number| orders.id(number).to_string().into_bytes();
        for number in [0, 7, 999] {
            assert_eq!(orders.number(&key(number)), Some(number));
        }
        let other = Orders::new(1000).id(7).to_string();
        for key in [key(1000), other.into_bytes(), b"b-7".to_vec(), b"7".to_vec(), Vec::new()] {
            assert_eq!(orders.number(&key), None, "{}", String::from_utf8_lossy(&key));
        }
    }

    #[test]
    fn customers_and_products_take_turns() {
        for (count, customers, products) in [(1, 1, 1), (9, 1, 9), (500, 50, 50), (1200, 120, 50)] {
            let orders = Orders::new(count);
            let of = |count| (0..count).map(|number| orders.order(number));
            let found: BTreeSet<_> = of(count).map(|order| order.customer_id).collect();
            assert_eq!(found.len(), customers, "{count}");
            let found: BTreeSet<_> = of(count).map(|order| order.lines[0].product_id.clone()).collect();
            assert_eq!(found.len(), products, "{count}");
        }
    }
}
