//! Currencies of ISO 4217 in which an amount can be counted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::text::deserialize_parsed;

/// A currency of ISO 4217 that has a minor unit, such as `EUR`.
///
/// Parsed from and shown as its three capital letters. Gold, the testing code
/// and the others for which ISO 4217 defines no minor unit are not currencies
/// here: an amount in them could not be counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Euro, two decimals.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);
    /// Pound sterling, two decimals.
    pub const GBP: Self = Self(iso_currency::Currency::GBP);
    /// United States dollar, two decimals.
    pub const USD: Self = Self(iso_currency::Currency::USD);
    /// Yen, no decimals.
    pub const JPY: Self = Self(iso_currency::Currency::JPY);
    /// Bahraini dinar, three decimals.
    pub const BHD: Self = Self(iso_currency::Currency::BHD);

    /// The three letters of ISO 4217.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Number of digits behind the point: 2 for `EUR`, 0 for `JPY`.
    pub fn decimals(self) -> u32 {
        // Parsing lets no currency without an exponent through.
        self.0.exponent().map_or(0, u32::from)
    }

    /// Minor units in one major unit: 100 for `EUR`, 1 for `JPY`.
    pub fn minor_per_major(self) -> i64 {
        10_i64.saturating_pow(self.decimals())
    }
}

/// The text is not the code of a currency in which amounts can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a currency must be a code of ISO 4217 with a minor unit, such as EUR")]
pub struct InvalidCurrency;

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        iso_currency::Currency::from_code(text)
            .filter(|currency| currency.exponent().is_some())
            .map(Self)
            .ok_or(InvalidCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cases: &[(&str, Option<u32>)]) {
        for (text, decimals) in cases {
            let found = text.parse::<Currency>();
            assert_eq!(found.map(Currency::decimals).ok(), *decimals, "{text:?}");
            if let Ok(currency) = found {
                assert_eq!(currency.to_string(), *text);
                assert_eq!(currency.minor_per_major(), 10_i64.pow(currency.decimals()), "{text}");
            }
        }
    }

    #[test]
    fn a_currency_is_a_code_with_a_minor_unit() {
        check(&[
            ("EUR", Some(2)),
            ("JPY", Some(0)),
            ("BHD", Some(3)),
            ("CLF", Some(4)),
            ("XAU", None),
            ("XXX", None),
            ("XTS", None),
            ("eur", None),
            ("EU", None),
            ("EURO", None),
            (" EUR", None),
            ("€", None),
            ("", None),
        ]);
    }
}
