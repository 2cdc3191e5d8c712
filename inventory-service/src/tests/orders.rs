//! What becomes of orders, and of the stock.

use domain::OrderId;
use streams::{Timestamp, partition_of};

use super::warehouse::*;
use crate::reservation::Reservation;

const NONE: &[&str] = &[];
const PASS: &[&str] = &["PASS"];

/// After the example of the Kafka Streams original: the third order asks for
/// more than the other two left, and the changelog shows what is reserved.
#[test]
fn pass_pass_fail_and_the_reserved_amounts_in_the_changelog() {
    let mut warehouse = Warehouse::new(4);
    warehouse.adjust("underpants", "a-1", 75);
    warehouse.adjust("jumpers", "a-2", 1);
    for (id, lines) in [
        ("o-1", [("underpants", 3)]),
        ("o-2", [("jumpers", 1)]),
        ("o-3", [("jumpers", 1)]),
        ("o-4", [("underpants", 70)]),
    ] {
        warehouse.pipe(&order(id, &lines));
    }
    let expected = ["PASS", "PASS", "FAIL OUT_OF_STOCK jumpers: 1 asked, 0 available", "PASS"];
    assert_eq!(warehouse.verdicts(), expected);

    let stocks = warehouse.driver.changelog(&warehouse.stores.stock).into_iter();
    let stocks: Vec<_> =
        stocks.map(|(product, stock)| (product.to_string(), stock.unwrap().reserved)).collect();
    let [underpants, jumpers] = ["underpants", "jumpers"].map(str::to_owned);
    let expected = [(&underpants, 0), (&jumpers, 0), (&underpants, 3), (&jumpers, 1), (&underpants, 73)];
    assert_eq!(stocks, expected.map(|(product, reserved)| (product.clone(), reserved)));

    let rows = warehouse.driver.changelog(&warehouse.stores.reservations).into_iter();
    let rows: Vec<_> = rows.map(|(key, row)| (key.to_string(), row.map(Reservation::quantity))).collect();
    let expected = [
        ("underpants/o-1/0000000001", 3),
        ("jumpers/o-2/0000000001", 1),
        ("jumpers/o-3/0000000001", 0),
        ("underpants/o-4/0000000001", 70),
    ];
    assert_eq!(rows, expected.map(|(key, quantity)| (key.to_owned(), Some(quantity))));
}

#[test]
fn ten_orders_use_the_stock_up_exactly() {
    const IDS: [&str; 10] = ["o-0", "o-1", "o-2", "o-3", "o-4", "o-5", "o-6", "o-7", "o-8", "o-9"];
    let mut events = vec![(put("p-1", 50), NONE)];
    events.extend(IDS.map(|id| (created(id, &[("p-1", 5)]), PASS)));
    events.push((created("late", &[("p-1", 1)]), &["FAIL OUT_OF_STOCK p-1: 1 asked, 0 available"]));
    check(&events, &[("p-1", 50, 50)]);

    events.extend(IDS.map(|id| (validated(id, 1), NONE)));
    check(&events, &[("p-1", 0, 0)]);
}

#[test]
fn ten_orders_without_stock_all_fail() {
    let mut warehouse = Warehouse::new(4);
    for number in 0..10 {
        warehouse.pipe(&order(&format!("o-{number}"), &[("p-1", 5)]));
    }
    assert_eq!(warehouse.verdicts(), ["FAIL OUT_OF_STOCK p-1: 5 asked, 0 available"; 10]);
    assert_eq!(warehouse.stock("p-1"), None, "asking does not put a product in stock");
}

#[test]
fn a_failed_order_makes_room_again() {
    check(
        &[
            (put("p-1", 5), NONE),
            (created("o-1", &[("p-1", 3)]), PASS),
            (created("o-2", &[("p-1", 3)]), &["FAIL OUT_OF_STOCK p-1: 3 asked, 2 available"]),
            (failed("o-2", 1), NONE),
            (failed("o-1", 1), NONE),
            (created("o-3", &[("p-1", 5)]), PASS),
        ],
        &[("p-1", 5, 5)],
    );
}

#[test]
fn a_validated_order_leaves_the_warehouse() {
    check(
        &[
            (put("p-1", 5), NONE),
            (created("o-1", &[("p-1", 3)]), PASS),
            (created("o-2", &[("p-1", 1)]), PASS),
            (validated("o-1", 1), NONE),
            (created("o-3", &[("p-1", 2)]), &["FAIL OUT_OF_STOCK p-1: 2 asked, 1 available"]),
        ],
        &[("p-1", 2, 1)],
    );
}

#[test]
fn all_lines_or_none() {
    let spread: Vec<_> = ["p-1", "p-2", "p-3", "o-1"].map(|key| partition_of(key.as_bytes(), 4)).to_vec();
    assert!(spread.iter().any(|partition| *partition != spread[0]), "the case needs more than one partition");
    let three = [("p-1", 1), ("p-2", 2), ("p-3", 3)];
    check(
        &[
            (put("p-1", 2), NONE),
            (put("p-2", 4), NONE),
            (put("p-3", 5), NONE),
            (created("o-1", &three), PASS),
            (created("o-2", &three), &["FAIL OUT_OF_STOCK p-3: 3 asked, 2 available"]),
        ],
        // The judgement releases nothing: that is for the order's final state.
        &[("p-1", 2, 2), ("p-2", 4, 4), ("p-3", 5, 3)],
    );
    check(
        &[
            (put("p-1", 2), NONE),
            (put("p-2", 4), NONE),
            (put("p-3", 5), NONE),
            (created("o-1", &three), PASS),
            (created("o-2", &three), &["FAIL OUT_OF_STOCK p-3: 3 asked, 2 available"]),
            (failed("o-2", 1), NONE),
            (validated("o-1", 1), NONE),
        ],
        &[("p-1", 1, 0), ("p-2", 2, 0), ("p-3", 2, 0)],
    );
}

#[test]
fn an_order_that_lacks_two_products_gets_one_verdict() {
    let mut warehouse = Warehouse::new(4);
    warehouse.adjust("p-1", "a-1", 1);
    warehouse.pipe(&order("o-1", &[("p-1", 1), ("p-2", 1), ("p-3", 1)]));
    assert_eq!(warehouse.verdicts().len(), 1);
    assert_eq!(warehouse.driver.counted("late_answers"), 1);
}

#[test]
fn lines_of_one_product_count_together() {
    check(
        &[
            (put("p-1", 5), NONE),
            (put("p-2", 5), NONE),
            (created("o-1", &[("p-1", 3), ("p-1", 3)]), &["FAIL OUT_OF_STOCK p-1: 6 asked, 5 available"]),
            (
                created("o-2", &[("p-1", 3), ("p-2", 1), ("p-1", 3)]),
                &["FAIL OUT_OF_STOCK p-1: 6 asked, 5 available"],
            ),
            (created("o-3", &[("p-1", 3), ("p-1", 2)]), PASS),
        ],
        &[("p-1", 5, 5), ("p-2", 5, 1)],
    );
}

#[test]
fn hostile_quantities_reserve_nothing_and_get_a_verdict() {
    const MAX: i64 = i64::MAX;
    let not_positive = &["FAIL INVALID_ORDER p-1: the quantity -1 is not positive"];
    check(
        &[
            (put("p-1", MAX), NONE),
            (put("p-2", 5), NONE),
            (created("none", &[]), PASS),
            (validated("none", 1), NONE),
            (created("minus", &[("p-1", -1)]), not_positive),
            (created("mixed", &[("p-2", 3), ("p-1", -1)]), not_positive),
            (failed("mixed", 1), NONE),
            (created("sum", &[("p-1", 3), ("p-1", -1)]), not_positive),
            (validated("sum", 1), NONE),
            (created("zero", &[("p-1", 0)]), &["FAIL INVALID_ORDER p-1: the quantity 0 is not positive"]),
            (
                created("over", &[("p-1", MAX), ("p-1", MAX)]),
                &["FAIL INVALID_ORDER p-1: the sum of the quantities is too large"],
            ),
            (created("max", &[("p-1", MAX)]), PASS),
            (
                created("more", &[("p-1", MAX)]),
                &["FAIL OUT_OF_STOCK p-1: 9223372036854775807 asked, 0 available"],
            ),
            (validated("max", 1), NONE),
        ],
        &[("p-1", 0, 0), ("p-2", 5, 0)],
    );
}

#[test]
fn a_verdict_says_when_the_check_began_and_ended() {
    let mut warehouse = Warehouse::new(4);
    warehouse.driver.set_time(Timestamp::from_millis(1_772_359_200_123));
    warehouse.adjust("p-1", "a-1", 9);
    for (id, lines) in [("one", vec![("p-1", 1)]), ("two", vec![("p-1", 1), ("p-2", 1)]), ("none", vec![])] {
        warehouse.pipe(&order(id, &lines));
        let [verdict] = &warehouse.read_verdicts()[..] else { panic!("{id}") };
        assert_eq!((verdict.order_id.clone(), verdict.attempt), (id.parse::<OrderId>().unwrap(), 1));
        assert_eq!(verdict.check, domain::Check::InventoryCheck);
        for time in [verdict.started_at, verdict.finished_at] {
            assert_eq!(time.to_string(), "2026-03-01T10:00:00.123Z", "{id}");
        }
    }
}
