//! What counts of one customer in one currency, by hours of the clock, and the hour that holds most of it.
//!
//! An hour of the clock is kept as stretches of time, each with the sum of the orders created in it:
//!
//! ```text
//! [[1772359620123,1772359620123,150000],       1,500.00 at 10:07:00.123
//!  [1772359680000,1772359738870,93500]]        935.00 from 10:08:00 to 10:08:58.870
//! ```
//!
//! A stretch is a single millisecond as long as there are at most [`MOST`] of them. With more, those of one
//! minute become one. So an hour is small however many orders it counts, and it errs to one side only: an
//! order counts from the first to the last moment of its stretch, so for less than a minute longer than it
//! should, and never for less.
//!
//! Times are milliseconds since the Unix epoch, sums minor units.

use std::iter;

use serde::{Deserialize, Serialize};

pub(crate) const HOUR: u64 = 60 * MINUTE;
const MINUTE: u64 = 60_000;

/// How many stretches an hour has at most: one a minute would be 60.
pub(crate) const MOST: usize = 64;

/// What counts in an hour of the clock: stretches that do not overlap, the first one first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hour(Vec<Stretch>);

/// From its first moment to its last. Its sum is positive, and `i128` because the limit may be beyond `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, i128)", into = "(u64, u64, i128)")]
struct Stretch {
    first: u64,
    last: u64,
    sum: i128,
}

impl Hour {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts an order created at `moment`.
    pub(crate) fn add(&mut self, moment: u64, value: i64) {
        let sum = value.into();
        let place = self.place_of(moment);
        match self.0.get_mut(place) {
            Some(stretch) if stretch.first <= moment => stretch.sum = stretch.sum.saturating_add(sum),
            _ => self.0.insert(place, Stretch { first: moment, last: moment, sum }),
        }
        if self.0.len() > MOST {
            self.join_minutes();
        }
    }

    /// Counts it no more.
    pub(crate) fn take_out(&mut self, moment: u64, value: i64) {
        let place = self.place_of(moment);
        if let Some(stretch) = self.0.get_mut(place).filter(|stretch| stretch.first <= moment) {
            stretch.sum = stretch.sum.saturating_sub(value.into());
            if stretch.sum <= 0 {
                self.0.remove(place);
            }
        }
    }

    /// Where the stretch around `moment` stands or, if there is none, belongs.
    fn place_of(&self, moment: u64) -> usize {
        self.0.partition_point(|stretch| stretch.last < moment)
    }

    fn join_minutes(&mut self) {
        self.0.dedup_by(|next, stretch| {
            let is_one = next.first / MINUTE == stretch.last / MINUTE;
            if is_one {
                stretch.last = next.last;
                stretch.sum = stretch.sum.saturating_add(next.sum);
            }
            is_one
        });
    }
}

/// The most that counts in any hour, wherever it begins, that `moment` lies in.
///
/// Orders come in another order than they were created in, so it need not be the hour that ends with
/// `moment`: what was created after it may be here before it. Of all hours those matter that end with
/// `moment` or with the first moment of a later stretch; any other has no more in it than one of these.
pub(crate) fn fullest(hours: &[Hour], moment: u64) -> i128 {
    let stretches = || hours.iter().flat_map(|hour| &hour.0);
    let later = stretches().map(|stretch| stretch.first);
    let ends = later.filter(|first| moment < *first && first - moment < HOUR);
    let until = |end: u64| {
        let within =
            stretches().filter(|stretch| stretch.first <= end && end < stretch.last.saturating_add(HOUR));
        within.map(|stretch| stretch.sum).fold(0, i128::saturating_add)
    };
    iter::once(moment).chain(ends).map(until).max().unwrap_or_default()
}

impl From<(u64, u64, i128)> for Stretch {
    fn from((first, last, sum): (u64, u64, i128)) -> Self {
        Self { first, last, sum }
    }
}

impl From<Stretch> for (u64, u64, i128) {
    fn from(Stretch { first, last, sum }: Stretch) -> Self {
        (first, last, sum)
    }
}

#[cfg(test)]
mod tests;
