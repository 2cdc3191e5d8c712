//! What may happen to the stock of one product: total functions that keep
//! 0 ≤ reserved ≤ on hand.

use std::fmt;

use domain::Stock;
use serde::{Deserialize, Serialize};

/// Sets `quantity` pieces aside, if so many are available. Less than one piece
/// is never reserved.
pub(crate) fn reserve(stock: Stock, quantity: i64) -> Result<Stock, Shortage> {
    let available = stock.available();
    if (1..=available).contains(&quantity) {
        Ok(Stock { reserved: stock.reserved.saturating_add(quantity), ..stock })
    } else {
        Err(Shortage { asked: quantity, available })
    }
}

/// `quantity` reserved pieces leave the warehouse.
pub(crate) fn confirm(stock: Stock, quantity: i64) -> Stock {
    let Stock { on_hand, reserved } = release(stock, quantity);
    Stock { on_hand: on_hand.saturating_sub(quantity), reserved }
}

/// `quantity` reserved pieces become available again.
pub(crate) fn release(stock: Stock, quantity: i64) -> Stock {
    Stock { reserved: stock.reserved.saturating_sub(quantity), ..stock }
}

/// `quantity` pieces come in, or go if it is negative.
pub(crate) fn adjust(stock: Stock, quantity: i64) -> Result<Stock, AdjustmentRefusal> {
    let on_hand = stock.on_hand.checked_add(quantity).ok_or(AdjustmentRefusal::TooLarge)?;
    if on_hand < stock.reserved {
        return Err(AdjustmentRefusal::BelowReserved);
    }
    Ok(Stock { on_hand, ..stock })
}

/// More was asked for than there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shortage {
    pub(crate) asked: i64,
    pub(crate) available: i64,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asked, {} available", self.asked, self.available)
    }
}

/// Why an adjustment is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AdjustmentRefusal {
    /// There would be less on hand than is reserved.
    BelowReserved,
    /// There would be more on hand than an `i64` can say.
    TooLarge,
}

impl fmt::Display for AdjustmentRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BelowReserved => "less would be on hand than is reserved",
            Self::TooLarge => "the stock would be too large",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: i64 = i64::MAX;
    const MIN: i64 = i64::MIN;

    fn stock((on_hand, reserved): (i64, i64)) -> Stock {
        Stock { on_hand, reserved }
    }

    #[test]
    fn what_is_available_can_be_reserved() {
        for (before, asked, expected) in [
            ((10, 3), 1, Some((10, 4))),
            ((10, 3), 7, Some((10, 10))),
            ((10, 3), 8, None),
            ((0, 0), 1, None),
            ((10, 3), 0, None),
            ((10, 3), -1, None),
            ((10, 3), MIN, None),
            ((MAX, 0), MAX, Some((MAX, MAX))),
            ((MAX, MAX), MAX, None),
        ] {
            let shortage = Shortage { asked, available: before.0 - before.1 };
            let expected = expected.map(stock).ok_or(shortage);
            assert_eq!(reserve(stock(before), asked), expected, "{before:?} {asked}");
        }
    }

    #[test]
    fn an_adjustment_leaves_what_is_reserved() {
        use AdjustmentRefusal::{BelowReserved, TooLarge};
        for (before, quantity, expected) in [
            ((0, 0), 10, Ok((10, 0))),
            ((0, 0), 0, Ok((0, 0))),
            ((0, 0), -1, Err(BelowReserved)),
            ((10, 3), -7, Ok((3, 3))),
            ((10, 3), -8, Err(BelowReserved)),
            ((10, 3), MIN, Err(BelowReserved)),
            ((10, 3), MAX, Err(TooLarge)),
            ((MAX, 0), 0, Ok((MAX, 0))),
            ((MAX, 0), -MAX, Ok((0, 0))),
        ] {
            assert_eq!(adjust(stock(before), quantity), expected.map(stock), "{before:?} {quantity}");
        }
    }

    fn consistent() -> impl Strategy<Value = Stock> {
        (0..=MAX).prop_flat_map(|on_hand| (Just(on_hand), 0..=on_hand)).prop_map(stock)
    }

    fn is_consistent(Stock { on_hand, reserved }: Stock) -> bool {
        0 <= reserved && reserved <= on_hand
    }

    proptest! {
        #[test]
        fn a_stock_stays_consistent(stock in consistent(), quantity: i64, small in -10..10_i64) {
            for quantity in [quantity, small] {
                if let Ok(after) = adjust(stock, quantity) {
                    prop_assert!(is_consistent(after));
                    prop_assert_eq!(after, Stock { on_hand: stock.on_hand + quantity, ..stock });
                }
                if let Ok(reserved) = reserve(stock, quantity) {
                    prop_assert!(is_consistent(reserved));
                    prop_assert_eq!(release(reserved, quantity), stock);
                    let confirmed = confirm(reserved, quantity);
                    prop_assert!(is_consistent(confirmed));
                    prop_assert_eq!(confirmed, Stock { on_hand: stock.on_hand - quantity, ..stock });
                }
            }
        }

        #[test]
        fn the_rules_are_total(on_hand: i64, reserved: i64, quantity: i64) {
            let stock = Stock { on_hand, reserved };
            let _ = (reserve(stock, quantity), adjust(stock, quantity));
            let _ = (release(stock, quantity), confirm(stock, quantity));
        }
    }
}
