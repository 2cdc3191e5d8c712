//! What becomes of a case that is due.

use domain::{OrderId, Outcome};
use streams::Timestamp;

use crate::case::Case;
use crate::decision::decide_without_the_rest;
use crate::policy::AggregatorPolicy;

/// How far the task has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// The time.
    pub(crate) now: Timestamp,
    /// When the task began to run here.
    pub(crate) started_at: Timestamp,
    /// Up to which time `orders` is known to have been read to its end.
    pub(crate) orders_read: Option<Timestamp>,
    /// The same for `order-validations`.
    pub(crate) verdicts_read: Option<Timestamp>,
}

/// What to do with a case that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing yet: the task has not run for long enough.
    NotYet,
    /// Find out whether `order-validations` holds more verdicts.
    AwaitVerdicts,
    /// Find out whether `orders` holds the order after all.
    AwaitOrders,
    /// The attempt has passed its deadline.
    TimedOut(Case, Outcome),
    /// Nothing more is expected of the order, nor of this many verdicts that found none.
    Forget(usize),
}

/// What to do with a case that is due by `progress.now`.
///
/// Verdicts stand in Kafka after the order that they judge. So when `orders` has been read to the end after
/// they came, there is no such order.
pub(crate) fn on_due(
    mut case: Case,
    order_id: &OrderId,
    progress: &Progress,
    policy: &AggregatorPolicy,
) -> Due {
    if let Some(attempt) = case.undecided() {
        let deadline = case.due().max(progress.started_at + policy.deadline);
        if progress.now < deadline {
            return Due::NotYet;
        }
        if progress.verdicts_read < Some(deadline) {
            return Due::AwaitVerdicts;
        }
        let verdicts = case.close(attempt, progress.now, policy);
        let ruling = decide_without_the_rest(&verdicts);
        return Due::TimedOut(case, ruling.into_outcome(order_id, attempt, verdicts, progress.now));
    }
    let unclaimed = case.verdicts.values().map(|verdicts| verdicts.len()).sum();
    if unclaimed > 0 && progress.orders_read < Some(case.due()) {
        return Due::AwaitOrders;
    }
    Due::Forget(unclaimed)
}

#[cfg(test)]
mod tests;
