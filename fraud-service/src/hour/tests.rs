use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const TEN: u64 = 10 * HOUR;

/// The hours of the clock from nine to twelve, and what was put into them.
#[derive(Default)]
struct Book {
    hours: [Hour; 3],
    orders: Vec<(u64, i64)>,
}

impl Book {
    fn of(orders: &[(u64, i64)]) -> Self {
        let mut book = Self::default();
        orders.iter().for_each(|(moment, value)| book.add(*moment, *value));
        book
    }

    fn hour(&mut self, moment: u64) -> &mut Hour {
        &mut self.hours[(moment / HOUR - 9) as usize]
    }

    fn add(&mut self, moment: u64, value: i64) {
        self.hour(moment).add(moment, value);
        self.orders.push((moment, value));
    }

    fn take_out(&mut self, index: usize) {
        let (moment, value) = self.orders.swap_remove(index);
        self.hour(moment).take_out(moment, value);
    }

    /// The most in any window of `length` around `moment`, tried one after the other.
    fn naive(&self, moment: u64, length: u64) -> i128 {
        let starts = self.orders.iter().map(|(start, _)| *start).chain([moment]);
        let starts = starts.filter(|start| *start <= moment && moment < start + length);
        let within = |start: u64| {
            let orders = self.orders.iter().filter(|(at, _)| start <= *at && *at < start + length);
            orders.map(|(_, value)| i128::from(*value)).sum::<i128>()
        };
        starts.map(within).max().unwrap()
    }

    fn fullest(&self, moment: u64) -> i128 {
        fullest(&self.hours, moment)
    }

    fn sum(&self) -> i128 {
        self.hours.iter().flat_map(|hour| &hour.0).map(|stretch| stretch.sum).sum()
    }

    /// What the module says of hours.
    #[track_caller]
    fn check(&self) {
        for hour in &self.hours {
            assert!(hour.0.len() <= MOST, "{hour:?}");
            for Stretch { first, last, sum } in &hour.0 {
                assert!(first <= last && first / MINUTE == last / MINUTE && *sum > 0, "{hour:?}");
            }
            assert!(hour.0.is_sorted_by(|one, next| one.last < next.first), "{hour:?}");
        }
        assert_eq!(self.sum(), self.orders.iter().map(|(_, value)| i128::from(*value)).sum::<i128>());
    }
}

/// In a book of these orders, the fullest hour around each moment, which are minutes after ten.
#[track_caller]
fn check(orders: &[(u64, i64)], cases: &[(u64, i128)]) {
    let orders: Vec<_> = orders.iter().map(|(minute, value)| (TEN + minute * MINUTE, *value)).collect();
    let book = Book::of(&orders);
    book.check();
    for (minute, expected) in cases {
        assert_eq!(book.fullest(TEN + minute * MINUTE), *expected, "{minute} minutes after ten");
    }
}

#[test]
fn an_hour_may_begin_anywhere() {
    check(&[], &[(0, 0)]);
    check(&[(30, 7)], &[(0, 7), (30, 7), (89, 7), (90, 0)]);
    // What comes after it counts as well.
    check(&[(0, 1), (40, 10), (70, 100)], &[(0, 11), (20, 110), (40, 110), (60, 110), (99, 110), (100, 100)]);
    // Never more than an hour at once.
    check(&[(0, 5), (60, 5)], &[(0, 5), (30, 5), (59, 5), (60, 5), (119, 5)]);
}

#[test]
fn the_edges_of_an_hour_are_exact_to_the_millisecond() {
    for moment in [TEN, TEN + 1, TEN + MINUTE - 1, TEN + HOUR - 1] {
        let book = Book::of(&[(moment, 3)]);
        for (other, expected) in
            [(moment - HOUR, 0), (moment - HOUR + 1, 3), (moment + HOUR - 1, 3), (moment + HOUR, 0)]
        {
            assert_eq!(book.fullest(other), expected, "{other}, with an order at {moment}");
        }
    }
}

#[test]
fn what_is_crowded_is_kept_by_the_minute() {
    let mut book = Book::default();
    for number in 0..MOST as u64 {
        book.add(TEN + number * 10, 1);
    }
    assert_eq!(book.fullest(TEN + HOUR + 5), MOST as i128 - 1, "to the millisecond");
    book.add(TEN + MINUTE, 100);
    book.check();
    let stretches: Vec<_> = book.hours[1].0.iter().map(|stretch| (stretch.first, stretch.sum)).collect();
    assert_eq!(stretches, [(TEN, MOST as i128), (TEN + MINUTE, 100)]);
    // The whole stretch counts until the last of it is an hour ago.
    assert_eq!(book.fullest(TEN + HOUR + 5), MOST as i128 + 100);
    assert_eq!(book.fullest(TEN + HOUR + 630), 100);
}

#[test]
fn what_is_not_there_is_not_taken_out() {
    let mut hour = Hour::default();
    hour.take_out(TEN, 5);
    assert!(hour.is_empty());
    hour.add(TEN, 5);
    hour.take_out(TEN + 1, 5);
    assert_eq!(hour.0, [Stretch { first: TEN, last: TEN, sum: 5 }]);
    hour.take_out(TEN, 5);
    assert!(hour.is_empty());
}

#[test]
fn an_hour_is_an_array_of_arrays() {
    let mut hour = Hour::default();
    hour.add(TEN + 5, i64::MAX);
    hour.add(TEN + 5, i64::MAX);
    hour.add(TEN, 1);
    let text = "[[36000000,36000000,1],[36000005,36000005,18446744073709551614]]";
    assert_eq!(streams::encode_value(&hour).unwrap(), text.as_bytes());
    assert_eq!(streams::decode_value(text.as_bytes()), Ok(hour));
}

fn any_moment() -> impl Strategy<Value = u64> {
    let around = select(vec![0, 1, MINUTE - 1, MINUTE, 30 * MINUTE, HOUR - 1, HOUR, HOUR + 1]);
    prop_oneof![around, 0..2 * HOUR].prop_map(|offset| TEN - 30 * MINUTE + offset)
}

proptest! {
    #[test]
    fn the_fullest_hour_is_that_of_a_naive_search(
        orders in vec((any_moment(), 1_i64..1000), 0..MOST),
        taken in vec(any::<Index>(), 0..8),
        moment in any_moment(),
    ) {
        let mut book = Book::of(&orders);
        for index in taken {
            if !book.orders.is_empty() {
                book.take_out(index.index(book.orders.len()));
            }
        }
        book.check();
        prop_assert_eq!(book.fullest(moment), book.naive(moment, HOUR));
    }

    #[test]
    fn a_crowded_hour_errs_to_one_side_and_by_less_than_two_minutes(
        orders in vec((any_moment(), 1_i64..1000), MOST..4 * MOST),
        taken in vec(any::<Index>(), 0..MOST),
        moment in any_moment(),
    ) {
        let mut book = Book::of(&orders);
        for index in taken {
            book.take_out(index.index(book.orders.len()));
        }
        book.check();
        let found = book.fullest(moment);
        prop_assert!(found >= book.naive(moment, HOUR), "{} is too little", found);
        prop_assert!(found <= book.naive(moment, HOUR + 2 * MINUTE), "{} is too much", found);
    }
}
