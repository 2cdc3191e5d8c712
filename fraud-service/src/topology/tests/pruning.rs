//! What is removed, and when.

use std::time::Duration;

use super::*;
use crate::pruning::BATCH;

/// The number of rows and of hours.
fn entries(fixture: &Fixture) -> [usize; 2] {
    [fixture.driver.entries(&fixture.rows).len(), fixture.driver.entries(&fixture.hours).len()]
}

fn after(steps: &[(&str, Input, Expected)]) -> Fixture {
    let mut fixture = check(steps);
    fixture.driver.advance(Duration::from_secs(60));
    fixture
}

#[test]
fn an_hour_is_kept_for_six_hours_after_it() {
    let fixture = after(&[
        ("10:00", order("a", 1), Pass),
        ("10:59:59", order("b", 3000), LIMIT),
        ("16:59:59", order("c", 1), Pass),
    ]);
    assert_eq!(entries(&fixture), [3, 2]);
    let fixture = after(&[
        ("10:00", order("a", 1), Pass),
        ("10:59:59", order("b", 3000), LIMIT),
        ("17:00", order("c", 1), Pass),
    ]);
    assert_eq!(entries(&fixture), [1, 1]);
    let tombstones = fixture.driver.changelog(&fixture.rows).iter().filter(|(_, row)| row.is_none()).count();
    assert_eq!(tombstones, 2);
}

#[test]
fn a_backlog_meets_its_windows_however_old_it_is() {
    let mut fixture = after(&[
        ("20:00", order("a", 1500).created_at("01:00"), Pass),
        ("20:10", order("b", 500).created_at("01:59"), LIMIT),
        ("20:20", order("c", 400).created_at("06:00"), Pass),
        ("20:30", order("d", 499).created_at("01:30"), Pass),
    ]);
    assert_eq!(entries(&fixture), [4, 2]);
    // The backlog is worked off.
    fixture.pipe(&order("e", 1));
    fixture.driver.advance(Duration::from_secs(60));
    assert_eq!(entries(&fixture), [1, 1]);
}

#[test]
fn an_order_from_the_future_sweeps_nothing_away() {
    let mut fixture =
        check(&[("10:00", order("a", 1500), Pass), ("10:01", order("future", 1).created_at("23:00"), Pass)]);
    fixture.wait_until("10:59");
    assert_eq!(Expected::of(&fixture.pipe(&order("b", 500))), LIMIT);
    // The wall clock alone decides now.
    fixture.wait_until("16:59:59");
    assert_eq!(entries(&fixture), [3, 2]);
    fixture.wait_until("17:00:05");
    assert_eq!(entries(&fixture), [1, 1]);
}

#[test]
fn an_order_later_than_what_is_kept_is_not_judged() {
    let mut fixture = after(&[
        ("10:00", order("a", 1500), Pass),
        ("15:59:59", order("b", 1), Pass),
        // All that it can meet is there.
        ("15:59:59", order("c", 500).created_at("10:01"), LIMIT),
        ("16:00", order("d", 1), Pass),
        ("16:00", order("e", 1).created_at("10:01"), TooLate),
        ("18:00", order("f", 1), Pass),
        ("18:01", order("g", 1).created_at("10:01"), TooLate),
        ("18:01", order("g", 1).created_at("10:01").attempt(2), TooLate),
        ("18:01", failed("g"), Silent),
        ("18:01", failed("a"), Silent),
    ]);
    fixture.driver.advance(Duration::from_secs(60));
    assert_eq!(entries(&fixture), [3, 3], "b, d and f");
}

#[test]
fn a_bounded_number_is_removed_at_a_time_when_little_comes_in() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until("10:00");
    for number in 0..=BATCH {
        let id: &'static str = format!("o-{number}").leak();
        fixture.pipe(&order(id, 2000));
    }
    fixture.wait_until("17:00");
    fixture.pipe(&order("new", 1));
    fixture.driver.advance(crate::pruning::INTERVAL);
    assert_eq!(entries(&fixture), [2, 1]);
    fixture.driver.advance(crate::pruning::INTERVAL);
    assert_eq!(entries(&fixture), [1, 1]);
    let written = fixture.driver.changelog(&fixture.rows).len();
    fixture.driver.advance(Duration::from_secs(60));
    assert_eq!(fixture.driver.changelog(&fixture.rows).len(), written);
}

#[test]
fn it_keeps_up_with_any_load() {
    // Three times what would go if each second had a fixed number.
    const A_SECOND: usize = 3 * BATCH;
    const SECONDS: usize = 3;
    let mut fixture = Fixture::new("2000", 1);
    // What there is of each hour goes while that of the hour seven later comes in.
    for (round, hour) in ["10", "17"].iter().enumerate() {
        for second in 0..SECONDS {
            fixture.wait_until(&format!("{hour}:00:0{second}"));
            for number in 0..A_SECOND {
                let id: &'static str = format!("o-{round}-{second}-{number}").leak();
                let customer: &'static str = format!("c-{number}").leak();
                fixture.pipe(&order(id, 1999).of(customer));
            }
            let most = (SECONDS + 1) * A_SECOND;
            let [rows, hours] = entries(&fixture);
            assert!(rows <= most && hours <= most, "{rows} rows and {hours} hours at {hour}:00:0{second}");
        }
    }
    fixture.driver.advance(2 * crate::pruning::INTERVAL);
    assert_eq!(fixture.driver.entries(&fixture.rows).len(), SECONDS * A_SECOND, "those of the window");
}
