//! The limit.

use domain::{Currency, ReasonCode, format_amount};

use crate::policy::FraudPolicy;
use crate::row::Standing;

/// Where an order of `total` stands when `exposure` is the most that counts besides it within an hour that it
/// lies in, of the same customer and currency; both in minor units.
///
/// Whether an order's lines make sense is not asked here, only whether its total can be added to others.
pub(crate) fn judge(
    policy: &FraudPolicy,
    exposure: i128,
    currency: Currency,
    total: Option<i64>,
) -> Standing {
    let Some(value) = total else {
        return invalid("the order's total is too large to be counted".into());
    };
    if value < 0 {
        return invalid(format!("the order's total is {} {currency}", format_amount(value, currency)));
    }
    let spent = exposure.saturating_add(value.into());
    if spent < policy.minor_limit(currency) {
        return Standing::Counted(value);
    }
    // The value of the limit is not told: a fraud would stay just below it.
    let detail = format!("{} {currency} within an hour reach the limit", shown(spent, currency));
    Standing::Refused { code: ReasonCode::LimitExceeded, detail }
}

fn invalid(detail: String) -> Standing {
    Standing::Refused { code: ReasonCode::InvalidOrder, detail }
}

fn shown(amount: i128, currency: Currency) -> String {
    match i64::try_from(amount) {
        Ok(amount) => format_amount(amount, currency),
        Err(_) => format!("more than {}", format_amount(i64::MAX, currency)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EUR: Currency = Currency::EUR;
    const JPY: Currency = Currency::JPY;
    const MAX: i64 = i64::MAX;

    type Expected = Result<i64, (ReasonCode, &'static str)>;

    #[track_caller]
    fn check(policy: &str, cases: &[(i128, Currency, Option<i64>, Expected)]) {
        let policy = policy.parse().unwrap();
        for (exposure, currency, total, expected) in cases {
            let expected = match *expected {
                Ok(value) => Standing::Counted(value),
                Err((code, detail)) => Standing::Refused { code, detail: detail.into() },
            };
            let standing = judge(&policy, *exposure, *currency, *total);
            assert_eq!(standing, expected, "{exposure} and {total:?} {currency}");
        }
    }

    fn exceeded(detail: &'static str) -> Expected {
        Err((ReasonCode::LimitExceeded, detail))
    }

    fn invalid(detail: &'static str) -> Expected {
        Err((ReasonCode::InvalidOrder, detail))
    }

    #[test]
    fn an_order_passes_below_the_limit() {
        check(
            "2000,JPY=300000",
            &[
                (0, EUR, Some(0), Ok(0)),
                (0, EUR, Some(199_999), Ok(199_999)),
                (0, EUR, Some(200_000), exceeded("2000.00 EUR within an hour reach the limit")),
                (150_000, EUR, Some(49_999), Ok(49_999)),
                (150_000, EUR, Some(50_000), exceeded("2000.00 EUR within an hour reach the limit")),
                (150_000, EUR, Some(60_050), exceeded("2100.50 EUR within an hour reach the limit")),
                (0, JPY, Some(299_999), Ok(299_999)),
                (1, JPY, Some(299_999), exceeded("300000 JPY within an hour reach the limit")),
            ],
        );
        check("0", &[(0, EUR, Some(0), exceeded("0.00 EUR within an hour reach the limit"))]);
    }

    #[test]
    fn amounts_may_be_as_large_as_they_like() {
        let too_much = "more than 92233720368547758.07 EUR within an hour reach the limit";
        check(
            "2000",
            &[
                (1, EUR, Some(MAX), exceeded(too_much)),
                (i128::MAX, EUR, Some(MAX), exceeded(too_much)),
                (0, EUR, None, invalid("the order's total is too large to be counted")),
            ],
        );
        check("18446744073709551615", &[(MAX.into(), EUR, Some(MAX), Ok(MAX))]);
    }

    #[test]
    fn a_negative_total_is_not_added() {
        check(
            "2000",
            &[
                (0, EUR, Some(-1), invalid("the order's total is -0.01 EUR")),
                (500_000, EUR, Some(-1), invalid("the order's total is -0.01 EUR")),
                (0, EUR, Some(i64::MIN), invalid("the order's total is -92233720368547758.08 EUR")),
            ],
        );
    }

    proptest! {
        #[test]
        fn any_order_is_judged(limit: u64, exposure: i128, total: Option<i64>) {
            let standing = judge(&FraudPolicy::new(limit), exposure, EUR, total);
            if let Standing::Counted(value) = standing {
                prop_assert!(value >= 0 && Some(value) == total);
            }
        }

        /// A customer who is refused learns that there is a limit, but not which.
        #[test]
        fn a_refusal_does_not_tell_the_limit(limit: u32, exposure in 0..1_000_000_000_000_i128, total in 0..i64::MAX) {
            let standing = judge(&FraudPolicy::new(limit.into()), exposure, EUR, Some(total));
            if let Standing::Refused { .. } = standing {
                prop_assert_eq!(standing, judge(&FraudPolicy::new(0), exposure, EUR, Some(total)));
            }
        }
    }
}
