//! What is wrong with an order itself.

use domain::{Currency, Judgement, OrderLine, ReasonCode, format_amount};

use crate::draft::Draft;

/// Passes an order that has lines, each of a positive quantity at a price that is not negative, and whose
/// total can be counted. Otherwise the first line with something wrong is named.
pub(crate) fn judge(order: &Draft) -> Judgement {
    if order.lines.is_empty() {
        return fail(ReasonCode::NoLines, "the order has no lines".into());
    }
    let mut lines = order.lines.iter().zip(1_usize..);
    match lines.try_fold(0, |total, (line, number)| add(total, line, number, order.currency)) {
        Ok(_) => Judgement::Pass,
        Err(failure) => failure,
    }
}

/// The total with this line, or why the line fails the order.
fn add(total: i64, line: &OrderLine, number: usize, currency: Currency) -> Result<i64, Judgement> {
    let OrderLine { product_id, quantity, unit_price } = line;
    let wrong = |code, what: String| fail(code, format!("line {number} ({product_id}): {what}"));
    if *quantity <= 0 {
        return Err(wrong(ReasonCode::QuantityNotPositive, format!("quantity {quantity}")));
    }
    if *unit_price < 0 {
        let price = format_amount(*unit_price, currency);
        return Err(wrong(ReasonCode::NegativePrice, format!("unit price {price} {currency}")));
    }
    let total = line.amount().and_then(|amount| total.checked_add(amount));
    total.ok_or_else(|| wrong(ReasonCode::TotalOverflow, "the total becomes too large".into()))
}

fn fail(code: ReasonCode, detail: String) -> Judgement {
    Judgement::Fail { code, detail }
}

#[cfg(test)]
mod tests {
    use ReasonCode::{NegativePrice, NoLines, QuantityNotPositive, TotalOverflow};
    use domain::OrderState;
    use proptest::prelude::*;

    use super::*;

    fn order(lines: &[(i64, i64)]) -> Draft {
        let line = |(number, (quantity, unit_price)): (usize, &(i64, i64))| OrderLine {
            product_id: format!("p-{}", number + 1).parse().unwrap(),
            quantity: *quantity,
            unit_price: *unit_price,
        };
        Draft {
            id: "o".parse().unwrap(),
            state: OrderState::Created,
            attempt: 1,
            currency: Currency::EUR,
            lines: lines.iter().enumerate().map(line).collect(),
        }
    }

    /// Quantities and unit prices, and what is wrong with them.
    type Case = (&'static [(i64, i64)], Option<(ReasonCode, &'static str)>);

    #[track_caller]
    fn check(cases: &[Case]) {
        for (lines, failure) in cases {
            let expected = failure.map_or(Judgement::Pass, |(code, detail)| fail(code, detail.into()));
            assert_eq!(judge(&order(lines)), expected, "(quantity, unit price) of the lines: {lines:?}");
        }
    }

    #[test]
    fn three_pieces_pass_and_minus_one_fails() {
        check(&[
            (&[(3, 1000)], None),
            (&[(-1, 1000)], Some((QuantityNotPositive, "line 1 (p-1): quantity -1"))),
        ]);
    }

    #[test]
    fn an_order_needs_lines() {
        check(&[(&[], Some((NoLines, "the order has no lines")))]);
    }

    #[test]
    fn each_quantity_is_positive() {
        check(&[
            (&[(1, 1)], None),
            (&[(i64::MAX, 1)], None),
            (&[(0, 1)], Some((QuantityNotPositive, "line 1 (p-1): quantity 0"))),
            (&[(1, 1), (-2, 1)], Some((QuantityNotPositive, "line 2 (p-2): quantity -2"))),
            (&[(i64::MIN, 1)], Some((QuantityNotPositive, "line 1 (p-1): quantity -9223372036854775808"))),
        ]);
    }

    #[test]
    fn no_price_is_negative() {
        check(&[
            (&[(1, 0)], None),
            (&[(1, -1)], Some((NegativePrice, "line 1 (p-1): unit price -0.01 EUR"))),
            (
                &[(1, 1), (1, i64::MIN)],
                Some((NegativePrice, "line 2 (p-2): unit price -92233720368547758.08 EUR")),
            ),
        ]);
    }

    #[test]
    fn the_total_can_be_counted() {
        const MAX: i64 = i64::MAX;
        check(&[
            (&[(1, MAX)], None),
            (&[(1, MAX), (5, 0)], None),
            (&[(2, MAX)], Some((TotalOverflow, "line 1 (p-1): the total becomes too large"))),
            (&[(1, MAX), (1, 1)], Some((TotalOverflow, "line 2 (p-2): the total becomes too large"))),
            (&[(MAX, MAX)], Some((TotalOverflow, "line 1 (p-1): the total becomes too large"))),
        ]);
    }

    #[test]
    fn the_first_wrong_line_is_named_and_its_quantity_first() {
        check(&[
            (&[(0, -1)], Some((QuantityNotPositive, "line 1 (p-1): quantity 0"))),
            (&[(1, -1), (0, 1)], Some((NegativePrice, "line 1 (p-1): unit price -0.01 EUR"))),
            (
                &[(1, i64::MAX), (1, 1), (0, 1)],
                Some((TotalOverflow, "line 2 (p-2): the total becomes too large")),
            ),
        ]);
    }

    fn any_amount() -> impl Strategy<Value = i64> {
        prop_oneof![-2_i64..10, any::<i64>()]
    }

    proptest! {
        #[test]
        fn an_order_passes_exactly_if_nothing_is_wrong(
            lines in prop::collection::vec((any_amount(), any_amount()), 0..5),
        ) {
            let wide = |(quantity, price): &(i64, i64)| i128::from(*quantity) * i128::from(*price);
            let total: i128 = lines.iter().map(wide).sum();
            let possible = lines.iter().all(|(quantity, price)| *quantity > 0 && *price >= 0);
            let right = !lines.is_empty() && possible && total <= i128::from(i64::MAX);
            prop_assert_eq!(judge(&order(&lines)) == Judgement::Pass, right);
        }
    }
}
