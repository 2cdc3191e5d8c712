//! The sums of one customer and currency in an hour of the clock: a tree that grows where there is much.
//!
//! An hour with few sums holds them itself, by millisecond. With more, it holds the sums of its minutes, and
//! each of these minutes what the hour held of it; a minute likewise has its seconds. So what is read of an
//! hour, and written when it changes, is small however much it counts, and for most customers it is one value:
//!
//! ```text
//! the hour 10:00         {"moments":{"420123":1500,"425000":75}}
//!
//! or, with more          {"parts":{"420000":3300,"480000":75}}
//!     its minute 10:07   {"moments":{"123":1500,"5000":1800}}
//!     its minute 10:08   {"moments":{"2":75}}
//! ```
//!
//! Invariants: a part's sum in the whole is the sum of the part's own sums; no sum is 0 or negative; a span
//! without sums is not there, nor is its sum in the whole. What the whole has no sum of is not read: should
//! something be left there of an hour whose whole was pruned, it is as if it were not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::span::Span;
use crate::window::{Share, Window};

/// The sums of a span, each by the milliseconds from the span's start to that of what it is the sum of, in
/// minor units.
///
/// They are `i128` because orders that come late are judged by their own hour: what others see of the same
/// minute may exceed any limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Sums {
    Moments(BTreeMap<u64, i128>),
    /// There are sums of each of the parts apart.
    Parts(BTreeMap<u64, i128>),
}

/// How many moments a span holds before they go to its parts.
pub(crate) const MOMENTS: usize = 32;

impl Default for Sums {
    fn default() -> Self {
        Self::Moments(BTreeMap::new())
    }
}

impl Sums {
    pub(crate) fn is_empty(&self) -> bool {
        let (Self::Moments(sums) | Self::Parts(sums)) = self;
        sums.is_empty()
    }

    /// What counts in `span` within the window. Parts are read that an edge of the window goes through.
    pub(crate) fn within<E>(
        &self,
        span: Span,
        window: &Window,
        read: &impl Fn(Span) -> Result<Self, E>,
    ) -> Result<i128, E> {
        let (Self::Moments(sums) | Self::Parts(sums)) = self;
        sums.iter().try_fold(0, |total: i128, (offset, sum)| {
            let moment = span.moment_at(*offset);
            let counted = match (self, span.part_around(moment)) {
                (Self::Parts(_), Some(part)) => match window.share_of(part) {
                    Share::All => *sum,
                    Share::Some => read(part)?.within(part, window, read)?,
                    Share::None => 0,
                },
                _ if window.contains(moment) => *sum,
                _ => 0,
            };
            Ok(total.saturating_add(counted))
        })
    }

    /// What stands where once the sums at `moment` have changed by `difference`.
    pub(crate) fn changed<E>(
        self,
        span: Span,
        moment: u64,
        difference: i128,
        read: &impl Fn(Span) -> Result<Self, E>,
    ) -> Result<Vec<(Span, Self)>, E> {
        match (self, span.part_around(moment)) {
            (Self::Parts(mut sums), Some(part)) => {
                let offset = span.offset_of(part.start());
                let below = if sums.contains_key(&offset) { read(part)? } else { Self::default() };
                let mut changes = below.changed(part, moment, difference, read)?;
                change(&mut sums, offset, difference);
                changes.push((span, Self::Parts(sums)));
                Ok(changes)
            }
            (Self::Moments(mut sums) | Self::Parts(mut sums), _) => {
                change(&mut sums, span.offset_of(moment), difference);
                Ok(laid_out(span, sums))
            }
        }
    }
}

fn change(sums: &mut BTreeMap<u64, i128>, offset: u64, difference: i128) {
    let sum = sums.remove(&offset).unwrap_or(0).saturating_add(difference);
    if sum > 0 {
        sums.insert(offset, sum);
    }
}

/// The moments of a span, in as many values as they need.
fn laid_out(span: Span, moments: BTreeMap<u64, i128>) -> Vec<(Span, Sums)> {
    if moments.len() <= MOMENTS || span.part_around(span.start()).is_none() {
        return vec![(span, Sums::Moments(moments))];
    }
    let mut below: BTreeMap<Span, BTreeMap<u64, i128>> = BTreeMap::new();
    for (offset, sum) in moments {
        let moment = span.moment_at(offset);
        if let Some(part) = span.part_around(moment) {
            below.entry(part).or_default().insert(part.offset_of(moment), sum);
        }
    }
    let total = |moments: &BTreeMap<u64, i128>| moments.values().copied().fold(0, i128::saturating_add);
    let parts = below.iter().map(|(part, moments)| (span.offset_of(part.start()), total(moments))).collect();
    let below = below.into_iter().flat_map(|(part, moments)| laid_out(part, moments));
    below.chain([(span, Sums::Parts(parts))]).collect()
}

#[cfg(test)]
mod tests;
