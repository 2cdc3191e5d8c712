//! What is said when the stores hold what they should not hold.

use super::fixture::Expected::Error;
use super::*;
use crate::span::{Span, Unit};

const TIME: &str = "10:00:30";

fn sums_key(time: &str, unit: Unit) -> SumsKey {
    let moment = at(time).as_millisecond().try_into().unwrap();
    SumsKey::new(&"c-1".parse().unwrap(), Currency::EUR, Span::around(moment, unit))
}

fn damage_row(fixture: &mut Fixture) {
    let key: RowKey = format!("{:08}/c-1/a", at(TIME).as_millisecond() / 3_600_000).parse().unwrap();
    fixture.driver.damage(&fixture.rows, &key, "damage");
}

fn damage_hour(fixture: &mut Fixture) {
    fixture.driver.damage(&fixture.sums, &sums_key(TIME, Unit::Hour), "1e");
}

/// As many orders as make the hour give its sums to its minutes; then the minute of order a is damaged.
fn damage_minute(fixture: &mut Fixture) {
    for number in 0..crate::sums::MOMENTS {
        let [id, time] = [format!("o-{number}"), format!("10:10:00.{number:03}")].map(|text| &*text.leak());
        assert_eq!(Expected::of(&fixture.pipe(&order(id, 1).created_at(time))), Pass);
    }
    let minute = sums_key(TIME, Unit::Minute);
    assert!(fixture.driver.get(&fixture.sums, &minute).is_some());
    fixture.driver.damage(&fixture.sums, &minute, "");
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
            ("10:30", order("e", 100), Error),
            ("10:30", failed("a"), Silent),
            ("11:59:59.998", order("f", 1), Error),
            ("11:59:59.999", order("g", 1999), Pass),
        ],
        4,
    );
}

#[test]
fn a_damaged_minute_concerns_its_customer_while_it_is_at_an_edge() {
    check(
        damage_minute,
        &[
            ("10:10:01", order("b", 1).created_at("10:00:31"), Error),
            // The sum of the whole minute is known.
            ("10:30", order("c", 967), Pass),
            ("10:30", order("d", 1), LIMIT),
            // It cannot be taken out of the minute, so it is not taken out of the hour.
            ("10:31", failed("a"), Silent),
            ("10:31", order("e", 1), LIMIT),
            ("11:00:00", order("f", 1), Error),
            ("11:01:00", order("g", 1000), Pass),
        ],
        3,
    );
}

#[test]
fn an_order_that_could_not_be_judged_is_judged_when_it_can_be() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until(TIME);
    damage_hour(&mut fixture);
    assert_eq!(Expected::of(&fixture.pipe(&order("a", 1000))), Error);
    assert!(fixture.driver.entries(&fixture.rows).is_empty());
    let mended = r#"{"moments":{"30000":150000}}"#;
    fixture.driver.damage(&fixture.sums, &sums_key(TIME, Unit::Hour), mended);
    assert_eq!(Expected::of(&fixture.pipe(&again("a"))), LIMIT);
}

#[test]
fn a_new_attempt_that_cannot_be_judged_does_not_leave_the_old_one_counting() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until(TIME);
    fixture.pipe(&order("a", 1000));
    // An hour that is read only for judging.
    let other = sums_key("09:30", Unit::Hour);
    fixture.driver.damage(&fixture.sums, &other, "damage");
    for _ in 0..2 {
        assert_eq!(Expected::of(&fixture.pipe(&order("a", 1000).attempt(2))), Error);
        fixture.driver.damage(&fixture.sums, &other, r#"{"moments":{}}"#);
        assert_eq!((fixture.counted(), fixture.sums()), (0, 0));
        fixture.driver.damage(&fixture.sums, &other, "damage");
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
    let entries = [fixture.driver.entries(&fixture.rows).len(), fixture.driver.entries(&fixture.sums).len()];
    assert_eq!(entries, [1; 2], "those of b");
}
