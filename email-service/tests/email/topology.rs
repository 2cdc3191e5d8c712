//! Which tier topic an order goes to, and when.

use std::time::Duration;

use domain::{Level, Order, OrderState};
use email_service::{DecidedOrder, EmailTopology, OrderKey, topology};
use service::topics;
use streams::{Store, TestDriver, Timestamp};

use crate::samples::{ada, by, created, creation, customer, failed, validated};

/// Longer than it takes to ask for the customers' end and to look again.
const A_MOMENT: Duration = Duration::from_millis(500);
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Test {
    driver: TestDriver,
    waiting: Store<OrderKey, DecidedOrder>,
    decided: Store<OrderKey, OrderState>,
}

impl Test {
    fn new() -> Self {
        let EmailTopology { topology, waiting, decided, .. } = topology();
        let mut driver = TestDriver::with_partitions(topology, 4);
        driver.set_time(Timestamp::from_millis(creation().as_millisecond()));
        Self { driver, waiting, decided }
    }

    fn customer(&mut self, id: &str, level: Level) {
        let customer = customer(id, "Somebody", "somebody@example.org", level);
        self.driver.pipe(&topics::CUSTOMERS, &customer.id, &customer);
    }

    fn order(&mut self, order: Order) {
        self.driver.pipe(&topics::ORDERS, &order.id, &order);
    }

    /// What came out since the last time: `<topic>: <order> <state> <customer>`.
    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        let mut found = Vec::new();
        for topic in &topics::TIERS {
            for (key, record) in self.driver.read(topic) {
                let customer =
                    record.customer.map_or("unknown".to_owned(), |customer| customer.id.to_string());
                assert_eq!(key, record.order.id);
                found.push(format!("{}: {key} {} {customer}", topic.name(), record.order.state));
            }
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn a_decided_order_goes_to_the_tier_of_its_customer() {
    let mut test = Test::new();
    for (id, level) in
        [("p", Level::Platinum), ("g", Level::Gold), ("s", Level::Silver), ("b", Level::Bronze)]
    {
        test.customer(id, level);
    }
    test.order(by("p", created("o-0")));
    test.check(&[]);
    test.order(by("p", validated("o-1")));
    test.order(by("p", failed("o-2")));
    test.order(by("g", validated("o-3")));
    test.order(by("s", failed("o-4")));
    test.order(by("b", validated("o-5")));
    test.check(&[
        "platinum: o-1 VALIDATED p",
        "platinum: o-2 FAILED p",
        "gold: o-3 VALIDATED g",
        "silver: o-4 FAILED s",
        "bronze: o-5 VALIDATED b",
    ]);
}

#[test]
fn an_unknown_customer_is_looked_up_again_before_the_order_goes_to_bronze() {
    let mut test = Test::new();
    test.order(by("nobody", validated("o-1")));
    test.check(&[]);
    test.driver.advance(A_MOMENT);
    test.check(&["bronze: o-1 VALIDATED unknown"]);
    assert_eq!(test.driver.counted("unknown_customers"), 1);
    assert_eq!(test.driver.entries(&test.waiting), []);
    test.driver.advance(A_MOMENT);
    test.check(&[]);
}

#[test]
fn a_customer_who_comes_while_the_order_waits_is_found() {
    let mut test = Test::new();
    test.order(by("late", failed("o-1")));
    test.customer("late", Level::Platinum);
    test.check(&[]);
    test.driver.advance(A_MOMENT);
    test.check(&["platinum: o-1 FAILED late"]);
    assert_eq!(test.driver.counted("unknown_customers"), 0);
}

#[test]
fn a_customer_counts_as_they_are_when_the_order_is_decided() {
    let mut test = Test::new();
    test.customer("c-15", Level::Gold);
    test.order(created("o-1"));
    test.customer("c-15", Level::Silver);
    test.order(validated("o-1"));
    test.customer("c-15", Level::Bronze);
    test.driver.advance(A_MOMENT);
    test.check(&["silver: o-1 VALIDATED c-15"]);
}

#[test]
fn each_attempt_has_one_tier_record() {
    let mut test = Test::new();
    test.customer("c-15", Level::Gold);
    test.order(failed("o-1"));
    test.order(failed("o-1"));
    test.check(&["gold: o-1 FAILED c-15"]);
    test.order(Order { attempt: 2, version: 3, ..created("o-1") });
    test.order(Order { attempt: 2, version: 4, ..validated("o-1") });
    test.order(failed("o-1"));
    test.order(Order { attempt: 2, version: 4, ..validated("o-1") });
    test.check(&["gold: o-1 VALIDATED c-15"]);
    assert_eq!(test.driver.counted("duplicates"), 3);
}

#[test]
fn two_attempts_can_wait_at_the_same_time() {
    let mut test = Test::new();
    test.order(failed("o-1"));
    test.order(failed("o-1"));
    test.order(Order { attempt: 2, version: 4, ..validated("o-1") });
    test.customer("c-15", Level::Gold);
    test.driver.advance(A_MOMENT);
    test.check(&["gold: o-1 FAILED c-15", "gold: o-1 VALIDATED c-15"]);
}

#[test]
fn what_waits_survives_a_restart() {
    let mut test = Test::new();
    test.order(by("late", failed("o-1")));
    test.order(by("nobody", failed("o-2")));
    test.driver.restart();
    test.customer("late", Level::Platinum);
    test.driver.advance(A_MOMENT);
    test.check(&["platinum: o-1 FAILED late", "bronze: o-2 FAILED unknown"]);
    test.driver.restart();
    test.order(by("late", failed("o-1")));
    test.driver.advance(A_MOMENT);
    test.check(&[]);
}

/// A restart of the process forgets the question for the customers' end, and its answer; a row that was
/// restored has to be asked for anew.
#[test]
fn a_restored_row_is_asked_for_anew() {
    let mut test = Test::new();
    let order = by("nobody", failed("o-1"));
    let key = OrderKey { at: creation().as_millisecond(), order: order.id.clone(), attempt: 1 };
    test.driver.damage(&test.waiting, &key, serde_json::to_vec(&order).unwrap());
    test.driver.advance(A_MOMENT);
    test.check(&["bronze: o-1 FAILED unknown"]);
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    let mut test = Test::new();
    test.customer("c-15", Level::Gold);
    test.order(validated("o-1"));
    let written = test.driver.changelog(&test.decided).len();
    test.driver.advance(Duration::from_secs(60));
    assert_eq!(test.driver.changelog(&test.decided).len(), written);
    assert_eq!(test.driver.changelog(&test.waiting), []);
}

#[test]
fn an_attempt_is_remembered_for_a_week() {
    let mut test = Test::new();
    test.customer("c-15", Level::Gold);
    for n in 0..30 {
        test.order(validated(&format!("o-{n}")));
    }
    for (days, left) in [(6, 30), (1, 0)] {
        test.driver.set_time(test.driver.now() + days * A_DAY);
        test.driver.advance(Duration::from_secs(3));
        assert_eq!(test.driver.entries(&test.decided).len(), left);
    }
}

#[test]
fn forgetting_keeps_up_with_any_load() {
    // Three times what would go if every two seconds had a fixed number.
    const LOAD: usize = 3000;
    let mut test = Test::new();
    test.customer("c-15", Level::Gold);
    for (week, left) in [(0, 2 * LOAD), (1, 2 * LOAD)] {
        for turn in 0..2 {
            for n in 0..LOAD {
                let at = creation() + week * 7 * A_DAY;
                let order = validated(&format!("o-{week}-{turn}-{n}"));
                test.order(Order { created_at: at, ..order });
            }
            test.driver.advance(Duration::from_secs(2));
        }
        assert_eq!(test.driver.entries(&test.decided).len(), left, "those of week {week}");
        test.driver.set_time(test.driver.now() + 7 * A_DAY);
    }
}

#[test]
fn what_is_no_order_becomes_a_dead_letter() {
    let mut test = Test::new();
    test.customer("c-15", Level::Gold);
    test.driver.pipe_bytes("orders", Some("o-1".into()), Some("{".into()));
    test.driver.pipe_bytes("orders", Some("o-1".into()), None);
    test.order(validated("o-1"));
    let letters = test.driver.read_records("email-service-dlq");
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].value.as_deref(), Some(&b"{"[..]));
    test.check(&["gold: o-1 VALIDATED c-15"]);
}

#[test]
fn what_is_no_customer_leaves_the_last_one() {
    let mut test = Test::new();
    let ada = ada();
    test.driver.pipe(&topics::CUSTOMERS, &ada.id, &ada);
    test.driver.pipe_bytes("customers", Some("c-15".into()), Some("{".into()));
    test.order(validated("o-1"));
    test.check(&["gold: o-1 VALIDATED c-15"]);
}

#[test]
fn there_is_no_mail_about_a_state_that_is_not_known() {
    let mut test = Test::new();
    test.customer("c-15", Level::Gold);
    test.order(Order { state: "SHIPPED".parse().unwrap(), ..by("c-15", validated("o-1")) });
    test.order(by("c-15", validated("o-1")));
    test.check(&["gold: o-1 VALIDATED c-15"]);
    assert!(test.driver.read_records("email-service-dlq").is_empty());
}
