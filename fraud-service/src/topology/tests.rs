mod any_order_of_arrival;
mod damage;
mod fixture;
mod model;
mod pruning;

use domain::{Check, CheckResult, Currency, ReasonCode, Verdict, timestamp_from_millis};
use streams::Header;

use self::fixture::Expected::{self, Fail, Pass, Silent, TooLate};
use self::fixture::{Fixture, Input, again, at, failed, order, shipped, validated};
use super::*;

const LIMIT: Expected = Fail(ReasonCode::LimitExceeded);
const INVALID: Expected = Fail(ReasonCode::InvalidOrder);

/// With a limit of 2,000: at each time the input comes, and this is what is said of it.
#[track_caller]
fn check(steps: &[(&str, Input, Expected)]) -> Fixture {
    check_with("2000", steps)
}

#[track_caller]
fn check_with(policy: &str, steps: &[(&str, Input, Expected)]) -> Fixture {
    let mut fixture = Fixture::new(policy, 1);
    for (number, (time, input, expected)) in (1..).zip(steps) {
        fixture.wait_until(time);
        let found = Expected::of(&fixture.pipe(input));
        assert_eq!(found, *expected, "step {number}, {time}: {input:?}");
        assert_eq!(fixture.in_hours(), fixture.counted(), "the hours after step {number}, {time}: {input:?}");
    }
    fixture
}

#[test]
fn eight_orders_of_three_customers() {
    check(&[
        ("10:00", order("0", 15).of("c-0"), Pass),
        ("10:00", order("1", 75).of("c-0"), Pass),
        ("10:00", order("2", 75).of("c-1"), Pass),
        ("10:00", order("3", 75).of("c-1"), Pass),
        ("10:00", order("4", 3750).of("c-1"), LIMIT),
        ("10:00", order("5", 1000).of("c-2"), Pass),
        // Together exactly the limit.
        ("10:00", order("6", 1000).of("c-2"), LIMIT),
        // What was refused does not count.
        ("10:00", order("7", 5).of("c-2"), Pass),
    ]);
}

#[test]
fn an_order_fails_at_exactly_the_limit() {
    check(&[
        ("10:00", order("a", 2000), LIMIT),
        ("10:00", order("b", 0).lines(&[(1, 199_999)]), Pass),
        ("10:00", order("c", 0).lines(&[(1, 1)]), LIMIT),
        ("10:00", order("d", 0), Pass),
    ]);
}

#[test]
fn the_limit_counts_the_last_hour_only() {
    check(&[
        ("10:00", order("a", 1500), Pass),
        ("10:30", order("b", 600), LIMIT),
        ("10:31", failed("b"), Silent),
        ("11:01", order("c", 600), Pass),
    ]);
}

#[test]
fn an_hour_after_an_order_it_does_not_count_any_more() {
    for time in ["10:00:00", "10:00:00.001", "10:00:59.999", "10:59:59.999", "10:17:23.456"] {
        let begin = at(time).as_millisecond();
        let ends = |offset: i64| {
            let time = timestamp_from_millis(begin + 3_600_000 + offset).to_string();
            time["2026-03-01T".len()..time.len() - 1].to_owned()
        };
        check(&[
            (time, order("a", 1500), Pass),
            (&ends(-60_000), order("b", 500), LIMIT),
            (&ends(-1), order("c", 500), LIMIT),
            (&ends(0), order("d", 500), Pass),
            (&ends(0), order("e", 1500), LIMIT),
            (&ends(1), order("f", 1499), Pass),
        ]);
    }
}

#[test]
fn orders_add_up_over_the_hour_whatever_minute_they_are_from() {
    check(&[
        ("10:00:00.001", order("a", 400), Pass),
        ("10:00:30", order("b", 400), Pass),
        ("10:30:59.999", order("c", 400), Pass),
        ("10:59:59.999", order("d", 400), Pass),
        ("11:00:00", order("e", 399), Pass),
        ("11:00:00", order("f", 1), LIMIT),
        // a is out of the window.
        ("11:00:00.001", order("g", 1), Pass),
        ("11:00:29.999", order("h", 400), LIMIT),
        ("11:00:30", order("i", 799), Pass),
    ]);
}

#[test]
fn currencies_are_apart_and_have_their_own_limits() {
    const EUR: Currency = Currency::EUR;
    const JPY: Currency = Currency::JPY;
    const BHD: Currency = Currency::BHD;
    check_with(
        "2000,JPY=300000",
        &[
            ("10:00", order("a", 1999).paid_in(EUR), Pass),
            ("10:00", order("b", 1999).paid_in(BHD), Pass),
            ("10:00", order("c", 299_999).paid_in(JPY), Pass),
            ("10:01", order("d", 1).paid_in(EUR), LIMIT),
            ("10:01", order("e", 1).paid_in(BHD), LIMIT),
            ("10:01", order("f", 0).paid_in(BHD).lines(&[(1, 999)]), Pass),
            ("10:01", order("g", 1).paid_in(JPY), LIMIT),
        ],
    );
}

#[test]
fn customers_are_apart_also_when_their_names_begin_alike() {
    check(&[
        ("10:00", order("a", 1500).of("c"), Pass),
        ("10:00", order("b", 1500).of("c-1"), Pass),
        ("10:00", order("c", 1500).of("c-"), Pass),
        ("10:00", order("d", 1500).of("c.1"), Pass),
        ("10:00", order("e", 1500).of("C"), Pass),
        ("10:01", order("f", 500).of("c"), LIMIT),
    ]);
}

#[test]
fn what_another_check_refuses_gives_room_again() {
    check(&[
        ("10:00", order("a", 1500), Pass),
        ("10:01", order("b", 1500), LIMIT),
        ("10:02", failed("a"), Silent),
        ("10:03", order("c", 1500), Pass),
        ("10:04", failed("a"), Silent),
        ("10:05", order("d", 500), LIMIT),
    ]);
}

#[test]
fn what_was_refused_gives_no_room_when_it_fails() {
    check(&[
        ("10:00", order("a", 1500), Pass),
        ("10:01", order("b", 1500), LIMIT),
        ("10:02", failed("b"), Silent),
        ("10:03", order("c", 500), LIMIT),
    ]);
}

#[test]
fn what_is_validated_goes_on_counting() {
    check(&[
        ("10:00", order("a", 1500), Pass),
        ("10:01", validated("a"), Silent),
        ("10:59", order("b", 500), LIMIT),
        ("11:00", order("c", 1999), Pass),
    ]);
}

#[test]
fn a_state_that_is_not_known_changes_nothing() {
    check(&[
        ("10:00", shipped("never-seen"), Silent),
        ("10:00", order("a", 1500), Pass),
        ("10:01", shipped("a"), Silent),
        ("10:02", order("b", 500), LIMIT),
    ]);
}

#[test]
fn an_order_that_comes_twice_is_judged_alike_and_counts_once() {
    check(&[
        ("10:00", order("a", 1500), Pass),
        ("10:01", again("a"), Pass),
        ("10:02", order("b", 499), Pass),
        ("10:03", order("c", 500), LIMIT),
        ("10:04", failed("a"), Silent),
        // There would be room for both by now.
        ("10:05", again("c").attempt(1), LIMIT),
        ("10:06", order("d", 1500), Pass),
        ("10:07", order("a", 1500), Pass),
        ("10:08", order("e", 1), LIMIT),
    ]);
}

#[test]
fn an_order_that_had_failed_when_it_was_first_seen_never_counts() {
    let fixture = check(&[
        ("10:00", failed("a"), Silent),
        ("10:00", failed("a"), Silent),
        ("10:01", order("a", 1500), Silent),
        ("10:02", order("b", 1999), Pass),
    ]);
    assert_eq!(fixture.counted(), 199_900);
}

#[test]
fn a_new_attempt_takes_the_place_of_the_old() {
    check(&[
        ("10:00", order("a", 1500), Pass),
        ("10:01", order("a", 1500).attempt(2), Pass),
        ("10:02", order("b", 499), Pass),
        // Stale: the second attempt is what counts.
        ("10:03", failed("a").attempt(1), Silent),
        ("10:03", again("a").attempt(1), Silent),
        ("10:04", order("c", 1), LIMIT),
        ("10:05", failed("a").attempt(2), Silent),
        ("10:06", order("d", 1500), Pass),
        // Only the end of the third attempt is seen.
        ("10:07", failed("a").attempt(3), Silent),
        ("10:07", order("e", 1), LIMIT),
    ]);
}

#[test]
fn the_end_of_a_later_attempt_takes_out_an_earlier_one() {
    let fixture = check(&[
        ("10:00", order("a", 1500), Pass),
        ("10:01", failed("a").attempt(2), Silent),
        ("10:02", order("b", 1999), Pass),
        ("10:03", again("a").attempt(1), Silent),
    ]);
    assert_eq!(fixture.driver.counted("stale_attempts"), 1);
}

#[test]
fn a_late_order_is_judged_by_every_hour_that_it_lies_in() {
    check(&[
        ("10:30", order("a", 1500), Pass),
        // The hour that ends with it is empty; the one that begins with it is not.
        ("10:45", order("before", 600).created_at("10:29:59.999"), LIMIT),
        ("10:45", order("long-before", 600).created_at("09:30"), Pass),
        ("10:45", order("with", 500).created_at("10:30"), LIMIT),
        ("10:45", order("between", 500).created_at("10:00"), LIMIT),
        ("10:45", order("too", 499).created_at("10:30:00.001"), Pass),
        // The late orders count as if they had been on time.
        ("10:45", order("now", 1), LIMIT),
        ("11:29:59.999", order("then", 1), LIMIT),
        ("11:30", order("and-then", 1), Pass),
        ("11:40", order("very-late", 1399).created_at("09:29"), Pass),
        ("11:40", order("too-much", 1).created_at("09:29"), LIMIT),
    ]);
}

#[test]
fn two_orders_pass_in_neither_order_of_arrival_if_together_they_reach_the_limit() {
    let (early, late) = (order("a", 1500).created_at("10:00"), order("b", 600).created_at("10:20"));
    check(&[("10:30", early.clone(), Pass), ("10:30", late.clone(), LIMIT)]);
    check(&[("10:30", late, Pass), ("10:30", early, LIMIT)]);
}

#[test]
fn an_order_between_two_that_are_apart_counts_with_each() {
    check(&[
        ("12:00", order("a", 1000).created_at("10:00"), Pass),
        ("12:00", order("b", 1500).created_at("11:00"), Pass),
        ("12:00", order("c", 500).created_at("10:30"), LIMIT),
        ("12:00", order("d", 499).created_at("10:30"), Pass),
        ("12:00", failed("b"), Silent),
        ("12:00", order("e", 500).created_at("10:30"), Pass),
    ]);
}

#[test]
fn an_order_from_before_the_epoch_is_judged_as_one_from_its_first_moment() {
    check(&[
        ("1970-01-01T01:00:00Z", order("a", 1500).created_at("1969-12-31T23:00:00Z"), Pass),
        ("1970-01-01T01:00:00Z", order("b", 500).created_at("1970-01-01T00:00:00Z"), LIMIT),
        ("1970-01-01T01:00:00Z", order("c", 500).created_at("-009999-01-02T01:59:59Z"), LIMIT),
        ("1970-01-01T01:00:00Z", order("d", 1500), Pass),
        ("1970-01-01T01:00:00Z", order("e", 1500).created_at("9999-12-30T22:00:00Z"), Pass),
    ]);
}

#[test]
fn broken_amounts_never_lower_what_counts() {
    const MAX: i64 = i64::MAX;
    check(&[
        ("10:00", order("a", 1500), Pass),
        ("10:01", order("negative-price", 0).lines(&[(1, -100_000)]), INVALID),
        ("10:01", order("negative-quantity", 0).lines(&[(-1, 100_000)]), INVALID),
        ("10:01", order("least", 0).lines(&[(1, i64::MIN)]), INVALID),
        ("10:01", order("overflow", 0).lines(&[(2, MAX)]), INVALID),
        ("10:01", order("overflow-on-the-way", 0).lines(&[(1, MAX), (1, 1), (1, -2)]), INVALID),
        ("10:01", order("largest", 0).lines(&[(1, MAX)]), LIMIT),
        // No concern of this check: details refuses them.
        ("10:01", order("no-lines", 0).lines(&[]), Pass),
        ("10:01", order("mixed", 0).lines(&[(3, 1000), (-1, 1000)]), Pass),
        ("10:02", failed("mixed"), Silent),
        ("10:02", failed("negative-price"), Silent),
        ("10:02", failed("overflow"), Silent),
        ("10:03", order("b", 500), LIMIT),
        ("10:03", order("c", 499), Pass),
    ]);
}

#[test]
fn no_sum_is_too_large() {
    let largest = |id| order(id, 0).lines(&[(1, i64::MAX)]);
    let fixture = check_with(
        "18446744073709551615",
        &[
            ("10:00:03", largest("a"), Pass),
            ("10:00:03", largest("b").created_at("10:00:02"), Pass),
            ("10:00:03", largest("c").created_at("10:00:01"), Pass),
            ("10:00:04", largest("d"), Pass),
            ("10:00:05", failed("b"), Silent),
        ],
    );
    assert_eq!(fixture.in_hours(), 3 * i128::from(i64::MAX));
}

#[test]
fn a_verdict_carries_attempt_reason_and_time() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until("10:00");
    fixture.pipe(&order("a", 1500));
    fixture.wait_until("10:00:02.345");
    let verdicts = fixture.pipe(&order("b", 750).attempt(3).created_at("10:00:01"));
    let expected = Verdict {
        order_id: "b".parse().unwrap(),
        check: Check::FraudCheck,
        attempt: 3,
        result: CheckResult::Fail,
        code: Some(ReasonCode::LimitExceeded),
        detail: Some("2250.00 EUR within an hour reach the limit".into()),
        started_at: at("10:00:02.345"),
        finished_at: at("10:00:02.345"),
    };
    assert_eq!(verdicts, [expected]);
}

#[test]
fn a_customer_s_orders_meet_from_all_partitions() {
    let mut fixture = Fixture::new("2000", 4);
    fixture.wait_until("10:00");
    let customers = ["c-0", "c-1", "c-2", "c-3", "c-4", "c-5", "c-6", "c-7"];
    let orders = ["o-0", "o-1", "o-2", "o-3", "o-4", "o-5", "o-6", "o-7"];
    for (amount, expected) in [(1500, Pass), (400, Pass), (100, LIMIT)] {
        for (index, customer) in customers.iter().enumerate() {
            // Another order each time, in other partitions.
            let id: &'static str = format!("{}-{amount}", orders[(index + amount as usize) % 8]).leak();
            let found = Expected::of(&fixture.pipe(&order(id, amount).of(customer)));
            assert_eq!(found, expected, "{id} of {customer}");
        }
    }
}

#[test]
fn orders_that_are_refused_change_no_hour() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until("10:00");
    assert_eq!(Expected::of(&fixture.pipe(&order("a", 1999))), Pass);
    for number in 0..100 {
        let id: &'static str = format!("o-{number}").leak();
        assert_eq!(Expected::of(&fixture.pipe(&order(id, 1))), LIMIT);
    }
    assert_eq!(fixture.driver.changelog(&fixture.hours).len(), 1);
}

#[test]
fn an_order_writes_its_row_and_one_hour() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until("10:00");
    for (number, id) in (1..).zip(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]) {
        assert_eq!(Expected::of(&fixture.pipe(&order(id, 1))), Pass);
        let written =
            [fixture.driver.changelog(&fixture.rows).len(), fixture.driver.changelog(&fixture.hours).len()];
        assert_eq!(written, [number; 2], "after {id}");
    }
    assert_eq!(fixture.driver.entries(&fixture.hours).len(), 1);
}

#[test]
fn what_is_no_order_becomes_a_dead_letter_and_the_next_is_judged() {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until("10:00");
    let poison = "{\"id\":\"a\",\"state\":\"CREATED\"";
    fixture.driver.pipe_bytes(topics::ORDERS.name(), Some("a".into()), Some(poison.into()));
    assert_eq!(Expected::of(&fixture.pipe(&order("b", 1500))), Pass);

    let [letter] = &fixture.driver.read_records("fraud-service-dlq")[..] else {
        panic!("not one dead letter")
    };
    assert_eq!(letter.key.as_deref(), Some(&b"a"[..]));
    assert_eq!(letter.value.as_deref(), Some(poison.as_bytes()));
    let header = |name: &str, value: &'static str| Header::new(format!("__streams.errors.{name}"), value);
    for expected in [header("topic", "orders"), header("partition", "0"), header("offset", "0")] {
        assert!(letter.headers.contains(&expected), "{expected:?} in {:?}", letter.headers);
    }
    let named =
        |name: &str| letter.headers.iter().any(|header| header.name == format!("__streams.errors.{name}"));
    assert!(named("exception") && named("message"));
}

#[test]
fn the_topics_are_its_own() {
    let topology = topology(FraudPolicy::default());
    let owned: Vec<_> = topology.owned_topics().iter().map(|topic| topic.name.to_string()).collect();
    assert_eq!(
        owned,
        [
            "fraud-service-changelog",
            "fraud-service-dlq",
            "fraud-service-orders-by-customer-repartition",
            "order-validations",
        ]
    );
}
