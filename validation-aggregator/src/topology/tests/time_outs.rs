use domain::Check::{self, FraudCheck, InventoryCheck, OrderDetailsCheck};
use domain::CheckResult::{Fail, Pass};
use domain::Decision::{Failed, Validated};
use domain::ReasonCode::TimedOut;
use domain::Verdict;

use super::scene::Scene;
use crate::samples::{decided, id, tried_again, verdict};

/// From a punctuation to the one at which the end that it asked for has been read.
const ANSWER: u64 = 500;

#[test]
fn the_outcome_names_the_checks_that_are_missing() {
    let mut scene = Scene::new();
    scene.create("a");
    scene.create("b");
    scene.judge("b", FraudCheck, Pass);
    scene.judge("b", OrderDetailsCheck, Pass);
    scene.wait(29_999 + ANSWER);
    scene.check(&[]);
    scene.wait(1);
    let outcomes = scene.outcomes();
    for (order, missing) in [("a", &Check::ALL[..]), ("b", &[InventoryCheck])] {
        let outcome = outcomes.iter().find(|outcome| outcome.order_id.as_str() == order).unwrap();
        let reasons: Vec<_> = outcome.reasons.iter().map(|reason| (reason.check, reason.code)).collect();
        let expected: Vec<_> = missing.iter().map(|check| (Some(*check), TimedOut)).collect();
        assert_eq!((outcome.decision, reasons), (Failed, expected), "{order}");
        assert_eq!(outcome.validations.len(), 3 - missing.len(), "{order}");
    }
    assert_eq!(outcomes.len(), 2);
    assert_eq!(scene.driver.counted("orders_timed_out"), 2);
}

#[test]
fn what_is_read_after_the_deadline_but_stood_there_before_still_counts() {
    let mut scene = Scene::new();
    scene.create("a");
    scene.judge("a", FraudCheck, Pass);
    scene.judge("a", OrderDetailsCheck, Pass);
    scene.wait(30_000);
    scene.judge("a", InventoryCheck, Pass);
    scene.check(&[("a", Validated, &[])]);
    scene.wait(60_000);
    scene.check(&[]);
    scene.check_forgotten();
}

#[test]
fn a_verdict_after_the_time_out_is_late() {
    let mut scene = Scene::new();
    let order = scene.create("a");
    scene.wait(30_000 + ANSWER);
    assert_eq!(scene.outcomes().len(), 1);
    for check in Check::ALL {
        scene.judge("a", check, Fail);
    }
    assert_eq!(scene.driver.counted("verdicts_late"), 3);
    scene.order(&decided(&order, Failed));
    scene.wait(60_000);
    scene.check(&[]);
    scene.check_forgotten();
}

#[test]
fn an_outage_does_not_fail_what_was_decided_in_time() {
    let mut scene = Scene::new();
    scene.create("a");
    scene.create("b");
    scene.outage(3_600_000);
    scene.wait(29_000);
    scene.check(&[]);
    for check in Check::ALL {
        scene.judge("a", check, Pass);
    }
    scene.check(&[("a", Validated, &[])]);
    scene.wait(999 + ANSWER);
    scene.check(&[]);
    scene.wait(1);
    scene.check(&[("b", Failed, &Check::ALL.map(|check| (check, TimedOut)))]);
}

#[test]
fn an_old_order_in_a_long_backlog_is_decided_by_its_verdicts() {
    let mut scene = Scene::new();
    scene.wait(3_600_000);
    scene.order(&crate::samples::created("a", 0));
    for check in Check::ALL {
        scene.judge("a", check, Pass);
    }
    scene.check(&[("a", Validated, &[])]);
}

#[test]
fn every_attempt_has_its_own_deadline() {
    let mut scene = Scene::new();
    let failed = decided(&scene.create("a"), Failed);
    scene.order(&failed);
    scene.wait(20_000);
    scene.order(&tried_again(&failed, 20_000));
    scene.verdict(&Verdict { attempt: 2, ..verdict("a", InventoryCheck, Pass) });
    scene.wait(29_999 + ANSWER);
    scene.check(&[]);
    scene.wait(1);
    scene.check(&[("a", Failed, &[(FraudCheck, TimedOut), (OrderDetailsCheck, TimedOut)])]);
}

#[test]
fn verdicts_on_orders_that_never_come_are_forgotten_and_counted() {
    let mut scene = Scene::new();
    scene.judge("a", FraudCheck, Fail);
    scene.judge("a", InventoryCheck, Pass);
    scene.judge("b", FraudCheck, Pass);
    scene.wait(9_999 + ANSWER);
    assert_eq!(scene.driver.entries(&scene.store.cases).len(), 2);
    scene.wait(1);
    scene.check_forgotten();
    scene.check(&[]);
    assert_eq!(scene.driver.counted("verdicts_unclaimed"), 3);
}

#[test]
fn a_quiet_aggregator_writes_nothing() {
    let mut scene = Scene::new();
    scene.create("a");
    let written = scene.driver.changelog(&scene.store.cases).len();
    scene.wait(29_999);
    assert_eq!(scene.driver.changelog(&scene.store.cases).len(), written);
    assert_eq!(scene.driver.changelog(&scene.store.due).len(), 1);
}

#[test]
fn many_orders_time_out_little_by_little() {
    let mut scene = Scene::new();
    for number in 0..5_000 {
        scene.create(&format!("o-{number}"));
    }
    scene.wait(30_000 + ANSWER);
    let at_first = scene.outcomes().len();
    assert!((1..5_000).contains(&at_first), "{at_first}");
    scene.wait(10_000);
    assert_eq!(at_first + scene.outcomes().len(), 5_000);
    scene.wait(60_000);
    scene.check_forgotten();
}

#[test]
fn a_damaged_case_holds_up_no_other() {
    let mut scene = Scene::new();
    scene.create("a");
    scene.create("b");
    scene.driver.damage(&scene.store.cases, &id("a"), "?");
    scene.wait(30_000 + ANSWER);
    let [outcome] = &scene.outcomes()[..] else { panic!() };
    assert_eq!(outcome.order_id, id("b"));
    assert_eq!(scene.driver.counted("cases_unreadable"), 1);
}
