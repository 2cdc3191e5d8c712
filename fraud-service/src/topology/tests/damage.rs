//! What is said when the stores hold what they should not hold.

use super::fixture::Expected::Error;
use super::*;
use crate::keys::SumKey;
use crate::window::minute_of;

const TIME: &str = "10:00:30";

fn created_at() -> u64 {
    at(TIME).as_millisecond().try_into().unwrap()
}

fn sum_key(start: u64) -> SumKey {
    SumKey::new(&"c-1".parse().unwrap(), Currency::EUR, start)
}

fn damage_row(fixture: &mut Fixture) {
    let key: RowKey = format!("{:08}/c-1/a", created_at() / 3_600_000).parse().unwrap();
    fixture.driver.damage(&fixture.rows, &key, "damage");
}

fn damage_minute(fixture: &mut Fixture) {
    fixture.driver.damage(&fixture.exposure.minutes, &sum_key(minute_of(created_at())), "1e");
}

fn damage_moment(fixture: &mut Fixture) {
    fixture.driver.damage(&fixture.exposure.moments, &sum_key(created_at()), "");
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
fn a_damaged_minute_concerns_its_customer_while_it_is_in_the_window() {
    check(
        damage_minute,
        &[
            // Neither judged nor counted: the minute could not be changed.
            (TIME, order("b", 100), Error),
            // What is known is said again.
            (TIME, again("a"), Pass),
            (TIME, order("c", 1999).of("c-2"), Pass),
            (TIME, order("d", 1999).paid_in(Currency::USD), Pass),
            ("10:30", order("e", 100), Error),
            ("10:30", failed("a"), Silent),
            ("11:01", order("f", 1999), Pass),
        ],
        3,
    );
}

#[test]
fn a_damaged_moment_concerns_its_customer_while_it_is_at_an_edge() {
    check(
        damage_moment,
        &[
            (TIME, order("b", 100), Error),
            // The whole minute is known.
            ("10:30", order("c", 999), Pass),
            ("10:30", order("d", 1), LIMIT),
            ("11:00:00", order("e", 1), Error),
            ("11:00:30", order("f", 1000), Pass),
        ],
        2,
    );
}

#[test]
fn an_order_that_could_not_be_judged_is_judged_when_it_can_be() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until(TIME);
    damage_moment(&mut fixture);
    assert_eq!(Expected::of(&fixture.pipe(&order("a", 1000))), Error);
    assert!(fixture.driver.entries(&fixture.rows).is_empty());
    fixture.driver.damage(&fixture.exposure.moments, &sum_key(created_at()), "150000");
    assert_eq!(Expected::of(&fixture.pipe(&again("a"))), LIMIT);
}

#[test]
fn a_new_attempt_that_cannot_be_judged_does_not_leave_the_old_one_counting() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until(TIME);
    fixture.pipe(&order("a", 1000));
    // A minute that is read only for judging.
    let other = sum_key(minute_of(created_at()) - 120_000);
    fixture.driver.damage(&fixture.exposure.minutes, &other, "damage");
    for _ in 0..2 {
        assert_eq!(Expected::of(&fixture.pipe(&order("a", 1000).attempt(2))), Error);
        fixture.driver.damage(&fixture.exposure.minutes, &other, "0");
        assert_eq!(fixture.sums(), [0, 0]);
        fixture.driver.damage(&fixture.exposure.minutes, &other, "damage");
    }
}

#[test]
fn damage_is_pruned_as_anything_else() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until(TIME);
    fixture.pipe(&order("a", 1000));
    damage_minute(&mut fixture);
    fixture.wait_until("17:00");
    assert_eq!(Expected::of(&fixture.pipe(&order("b", 1000))), Pass);
    fixture.driver.advance(crate::pruning::INTERVAL);
    assert_eq!(fixture.driver.counted("pruning_stopped"), 0);
    assert_eq!(fixture.driver.entries(&fixture.exposure.minutes).len(), 1, "that of b");
    let moments = fixture.driver.entries(&fixture.exposure.moments).len();
    assert_eq!((fixture.driver.entries(&fixture.rows).len(), moments), (1, 1));
}
