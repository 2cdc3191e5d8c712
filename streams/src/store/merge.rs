//! Two layers of a store seen as one.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::{BackendError, Visit};

/// Shows `visit` the entries between the bounds, in the order of their keys, until it breaks: what `above` says of a
/// key, a value or that it is deleted, and the rest as `below` shows it.
pub(super) fn merge(
    above: &BTreeMap<Bytes, Option<Bytes>>,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
    visit: &mut Visit<'_>,
    below: impl FnOnce(&mut Visit<'_>) -> Result<(), BackendError>,
) -> Result<(), BackendError> {
    if is_empty(from, to) {
        return Ok(());
    }
    let mut above = above.range::<[u8], _>((from, to)).peekable();
    let mut flow = ControlFlow::Continue(());
    below(&mut |key, value| {
        while flow.is_continue()
            && let Some((key, value)) = above.next_if(|(above, _)| above.as_ref() < key)
        {
            flow = show(key, value.as_ref(), visit);
        }
        if flow.is_continue() {
            flow = match above.next_if(|(above, _)| above.as_ref() == key) {
                Some((key, value)) => show(key, value.as_ref(), visit),
                None => visit(key, value),
            };
        }
        flow
    })?;
    while flow.is_continue()
        && let Some((key, value)) = above.next()
    {
        flow = show(key, value.as_ref(), visit);
    }
    Ok(())
}

fn show(key: &[u8], value: Option<&Bytes>, visit: &mut Visit<'_>) -> ControlFlow<()> {
    value.map_or(ControlFlow::Continue(()), |value| visit(key, value))
}

fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
