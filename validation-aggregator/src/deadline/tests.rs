use domain::Check::{FraudCheck, InventoryCheck, OrderDetailsCheck};
use domain::CheckResult::Pass;

use super::*;
use crate::case::{Step, on_order, on_verdict};
use crate::samples::{created, id, verdict};

/// Created at 0, and passed by the inventory.
fn undecided() -> Case {
    let policy = AggregatorPolicy::default();
    let created = on_order(None, &(&created("o", 0)).into(), Timestamp::default(), &policy);
    let Step::Changed(case, None) = created else { panic!() };
    let verdict = verdict("o", InventoryCheck, Pass);
    let judged = on_verdict(Some(case), &verdict, Timestamp::default(), &policy);
    let Step::Changed(case, None) = judged else { panic!() };
    case
}

/// A verdict came at 0, the order never.
fn unseen() -> Case {
    let verdict = verdict("o", InventoryCheck, Pass);
    let judged = on_verdict(None, &verdict, Timestamp::default(), &AggregatorPolicy::default());
    let Step::Changed(case, None) = judged else { panic!() };
    case
}

/// Times are in seconds: now, start of the task, `orders` and `order-validations` read to the end.
#[track_caller]
fn found(case: Case, now: i64, started: i64, orders_read: Option<i64>, verdicts_read: Option<i64>) -> Due {
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
    let progress = Progress {
        now: at(now),
        started_at: at(started),
        orders_read: orders_read.map(at),
        verdicts_read: verdicts_read.map(at),
    };
    on_due(case, &id("o"), &progress, &AggregatorPolicy::default())
}

#[test]
fn an_attempt_times_out_when_the_verdicts_by_its_deadline_are_read() {
    assert_eq!(found(undecided(), 30, 0, None, None), Due::AwaitVerdicts);
    assert_eq!(found(undecided(), 31, 0, Some(31), Some(29)), Due::AwaitVerdicts);
    let Due::TimedOut(case, outcome) = found(undecided(), 31, 0, None, Some(30)) else { panic!() };
    let missing: Vec<_> = outcome.reasons.iter().filter_map(|reason| reason.check).collect();
    assert_eq!(missing, [FraudCheck, OrderDetailsCheck]);
    assert_eq!(case.due(), Timestamp::from_millis(41_000), "remembered for late verdicts");
    assert_eq!(found(case, 41, 0, None, None), Due::Forget(0));
}

#[test]
fn the_deadline_counts_from_the_start_of_the_task_if_that_is_later() {
    assert_eq!(found(undecided(), 3629, 3600, Some(3629), Some(3629)), Due::NotYet);
    assert_eq!(found(undecided(), 3630, 3600, Some(3629), Some(3629)), Due::AwaitVerdicts);
    assert!(matches!(found(undecided(), 3630, 3600, None, Some(3630)), Due::TimedOut(..)));
}

#[test]
fn verdicts_without_an_order_are_forgotten_when_the_orders_by_then_are_read() {
    assert_eq!(found(unseen(), 10, 0, None, Some(10)), Due::AwaitOrders);
    assert_eq!(found(unseen(), 11, 0, Some(9), None), Due::AwaitOrders);
    assert_eq!(found(unseen(), 11, 0, Some(10), None), Due::Forget(1));
    assert_eq!(found(unseen(), 3610, 3600, Some(3610), None), Due::Forget(1));
}
