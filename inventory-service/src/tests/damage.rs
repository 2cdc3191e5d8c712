//! Records that cannot be decoded, and stores that hold what they should not.

use domain::{Order, OrderState, Stock};
use streams::{Key, Store, TestDriver, Value, encode_value, partition_of};

use super::warehouse::*;
use crate::attempt::Attempt;

const ONE: &[(&str, i64)] = &[("p-1", 3)];
const TWO: &[(&str, i64)] = &[("p-1", 3), ("p-2", 3)];
const STOCK: &str = "ERROR STATE_UNREADABLE p-1: the stock cannot be read";
const ORDER: &str = "ERROR STATE_UNREADABLE what is known of the order cannot be read";

fn stocked() -> Warehouse {
    let mut warehouse = Warehouse::new(1);
    warehouse.adjust("p-1", "a-1", 9);
    warehouse.adjust("p-2", "a-1", 9);
    warehouse
}

fn damage<K: Key, V: Value>(driver: &mut TestDriver, store: &Store<K, V>, key: &str) {
    let Ok(key) = key.parse() else { panic!("{key}") };
    driver.damage(store, &key, "{not json");
}

#[track_caller]
fn check_reserved(warehouse: &Warehouse, expected: &[&str]) {
    let keys: Vec<_> = warehouse.reserved().keys().map(ToString::to_string).collect();
    assert_eq!(keys, expected);
}

#[test]
fn an_unreadable_stock_is_an_error_of_the_order() {
    for (lines, reserved) in [(ONE, &[] as &[&str]), (TWO, &["p-2/o-1/0000000001"])] {
        let mut warehouse = stocked();
        damage(&mut warehouse.driver, &warehouse.stores.stock, "p-1");
        let created = order("o-1", lines);
        warehouse.pipe(&created);
        assert_eq!(warehouse.verdicts(), [STOCK]);
        check_reserved(&warehouse, reserved);
        // There is nothing to release at p-1, so its stock need not be read.
        warehouse.pipe(&Order { state: OrderState::Failed, ..created });
        check_reserved(&warehouse, &[]);
        assert_eq!(warehouse.driver.counted("dead_letters"), 0);
        assert_eq!(warehouse.driver.counted("state_unreadable"), 1);
    }
}

#[test]
fn other_products_go_on() {
    let mut warehouse = stocked();
    damage(&mut warehouse.driver, &warehouse.stores.stock, "p-1");
    warehouse.pipe(&order("o-1", &[("p-2", 3)]));
    assert_eq!(warehouse.verdicts(), ["PASS"]);
}

#[test]
fn an_unreadable_reservation_is_an_error_of_the_order() {
    let mut warehouse = stocked();
    damage(&mut warehouse.driver, &warehouse.stores.reservations, "p-1/o-1/0000000001");
    let created = order("o-1", ONE);
    warehouse.pipe(&created);
    warehouse.pipe(&Order { attempt: 2, ..created });
    assert_eq!(warehouse.verdicts(), [STOCK, STOCK]);
    assert_eq!(warehouse.stock("p-1").map(|stock| stock.reserved), Some(0));
}

#[test]
fn an_unreadable_attempt_is_an_error_until_the_order_ends() {
    for lines in [ONE, TWO] {
        let mut warehouse = stocked();
        damage(&mut warehouse.driver, &warehouse.stores.attempts, "o-1");
        let created = order("o-1", lines);
        warehouse.pipe(&created);
        assert_eq!(warehouse.verdicts(), [ORDER]);
        check_reserved(&warehouse, &[]);
        warehouse.pipe(&Order { state: OrderState::Failed, ..created });
        assert!(matches!(warehouse.attempt("o-1"), Some(Attempt::Over { attempt: 1, .. })));
    }
}

#[test]
fn an_order_whose_attempt_became_unreadable_releases_what_it_had() {
    let mut warehouse = stocked();
    let created = order("o-1", TWO);
    warehouse.pipe(&created);
    assert_eq!(warehouse.reserved().len(), 2);
    damage(&mut warehouse.driver, &warehouse.stores.attempts, "o-1");
    warehouse.pipe(&Order { state: OrderState::Failed, ..created });
    check_reserved(&warehouse, &[]);
}

#[test]
fn an_answer_to_an_unreadable_attempt_is_an_error() {
    let mut warehouse = stocked();
    damage(&mut warehouse.driver, &warehouse.stores.attempts, "o-1");
    warehouse.answer("o-1", 1, "p-1");
    assert_eq!(warehouse.verdicts(), [ORDER]);
    warehouse.answer("o-1", 1, "p-1");
    assert_eq!(warehouse.verdicts(), [] as [&str; 0], "once");
}

#[test]
fn a_sweep_that_cannot_read_leaves_the_rows_and_says_so() {
    let mut warehouse = stocked();
    damage(&mut warehouse.driver, &warehouse.stores.adjustments, "p-1/bad");
    warehouse.hours_pass(25);
    assert!(warehouse.adjustment("p-1", "a-1").is_some());
    assert!(warehouse.driver.counted("sweeps_unreadable") > 0);
}

#[test]
fn what_cannot_be_decoded_becomes_a_dead_letter() {
    let mut warehouse = stocked();
    for (topic, key, value) in [
        ("orders", Some("o-1"), Some("{not json")),
        ("orders", Some("an order/1"), Some("{}")),
        ("orders", Some("o-1"), None),
        ("warehouse-inventory", Some("p-1"), Some(r#"{"id":"a-2","quantity":1.5}"#)),
        ("warehouse-inventory", None, Some("{}")),
    ] {
        warehouse.driver.pipe_bytes(topic, key.map(Into::into), value.map(Into::into));
        let [letter] = &warehouse.driver.read_records("inventory-service-dlq")[..] else {
            panic!("{value:?}")
        };
        assert_eq!(letter.key.as_deref(), key.map(str::as_bytes));
        assert_eq!(letter.value.as_deref(), value.map(str::as_bytes));
        let source = letter.headers.iter().find(|header| header.name == "__streams.errors.topic");
        assert_eq!(source.and_then(|header| header.value.as_deref()), Some(topic.as_bytes()));
    }
    warehouse.pipe(&order("o-1", ONE));
    assert_eq!(warehouse.verdicts(), ["PASS"], "processing goes on");
}

/// A record of another product, or in another partition, touches no stock.
#[test]
fn what_stands_under_a_wrong_key_or_in_a_wrong_partition_changes_nothing() {
    let mut warehouse = Warehouse::new(4);
    warehouse.adjust("p-1", "a-1", 9);
    warehouse.adjust("p-2", "a-1", 9);
    let home = |key: &str| partition_of(key.as_bytes(), 4);
    let adjustment = r#"{"id":"a-2","productId":"p-2","quantity":4,"requestedAt":"2026-03-01T10:00:00Z"}"#;
    let order = order("o-1", &[("p-1", 4)]);
    let order = String::from_utf8(encode_value(&order).unwrap().to_vec()).unwrap();
    for (topic, key, value, partition, exception) in [
        ("warehouse-inventory", "p-1", adjustment, home("p-1"), "MismatchedKey"),
        ("warehouse-inventory", "p-2", adjustment, (home("p-2") + 1) % 4, "MisplacedRecord"),
        ("orders", "o-2", &order, home("o-2"), "MismatchedKey"),
        ("orders", "o-1", &order, (home("o-1") + 1) % 4, "MisplacedRecord"),
    ] {
        let (key, value) = (key.to_owned().into(), value.to_owned().into());
        warehouse.driver.pipe_at(topic, partition, Some(key), Some(value));
        let [letter] = &warehouse.driver.read_records("inventory-service-dlq")[..] else { panic!("{topic}") };
        let found = letter.headers.iter().find(|header| header.name == "__streams.errors.exception");
        assert_eq!(found.and_then(|header| header.value.as_deref()), Some(exception.as_bytes()), "{topic}");
    }
    let driver = &warehouse.driver;
    assert_eq!((driver.counted("misplaced_records"), driver.counted("mismatched_records")), (2, 2));
    assert_eq!(warehouse.verdicts(), [] as [&str; 0]);
    for product in ["p-1", "p-2"] {
        assert_eq!(warehouse.stock(product), Some(Stock { on_hand: 9, reserved: 0 }), "{product}");
    }
}
