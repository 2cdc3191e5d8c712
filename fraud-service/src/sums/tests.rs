use std::cell::Cell;
use std::convert::Infallible;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::span::{HOUR, MINUTE, SECOND, Unit};

const TEN: u64 = 10 * HOUR;

/// All that is kept of the hour from ten to eleven, and how much of it was read.
#[derive(Default)]
struct Tree {
    spans: BTreeMap<Span, Sums>,
    reads: Cell<usize>,
}

impl Tree {
    fn read(&self, span: Span) -> Result<Sums, Infallible> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.spans.get(&span).cloned().unwrap_or_default())
    }

    fn within(&self, window: &Window) -> i128 {
        let Ok(counted) = self.root().within(hour(), window, &|span| self.read(span));
        counted
    }

    /// The number of values that were written.
    fn change(&mut self, moment: u64, difference: i128) -> usize {
        let Ok(changes) = self.root().changed(hour(), moment, difference, &|span| self.read(span));
        let written = changes.len();
        for (span, sums) in changes {
            if sums.is_empty() {
                self.spans.remove(&span);
            } else {
                self.spans.insert(span, sums);
            }
        }
        written
    }

    fn root(&self) -> Sums {
        self.spans.get(&hour()).cloned().unwrap_or_default()
    }

    /// What is kept in and below a span, which must be what its whole says of it.
    #[track_caller]
    fn walk(&self, span: Span, seen: &mut usize) -> i128 {
        let Some(sums) = self.spans.get(&span) else { panic!("{span:?} is missing") };
        *seen += 1;
        match sums {
            Sums::Moments(moments) => {
                assert!(moments.len() <= MOMENTS || span.unit() == Unit::Second, "{span:?}: {moments:?}");
                moments.values().sum()
            }
            Sums::Parts(parts) => {
                let part_at = |offset: &u64| span.part_around(span.moment_at(*offset)).unwrap();
                for (offset, sum) in parts {
                    assert_eq!(self.walk(part_at(offset), seen), *sum, "{span:?} at {offset}");
                }
                parts.values().sum()
            }
        }
    }

    /// All that is kept.
    #[track_caller]
    fn total(&self) -> i128 {
        if self.spans.is_empty() {
            return 0;
        }
        let mut seen = 0;
        let total = self.walk(hour(), &mut seen);
        assert_eq!(seen, self.spans.len(), "stray spans: {:?}", self.spans);
        total
    }

    fn units(&self) -> [usize; 3] {
        [Unit::Hour, Unit::Minute, Unit::Second]
            .map(|unit| self.spans.keys().filter(|span| span.unit() == unit).count())
    }
}

fn hour() -> Span {
    Span::around(TEN, Unit::Hour)
}

/// After one change at each of the moments there are so many hours, minutes and seconds, and one more change
/// at the last moment writes so many values.
#[track_caller]
fn check(moments: impl Iterator<Item = u64> + Clone, units: [usize; 3], writes: usize) {
    let mut tree = Tree::default();
    for moment in moments.clone() {
        tree.change(TEN + moment, 1);
    }
    assert_eq!((tree.units(), tree.total()), (units, i128::try_from(moments.clone().count()).unwrap()));
    assert_eq!(tree.change(TEN + moments.clone().last().unwrap(), 1), writes);
    tree.change(TEN + moments.clone().last().unwrap(), -1);
    for moment in moments {
        tree.change(TEN + moment, -1);
    }
    assert_eq!(tree.spans, BTreeMap::new(), "everything was taken out");
}

#[test]
fn there_are_as_many_values_as_needed() {
    check((0..1).map(|_| 0), [1, 0, 0], 1);
    check((0..32).map(|number| number * MINUTE), [1, 0, 0], 1);
    check((0..33).map(|number| number * MINUTE), [1, 33, 0], 2);
    check((0..66).map(|number| number * MINUTE / 2), [1, 33, 0], 2);
    // 32 of the first minute, and one of the next.
    check((0..33).map(|number| number * MINUTE / 32), [1, 2, 0], 2);
    check((0..33).map(|number| number * SECOND), [1, 1, 33], 3);
    check((0..33).chain([HOUR - 1]), [1, 2, 1], 2);
    check((0..1000).chain([999]), [1, 1, 1], 3);
}

#[test]
fn what_is_left_below_without_a_sum_above_is_not_seen() {
    let mut tree = Tree::default();
    (0..40).for_each(|number| _ = tree.change(TEN + number, 1));
    // As when the pruning of an hour has not come to its end.
    tree.spans.remove(&hour());
    let all = Window::ending_with(TEN + HOUR - 1);
    let cut = Window::ending_with(TEN + MINUTE / 2);
    assert_eq!([tree.within(&all), tree.within(&cut)], [0, 0]);
    (0..40).for_each(|number| _ = tree.change(TEN + MINUTE + number, 1));
    assert_eq!([tree.within(&all), tree.within(&cut)], [40, 0]);
    tree.change(TEN, 1);
    assert_eq!([tree.within(&all), tree.within(&cut)], [41, 1]);
}

#[test]
fn taking_out_what_is_not_there_leaves_the_rest() {
    let mut tree = Tree::default();
    tree.change(TEN, -5);
    tree.change(TEN, 3);
    tree.change(TEN + 1, -5);
    assert_eq!(tree.total(), 3);
}

#[test]
fn a_value_is_readable_and_read_back() {
    let largest: BTreeMap<u64, i128> = [(0, 1), (3_599_999, i128::MAX)].into();
    for (sums, text) in [
        (
            Sums::Moments(largest.clone()),
            r#"{"moments":{"0":1,"3599999":170141183460469231731687303715884105727}}"#,
        ),
        (Sums::Parts(largest), r#"{"parts":{"0":1,"3599999":170141183460469231731687303715884105727}}"#),
        (Sums::Moments([(420_123, 1500)].into()), r#"{"moments":{"420123":1500}}"#),
    ] {
        let bytes = streams::encode_value(&sums).unwrap();
        assert_eq!(str::from_utf8(&bytes), Ok(text));
        assert_eq!(streams::decode_value(&bytes), Ok(sums));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64, i64),
    TakeOut(Index),
}

/// Moments of the hour, many of them in the same minutes and seconds.
fn any_moment() -> impl Strategy<Value = u64> {
    let near = |length: u64| select(vec![0, 1, length / 2, length - 1]);
    let minute = prop_oneof![Just(0), Just(59), 0_u64..60];
    let second = prop_oneof![2 => Just(0), 1 => Just(59), 1 => 0_u64..60];
    (minute, second, prop_oneof![near(SECOND), 0..SECOND])
        .prop_map(|(minute, second, rest)| TEN + minute * MINUTE + second * SECOND + rest)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any_moment(), prop_oneof![0..1000_i64, 0..i64::MAX]).prop_map(|(at, value)| Step::Add(at, value)),
        1 => any::<Index>().prop_map(Step::TakeOut),
    ]
}

/// The last moments of windows, most of which have an edge in the hour.
fn any_last() -> impl Strategy<Value = u64> {
    (any_moment(), select(vec![0, HOUR, HOUR - 1, 2 * HOUR])).prop_map(|(moment, later)| moment + later)
}

proptest! {
    #[test]
    fn the_sums_are_those_of_a_list(
        steps in prop_oneof![vec(any_step(), 0..20), vec(any_step(), 100..400)],
        lasts in vec(any_last(), 20),
    ) {
        let mut tree = Tree::default();
        let mut list: Vec<(u64, i128)> = Vec::new();
        for step in steps {
            match step {
                Step::Add(moment, value) => {
                    list.push((moment, value.into()));
                    tree.change(moment, value.into());
                }
                Step::TakeOut(index) if !list.is_empty() => {
                    let (moment, value) = list.swap_remove(index.index(list.len()));
                    tree.change(moment, -value);
                }
                Step::TakeOut(_) => {}
            }
        }
        prop_assert_eq!(tree.total(), list.iter().map(|(_, value)| value).sum::<i128>());
        for last in lasts {
            let expected: i128 = list
                .iter()
                .filter(|(moment, _)| *moment <= last && moment + HOUR > last)
                .map(|(_, value)| value)
                .sum();
            tree.reads.set(0);
            prop_assert_eq!(tree.within(&Window::ending_with(last)), expected, "until {}", last);
            // Of an hour of the clock, one edge: a minute and a second at most.
            prop_assert!(tree.reads.get() <= 2, "{} reads until {}", tree.reads.get(), last);
        }
    }

    #[test]
    fn any_value_can_be_read_and_changed(
        parts: bool, sums in prop::collection::btree_map(any::<u64>(), any::<i128>(), 0..40),
        moment: u64, last: u64, difference: i128, unit in select(vec![Unit::Hour, Unit::Minute, Unit::Second]),
    ) {
        let sums = if parts { Sums::Parts(sums) } else { Sums::Moments(sums) };
        let read = |_| Ok::<_, Infallible>(sums.clone());
        let span = Span::around(moment, unit);
        let Ok(_) = sums.within(span, &Window::ending_with(last), &read);
        let Ok(_) = sums.clone().changed(span, moment, difference, &read);
    }
}
