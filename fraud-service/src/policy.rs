//! How much a customer may order for within an hour.

use std::collections::BTreeMap;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use domain::{Currency, InvalidCurrency};

/// The limit that no customer's orders of an hour may reach, in major units of each currency.
///
/// Its text is a list such as `2000,JPY=300000`: a number alone is the limit of all currencies that are
/// not named, 2000 if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FraudPolicy {
    default_limit: u64,
    limits: BTreeMap<Currency, u64>,
}

impl FraudPolicy {
    /// The same limit, in major units, for every currency.
    pub fn new(default_limit: u64) -> Self {
        Self { default_limit, limits: BTreeMap::new() }
    }

    /// The same policy with a limit of its own, in major units, for `currency`.
    pub fn with_limit(mut self, currency: Currency, limit: u64) -> Self {
        self.limits.insert(currency, limit);
        self
    }

    /// The limit in major units.
    pub fn limit(&self, currency: Currency) -> u64 {
        self.limits.get(&currency).copied().unwrap_or(self.default_limit)
    }

    /// The limit in minor units, which may be beyond what a single amount can be.
    pub(crate) fn minor_limit(&self, currency: Currency) -> i128 {
        i128::from(self.limit(currency)).saturating_mul(currency.minor_per_major().into())
    }
}

const DEFAULT_LIMIT: u64 = 2000;

impl Default for FraudPolicy {
    /// 2,000 major units of whatever currency.
    fn default() -> Self {
        Self::new(DEFAULT_LIMIT)
    }
}

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// What stands in front of `=` is no currency.
    #[error("{entry:?} in the limits: {source}")]
    Currency {
        /// The entry as it stands.
        entry: String,
        /// What is wrong with it.
        source: InvalidCurrency,
    },
    /// A limit is not a whole number, negative, or beyond 64 bits.
    #[error("{entry:?} in the limits: a limit must be a whole number of major units ({source})")]
    Limit {
        /// The entry as it stands.
        entry: String,
        /// What is wrong with it.
        source: ParseIntError,
    },
    /// A currency, or the limit of all others, is given twice.
    #[error("{entry:?} in the limits: there is one for the same currencies before it")]
    Repeated {
        /// The second entry.
        entry: String,
    },
}

impl FromStr for FraudPolicy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        let mut default_limit = None;
        let mut limits = BTreeMap::new();
        for entry in text.split(',').map(str::trim) {
            let repeated = match entry.split_once('=') {
                Some((currency, limit)) => {
                    let (currency, limit) = (parse_currency(currency, entry)?, parse_limit(limit, entry)?);
                    limits.insert(currency, limit).is_some()
                }
                None => default_limit.replace(parse_limit(entry, entry)?).is_some(),
            };
            if repeated {
                return Err(InvalidPolicy::Repeated { entry: entry.into() });
            }
        }
        Ok(Self { default_limit: default_limit.unwrap_or(DEFAULT_LIMIT), limits })
    }
}

fn parse_currency(text: &str, entry: &str) -> Result<Currency, InvalidPolicy> {
    text.trim().parse().map_err(|source| InvalidPolicy::Currency { entry: entry.into(), source })
}

fn parse_limit(text: &str, entry: &str) -> Result<u64, InvalidPolicy> {
    text.trim().parse().map_err(|source| InvalidPolicy::Limit { entry: entry.into(), source })
}

impl fmt::Display for FraudPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.default_limit)?;
        self.limits.iter().try_for_each(|(currency, limit)| write!(f, ",{currency}={limit}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const EUR: Currency = Currency::EUR;
    const JPY: Currency = Currency::JPY;
    const BHD: Currency = Currency::BHD;

    #[track_caller]
    fn check(cases: &[(&str, FraudPolicy)]) {
        for (text, expected) in cases {
            assert_eq!(text.parse().as_ref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn a_policy_is_a_list_of_limits() {
        check(&[
            ("2000", FraudPolicy::default()),
            ("0", FraudPolicy::new(0)),
            ("JPY=300000", FraudPolicy::default().with_limit(JPY, 300_000)),
            ("EUR=2000,JPY=300000", FraudPolicy::default().with_limit(EUR, 2000).with_limit(JPY, 300_000)),
            (" 500 , EUR = 7 ", FraudPolicy::new(500).with_limit(EUR, 7)),
            ("EUR=7,500", FraudPolicy::new(500).with_limit(EUR, 7)),
        ]);
    }

    #[track_caller]
    fn check_refused(cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            let error = text.parse::<FraudPolicy>().expect_err(text).to_string();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused_by_its_entry() {
        let no_number = "in the limits: a limit must be a whole number of major units";
        let no_currency = "in the limits: a currency must be a code of ISO 4217";
        let repeated = "in the limits: there is one for the same currencies before it";
        check_refused(&[
            ("", &format!("\"\" {no_number}")),
            ("2000,", &format!("\"\" {no_number}")),
            ("-1", &format!("\"-1\" {no_number}")),
            ("EUR=", &format!("\"EUR=\" {no_number}")),
            ("EUR=1.50", &format!("\"EUR=1.50\" {no_number}")),
            ("EUR=1=2", &format!("\"EUR=1=2\" {no_number}")),
            ("EUR=99999999999999999999", &format!("\"EUR=99999999999999999999\" {no_number}")),
            ("EUR", &format!("\"EUR\" {no_number}")),
            ("eur=5", &format!("\"eur=5\" {no_currency}")),
            ("JPY=1,XAU=5", &format!("\"XAU=5\" {no_currency}")),
            ("=5", &format!("\"=5\" {no_currency}")),
            ("EUR=1,JPY=1,EUR=2", &format!("\"EUR=2\" {repeated}")),
            ("1,2", &format!("\"2\" {repeated}")),
        ]);
    }

    #[test]
    fn a_limit_counts_in_the_currency_s_own_minor_units() {
        let policy = FraudPolicy::default().with_limit(BHD, u64::MAX);
        for (currency, expected) in
            [(EUR, 200_000), (JPY, 2000), (BHD, 1000 * i128::from(u64::MAX)), (Currency::USD, 200_000)]
        {
            assert_eq!(policy.minor_limit(currency), expected, "{currency}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(
            default_limit: u64,
            limits in prop::collection::btree_map(select(vec![EUR, JPY, BHD]), any::<u64>(), 0..3),
        ) {
            let policy = FraudPolicy { default_limit, limits };
            prop_assert_eq!(policy.to_string().parse(), Ok(policy));
        }

        #[test]
        fn any_text_is_a_policy_or_an_error(text in "[A-Z0-9=, .-]{0,20}|.*") {
            _ = text.parse::<FraudPolicy>();
        }
    }
}
