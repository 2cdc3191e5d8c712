//! What may wait between the steps. In the test driver nothing does, so these
//! tests put a step's records and rows there themselves.

use domain::{Order, OrderState};
use streams::{Timestamp, encode_value};

use super::warehouse::*;
use crate::attempt::{Attempt, Gathering};
use crate::stock_request::{ReplyTo, StockAction, StockRequest};

const NONE: [&str; 0] = [];
const BEGAN: i64 = 1_000;
const NOW: i64 = 5_000;

fn warehouse() -> Warehouse {
    let mut warehouse = Warehouse::new(1);
    warehouse.driver.set_time(Timestamp::from_millis(NOW));
    warehouse.adjust("p-1", "a-1", 9);
    warehouse.adjust("p-2", "a-1", 9);
    warehouse
}

/// Attempt 2 of o-1 has asked p-1 and p-2.
fn asked() -> Warehouse {
    let mut warehouse = warehouse();
    let started_at = domain::timestamp_from_millis(BEGAN);
    let waiting = vec!["p-1".parse().unwrap(), "p-2".parse().unwrap()];
    let row = Attempt::Gathering(Gathering { attempt: 2, started_at, waiting });
    let key = "o-1".parse().unwrap();
    warehouse.driver.damage(&warehouse.stores.attempts, &key, encode_value(&row).unwrap());
    warehouse
}

#[track_caller]
fn check_times(warehouse: &mut Warehouse) {
    let [verdict] = &warehouse.read_verdicts()[..] else { panic!("one verdict") };
    let millis = [verdict.started_at, verdict.finished_at].map(|time| time.as_millisecond());
    assert_eq!((text(verdict).as_str(), millis), ("PASS", [BEGAN, NOW]));
}

#[test]
fn a_product_says_when_the_check_of_the_order_began() {
    let mut warehouse = warehouse();
    let reply_to = ReplyTo::Aggregator { started_at: domain::timestamp_from_millis(BEGAN) };
    let action = StockAction::Reserve { quantity: 3, reply_to };
    let request = StockRequest { order_id: "o-1".parse().unwrap(), attempt: 1, action };
    warehouse.pipe_internal("orders-by-product", "p-1", &request);
    check_times(&mut warehouse);
}

#[test]
fn the_last_answer_ends_the_check() {
    let mut warehouse = asked();
    warehouse.answer("o-1", 2, "p-2");
    warehouse.answer("o-1", 2, "p-2");
    assert_eq!(warehouse.verdicts(), NONE);
    warehouse.answer("o-1", 2, "p-1");
    check_times(&mut warehouse);
}

#[test]
fn answers_to_another_attempt_do_not_count() {
    let mut warehouse = asked();
    for attempt in [1, 3] {
        warehouse.answer("o-1", attempt, "p-1");
        warehouse.answer("o-1", attempt, "p-2");
    }
    assert_eq!(warehouse.verdicts(), NONE);
    assert_eq!(warehouse.driver.counted("late_answers"), 4);
}

#[test]
fn an_order_that_comes_again_before_the_answers_asks_nobody_twice() {
    let mut warehouse = asked();
    let order = Order { attempt: 2, ..order("o-1", &[("p-1", 3), ("p-2", 3)]) };
    warehouse.pipe(&order);
    assert_eq!(warehouse.verdicts(), NONE);
    assert_eq!(warehouse.reserved().len(), 0);
}

#[test]
fn an_order_that_ends_before_the_answers_gets_no_verdict() {
    let mut warehouse = asked();
    let order = order("o-1", &[("p-1", 3), ("p-2", 3)]);
    warehouse.pipe(&Order { attempt: 2, state: OrderState::Failed, ..order });
    warehouse.answer("o-1", 2, "p-1");
    warehouse.answer("o-1", 2, "p-2");
    assert_eq!(warehouse.verdicts(), NONE);
    assert!(matches!(warehouse.attempt("o-1"), Some(Attempt::Over { attempt: 2, .. })));
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut warehouse = warehouse();
    warehouse.answer("o-1", 1, "p-1");
    assert_eq!(warehouse.attempt("o-1"), None);
    warehouse.pipe(&order("o-1", &[("p-1", 3), ("p-2", 3)]));
    assert_eq!(warehouse.verdicts(), ["PASS"]);
    warehouse.answer("o-1", 1, "p-1");
    assert_eq!(warehouse.verdicts(), NONE);
    assert!(matches!(warehouse.attempt("o-1"), Some(Attempt::Judged(_))));
    assert_eq!(warehouse.driver.counted("late_answers"), 2);
}
