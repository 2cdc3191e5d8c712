//! Keys of the stores. Each begins with an hour, so that a store is sorted by age, and goes on with the
//! customer, so that what belongs together stands together:
//!
//! ```text
//! 00492322/c-15/01J9Z        an order of that hour
//! 00492322/c-15/EUR          the sums of that hour,
//! 00492322/c-15/EUR/07       of a minute of it, where there are many,
//! 00492322/c-15/EUR/07/59    and of a second, where there are very many
//! ```

use std::fmt;
use std::str::FromStr;

use domain::{Currency, CustomerId, OrderId};

use crate::purchase::Purchase;
use crate::span::{HOUR, MINUTE, SECOND, Span, Unit};

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

/// Where the sums of a span stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SumsKey {
    customer: CustomerId,
    currency: Currency,
    span: Span,
}

impl SumsKey {
    pub(crate) fn new(customer: &CustomerId, currency: Currency, span: Span) -> Self {
        Self { customer: customer.clone(), currency, span }
    }

    pub(crate) fn hour(&self) -> u64 {
        self.span.hour()
    }

    #[cfg(test)]
    pub(crate) fn is_of_an_hour(&self) -> bool {
        self.span.unit() == Unit::Hour
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

impl fmt::Display for SumsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customer, currency, span } = self;
        let (minute, second) = (span.start() % HOUR / MINUTE, span.start() % MINUTE / SECOND);
        write!(f, "{:08}/{customer}/{currency}", span.hour())?;
        match span.unit() {
            Unit::Hour => Ok(()),
            Unit::Minute => write!(f, "/{minute:02}"),
            Unit::Second => write!(f, "/{minute:02}/{second:02}"),
        }
    }
}

impl FromStr for SumsKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let read = || {
            let mut parts = text.split('/');
            let hour: u64 = parts.next()?.parse().ok()?;
            let customer = parts.next()?.parse().ok()?;
            let currency = parts.next()?.parse().ok()?;
            let below: Vec<u64> = parts.map(sixtieth).collect::<Option<_>>()?;
            let (unit, offset) = match below[..] {
                [] => (Unit::Hour, 0),
                [minute] => (Unit::Minute, minute * MINUTE),
                [minute, second] => (Unit::Second, minute * MINUTE + second * SECOND),
                _ => return None,
            };
            let start = hour.checked_mul(HOUR)?.checked_add(offset)?;
            Some(Self { customer, currency, span: Span::around(start, unit) })
        };
        read().ok_or(InvalidKey("<hour>/<customer>/<currency>, and /<minute> or /<minute>/<second>"))
    }
}

/// A minute of an hour, or a second of a minute.
fn sixtieth(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number < 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// All moments that RFC 3339 can write, from the epoch on.
    const MOMENTS: std::ops::Range<u64> = 0..253_402_300_800_000;

    #[test]
    fn keys_are_readable() {
        for text in ["00492322/c-15/01J9Z", "00000000/c/o"] {
            assert_eq!(text.parse::<RowKey>().map(|key| key.to_string()).as_deref(), Ok(text));
        }
        let moment = 492_322 * HOUR + 7 * MINUTE + 59 * SECOND + 999;
        for (unit, text) in [
            (Unit::Hour, "00492322/c-15/EUR"),
            (Unit::Minute, "00492322/c-15/EUR/07"),
            (Unit::Second, "00492322/c-15/EUR/07/59"),
        ] {
            let key = SumsKey::new(&"c-15".parse().unwrap(), Currency::EUR, Span::around(moment, unit));
            assert_eq!(key.to_string(), text);
            assert_eq!(text.parse(), Ok(key));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "1", "1/c", "x/c/o", "1//o", "1/c/o/p"] {
            assert!(text.parse::<RowKey>().is_err(), "{text:?}");
        }
        let numbers = ["1/c/EUR/60", "1/c/EUR/07/60", "1/c/EUR/-1", "99999999999999999999/c/EUR"];
        for text in
            ["", "1/c", "1/c/eur", "1/c/EUR/", "1/c/EUR/x", "1/c/EUR/1/1/1"].into_iter().chain(numbers)
        {
            assert!(text.parse::<SumsKey>().is_err(), "{text:?}");
        }
        assert!(format!("{}/c/EUR", u64::MAX).parse::<SumsKey>().is_err());
    }

    proptest! {
        #[test]
        fn keys_sort_by_hour(
            customer in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}",
            unit in select(vec![Unit::Hour, Unit::Minute, Unit::Second]),
            (one, other) in (MOMENTS, MOMENTS),
        ) {
            let customer = customer.parse().unwrap();
            let key = SumsKey::new(&customer, Currency::EUR, Span::around(one, unit));
            let text = key.to_string();
            prop_assert_eq!(text < first_of_hour(other / HOUR), one / HOUR < other / HOUR);
            prop_assert_eq!(key.hour(), one / HOUR);
            prop_assert_eq!(text.parse(), Ok(key));
        }
    }
}
