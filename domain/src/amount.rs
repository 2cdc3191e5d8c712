//! Amounts of money: `i64` minor units inside, a decimal text outside.
//!
//! The text is a number as JSON writes it, without an exponent: an optional
//! minus, digits without superfluous zeros in front, and at most as many
//! decimals as the currency has. It never passes through a float.

use std::fmt;
use std::iter::repeat_n;

use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::currency::Currency;

/// Reads a decimal text as minor units of `currency`: `"12.5"` in `EUR` is 1250.
///
/// # Errors
///
/// The text is not a plain decimal number, has more decimals than the currency
/// (trailing zeros count), or is beyond `i64`.
pub fn parse_amount(text: &str, currency: Currency) -> Result<i64, AmountError> {
    Decimal::parse(text)?.in_minor_units(currency)
}

/// Shows minor units of `currency` with all its decimals: 1250 in `EUR` is
/// `"12.50"`, in `JPY` `"1250"`.
pub fn format_amount(minor: i64, currency: Currency) -> String {
    AmountText { minor, currency }.to_string()
}

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AmountError {
    /// Not an optional minus, digits, and an optional point with digits.
    #[error("an amount must be a decimal number such as 12.50, without plus sign or exponent")]
    Malformed,
    /// More decimals than the currency has.
    #[error("an amount in {currency} must have at most {} decimals", currency.decimals())]
    TooManyDecimals {
        /// The currency that has fewer.
        currency: Currency,
    },
    /// Beyond `i64` in minor units.
    #[error("an amount must fit into 64 bits, counted in the minor unit")]
    OutOfRange,
}

/// A decimal number in its digits, not yet an amount of some currency.
pub(crate) struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, AmountError> {
        let unsigned = text.strip_prefix('-');
        let (whole, fraction) = match unsigned.unwrap_or(text).split_once('.') {
            Some((_, "")) => return Err(AmountError::Malformed),
            Some(parts) => parts,
            None => (unsigned.unwrap_or(text), ""),
        };
        let plain = [whole, fraction].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
        let shortest = whole == "0" || !whole.starts_with('0');
        if whole.is_empty() || !plain || !shortest {
            return Err(AmountError::Malformed);
        }
        Ok(Self { negative: unsigned.is_some(), whole, fraction })
    }

    pub(crate) fn in_minor_units(&self, currency: Currency) -> Result<i64, AmountError> {
        let padding = (currency.decimals() as usize)
            .checked_sub(self.fraction.len())
            .ok_or(AmountError::TooManyDecimals { currency })?;
        let sign = if self.negative { -1 } else { 1 };
        // Adding signed digits reaches i64::MIN, which negating at the end would not.
        (self.whole.bytes())
            .chain(self.fraction.bytes())
            .chain(repeat_n(b'0', padding))
            .try_fold(0_i64, |sum, digit| sum.checked_mul(10)?.checked_add(sign * i64::from(digit - b'0')))
            .ok_or(AmountError::OutOfRange)
    }
}

/// An amount that is written as text straight to where it goes.
pub(crate) struct AmountText {
    pub(crate) minor: i64,
    pub(crate) currency: Currency,
}

impl fmt::Display for AmountText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        match self.currency.decimals() as usize {
            0 => write!(f, "{sign}{minor}"),
            decimals => {
                let unit = self.currency.minor_per_major().unsigned_abs();
                write!(f, "{sign}{}.{:0decimals$}", minor / unit, minor % unit)
            }
        }
    }
}

impl Serialize for AmountText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::AmountError::{Malformed, OutOfRange};
    use super::*;
    use crate::strategies::any_currency;

    const EUR: Currency = Currency::EUR;
    const JPY: Currency = Currency::JPY;
    const BHD: Currency = Currency::BHD;

    #[track_caller]
    fn check(cases: &[(&str, Currency, Result<i64, AmountError>)]) {
        for (text, currency, expected) in cases {
            assert_eq!(parse_amount(text, *currency), *expected, "{text:?} {currency}");
        }
    }

    fn too_many(currency: Currency) -> Result<i64, AmountError> {
        Err(AmountError::TooManyDecimals { currency })
    }

    #[test]
    fn an_amount_is_a_plain_decimal_number() {
        check(&[
            ("0", EUR, Ok(0)),
            ("12", EUR, Ok(1200)),
            ("12.5", EUR, Ok(1250)),
            ("12.50", EUR, Ok(1250)),
            ("0.05", EUR, Ok(5)),
            ("-0.05", EUR, Ok(-5)),
            ("-0", EUR, Ok(0)),
            ("-0.00", EUR, Ok(0)),
            ("1250", JPY, Ok(1250)),
            ("1.001", BHD, Ok(1001)),
            ("", EUR, Err(Malformed)),
            ("-", EUR, Err(Malformed)),
            (".", EUR, Err(Malformed)),
            ("1.", EUR, Err(Malformed)),
            (".5", EUR, Err(Malformed)),
            ("+1", EUR, Err(Malformed)),
            ("--1", EUR, Err(Malformed)),
            ("1.-5", EUR, Err(Malformed)),
            ("01", EUR, Err(Malformed)),
            ("00", EUR, Err(Malformed)),
            ("1e3", EUR, Err(Malformed)),
            ("1E3", EUR, Err(Malformed)),
            ("1,50", EUR, Err(Malformed)),
            ("1.2.3", EUR, Err(Malformed)),
            (" 1", EUR, Err(Malformed)),
            ("1\0", EUR, Err(Malformed)),
            ("0x10", EUR, Err(Malformed)),
            ("NaN", EUR, Err(Malformed)),
            ("Infinity", EUR, Err(Malformed)),
            ("١٢", EUR, Err(Malformed)),
        ]);
    }

    #[test]
    fn no_more_decimals_than_the_currency_has() {
        check(&[
            ("12.505", EUR, too_many(EUR)),
            ("12.500", EUR, too_many(EUR)),
            ("12.5", JPY, too_many(JPY)),
            ("12.0", JPY, too_many(JPY)),
            ("0.0001", BHD, too_many(BHD)),
        ]);
    }

    #[test]
    fn an_amount_fits_into_64_bits() {
        check(&[
            ("92233720368547758.07", EUR, Ok(i64::MAX)),
            ("-92233720368547758.08", EUR, Ok(i64::MIN)),
            ("92233720368547758.08", EUR, Err(OutOfRange)),
            ("-92233720368547758.09", EUR, Err(OutOfRange)),
            ("92233720368547759", EUR, Err(OutOfRange)),
            ("9223372036854775807", JPY, Ok(i64::MAX)),
            ("1000000000000000000000000000000", JPY, Err(OutOfRange)),
        ]);
    }

    #[test]
    fn an_amount_shows_all_decimals() {
        for (minor, currency, expected) in [
            (1250, EUR, "12.50"),
            (5, EUR, "0.05"),
            (-5, EUR, "-0.05"),
            (0, EUR, "0.00"),
            (0, JPY, "0"),
            (-7, JPY, "-7"),
            (1, BHD, "0.001"),
            (i64::MIN, EUR, "-92233720368547758.08"),
        ] {
            assert_eq!(format_amount(minor, currency), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(minor: i64, currency in any_currency()) {
            prop_assert_eq!(parse_amount(&format_amount(minor, currency), currency), Ok(minor));
        }

        #[test]
        fn what_is_read_is_shown_with_the_same_digits(
            text in "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,4})?",
            currency in any_currency(),
        ) {
            if let Ok(minor) = parse_amount(&text, currency) {
                let shown = format_amount(minor, currency);
                let negative_zero = minor == 0 && text.starts_with('-');
                prop_assert!(negative_zero || shown.starts_with(&text), "{text} became {shown}");
            }
        }

        #[test]
        fn any_text_is_an_amount_or_an_error(text in ".*", currency in any_currency()) {
            _ = parse_amount(&text, currency);
        }
    }
}
