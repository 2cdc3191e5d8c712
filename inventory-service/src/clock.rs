//! The time of a task, as the domain writes it.

use domain::{Timestamp, timestamp_from_millis};
use streams::Context;

/// The time that a processor is told.
pub(crate) fn now<K, V>(context: &Context<'_, K, V>) -> Timestamp
where
    K: Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    timestamp_from_millis(context.now().as_millis())
}
