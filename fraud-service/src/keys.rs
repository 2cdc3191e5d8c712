//! Keys of the stores. Each begins with an hour, so that a store is sorted by age, and goes on with the
//! customer, so that what belongs together stands together:
//!
//! ```text
//! 00492322/c-15/01J9Z          an order of that hour
//! 00492322/c-15/EUR/0420000    a sum that begins so many milliseconds into that hour
//! ```

use std::fmt;
use std::str::FromStr;

use domain::{Currency, CustomerId, OrderId};

use crate::purchase::Purchase;
use crate::window::HOUR;

/// Where the row of an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowKey {
    hour: u64,
    customer: CustomerId,
    order: OrderId,
}

impl RowKey {
    pub(crate) fn new(customer: &CustomerId, purchase: &Purchase) -> Self {
        Self {
            hour: purchase.created_at / HOUR,
            customer: customer.clone(),
            order: purchase.order_id.clone(),
        }
    }

    pub(crate) fn hour(&self) -> u64 {
        self.hour
    }
}

/// Where a sum stands: the sum of what begins at `start`, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SumKey {
    customer: CustomerId,
    currency: Currency,
    start: u64,
}

impl SumKey {
    pub(crate) fn new(customer: &CustomerId, currency: Currency, start: u64) -> Self {
        Self { customer: customer.clone(), currency, start }
    }

    pub(crate) fn hour(&self) -> u64 {
        self.start / HOUR
    }
}

/// The text that sorts before all keys of `hour` and after all keys of the hours before it.
pub(crate) fn first_of_hour(hour: u64) -> String {
    format!("{hour:08}")
}

/// The text is no key of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key must be {0}")]
pub(crate) struct InvalidKey(&'static str);

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hour, customer, order } = self;
        write!(f, "{hour:08}/{customer}/{order}")
    }
}

impl FromStr for RowKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let read = || {
            let mut parts = text.split('/');
            let hour = parts.next()?.parse().ok()?;
            let customer = parts.next()?.parse().ok()?;
            let order = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self { hour, customer, order })
        };
        read().ok_or(InvalidKey("<hour>/<customer>/<order>"))
    }
}

impl fmt::Display for SumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customer, currency, start } = self;
        write!(f, "{:08}/{customer}/{currency}/{:07}", start / HOUR, start % HOUR)
    }
}

impl FromStr for SumKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let read = || {
            let mut parts = text.split('/');
            let hour: u64 = parts.next()?.parse().ok()?;
            let customer = parts.next()?.parse().ok()?;
            let currency = parts.next()?.parse().ok()?;
            let into_hour: u64 = parts.next()?.parse().ok()?;
            let start = hour.checked_mul(HOUR)?.checked_add(into_hour)?;
            parts.next().is_none().then_some(Self { customer, currency, start })
        };
        read().ok_or(InvalidKey("<hour>/<customer>/<currency>/<milliseconds>"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// All moments that RFC 3339 can write, from the epoch on.
    const MOMENTS: std::ops::Range<u64> = 0..253_402_300_800_000;

    fn sum_key(customer: &str, currency: Currency, start: u64) -> SumKey {
        SumKey::new(&customer.parse().unwrap(), currency, start)
    }

    #[test]
    fn keys_are_readable() {
        let key = sum_key("c-15", Currency::EUR, 492_322 * HOUR + 420_000);
        assert_eq!(key.to_string(), "00492322/c-15/EUR/0420000");
        for text in ["00492322/c-15/01J9Z", "00000000/c/o"] {
            assert_eq!(text.parse::<RowKey>().map(|key| key.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "1", "1/c", "x/c/o", "1//o", "1/c/o/p"] {
            assert!(text.parse::<RowKey>().is_err(), "{text:?}");
        }
        for text in ["", "1/c/EUR", "1/c/eur/5", "1/c/EUR/x", "1/c/EUR/1/1", "99999999999999999999/c/EUR/1"] {
            assert!(text.parse::<SumKey>().is_err(), "{text:?}");
        }
        assert!(format!("{}/c/EUR/1", u64::MAX).parse::<SumKey>().is_err());
    }

    proptest! {
        #[test]
        fn sums_sort_by_time_within_customer_and_hour(
            customer in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}",
            currency in select(vec![Currency::EUR, Currency::JPY]),
            (one, other) in (MOMENTS, MOMENTS),
        ) {
            let near = one / HOUR * HOUR + other % HOUR;
            let text = |start| sum_key(&customer, currency, start).to_string();
            prop_assert_eq!(text(one).cmp(&text(near)), one.cmp(&near));
            prop_assert_eq!(text(one) < first_of_hour(other / HOUR), one / HOUR < other / HOUR);
            prop_assert_eq!(text(one).parse(), Ok(sum_key(&customer, currency, one)));
        }
    }
}
