//! What is ordered, and by whom.

use domain::{Currency, CustomerId, NewOrder, OrderId, OrderLine, ProductId};
use uuid::Uuid;

use super::random::Random;
use crate::seed::{SeedCustomer, SeedProduct};

/// Orders without end: of one to three products and few pieces each. What stands in them follows from the
/// seed; their ids are new, so that a run that is repeated makes orders and not replays.
#[derive(Clone, Debug)]
pub(crate) struct Orders<'a> {
    random: Random,
    run: String,
    number: usize,
    customers: &'a [SeedCustomer],
    products: &'a [SeedProduct],
}

const MOST_LINES: usize = 3;
const MOST_PIECES: usize = 3;

impl<'a> Orders<'a> {
    /// `customers` and `products` are of the table, at least one each.
    pub(crate) fn new(seed: u64, customers: &'a [SeedCustomer], products: &'a [SeedProduct]) -> Self {
        let run = format!("{:08x}", Uuid::new_v4().as_fields().0);
        Self { random: Random::new(seed), run, number: 0, customers, products }
    }

    fn lines(&mut self) -> Vec<OrderLine> {
        let mut products = self.products.to_vec();
        let count = 1 + self.random.below(MOST_LINES.min(products.len()));
        (0..count)
            .map(|_| {
                let product = products.swap_remove(self.random.below(products.len()));
                self.line(&product)
            })
            .collect()
    }

    fn line(&mut self, product: &SeedProduct) -> OrderLine {
        OrderLine {
            product_id: parsed::<ProductId>(product.id),
            quantity: 1 + self.random.below(MOST_PIECES) as i64,
            unit_price: product.price,
        }
    }
}

impl Iterator for Orders<'_> {
    type Item = NewOrder;

    fn next(&mut self) -> Option<NewOrder> {
        self.number += 1;
        let customer = self.customers.get(self.random.below(self.customers.len()))?;
        Some(NewOrder {
            id: parsed::<OrderId>(&format!("sim-{}-{}", self.run, self.number)),
            customer_id: parsed::<CustomerId>(customer.id),
            currency: Currency::EUR,
            lines: self.lines(),
        })
    }
}

/// An id of ours.
fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(id: &str) -> T {
    id.parse().expect("ids of the table, and those made here, are well formed: tests have seen them")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::seed::{CUSTOMERS, PRODUCTS};

    fn contents(seed: u64) -> Vec<(CustomerId, Vec<OrderLine>)> {
        let orders = Orders::new(seed, &CUSTOMERS, &PRODUCTS).take(1000);
        orders.map(|order| (order.customer_id, order.lines)).collect()
    }

    #[test]
    fn the_same_seed_orders_the_same() {
        assert_eq!(contents(7), contents(7));
        assert_ne!(contents(7), contents(8));
    }

    #[test]
    fn ids_are_new_in_each_run() {
        let ids = || Orders::new(7, &CUSTOMERS, &PRODUCTS).map(|order| order.id).take(200);
        assert_eq!(ids().chain(ids()).collect::<BTreeSet<_>>().len(), 400);
    }

    #[test]
    fn orders_are_such_as_people_make() {
        let contents = contents(7);
        for (_, lines) in &contents {
            assert!((1..=3).contains(&lines.len()), "{lines:?}");
            let products: BTreeSet<_> = lines.iter().map(|line| &line.product_id).collect();
            assert_eq!(products.len(), lines.len(), "{lines:?}");
            assert!(
                lines.iter().all(|line| (1..=3).contains(&line.quantity) && line.unit_price > 0),
                "{lines:?}"
            );
        }
        let everybody: BTreeSet<_> = contents.iter().map(|(customer, _)| customer).collect();
        assert_eq!(everybody.len(), CUSTOMERS.len());
        let everything: BTreeSet<_> =
            contents.iter().flat_map(|(_, lines)| lines).map(|line| &line.product_id).collect();
        assert_eq!(everything.len(), PRODUCTS.len());
    }

    #[test]
    fn one_customer_and_one_product_are_enough() {
        let orders: Vec<_> = Orders::new(7, &CUSTOMERS[3..4], &PRODUCTS[9..]).take(50).collect();
        assert!(orders.iter().all(|order| order.customer_id.as_str() == "c-4" && order.lines.len() == 1));
    }
}
