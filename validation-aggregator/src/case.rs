//! What is remembered of an order until nothing more is expected of it.
//!
//! Within an attempt CREATED comes before the final state, so (attempt, decided) says of a record on
//! `orders` what (attempt, version) would: whether it is news. A case takes in only what is.
//!
//! A decision needs the order, not its verdicts alone: a verdict that comes when a decided order has been
//! forgotten finds no attempt to decide, and is forgotten in its turn.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use domain::{OrderId, Outcome, Verdict};
use serde::{Deserialize, Serialize};
use streams::Timestamp;

use crate::decision::{Verdicts, decide};
use crate::policy::AggregatorPolicy;
use crate::standing::Standing;

/// An order as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    /// The highest attempt seen on `orders`; none while only verdicts have come.
    pub(crate) attempt: Option<Attempt>,
    /// The verdicts on that attempt while it is undecided, and on attempts not seen yet.
    pub(crate) verdicts: BTreeMap<u32, Verdicts>,
    /// When to look at the case again, in milliseconds since the Unix epoch.
    due: i64,
}

/// An attempt that was seen on `orders`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    /// Counted from 1.
    pub(crate) number: u32,
    /// Has it got its outcome, or been seen in a final state?
    pub(crate) decided: bool,
}

/// What a record does to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, and that is how it should be.
    Unchanged,
    /// Nothing, to be counted under this name.
    Ignored(&'static str),
    /// The case is now this, and perhaps it is decided.
    Changed(Case, Option<Outcome>),
}

/// An order's record on `orders`.
pub(crate) fn on_order(
    known: Option<Case>,
    order: &Standing,
    now: Timestamp,
    policy: &AggregatorPolicy,
) -> Step {
    let seen = Attempt { number: order.attempt, decided: order.state.is_final() };
    let mut case = known.unwrap_or_else(|| Case::unseen(now, policy));
    if case.attempt >= Some(seen) {
        return Step::Unchanged;
    }
    case.attempt = Some(seen);
    case.verdicts = case.verdicts.split_off(&order.attempt);
    if seen.decided {
        case.close(seen.number, now, policy);
        return Step::Changed(case, None);
    }
    case.due = (began(order, now) + policy.deadline).as_millis();
    case.judged(&order.id, now, policy)
}

/// A verdict on the order.
pub(crate) fn on_verdict(
    known: Option<Case>,
    verdict: &Verdict,
    now: Timestamp,
    policy: &AggregatorPolicy,
) -> Step {
    let mut case = known.unwrap_or_else(|| Case::unseen(now, policy));
    if let Some(attempt) = case.attempt
        && let Some(reason) = attempt.has_no_use_for(verdict)
    {
        return Step::Ignored(reason);
    }
    match case.verdicts.entry(verdict.attempt).or_default().entry(verdict.check) {
        Entry::Occupied(_) => Step::Ignored("verdicts_repeated"),
        Entry::Vacant(place) => {
            place.insert(verdict.validation());
            case.judged(&verdict.order_id, now, policy)
        }
    }
}

impl Case {
    fn unseen(now: Timestamp, policy: &AggregatorPolicy) -> Self {
        let due = (now + policy.remember).as_millis();
        Self { attempt: None, verdicts: BTreeMap::new(), due }
    }

    /// When to look at the case again: an undecided attempt may have passed its deadline then, and
    /// anything else may be forgotten.
    pub(crate) fn due(&self) -> Timestamp {
        Timestamp::from_millis(self.due)
    }

    /// The attempt that waits for its decision.
    pub(crate) fn undecided(&self) -> Option<u32> {
        self.attempt.filter(|attempt| !attempt.decided).map(|attempt| attempt.number)
    }

    /// Ends the attempt and gives back the verdicts on it. From now on they are late.
    pub(crate) fn close(&mut self, attempt: u32, now: Timestamp, policy: &AggregatorPolicy) -> Verdicts {
        self.attempt = Some(Attempt { number: attempt, decided: true });
        self.due = self.due.max((now + policy.remember).as_millis());
        self.verdicts.remove(&attempt).unwrap_or_default()
    }

    fn judged(mut self, order_id: &OrderId, now: Timestamp, policy: &AggregatorPolicy) -> Step {
        let Some(attempt) = self.undecided() else { return Step::Changed(self, None) };
        let Some(ruling) = self.verdicts.get(&attempt).and_then(decide) else {
            return Step::Changed(self, None);
        };
        let verdicts = self.close(attempt, now, policy);
        Step::Changed(self, Some(ruling.into_outcome(order_id, attempt, verdicts, now)))
    }
}

impl Attempt {
    /// Why this verdict cannot matter any more, by the counter's name.
    fn has_no_use_for(self, verdict: &Verdict) -> Option<&'static str> {
        match verdict.attempt.cmp(&self.number) {
            Ordering::Less => Some("verdicts_superseded"),
            Ordering::Equal if self.decided => Some("verdicts_late"),
            Ordering::Equal | Ordering::Greater => None,
        }
    }
}

/// When the attempt began. The clocks of two machines may disagree, but what has been read has begun.
fn began(order: &Standing, now: Timestamp) -> Timestamp {
    Timestamp::from_millis(order.updated_at.as_millisecond()).min(now)
}

#[cfg(test)]
mod tests;
