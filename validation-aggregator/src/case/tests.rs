use domain::Check::{FraudCheck, InventoryCheck, OrderDetailsCheck};
use domain::CheckResult::{self, Fail, Pass};
use domain::{Check, Decision, Order};

use super::*;
use crate::samples::{created, decided, tried_again, verdict};

/// What comes of one order, at one moment after the other.
enum Event {
    Created(u32),
    Verdict(u32, Check, CheckResult),
}

use Event::Created;

/// What is expected of it.
#[derive(Debug, PartialEq)]
enum Found {
    Unchanged,
    Ignored(&'static str),
    /// Remembered until so many milliseconds.
    Until(i64),
    Decided(u32, Decision, usize, i64),
    /// Decided with the last of its verdicts: nothing is remembered.
    Over(u32, Decision, usize),
    /// A verdict after the decision; what it was the last one of is not remembered.
    Late,
    LastLate,
}

use Found::{Decided, Ignored, LastLate, Late, Over, Unchanged, Until};

/// 30 s to decide, 10 s to remember.
fn policy() -> AggregatorPolicy {
    AggregatorPolicy::default()
}

fn attempt(number: u32) -> Order {
    (1..number).fold(created("o", 0), |order, _| tried_again(&decided(&order, Decision::Failed), 0))
}

fn step(known: Option<Case>, event: &Event, now: Timestamp) -> Step {
    match event {
        Created(number) => on_order(known, &(&attempt(*number)).into(), now, &policy()),
        Event::Verdict(attempt, check, result) => {
            let verdict = Verdict { attempt: *attempt, ..verdict("o", *check, *result) };
            on_verdict(known, &verdict, now, &policy())
        }
    }
}

/// Plays events at their milliseconds. The order and all its attempts began at 0.
#[track_caller]
fn check(events: &[(i64, Event, Found)]) {
    let mut case: Option<Case> = None;
    for (index, (millis, event, expected)) in events.iter().enumerate() {
        let found = match step(case.clone(), event, Timestamp::from_millis(*millis)) {
            Step::Unchanged => Unchanged,
            Step::Ignored(counter) => Ignored(counter),
            Step::Changed(changed, outcome) => {
                let due = changed.due;
                case = Some(changed);
                outcome.map_or(Until(due), |outcome| {
                    Decided(outcome.attempt, outcome.decision, outcome.validations.len(), due)
                })
            }
            Step::Late(Some(changed)) => {
                case = Some(changed);
                Late
            }
            Step::Late(None) => {
                case = None;
                LastLate
            }
            Step::Over(outcome) => {
                case = None;
                Over(outcome.attempt, outcome.decision, outcome.validations.len())
            }
        };
        assert_eq!(found, *expected, "event {index}");
    }
}

fn pass(attempt: u32, check: Check) -> Event {
    Event::Verdict(attempt, check, Pass)
}

fn fail(attempt: u32, check: Check) -> Event {
    Event::Verdict(attempt, check, Fail)
}

#[test]
fn three_times_pass_validates() {
    check(&[
        (0, Created(1), Until(30_000)),
        (1, pass(1, FraudCheck), Until(30_000)),
        (2, pass(1, OrderDetailsCheck), Until(30_000)),
        (3, pass(1, OrderDetailsCheck), Ignored("verdicts_repeated")),
        (3, fail(1, OrderDetailsCheck), Ignored("verdicts_repeated")),
        (4, pass(1, InventoryCheck), Over(1, Decision::Validated, 3)),
        (6, pass(1, InventoryCheck), Until(10_006)),
    ]);
}

#[test]
fn the_first_that_fails_decides() {
    check(&[
        (0, Created(1), Until(30_000)),
        (1, pass(1, InventoryCheck), Until(30_000)),
        (2, fail(1, FraudCheck), Decided(1, Decision::Failed, 2, 30_000)),
        (3, Created(1), Unchanged),
        (5, pass(1, InventoryCheck), Ignored("verdicts_late")),
        (6, fail(1, OrderDetailsCheck), LastLate),
    ]);
    check(&[
        (0, Created(1), Until(30_000)),
        (1, fail(1, FraudCheck), Decided(1, Decision::Failed, 1, 30_000)),
        (2, fail(1, InventoryCheck), Late),
        (3, pass(1, InventoryCheck), Ignored("verdicts_late")),
        (4, pass(1, OrderDetailsCheck), LastLate),
    ]);
    check(&[
        (0, Created(1), Until(30_000)),
        (1, pass(1, FraudCheck), Until(30_000)),
        (2, pass(1, InventoryCheck), Until(30_000)),
        (3, fail(1, OrderDetailsCheck), Over(1, Decision::Failed, 3)),
    ]);
}

#[test]
fn verdicts_wait_for_their_order() {
    check(&[
        (0, fail(1, InventoryCheck), Until(10_000)),
        (5, pass(1, OrderDetailsCheck), Until(10_000)),
        (6, pass(1, OrderDetailsCheck), Ignored("verdicts_repeated")),
        (7, Created(1), Decided(1, Decision::Failed, 2, 30_000)),
    ]);
}

#[test]
fn a_decision_without_all_verdicts_is_remembered_for_a_while_however_late_it_falls() {
    let failed = |due| Decided(1, Decision::Failed, 2, due);
    for (millis, due) in [(5, 30_000), (20_000, 30_000), (25_000, 35_000), (3_600_000, 3_610_000)] {
        check(&[
            (1, Created(1), Until(30_000)),
            (2, pass(1, FraudCheck), Until(30_000)),
            (millis, fail(1, InventoryCheck), failed(due)),
        ]);
    }
}

#[test]
fn a_higher_attempt_supersedes_what_is_below() {
    check(&[
        (0, Created(1), Until(30_000)),
        (1, fail(1, FraudCheck), Decided(1, Decision::Failed, 1, 30_000)),
        (2, pass(2, FraudCheck), Until(30_000)),
        (3, Created(2), Until(30_000)),
        (4, Created(1), Unchanged),
        (4, pass(1, InventoryCheck), Ignored("verdicts_superseded")),
        (5, pass(2, InventoryCheck), Until(30_000)),
        (6, pass(2, OrderDetailsCheck), Over(2, Decision::Validated, 3)),
    ]);
}

#[test]
fn verdicts_on_a_superseded_attempt_are_dropped() {
    let events = [Created(1), pass(1, FraudCheck), pass(2, FraudCheck), pass(3, FraudCheck), Created(2)];
    let mut case = None;
    for event in events {
        let Step::Changed(changed, None) = step(case, &event, Timestamp::default()) else { panic!() };
        case = Some(changed);
    }
    let attempts: Vec<_> = case.unwrap().verdicts.into_keys().collect();
    assert_eq!(attempts, [2, 3]);
}

#[test]
fn a_verdict_on_an_attempt_to_come_does_not_touch_the_present_one() {
    check(&[
        (0, Created(1), Until(30_000)),
        (1, fail(99, FraudCheck), Until(30_000)),
        (2, pass(1, FraudCheck), Until(30_000)),
        (3, pass(1, InventoryCheck), Until(30_000)),
        (4, pass(1, OrderDetailsCheck), Decided(1, Decision::Validated, 3, 30_000)),
        (5, Created(99), Decided(99, Decision::Failed, 1, 30_000)),
    ]);
}

#[test]
fn a_clock_that_runs_ahead_does_not_put_the_deadline_off() {
    let early = created("o", 3_600_000);
    let now = Timestamp::from_millis(5);
    let Step::Changed(case, None) = on_order(None, &(&early).into(), now, &policy()) else { panic!() };
    assert_eq!(case.due, 30_005);
}

#[test]
fn a_case_is_written_as_json() {
    let verdict = Verdict { attempt: 2, ..verdict("o", InventoryCheck, Fail) };
    let finely_timed = Verdict {
        check: FraudCheck,
        detail: Some("\"\u{1f4a5}\"".to_string()),
        started_at: "1969-12-31T23:59:59.123456789Z".parse().unwrap(),
        ..verdict.clone()
    };
    let mut case = None;
    for verdict in [&verdict, &finely_timed] {
        let Step::Changed(changed, _) = on_verdict(case, verdict, Timestamp::from_millis(0), &policy())
        else {
            panic!()
        };
        case = Some(changed);
    }
    let json = serde_json::to_string(&case).unwrap();
    assert_eq!(serde_json::from_str::<Option<Case>>(&json).unwrap(), case, "{json}");
}
