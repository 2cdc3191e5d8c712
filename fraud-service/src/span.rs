//! Stretches of time as the clock divides them: an hour, its minutes, their seconds.
//!
//! Times are milliseconds since the Unix epoch, ranges half open.

use std::ops::Range;

pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const SECOND: u64 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    unit: Unit,
    start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    Hour,
    Minute,
    Second,
}

impl Unit {
    fn length(self) -> u64 {
        match self {
            Self::Hour => HOUR,
            Self::Minute => MINUTE,
            Self::Second => SECOND,
        }
    }
}

impl Span {
    /// The one of its unit that `moment` lies in.
    pub(crate) fn around(moment: u64, unit: Unit) -> Self {
        Self { unit, start: moment / unit.length() * unit.length() }
    }

    pub(crate) fn unit(self) -> Unit {
        self.unit
    }

    /// Hours since the Unix epoch.
    pub(crate) fn hour(self) -> u64 {
        self.start / HOUR
    }

    /// What is below the span around `moment`; seconds have no parts.
    pub(crate) fn part_around(self, moment: u64) -> Option<Self> {
        match self.unit {
            Unit::Hour => Some(Self::around(moment, Unit::Minute)),
            Unit::Minute => Some(Self::around(moment, Unit::Second)),
            Unit::Second => None,
        }
    }

    pub(crate) fn start(self) -> u64 {
        self.start
    }

    pub(crate) fn range(self) -> Range<u64> {
        self.start..self.start.saturating_add(self.unit.length())
    }

    /// How far into the span a moment is, in milliseconds.
    pub(crate) fn offset_of(self, moment: u64) -> u64 {
        moment.saturating_sub(self.start)
    }

    /// The moment so far into the span.
    pub(crate) fn moment_at(self, offset: u64) -> u64 {
        self.start.saturating_add(offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_part_lies_within_its_whole(moment: u64) {
            let hour = Span::around(moment, Unit::Hour);
            let minute = hour.part_around(moment).unwrap();
            let second = minute.part_around(moment).unwrap();
            prop_assert_eq!(second.part_around(moment), None);
            prop_assert_eq!(second, Span::around(moment, Unit::Second));
            for (whole, part) in [(hour, minute), (minute, second)] {
                let (whole, part) = (whole.range(), part.range());
                prop_assert!(whole.start <= part.start && part.end <= whole.end);
            }
            for span in [hour, minute, second] {
                prop_assert!(span.start() <= moment && span.offset_of(moment) < span.unit().length());
                prop_assert_eq!(span.moment_at(span.offset_of(moment)), moment);
                prop_assert_eq!(span.hour(), moment / HOUR);
            }
        }
    }
}
