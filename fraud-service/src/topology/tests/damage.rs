//! What is said when the stores hold what they should not hold.

use super::fixture::Expected::Error;
use super::*;
use crate::hour::HOUR;

const TIME: &str = "10:00:30";

fn hour_key(time: &str) -> HourKey {
    let moment: u64 = at(time).as_millisecond().try_into().unwrap();
    HourKey { hour: moment / HOUR, customer: "c-1".parse().unwrap(), of: Currency::EUR }
}

fn damage_row(fixture: &mut Fixture) {
    let key: RowKey = format!("{:08}/c-1/a", at(TIME).as_millisecond() / 3_600_000).parse().unwrap();
    fixture.driver.damage(&fixture.rows, &key, "damage");
}

fn damage_hour(fixture: &mut Fixture) {
    fixture.driver.damage(&fixture.hours, &hour_key(TIME), "1e");
}

/// c-1's order a passes; then something is damaged; then these come.
#[track_caller]
fn check(damage: fn(&mut Fixture), steps: &[(&str, Input, Expected)], unreadable: u64) {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until(TIME);
    assert_eq!(Expected::of(&fixture.pipe(&order("a", 1000))), Pass);
    damage(&mut fixture);
    for (time, input, expected) in steps {
        fixture.wait_until(time);
        assert_eq!(Expected::of(&fixture.pipe(input)), *expected, "{time}: {input:?}");
    }
    assert_eq!(fixture.driver.counted("state_unreadable"), unreadable);
}

#[test]
fn a_damaged_row_concerns_its_order_alone() {
    check(
        damage_row,
        &[
            (TIME, again("a"), Error),
            (TIME, again("a"), Error),
            (TIME, failed("a"), Silent),
            (TIME, order("b", 999), Pass),
            (TIME, order("c", 1), LIMIT),
        ],
        3,
    );
}

#[test]
fn a_damaged_hour_concerns_its_customer_while_it_is_in_the_window() {
    check(
        damage_hour,
        &[
            // Neither judged nor counted: the hour could not be changed.
            (TIME, order("b", 100), Error),
            // What is known is said again.
            (TIME, again("a"), Pass),
            (TIME, order("c", 1999).of("c-2"), Pass),
            (TIME, order("d", 1999).paid_in(Currency::USD), Pass),
            ("10:30", order("before", 1).created_at("09:00"), Error),
            ("10:30", order("long-before", 1999).created_at("08:59:59.999"), Pass),
            ("10:30", order("e", 100), Error),
            ("10:30", failed("a"), Silent),
            ("11:59:59.999", order("f", 1), Error),
            ("12:00", order("g", 1999), Pass),
        ],
        5,
    );
}

#[test]
fn an_order_that_could_not_be_judged_is_judged_when_it_can_be() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until(TIME);
    damage_hour(&mut fixture);
    assert_eq!(Expected::of(&fixture.pipe(&order("a", 1000))), Error);
    assert!(fixture.driver.entries(&fixture.rows).is_empty());
    let mended = "[[1772359230000,1772359230000,150000]]";
    fixture.driver.damage(&fixture.hours, &hour_key(TIME), mended);
    assert_eq!(Expected::of(&fixture.pipe(&again("a"))), LIMIT);
}

#[test]
fn a_new_attempt_that_cannot_be_judged_does_not_leave_the_old_one_counting() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until(TIME);
    fixture.pipe(&order("a", 1000));
    // An hour that is read only for judging.
    let other = hour_key("09:30");
    fixture.driver.damage(&fixture.hours, &other, "damage");
    for _ in 0..2 {
        assert_eq!(Expected::of(&fixture.pipe(&order("a", 1000).attempt(2))), Error);
        fixture.driver.damage(&fixture.hours, &other, "[]");
        assert_eq!((fixture.counted(), fixture.in_hours()), (0, 0));
        fixture.driver.damage(&fixture.hours, &other, "damage");
    }
}

#[test]
fn damage_is_pruned_as_anything_else() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until(TIME);
    fixture.pipe(&order("a", 1000));
    damage_hour(&mut fixture);
    fixture.wait_until("17:00");
    assert_eq!(Expected::of(&fixture.pipe(&order("b", 1000))), Pass);
    fixture.driver.advance(crate::pruning::INTERVAL);
    assert_eq!(fixture.driver.counted("pruning_stopped"), 0);
    let entries = [fixture.driver.entries(&fixture.rows).len(), fixture.driver.entries(&fixture.hours).len()];
    assert_eq!(entries, [1; 2], "those of b");
}
