//! What the limit promises, whatever the partitions deliver first: at no time do the orders of one customer and
//! currency that passed and are not FAILED reach it within any hour.

use domain::{Order, OrderState, Origin};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::hour::HOUR;

/// 2026-03-01T10:00Z.
const TEN: u64 = 1_772_359_200_000;
const MINUTE: u64 = 60_000;
/// In minor units.
const LIMIT: i128 = 200_000;

/// An order of one customer in euros: when it was created, and its total in minor units.
type Placed = (u64, i64);

/// Something that arrives: a new order, by its place in the list, or the news that it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Created(usize),
    Failed(usize),
}

fn order_of(index: usize, (created_at, total): Placed, state: OrderState) -> Order {
    let created_at = timestamp_from_millis(created_at.try_into().unwrap());
    Order {
        id: format!("o-{index}").parse().unwrap(),
        customer_id: "c-1".parse().unwrap(),
        currency: Currency::EUR,
        lines: vec![domain::OrderLine { product_id: "p".parse().unwrap(), quantity: 1, unit_price: total }],
        state,
        attempt: 1,
        version: 1,
        reasons: Vec::new(),
        validations: Vec::new(),
        history: Vec::new(),
        created_at,
        updated_at: created_at,
        origin: Origin { partition: 0, offset: 0 },
    }
}

/// The most that these come to within an hour, wherever it begins.
fn most(orders: &[Placed]) -> i128 {
    let within = |start: u64| {
        let orders = orders.iter().filter(|(at, _)| start <= *at && *at < start + HOUR);
        orders.map(|(_, total)| i128::from(*total)).sum::<i128>()
    };
    orders.iter().map(|(start, _)| within(*start)).max().unwrap_or_default()
}

/// Lets all arrive. Those that pass and have not failed stay below the limit at all times, and what is refused
/// would have reached it with them, if each had been created nearer to it by `tolerance`.
#[track_caller]
fn check(orders: &[Placed], arrivals: &[Arrival], tolerance: u64) {
    let mut fixture = Fixture::new("2000", 1);
    fixture.wait_until("13:00");
    let mut counting: Vec<(usize, Placed)> = Vec::new();
    for arrival in arrivals {
        match *arrival {
            Arrival::Created(index) => {
                let order = orders[index];
                let said = Expected::of(&fixture.pipe_order(&order_of(index, order, OrderState::Created)));
                if said == Pass {
                    counting.push((index, order));
                } else {
                    assert_eq!(said, super::LIMIT, "{arrival:?} of {orders:?}");
                    let nearer = |(at, total): Placed| {
                        let by = at.abs_diff(order.0).min(tolerance);
                        (if at < order.0 { at + by } else { at - by }, total)
                    };
                    let with: Vec<_> =
                        counting.iter().map(|(_, order)| nearer(*order)).chain([order]).collect();
                    assert!(most(&with) >= LIMIT, "{order:?} is refused for nothing after {counting:?}");
                }
            }
            Arrival::Failed(index) => {
                fixture.pipe_order(&order_of(index, orders[index], OrderState::Failed));
                counting.retain(|(other, _)| *other != index);
            }
        }
        let counted: Vec<_> = counting.iter().map(|(_, order)| *order).collect();
        assert!(most(&counted) < LIMIT, "{counted:?} after {arrival:?} of {arrivals:?}");
    }
}

/// All orders in which these can arrive.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let insert = |shorter: Vec<usize>| {
        (0..count).map(move |place| {
            let mut longer = shorter.clone();
            longer.insert(place, last);
            longer
        })
    };
    permutations(last).into_iter().flat_map(insert).collect()
}

#[test]
fn four_orders_stay_below_the_limit_in_each_order_of_arrival() {
    let orders = [
        (TEN, 150_000),
        (TEN + 20 * MINUTE, 60_000),
        (TEN + HOUR - 1, 50_000),
        (TEN + HOUR + 20 * MINUTE, 140_000),
    ];
    for order in permutations(orders.len()) {
        let arrivals: Vec<_> = order.iter().map(|index| Arrival::Created(*index)).collect();
        check(&orders, &arrivals, 0);
        // The same with one that fails when it is there and some of the others are.
        for place in 0..arrivals.len() {
            let Arrival::Created(fails) = arrivals[place] else { continue };
            for after in place + 1..=arrivals.len() {
                let mut arrivals = arrivals.clone();
                arrivals.insert(after, Arrival::Failed(fails));
                check(&orders, &arrivals, 0);
            }
        }
    }
}

/// Around the edges of each other's hours, and anywhere.
fn any_moment() -> impl Strategy<Value = u64> {
    let edge = select(vec![0, 1, 20 * MINUTE, HOUR - 1, HOUR, HOUR + 1, 90 * MINUTE, 2 * HOUR]);
    prop_oneof![edge, 0..2 * HOUR].prop_map(|offset| TEN + offset)
}

/// Orders, each of which arrives once, in any order; some fail at some time after that.
fn any_arrivals(
    count: std::ops::Range<usize>,
    total: std::ops::Range<i64>,
) -> impl Strategy<Value = (Vec<Placed>, Vec<Arrival>)> {
    let failing = vec((any::<Index>(), any::<Index>()), 0..count.end / 2);
    (vec((any_moment(), total), count), failing).prop_flat_map(|(orders, failing)| {
        let created: Vec<_> = (0..orders.len()).map(Arrival::Created).collect();
        (Just(orders), Just(created).prop_shuffle(), Just(failing)).prop_map(
            |(orders, mut arrivals, failing)| {
                for (which, when) in failing {
                    let index = which.index(orders.len());
                    let arrived =
                        arrivals.iter().position(|arrival| *arrival == Arrival::Created(index)).unwrap();
                    let place = arrived + 1 + when.index(arrivals.len() - arrived);
                    arrivals.insert(place, Arrival::Failed(index));
                }
                (orders, arrivals)
            },
        )
    })
}

proptest! {
    #[test]
    fn the_limit_holds_in_any_order_of_arrival(
        (orders, arrivals) in any_arrivals(2..12, 1..150_000),
    ) {
        check(&orders, &arrivals, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// So much that hours are kept by the minute.
    #[test]
    fn the_limit_holds_where_there_is_very_much(
        (orders, arrivals) in any_arrivals(100..300, 1..3_000),
    ) {
        check(&orders, &arrivals, MINUTE);
    }
}
