//! Removes what no order will ask for any more.
//!
//! An hour of the clock goes once an order was created more than [`KEPT_HOURS`] of them after it *and* the
//! wall clock is that far, too. So neither a backlog that is worked off after an outage of any length loses
//! its hours, nor does an order from the future sweep everything away.
//!
//! An order is judged by the hour before its own, its own and the one after it. Once the first of these may
//! be gone, it is not judged any more: five hours late, an order still is.

use std::ops::Bound;
use std::time::Duration;

use domain::{OrderId, Verdict};
use streams::{Context, Store, StoreError, Value};

use crate::hour::HOUR;
use crate::keys::{ByHour, RowKey, first_of_hour};
use crate::row::Row;

/// How many hours of the clock are kept before the newest.
pub(crate) const KEPT_HOURS: u64 = 6;

/// How often there is something to remove at most.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// How many entries of a store are removed at a time, at least. When more comes in, it is twice as many as
/// records came since the last time: each adds one entry at most, so a store never grows while it holds what
/// is too old.
pub(crate) const BATCH: usize = 200;

/// Removes the oldest hour of `store`, or a part of it, if it is too old as the rows see it.
pub(crate) fn prune<T, V: Value>(
    store: &Store<ByHour<T>, V>,
    rows: &Store<RowKey, Row>,
    context: &mut Context<'_, OrderId, Verdict>,
) -> Result<(), StoreError>
where
    ByHour<T>: streams::Key,
{
    let Some(oldest) = context.keys(store, Bound::Unbounded, Bound::Unbounded, 1)?.pop() else {
        return Ok(());
    };
    if is_too_old(oldest.hour, rows, context)? {
        let end = first_of_hour(oldest.hour.saturating_add(1));
        let most = BATCH.max(2 * context.records_since());
        for key in context.keys(store, Bound::Unbounded, Bound::Excluded(&end), most)? {
            context.delete(store, &key);
        }
    }
    Ok(())
}

/// Whether of what an order created in `hour` is judged by something may be removed.
pub(crate) fn is_partly_gone(
    hour: u64,
    rows: &Store<RowKey, Row>,
    context: &Context<'_, OrderId, Verdict>,
) -> Result<bool, StoreError> {
    is_too_old(hour.saturating_sub(1), rows, context)
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
