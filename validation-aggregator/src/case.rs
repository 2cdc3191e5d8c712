//! What is remembered of an order until nothing more is expected of it.
//!
//! Each attempt has one record on `orders` that counts here, its first; the number of the attempt says whether
//! it is news. A case takes in only what is.
//!
//! Once an attempt is decided and all its verdicts have come, the case is over and forgotten at once: a burst
//! of orders leaves nothing behind. A decision needs the order, not its verdicts alone: a verdict that comes
//! when a decided order has been forgotten finds no attempt to decide, and is forgotten in its turn.

mod kept;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use domain::{Check, OrderId, Outcome, Verdict};
use serde::{Deserialize, Serialize};
use streams::Timestamp;

use crate::decision::{Verdicts, decide, missing};
use crate::policy::AggregatorPolicy;
use crate::standing::Standing;

/// An order as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    /// The highest attempt seen on `orders`; none while only verdicts have come.
    pub(crate) attempt: Option<Attempt>,
    /// The verdicts on that attempt while it is undecided, and on attempts not seen yet.
    #[serde(with = "kept")]
    pub(crate) verdicts: BTreeMap<u32, Verdicts>,
    /// The checks whose verdicts on the decided attempt have not come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    awaited: Vec<Check>,
    /// When to look at the case again, in milliseconds since the Unix epoch.
    due: i64,
}

/// An attempt that was seen on `orders`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    /// Counted from 1.
    pub(crate) number: u32,
    /// Has it got its outcome?
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
    /// A verdict came after the decision: the case is now this, or over.
    Late(Option<Case>),
    /// The case is decided, and over.
    Over(Outcome),
}

/// An attempt of an order, as it begins on `orders`.
pub(crate) fn on_order(
    known: Option<Case>,
    order: &Standing,
    now: Timestamp,
    policy: &AggregatorPolicy,
) -> Step {
    let seen = Some(Attempt { number: order.attempt, decided: false });
    let mut case = known.unwrap_or_else(|| Case::unseen(now, policy));
    if case.attempt >= seen {
        return Step::Unchanged;
    }
    case.attempt = seen;
    case.verdicts = case.verdicts.split_off(&order.attempt);
    case.awaited.clear();
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
    if let Some(attempt) = case.attempt {
        match verdict.attempt.cmp(&attempt.number) {
            Ordering::Less => return Step::Ignored("verdicts_superseded"),
            Ordering::Equal if attempt.decided => return case.late(verdict.check),
            Ordering::Equal | Ordering::Greater => {}
        }
    }
    match case.verdicts.entry(verdict.attempt).or_default().entry(verdict.check) {
        Entry::Occupied(_) => Step::Ignored("verdicts_repeated"),
        Entry::Vacant(place) => {
            place.insert(verdict.validation());
            // The end of `orders` that is waited for may be one before this verdict's order.
            if case.undecided().is_none() && case.due() <= now {
                case.due = (now + policy.remember).as_millis();
            }
            case.judged(&verdict.order_id, now, policy)
        }
    }
}

impl Case {
    fn unseen(now: Timestamp, policy: &AggregatorPolicy) -> Self {
        let due = (now + policy.remember).as_millis();
        Self { attempt: None, verdicts: BTreeMap::new(), awaited: Vec::new(), due }
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
        let verdicts = self.verdicts.remove(&attempt).unwrap_or_default();
        self.awaited = missing(&verdicts).collect();
        verdicts
    }

    /// A verdict on the attempt that was decided without it, or that came before.
    fn late(mut self, check: Check) -> Step {
        let Some(place) = self.awaited.iter().position(|awaited| *awaited == check) else {
            return Step::Ignored("verdicts_late");
        };
        self.awaited.remove(place);
        Step::Late((!self.is_over()).then_some(self))
    }

    /// Whether nothing more is to come of a decided attempt, and nothing has come of one after it.
    fn is_over(&self) -> bool {
        self.awaited.is_empty() && self.verdicts.is_empty()
    }

    fn judged(mut self, order_id: &OrderId, now: Timestamp, policy: &AggregatorPolicy) -> Step {
        let Some(attempt) = self.undecided() else { return Step::Changed(self, None) };
        let Some(ruling) = self.verdicts.get(&attempt).and_then(decide) else {
            return Step::Changed(self, None);
        };
        let verdicts = self.close(attempt, now, policy);
        let outcome = ruling.into_outcome(order_id, attempt, verdicts, now);
        if self.is_over() { Step::Over(outcome) } else { Step::Changed(self, Some(outcome)) }
    }
}

/// When the attempt began. The clocks of two machines may disagree, but what has been read has begun.
fn began(order: &Standing, now: Timestamp) -> Timestamp {
    Timestamp::from_millis(order.updated_at.as_millisecond()).min(now)
}

#[cfg(test)]
mod tests;
