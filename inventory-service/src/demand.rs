//! What an order asks of each product.

use std::collections::BTreeMap;

use domain::{Judgement, ProductId, ReasonCode};

use crate::basket::Pieces;

/// What an order's lines come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Nothing can be reserved for it, whatever the stock.
    Judged(Judgement),
    /// So many pieces of each product: at least one product, at least one piece.
    Of(BTreeMap<ProductId, i64>),
}

/// Adds up the lines of each product.
///
/// An order without lines passes: nothing is asked for, and that it has none is
/// for the details check to say. A quantity that is no number of pieces, or a
/// sum beyond `i64`, cannot be reserved: such an order fails here too.
pub(crate) fn demand(lines: &[Pieces]) -> Demand {
    let mut products = BTreeMap::new();
    for Pieces { product_id, quantity } in lines {
        if *quantity <= 0 {
            return invalid(format!("{product_id}: the quantity {quantity} is not positive"));
        }
        let sum: &mut i64 = products.entry(product_id.clone()).or_default();
        match sum.checked_add(*quantity) {
            Some(more) => *sum = more,
            None => return invalid(format!("{product_id}: the sum of the quantities is too large")),
        }
    }
    if products.is_empty() { Demand::Judged(Judgement::Pass) } else { Demand::Of(products) }
}

fn invalid(detail: String) -> Demand {
    Demand::Judged(Judgement::Fail { code: ReasonCode::InvalidOrder, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[(&str, i64)], expected: Result<&[(&str, i64)], &str>) {
        let lines: Vec<_> = lines
            .iter()
            .map(|(product, quantity)| Pieces { product_id: product.parse().unwrap(), quantity: *quantity })
            .collect();
        let found = match demand(&lines) {
            Demand::Of(products) => {
                Ok(products.into_iter().map(|(p, q)| (p.to_string(), q)).collect::<Vec<_>>())
            }
            Demand::Judged(Judgement::Pass) => Ok(Vec::new()),
            Demand::Judged(Judgement::Fail { code: ReasonCode::InvalidOrder, detail }) => Err(detail),
            Demand::Judged(other) => panic!("{other:?}"),
        };
        let expected = expected.map(|products| products.iter().map(|(p, q)| ((*p).to_owned(), *q)).collect());
        assert_eq!(found, expected.map_err(str::to_owned), "{lines:?}");
    }

    #[test]
    fn lines_of_one_product_count_together() {
        check(&[("p-1", 3)], Ok(&[("p-1", 3)]));
        check(&[("p-2", 1), ("p-1", 3), ("p-2", 4)], Ok(&[("p-1", 3), ("p-2", 5)]));
        check(&[("p-1", i64::MAX), ("p-2", i64::MAX)], Ok(&[("p-1", i64::MAX), ("p-2", i64::MAX)]));
    }

    #[test]
    fn what_cannot_be_reserved_is_judged_at_once() {
        check(&[], Ok(&[]));
        check(&[("p-1", 0)], Err("p-1: the quantity 0 is not positive"));
        check(&[("p-1", 3), ("p-1", -1)], Err("p-1: the quantity -1 is not positive"));
        let least = "p-2: the quantity -9223372036854775808 is not positive";
        check(&[("p-1", 3), ("p-2", i64::MIN)], Err(least));
        check(&[("p-1", i64::MAX), ("p-1", 1)], Err("p-1: the sum of the quantities is too large"));
    }
}
