//! Keys of the stores. Each begins with the hour of an order's creation, so that a store is sorted by age, and
//! goes on with the customer:
//!
//! ```text
//! 00492322/c-15/01J9Z        an order of that hour
//! 00492322/c-15/EUR          what counts in that hour
//! ```

use std::fmt::{self, Display};
use std::str::FromStr;

use domain::{Currency, CustomerId, OrderId};

/// Where something of a customer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByHour<T> {
    /// Hours since the Unix epoch.
    pub(crate) hour: u64,
    pub(crate) customer: CustomerId,
    pub(crate) of: T,
}

/// Where the row of an order stands.
pub(crate) type RowKey = ByHour<OrderId>;

/// Where an hour stands, of one currency.
pub(crate) type HourKey = ByHour<Currency>;

/// The text that sorts before all keys of `hour` and after all keys of the hours before it.
pub(crate) fn first_of_hour(hour: u64) -> String {
    format!("{hour:08}")
}

/// The text is no key of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must be <hour>/<customer>/<order or currency>")]
pub(crate) struct InvalidKey;

impl<T: Display> Display for ByHour<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hour, customer, of } = self;
        write!(f, "{hour:08}/{customer}/{of}")
    }
}

impl<T: FromStr> FromStr for ByHour<T> {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let read = || {
            let mut parts = text.split('/');
            let hour = parts.next()?.parse().ok()?;
            let customer = parts.next()?.parse().ok()?;
            let of = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self { hour, customer, of })
        };
        read().ok_or(InvalidKey)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The hours of all moments that RFC 3339 can write, from the epoch on.
    const HOURS: std::ops::Range<u64> = 0..70_389_528;

    #[test]
    fn keys_are_readable() {
        for text in ["00492322/c-15/01J9Z", "00000000/c/o"] {
            assert_eq!(text.parse::<RowKey>().map(|key| key.to_string()).as_deref(), Ok(text));
        }
        let key = HourKey { hour: 492_322, customer: "c-15".parse().unwrap(), of: Currency::EUR };
        assert_eq!(key.to_string(), "00492322/c-15/EUR");
        assert_eq!("00492322/c-15/EUR".parse(), Ok(key));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "1", "1/c", "x/c/o", "1//o", "1/c/o/p", "99999999999999999999/c/o"] {
            assert!(text.parse::<RowKey>().is_err(), "{text:?}");
        }
        for text in ["1/c/eur", "1/c/", "1/c/EUR/07"] {
            assert!(text.parse::<HourKey>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn keys_sort_by_hour(
            customer in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", hour in HOURS, other in HOURS,
        ) {
            let key = HourKey { hour, customer: customer.parse().unwrap(), of: Currency::EUR };
            let text = key.to_string();
            prop_assert_eq!(text < first_of_hour(other), hour < other);
            prop_assert_eq!(text.parse(), Ok(key));
        }
    }
}
