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
///
/// Currencies that ISO 4217 has withdrawn are read, because orders from before
/// are in them, but nothing new is ordered in them ([`Self::is_withdrawn`]).
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

    /// The date of ISO 4217's list of currencies that is followed here.
    pub const LIST_OF: &str = "2026-09-17";

    /// Whether ISO 4217 has withdrawn it, by the list of [`Self::LIST_OF`].
    pub fn is_withdrawn(self) -> bool {
        WITHDRAWN.contains(&self.0)
    }

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

/// What the crate knows and the list has no more. (What the crate says itself of
/// currencies that others supersede is not that: it names VES, which is in use.)
const WITHDRAWN: [iso_currency::Currency; 5] = [
    iso_currency::Currency::BGN,
    iso_currency::Currency::CUC,
    iso_currency::Currency::HRK,
    iso_currency::Currency::SLL,
    iso_currency::Currency::ZWL,
];

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

    /// "List One" of ISO 4217 of 2026-09-17, as far as it gives minor units: the codes by their decimals.
    const LIST_OF_2026_09_17: [(u32, &str); 4] = [
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (
            2,
            "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF \
             CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD \
             GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL \
             MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR \
             PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP \
             TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
        ),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    ];

    #[test]
    fn what_is_not_withdrawn_is_the_list_of_2026_09_17() {
        assert_eq!(Currency::LIST_OF, "2026-09-17");
        let mut listed: Vec<(&str, u32)> = LIST_OF_2026_09_17
            .iter()
            .flat_map(|(decimals, codes)| codes.split(' ').map(move |code| (code, *decimals)))
            .collect();
        listed.sort_unstable();
        let letters = || 'A'..='Z';
        let codes =
            letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
        let known: Vec<Currency> = codes.filter_map(|code| code.parse().ok()).collect();
        let (withdrawn, current): (Vec<Currency>, Vec<_>) =
            known.into_iter().partition(|currency| currency.is_withdrawn());
        let current: Vec<_> = current.iter().map(|currency| (currency.code(), currency.decimals())).collect();
        assert_eq!(current, listed);
        let withdrawn: Vec<_> = withdrawn.iter().map(|currency| currency.code()).collect();
        assert_eq!(withdrawn, ["BGN", "CUC", "HRK", "SLL", "ZWL"]);
    }
}
