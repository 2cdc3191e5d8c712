//! Removes what no order will ask for any more.
//!
//! An hour's rows and sums go once an order was created more than [`KEPT_HOURS`] hours of the clock after
//! it *and* the wall clock is that far, too. So neither a backlog that is worked off after an outage of any
//! length loses its window, nor does an order from the future sweep everything away.
//!
//! An order that comes later than that is judged by what is left of its hour, at worst by itself alone.

use std::ops::Bound;
use std::time::Duration;

use domain::{OrderId, Verdict};
use streams::{Context, Key, Store, StoreError, Value};

use crate::keys::{RowKey, first_of_hour};
use crate::row::Row;
use crate::span::HOUR;

/// How many hours of the clock are kept before the newest: five hours late, an order still meets its whole
/// window, which reaches back into the hour before its own.
pub(crate) const KEPT_HOURS: u64 = 6;

/// How often there is something to remove at most.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// How many entries of a store are removed at a time. With [`INTERVAL`] this keeps up with 200 orders a
/// second and partition.
pub(crate) const BATCH: usize = 1000;

/// Removes the oldest hour of `store`, or a part of it, if it is too old as the rows see it.
pub(crate) fn prune<K: Key, V: Value>(
    store: &Store<K, V>,
    hour_of: fn(&K) -> u64,
    rows: &Store<RowKey, Row>,
    context: &mut Context<'_, OrderId, Verdict>,
) -> Result<(), StoreError> {
    let Some(oldest) = context.keys(store, Bound::Unbounded, Bound::Unbounded, 1)?.pop() else {
        return Ok(());
    };
    let hour = hour_of(&oldest);
    if is_too_old(hour, rows, context)? {
        let end = first_of_hour(hour.saturating_add(1));
        for key in context.keys(store, Bound::Unbounded, Bound::Excluded(&end), BATCH)? {
            context.delete(store, &key);
        }
    }
    Ok(())
}

fn is_too_old(
    hour: u64,
    rows: &Store<RowKey, Row>,
    context: &Context<'_, OrderId, Verdict>,
) -> Result<bool, StoreError> {
    let next = hour.saturating_add(KEPT_HOURS).saturating_add(1);
    let now = u64::try_from(context.now().as_millis()).unwrap_or(0) / HOUR;
    if now < next {
        return Ok(false);
    }
    let newer = context.keys(rows, Bound::Included(&first_of_hour(next)), Bound::Unbounded, 1)?;
    Ok(!newer.is_empty())
}
