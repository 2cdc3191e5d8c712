//! The hour that ends with an order's creation, in the pieces in which it is read.
//!
//! Times are milliseconds since the Unix epoch, ranges half open.

use std::ops::Range;

pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const MINUTE: u64 = 60_000;

/// An hour: the minutes that lie in it as a whole, and what is left at its two edges, less than a minute
/// each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) minutes: Range<u64>,
    pub(crate) edges: [Range<u64>; 2],
}

impl Window {
    /// From after the moment an hour before `last` up to and with `last`.
    pub(crate) fn ending_with(last: u64) -> Self {
        let end = last.saturating_add(1);
        let start = end.saturating_sub(HOUR);
        let minutes = start.div_ceil(MINUTE).saturating_mul(MINUTE)..end / MINUTE * MINUTE;
        let edges = [start..minutes.start, minutes.end..end];
        Self { minutes, edges }
    }
}

/// The parts of a range that lie in one hour of the clock each.
pub(crate) fn by_hour(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let hours = range.start / HOUR..range.end.div_ceil(HOUR);
    hours
        .map(move |hour| {
            let end = hour.saturating_add(1).saturating_mul(HOUR);
            range.start.max(hour * HOUR)..range.end.min(end)
        })
        .filter(|part| !part.is_empty())
}

/// The first moment of the minute that `moment` lies in.
pub(crate) fn minute_of(moment: u64) -> u64 {
    moment / MINUTE * MINUTE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(last: u64, lower: Range<u64>, minutes: Range<u64>, upper: Range<u64>) {
        assert_eq!(
            Window::ending_with(last),
            Window { minutes, edges: [lower, upper] },
            "ending with {last}"
        );
    }

    #[test]
    fn a_window_is_whole_minutes_and_two_edges() {
        check(2 * HOUR, HOUR + 1..HOUR + MINUTE, HOUR + MINUTE..2 * HOUR, 2 * HOUR..2 * HOUR + 1);
        check(2 * HOUR - 1, HOUR..HOUR, HOUR..2 * HOUR, 2 * HOUR..2 * HOUR);
        check(0, 0..0, 0..0, 0..1);
        check(MINUTE, 0..0, 0..MINUTE, MINUTE..MINUTE + 1);
    }

    proptest! {
        /// Each moment of the hour lies in one piece, and no other does.
        #[test]
        fn the_pieces_make_up_the_hour(last in 0..100 * HOUR, offset in 0..2 * HOUR) {
            let moment = (last + MINUTE).saturating_sub(offset);
            let Window { minutes, edges: [lower, upper] } = Window::ending_with(last);
            let pieces = [lower, minutes.clone(), upper];
            let found = pieces.iter().filter(|piece| piece.contains(&moment)).count();
            let expected = moment <= last && moment + HOUR > last;
            prop_assert_eq!(found, usize::from(expected), "{} in {:?}", moment, pieces);
            prop_assert!(minutes.start % MINUTE == 0 && minutes.end % MINUTE == 0);
        }

        #[test]
        fn an_hour_s_part_lies_in_that_hour(start in 0..10 * HOUR, length in 0..3 * HOUR) {
            let range = start..start + length;
            let parts: Vec<_> = by_hour(range.clone()).collect();
            prop_assert_eq!(parts.iter().map(|part| part.end - part.start).sum::<u64>(), length);
            prop_assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            for part in parts {
                prop_assert!(part.start >= range.start && part.end <= range.end);
                prop_assert_eq!(part.start / HOUR, (part.end - 1) / HOUR);
            }
        }

        #[test]
        fn any_moment_has_a_window(last: u64) {
            let Window { minutes, edges } = Window::ending_with(last);
            for range in edges.into_iter().chain([minutes]) {
                prop_assert!(by_hour(range).count() <= 2);
            }
        }
    }
}
