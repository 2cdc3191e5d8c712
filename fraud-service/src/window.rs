//! The hour that ends with an order's creation.

use std::ops::Range;

use crate::span::{HOUR, Span};

/// An hour, wherever it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window(Range<u64>);

/// How much of a span lies in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    All,
    /// One of the window's edges goes through it.
    Some,
    None,
}

impl Window {
    /// From after the moment an hour before `last` up to and with `last`.
    pub(crate) fn ending_with(last: u64) -> Self {
        let end = last.saturating_add(1);
        Self(end.saturating_sub(HOUR)..end)
    }

    pub(crate) fn start(&self) -> u64 {
        self.0.start
    }

    pub(crate) fn contains(&self, moment: u64) -> bool {
        self.0.contains(&moment)
    }

    pub(crate) fn share_of(&self, span: Span) -> Share {
        let Range { start, end } = span.range();
        if self.0.start <= start && end <= self.0.end {
            Share::All
        } else if self.0.start < end && start < self.0.end {
            Share::Some
        } else {
            Share::None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::span::{MINUTE, SECOND, Unit};

    #[track_caller]
    fn check(last: u64, cases: &[(u64, Unit, Share)]) {
        let window = Window::ending_with(last);
        for (start, unit, expected) in cases {
            let span = Span::around(*start, *unit);
            assert_eq!(window.share_of(span), *expected, "of {span:?} in {window:?}");
        }
    }

    #[test]
    fn a_window_goes_through_a_span_at_each_edge() {
        check(
            2 * HOUR,
            &[
                (0, Unit::Hour, Share::None),
                (HOUR, Unit::Hour, Share::Some),
                (HOUR, Unit::Minute, Share::Some),
                (HOUR, Unit::Second, Share::Some),
                (HOUR + SECOND, Unit::Second, Share::All),
                (HOUR + MINUTE, Unit::Minute, Share::All),
                (2 * HOUR, Unit::Minute, Share::Some),
                (2 * HOUR, Unit::Second, Share::Some),
                (2 * HOUR + SECOND, Unit::Second, Share::None),
                (3 * HOUR, Unit::Hour, Share::None),
            ],
        );
        check(2 * HOUR - 1, &[(0, Unit::Hour, Share::None), (HOUR, Unit::Hour, Share::All)]);
        check(0, &[(0, Unit::Second, Share::Some), (SECOND, Unit::Second, Share::None)]);
    }

    proptest! {
        #[test]
        fn a_window_holds_the_moments_of_an_hour(last in 0..100 * HOUR, offset in 0..2 * HOUR) {
            let moment = (last + MINUTE).saturating_sub(offset);
            let expected = moment <= last && moment + HOUR > last;
            prop_assert_eq!(Window::ending_with(last).contains(moment), expected);
        }

        #[test]
        fn a_share_is_that_of_the_span_s_moments(
            last in 0..3 * HOUR, moment in 0..4 * HOUR, unit in select(vec![Unit::Hour, Unit::Minute, Unit::Second]),
        ) {
            let (window, span) = (Window::ending_with(last), Span::around(moment, unit));
            let Range { start, end } = span.range();
            let expected = match (window.contains(start), window.contains(end - 1)) {
                (true, true) => Share::All,
                // A window is as long as the longest span, so it lies inside of none.
                (false, false) if last < start || end <= window.start() => Share::None,
                _ => Share::Some,
            };
            prop_assert_eq!(window.share_of(span), expected);
        }
    }
}
