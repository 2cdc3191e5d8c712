//! The index of the cases by the time at which they are due.

use std::fmt;
use std::str::FromStr;

use domain::{InvalidId, OrderId};
use streams::Timestamp;

/// When to look at which case: `<milliseconds, zero-padded>/<order id>`, so that what is due first stands
/// first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueKey {
    millis: u64,
    /// The order whose case it is.
    pub(crate) order_id: OrderId,
}

impl DueKey {
    pub(crate) fn new(at: Timestamp, order_id: &OrderId) -> Self {
        Self { millis: millis(at), order_id: order_id.clone() }
    }

    /// A text behind all keys that are due at `now`, and before all others.
    pub(crate) fn end(now: Timestamp) -> String {
        padded(millis(now).saturating_add(1))
    }
}

/// A text that is not the key of a due case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidDueKey {
    /// The time is missing, or is no number.
    #[error("the key of a due case must begin with milliseconds and a slash")]
    Time,
    /// What follows is no order id.
    #[error(transparent)]
    OrderId(#[from] InvalidId),
}

impl fmt::Display for DueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", padded(self.millis), self.order_id)
    }
}

impl FromStr for DueKey {
    type Err = InvalidDueKey;

    fn from_str(text: &str) -> Result<Self, InvalidDueKey> {
        let (millis, order_id) = text.split_once('/').ok_or(InvalidDueKey::Time)?;
        let millis = millis.parse().map_err(|_| InvalidDueKey::Time)?;
        Ok(Self { millis, order_id: order_id.parse()? })
    }
}

/// A key has no sign; what was due before 1970 is due.
fn millis(at: Timestamp) -> u64 {
    at.as_millis().try_into().unwrap_or(0)
}

/// As many digits as the largest time has.
fn padded(millis: u64) -> String {
    format!("{millis:019}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::id;

    fn key(millis: i64, order: &str) -> DueKey {
        DueKey::new(Timestamp::from_millis(millis), &id(order))
    }

    #[test]
    fn what_is_due_first_stands_first() {
        let in_order = [key(-5, "a"), key(7, "z"), key(7, "zz"), key(10, "a"), key(i64::MAX, "a")];
        let texts: Vec<String> = in_order.iter().map(DueKey::to_string).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        for (key, text) in in_order.iter().zip(&texts) {
            assert_eq!(text.parse().as_ref(), Ok(key));
        }
    }

    #[test]
    fn the_end_lies_between_what_is_due_and_what_is_not() {
        let end = |millis| DueKey::end(Timestamp::from_millis(millis));
        for (millis, now, is_due) in [(9, 9, true), (10, 9, false), (i64::MAX, 9, false), (-5, 0, true)] {
            assert_eq!(key(millis, "order").to_string() < end(now), is_due, "{millis} at {now}");
        }
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in ["", "7", "/o", "x/o", "7/", "-7/o", "7/o/p"] {
            assert!(text.parse::<DueKey>().is_err(), "{text:?}");
        }
    }
}
