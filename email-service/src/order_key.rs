//! The key of both stores.

use std::fmt;
use std::str::FromStr;

use domain::OrderId;

/// An attempt of an order, under a moment: `<milliseconds>/<order id>/<attempt>`, with the numbers padded
/// so that the oldest come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderKey {
    /// Milliseconds since the Unix epoch; what was before it counts as the epoch.
    pub at: i64,
    /// The order.
    pub order: OrderId,
    /// Its attempt.
    pub attempt: u32,
}

impl OrderKey {
    /// The text that comes after all keys before the moment `millis`, and before all others.
    pub(crate) fn since(millis: i64) -> String {
        format!("{:016}", millis.max(0))
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:010}", Self::since(self.at), self.order, self.attempt)
    }
}

impl FromStr for OrderKey {
    type Err = InvalidOrderKey;

    fn from_str(text: &str) -> Result<Self, InvalidOrderKey> {
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or(InvalidOrderKey);
        let key = Self {
            at: part()?.parse().map_err(|_| InvalidOrderKey)?,
            order: part()?.parse().map_err(|_| InvalidOrderKey)?,
            attempt: part()?.parse().map_err(|_| InvalidOrderKey)?,
        };
        parts.next().is_none().then_some(key).ok_or(InvalidOrderKey)
    }
}

/// The text is not the key of an order's attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must be a time in milliseconds, an order id and an attempt, with slashes in between")]
pub struct InvalidOrderKey;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = OrderKey> {
        (0..=253_402_207_200_000_i64, "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", any::<u32>())
            .prop_map(|(at, order, attempt)| OrderKey { at, order: order.parse().unwrap(), attempt })
    }

    proptest! {
        #[test]
        fn a_key_is_read_back_from_its_text(key in any_key()) {
            prop_assert_eq!(key.to_string().parse::<OrderKey>(), Ok(key));
        }

        #[test]
        fn the_order_of_keys_is_that_of_their_times(key in any_key(), millis in 0..=253_402_207_200_000_i64) {
            prop_assert_eq!(key.to_string() < OrderKey::since(millis), key.at < millis);
        }
    }

    #[test]
    fn what_is_no_key() {
        for text in ["", "1", "1/o", "x/o/1", "1/o/x", "1//1", "1/o/1/1", "1/o/-1"] {
            assert_eq!(text.parse::<OrderKey>(), Err(InvalidOrderKey), "{text:?}");
        }
    }
}
