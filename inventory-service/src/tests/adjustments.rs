//! Commands to stocks: judged once, answered the same for a day.

use std::time::Duration;

use domain::{Origin, Stock};
use streams::Timestamp;

use super::warehouse::*;
use crate::adjustment::{AdjustmentKey, AdjustmentOutcome, AdjustmentResult};
use crate::rules::AdjustmentRefusal::{BelowReserved, TooLarge};
use crate::sweep::{INTERVAL, RETENTION, STEP};

const MAX: i64 = i64::MAX;

fn applied(on_hand: i64, reserved: i64) -> AdjustmentOutcome {
    AdjustmentOutcome::Applied { stock: Stock { on_hand, reserved } }
}

fn refused(why: crate::AdjustmentRefusal, on_hand: i64, reserved: i64) -> AdjustmentOutcome {
    AdjustmentOutcome::Refused { why, stock: Stock { on_hand, reserved } }
}

/// Adjusts p-1, of which an order reserves three pieces as soon as there are so
/// many; each command with the answer that can be read after it.
#[track_caller]
fn check(commands: &[(&str, i64, AdjustmentOutcome)], on_hand: i64) {
    for partitions in [1, 4] {
        let mut warehouse = Warehouse::new(partitions);
        for (id, quantity, expected) in commands {
            warehouse.adjust("p-1", id, *quantity);
            let found = warehouse.adjustment("p-1", id);
            assert_eq!(found, Some(*expected), "{id} {quantity}; {partitions} partitions");
            if warehouse.reserved().is_empty()
                && warehouse.stock("p-1").is_some_and(|stock| stock.on_hand >= 3)
            {
                warehouse.pipe(&order("o-1", &[("p-1", 3)]));
            }
            warehouse.assert_consistent(id);
        }
        assert_eq!(warehouse.stock("p-1").map(|stock| stock.on_hand), Some(on_hand));
    }
}

#[test]
fn an_adjustment_changes_what_is_on_hand_but_not_below_what_is_reserved() {
    check(&[("a-1", 10, applied(10, 0)), ("a-2", 5, applied(15, 3)), ("a-3", -12, applied(3, 3))], 3);
    check(&[("a-1", 10, applied(10, 0)), ("a-2", -8, refused(BelowReserved, 10, 3))], 10);
    check(&[("a-1", 10, applied(10, 0)), ("a-2", i64::MIN, refused(BelowReserved, 10, 3))], 10);
    check(&[("a-1", 10, applied(10, 0)), ("a-2", MAX, refused(TooLarge, 10, 3))], 10);
    check(&[("a-1", -1, refused(BelowReserved, 0, 0)), ("a-2", 0, applied(0, 0))], 0);
    check(&[("a-1", MAX, applied(MAX, 0)), ("a-2", 1, refused(TooLarge, MAX, 3))], MAX);
}

#[test]
fn an_id_is_judged_once() {
    check(&[("a-1", 10, applied(10, 0)), ("a-1", 10, applied(10, 0))], 10);
    // Another quantity: a conflict, which the reader tells by the quantity of the row.
    check(&[("a-1", 10, applied(10, 0)), ("a-1", 20, applied(10, 0))], 10);
    // What was refused stays refused, though there would be room by now.
    let below = refused(BelowReserved, 0, 0);
    check(&[("a-1", -1, below), ("a-2", 2, applied(2, 0)), ("a-1", -1, below)], 2);
}

#[test]
fn one_id_at_two_products_names_two_adjustments() {
    let mut warehouse = Warehouse::new(4);
    warehouse.adjust("p-1", "a-1", 10);
    warehouse.adjust("p-2", "a-1", 20);
    assert_eq!(warehouse.adjustment("p-1", "a-1"), Some(applied(10, 0)));
    assert_eq!(warehouse.adjustment("p-2", "a-1"), Some(applied(20, 0)));
}

#[test]
fn the_result_names_the_command_that_made_it() {
    let mut warehouse = Warehouse::new(1);
    warehouse.driver.set_time(Timestamp::from_millis(1_000));
    warehouse.adjust("p-1", "other", 1);
    warehouse.adjust("p-1", "a-1", 10);
    warehouse.adjust("p-1", "a-1", 10);
    warehouse.adjust("p-1", "a-1", 99);
    let key: AdjustmentKey = "p-1/a-1".parse().unwrap();
    let expected = AdjustmentResult {
        quantity: 10,
        outcome: applied(11, 0),
        origin: Origin { partition: 0, offset: 1 },
        judged_at: domain::timestamp_from_millis(1_000),
    };
    assert_eq!(warehouse.driver.get(&warehouse.stores.adjustments, &key), Some(expected));
    assert_eq!(warehouse.driver.counted("repeated_adjustments"), 2);
}

#[test]
fn a_result_is_kept_for_a_day() {
    let mut warehouse = Warehouse::new(4);
    warehouse.adjust("p-1", "a-1", 10);
    warehouse.hours_pass(12);
    warehouse.adjust("p-1", "a-2", 10);
    warehouse.driver.advance(Duration::from_secs(12 * 60 * 60) - Duration::from_millis(1));
    assert_eq!(warehouse.adjustment("p-1", "a-1"), Some(applied(10, 0)));
    warehouse.driver.advance(INTERVAL);
    assert_eq!(warehouse.adjustment("p-1", "a-1"), None);
    assert_eq!(warehouse.adjustment("p-1", "a-2"), Some(applied(20, 0)));
    warehouse.adjust("p-1", "a-1", 10);
    assert_eq!(warehouse.adjustment("p-1", "a-1"), Some(applied(30, 0)), "a new adjustment by now");
}

#[test]
fn a_sweep_goes_step_by_step_and_round_again() {
    let rows = 2 * STEP + STEP / 2;
    let mut warehouse = Warehouse::new(1);
    for number in 0..rows {
        warehouse.adjust("p-1", &format!("a-{number:05}"), 1);
    }
    let step = |warehouse: &mut Warehouse| {
        warehouse.driver.advance(INTERVAL);
        warehouse.driver.entries(&warehouse.stores.adjustments).len()
    };
    // Three steps make a round. The fourth is the last that finds nothing old, in the middle of the next.
    warehouse.driver.set_time(Timestamp::default() + RETENTION - 5 * INTERVAL);
    for _ in 0..4 {
        assert_eq!(step(&mut warehouse), rows);
    }
    let expected = [rows - STEP, STEP, 0];
    assert_eq!([(); 3].map(|()| step(&mut warehouse)), expected);
}

#[test]
fn a_sweep_keeps_up_with_any_load() {
    let load = 2 * STEP;
    let mut warehouse = Warehouse::new(1);
    for day in 0..2 {
        for interval in 0..3 {
            for number in 0..load {
                warehouse.adjust("p-1", &format!("a-{day}-{interval}-{number:05}"), 1);
            }
            warehouse.driver.advance(INTERVAL);
        }
        let rows = warehouse.driver.entries(&warehouse.stores.adjustments).len();
        assert_eq!(rows, 3 * load, "those of day {day}");
        warehouse.driver.set_time(Timestamp::default() + RETENTION + 10 * INTERVAL);
    }
}
