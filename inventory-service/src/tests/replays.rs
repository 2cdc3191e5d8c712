//! States that come again, come late, or do not come at all.

use domain::{Order, OrderState};

use super::warehouse::*;
use crate::attempt::Attempt;

const NONE: &[&str] = &[];
const PASS: &[&str] = &["PASS"];
const ONE: &[(&str, i64)] = &[("p-1", 3)];
const TWO: &[(&str, i64)] = &[("p-1", 3), ("p-2", 3)];

#[test]
fn the_same_question_gets_the_same_answer_while_the_order_is_open() {
    for lines in [ONE, TWO] {
        check(
            &[
                (put("p-1", 5), NONE),
                (put("p-2", 5), NONE),
                (created("o-1", lines), PASS),
                (created("o-2", lines), &["FAIL OUT_OF_STOCK p-1: 3 asked, 2 available"]),
                (put("p-1", 5), NONE),
                (again("o-1", 1), PASS),
                (again("o-2", 1), &["FAIL OUT_OF_STOCK p-1: 3 asked, 2 available"]),
                (failed("o-2", 1), NONE),
            ],
            &[("p-1", 10, 3)],
        );
    }
}

#[test]
fn an_order_that_is_over_stays_over() {
    for lines in [ONE, TWO] {
        let mut events = vec![
            (put("p-1", 9), NONE),
            (put("p-2", 9), NONE),
            (created("kept", lines), PASS),
            (created("o-1", lines), PASS),
            (created("o-2", lines), PASS),
            (validated("o-1", 1), NONE),
            (failed("o-2", 1), NONE),
        ];
        for id in ["o-1", "o-2"] {
            events.extend(
                [again(id, 1), failed(id, 1), validated(id, 1), again(id, 1)].map(|event| (event, NONE)),
            );
        }
        check(&events, &[("p-1", 6, 3)]);
    }
}

#[test]
fn a_refused_order_that_is_over_does_not_come_back_when_there_is_stock() {
    for lines in [ONE, TWO] {
        check(
            &[
                (created("o-1", lines), &["FAIL OUT_OF_STOCK p-1: 3 asked, 0 available"]),
                (failed("o-1", 1), NONE),
                (put("p-1", 9), NONE),
                (put("p-2", 9), NONE),
                (again("o-1", 1), NONE),
            ],
            &[("p-1", 9, 0), ("p-2", 9, 0)],
        );
    }
}

#[test]
fn a_final_state_without_what_came_before_changes_nothing() {
    for lines in [ONE, TWO] {
        let mut warehouse = Warehouse::new(4);
        warehouse.adjust("p-1", "a-1", 5);
        let created = order("o-1", lines);
        for state in [OrderState::Validated, OrderState::Failed] {
            warehouse.pipe(&Order { state, ..created.clone() });
        }
        warehouse.pipe(&created);
        assert_eq!(warehouse.verdicts(), NONE as &[&str]);
        assert_eq!(warehouse.stock("p-1").map(|stock| (stock.on_hand, stock.reserved)), Some((5, 0)));
        assert_eq!(warehouse.driver.counted("stale_orders"), 2);
    }
}

#[test]
fn a_later_attempt_takes_the_place_of_the_one_before() {
    for lines in [ONE, TWO] {
        check(
            &[
                (put("p-1", 5), NONE),
                (put("p-2", 5), NONE),
                (created("o-1", lines), PASS),
                // The end of attempt 1 was not seen. Its three pieces make room for attempt 2.
                (again("o-1", 2), PASS),
                (again("o-1", 1), NONE),
                (failed("o-1", 1), NONE),
                (validated("o-1", 1), NONE),
            ],
            &[("p-1", 5, 3)],
        );
        check(
            &[
                (put("p-1", 5), NONE),
                (put("p-2", 5), NONE),
                (created("o-1", lines), PASS),
                (failed("o-1", 1), NONE),
                (again("o-1", 2), PASS),
                (again("o-1", 1), NONE),
                (validated("o-1", 2), NONE),
                (failed("o-1", 1), NONE),
            ],
            &[("p-1", 2, 0)],
        );
        // Neither the end of attempt 1 nor the beginning of attempt 2 was seen.
        for end in [failed("o-1", 2), validated("o-1", 2)] {
            check(
                &[(put("p-1", 5), NONE), (put("p-2", 5), NONE), (created("o-1", lines), PASS), (end, NONE)],
                &[("p-1", 5, 0)],
            );
        }
    }
}

#[test]
fn nothing_is_forgotten_by_a_restart() {
    let mut warehouse = Warehouse::new(4);
    warehouse.adjust("p-1", "a-1", 5);
    warehouse.adjust("p-2", "a-1", 5);
    let created = order("o-1", TWO);
    warehouse.pipe(&created);
    warehouse.driver.restart();
    warehouse.pipe(&created);
    warehouse.adjust("p-1", "a-1", 5);
    assert_eq!(warehouse.verdicts(), ["PASS", "PASS"]);
    warehouse.driver.restart();
    warehouse.pipe(&Order { state: OrderState::Validated, ..created.clone() });
    warehouse.driver.restart();
    warehouse.pipe(&created);
    assert_eq!(warehouse.verdicts(), NONE as &[&str]);
    for product in ["p-1", "p-2"] {
        assert_eq!(warehouse.stock(product).map(|stock| (stock.on_hand, stock.reserved)), Some((2, 0)));
    }
}

#[test]
fn what_is_over_is_remembered_for_a_day() {
    let mut warehouse = Warehouse::new(1);
    warehouse.adjust("p-1", "a-1", 9);
    warehouse.adjust("p-2", "a-1", 9);
    let (open, ended) = (order("open", TWO), order("ended", TWO));
    warehouse.pipe(&open);
    warehouse.pipe(&ended);
    warehouse.hours_pass(2);
    warehouse.pipe(&Order { state: OrderState::Failed, ..ended.clone() });
    warehouse.verdicts();

    warehouse.hours_pass(23);
    warehouse.pipe(&ended);
    assert_eq!(warehouse.verdicts(), NONE as &[&str]);
    assert!(matches!(warehouse.attempt("ended"), Some(Attempt::Over { .. })));

    warehouse.hours_pass(2);
    assert_eq!(warehouse.attempt("ended"), None);
    assert!(matches!(warehouse.attempt("open"), Some(Attempt::Judged(_))), "its end is still to come");
    assert_eq!(warehouse.reserved().len(), 2);
}

#[test]
fn a_state_that_is_not_known_changes_nothing() {
    let shipped = || Event::Attempt("o-1", 1, "SHIPPED".parse().unwrap());
    check(
        &[
            (put("p-1", 9), NONE),
            (created("o-1", ONE), PASS),
            (shipped(), NONE),
            (validated("o-1", 1), NONE),
            (shipped(), NONE),
        ],
        &[("p-1", 6, 0)],
    );
}
