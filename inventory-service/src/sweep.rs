//! Forgetting: old rows of a store go, some at a time.
//!
//! A sweep walks through a store in the order of its keys, a step at each
//! punctuation, and begins again at its end. An index by time would find the old
//! rows at once, but would cost a record more for each order.

use std::ops::Bound;
use std::time::Duration;

use domain::Timestamp;
use streams::{Context, Key, Store, StoreError, Value};

use crate::unreadable::readable;

/// How long what is over is remembered, at least: replays within this time
/// change nothing. At most it is that and the time of one walk through the store.
pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// The time between two steps of a sweep.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// The number of rows that a step looks at, at least. When more comes in, it is
/// twice as many as records came since the last step. Each adds one row at most,
/// so a walk has gone through the store before it has doubled.
pub(crate) const STEP: usize = 2_000;

/// Was this [`RETENTION`] ago, or longer?
pub(crate) fn is_old(at: Timestamp, now: Timestamp) -> bool {
    // Two machines' clocks may disagree: what lies in the future has no age.
    Duration::try_from(now.duration_since(at)).is_ok_and(|age| age >= RETENTION)
}

/// One step of the sweep called `name` through `rows`; `cursors` knows how far it got.
pub(crate) fn sweep<SK, SV, K, V>(
    context: &mut Context<'_, K, V>,
    rows: &Store<SK, SV>,
    cursors: &Store<String, String>,
    name: &str,
    is_old: impl Fn(&SV) -> bool,
) -> Result<(), StoreError>
where
    SK: Key,
    SV: Value,
    K: Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    let name = name.to_owned();
    // A cursor that is lost or damaged only means to begin again.
    let cursor = readable(context.get(cursors, &name))?.ok().flatten().unwrap_or_default();
    let most = STEP.max(2 * context.records_since());
    let Ok(step) = readable(context.range(rows, Bound::Excluded(&cursor), Bound::Unbounded, most))? else {
        context.count("sweeps_unreadable");
        return Ok(());
    };
    for (key, _) in step.iter().filter(|(_, row)| is_old(row)) {
        context.delete(rows, key);
    }
    let next =
        step.last().filter(|_| step.len() == most).map_or_else(String::new, |(key, _)| key.to_string());
    // A store that fits into one step needs no cursor, and so no transaction when it is idle.
    if next == cursor { Ok(()) } else { context.put(cursors, &name, &next) }
}
