//! The verdict of this check.

use domain::{Check, Judgement, OrderId, Timestamp, Verdict};

/// `judgement` as the verdict of the inventory check. The clocks of two
/// machines may disagree: it never ends before it began.
pub(crate) fn verdict(
    order_id: OrderId,
    attempt: u32,
    judgement: Judgement,
    started_at: Timestamp,
    now: Timestamp,
) -> Verdict {
    judgement.into_verdict(order_id, attempt, Check::InventoryCheck, started_at, now.max(started_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_never_ends_before_it_began() {
        let at = domain::timestamp_from_millis;
        for (started, now, finished) in [(10, 10, 10), (10, 15, 15), (10, 5, 10)] {
            let verdict = verdict("o-1".parse().unwrap(), 1, Judgement::Pass, at(started), at(now));
            assert_eq!((verdict.started_at, verdict.finished_at), (at(started), at(finished)));
        }
    }
}
