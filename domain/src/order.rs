//! An order and what has happened to it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::currency::Currency;
use crate::ids::{CustomerId, OrderId};
use crate::names::names;
use crate::new_order::{NewOrder, OrderLine};
use crate::reason::Reason;
use crate::verdict::Validation;

/// An order in its present state: the value on `orders`, where it carries its
/// [`Origin`]; [`OrderView`](crate::OrderView) is the same without, for HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The order's name.
    pub id: OrderId,
    /// Who ordered.
    pub customer_id: CustomerId,
    /// The currency of all its prices.
    pub currency: Currency,
    /// What is ordered.
    pub lines: Vec<OrderLine>,
    /// Where it stands.
    pub state: OrderState,
    /// Which attempt at validation this is, from 1.
    pub attempt: u32,
    /// Grows by one with each change, from 1.
    pub version: u32,
    /// Why it failed; empty unless it did.
    pub reasons: Vec<Reason>,
    /// The verdicts that had arrived when it was decided.
    pub validations: Vec<Validation>,
    /// Every state it was in, the oldest first, the present one included.
    pub history: Vec<HistoryEntry>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The request that created it.
    pub origin: Origin,
}

impl Order {
    /// The sum of all lines in minor units, or none if a line's amount or the
    /// sum on its way through the lines goes beyond `i64`.
    pub fn total(&self) -> Option<i64> {
        self.lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.amount()?))
    }

    /// Is this what the client asks for with `request`?
    pub fn has_content(&self, request: &NewOrder) -> bool {
        let NewOrder { id, customer_id, currency, lines } = request;
        self.id == *id
            && self.customer_id == *customer_id
            && self.currency == *currency
            && self.lines == *lines
    }
}

names! {
    /// Where an order stands. From `Created` it goes to one of the others and stays.
    pub enum OrderState {
        /// The checks are under way.
        Created = "CREATED",
        /// Every required check passed.
        Validated = "VALIDATED",
        /// A check did not pass, or did not answer in time.
        Failed = "FAILED",
    }
}

impl OrderState {
    /// Is the order decided? Only in CREATED does it wait for its checks: a state
    /// that is not known here comes after that.
    pub fn is_final(self) -> bool {
        match self {
            Self::Created => false,
            Self::Validated | Self::Failed | Self::Unknown(_) => true,
        }
    }
}

/// A state that an order reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// The state.
    pub state: OrderState,
    /// The version in which it was reached.
    pub version: u32,
    /// When it was reached; never before the entry in front of it.
    #[serde(deserialize_with = "crate::read_time")]
    pub at: Timestamp,
}

/// Where in `order-requests` the request stands that created an order. Who
/// wrote that request sees by it that the order is theirs, and not a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The partition of `order-requests`.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{created, line};

    #[track_caller]
    fn check(lines: &[(i64, i64)], expected: Option<i64>) {
        let lines = lines.iter().map(|(quantity, price)| line("p", *quantity, *price)).collect();
        assert_eq!(Order { lines, ..created() }.total(), expected);
    }

    #[test]
    fn the_total_is_the_sum_of_the_lines_if_it_fits() {
        check(&[], Some(0));
        check(&[(3, 1250), (1, 5)], Some(3755));
        check(&[(3, 1250), (-1, 50)], Some(3700));
        check(&[(1, i64::MAX)], Some(i64::MAX));
        check(&[(1, i64::MAX), (1, 1)], None);
        check(&[(2, i64::MAX)], None);
        check(&[(-1, i64::MIN)], None);
        check(&[(i64::MIN, i64::MIN)], None);
        check(&[(1, i64::MAX), (1, 1), (1, -2)], None);
    }
}
