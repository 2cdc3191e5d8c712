//! The rule: what a set of verdicts says about an attempt.

use std::collections::BTreeMap;

use domain::{Check, CheckResult, Decision, OrderId, Outcome, Reason, ReasonCode, Validation};
use streams::Timestamp;

/// The verdicts on one attempt, one per check.
pub(crate) type Verdicts = BTreeMap<Check, Validation>;

/// What the verdicts decide; none while it takes more of them. One that is not PASS decides at once.
pub(crate) fn decide(verdicts: &Verdicts) -> Option<Ruling> {
    if verdicts.values().any(|verdict| verdict.result != CheckResult::Pass) {
        Some(Ruling { decision: Decision::Failed, reasons: objections(verdicts).collect() })
    } else if missing(verdicts).next().is_none() {
        Some(Ruling { decision: Decision::Validated, reasons: Vec::new() })
    } else {
        None
    }
}

/// What is decided when no more verdicts are waited for.
pub(crate) fn decide_without_the_rest(verdicts: &Verdicts) -> Ruling {
    let timed_out = missing(verdicts).map(|check| Reason {
        check: Some(check),
        code: ReasonCode::TimedOut,
        detail: Some("no verdict in time".into()),
    });
    Ruling { decision: Decision::Failed, reasons: objections(verdicts).chain(timed_out).collect() }
}

/// A decision and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ruling {
    pub(crate) decision: Decision,
    pub(crate) reasons: Vec<Reason>,
}

impl Ruling {
    /// The ruling on an attempt, as it is written down at `now`.
    pub(crate) fn into_outcome(
        self,
        order_id: &OrderId,
        attempt: u32,
        verdicts: Verdicts,
        now: Timestamp,
    ) -> Outcome {
        Outcome {
            order_id: order_id.clone(),
            attempt,
            decision: self.decision,
            reasons: self.reasons,
            validations: verdicts.into_values().collect(),
            decided_at: domain::timestamp_from_millis(now.as_millis()),
        }
    }
}

fn objections(verdicts: &Verdicts) -> impl Iterator<Item = Reason> {
    verdicts.values().filter_map(Validation::reason)
}

/// The checks whose verdicts are not among these.
pub(crate) fn missing(verdicts: &Verdicts) -> impl Iterator<Item = Check> {
    Check::ALL.into_iter().filter(|check| !verdicts.contains_key(check))
}

#[cfg(test)]
mod tests {
    use Check::{FraudCheck, InventoryCheck, OrderDetailsCheck};
    use CheckResult::{Error, Fail, Pass};
    use Decision::{Failed, Validated};
    use ReasonCode::{OutOfStock, StateUnreadable, TimedOut};

    use super::*;
    use crate::samples::verdict;

    type Found = (Decision, Vec<(Check, ReasonCode)>);

    fn found(ruling: Ruling) -> Found {
        let reasons = ruling.reasons.into_iter();
        (ruling.decision, reasons.map(|reason| (reason.check.unwrap(), reason.code)).collect())
    }

    #[track_caller]
    fn check(given: &[(Check, CheckResult)], at_once: Option<Found>, in_the_end: Found) {
        let verdicts =
            given.iter().map(|(check, result)| (*check, verdict("o", *check, *result).validation()));
        let verdicts: Verdicts = verdicts.collect();
        assert_eq!(decide(&verdicts).map(found), at_once, "{given:?}");
        assert_eq!(found(decide_without_the_rest(&verdicts)), in_the_end, "{given:?} at the deadline");
    }

    #[test]
    fn one_that_is_not_pass_decides_at_once_and_three_that_are() {
        let late = |checks: &[Check]| (Failed, checks.iter().map(|check| (*check, TimedOut)).collect());
        check(&[], None, late(&Check::ALL));
        check(&[(FraudCheck, Pass)], None, late(&[InventoryCheck, OrderDetailsCheck]));
        check(&[(InventoryCheck, Pass), (OrderDetailsCheck, Pass)], None, late(&[FraudCheck]));
        check(
            &[(InventoryCheck, Pass), (FraudCheck, Pass), (OrderDetailsCheck, Pass)],
            Some((Validated, vec![])),
            (Failed, vec![]),
        );
        check(
            &[(InventoryCheck, Fail)],
            Some((Failed, vec![(InventoryCheck, OutOfStock)])),
            (
                Failed,
                vec![(InventoryCheck, OutOfStock), (FraudCheck, TimedOut), (OrderDetailsCheck, TimedOut)],
            ),
        );
        check(
            &[(InventoryCheck, Fail), (FraudCheck, Error), (OrderDetailsCheck, Pass)],
            Some((Failed, vec![(FraudCheck, StateUnreadable), (InventoryCheck, OutOfStock)])),
            (Failed, vec![(FraudCheck, StateUnreadable), (InventoryCheck, OutOfStock)]),
        );
    }
}
