//! What can be set of the aggregator.

use std::time::Duration;

/// How long to wait, and how long to remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregatorPolicy {
    /// How long after an attempt began, or after the task started if that is later, its verdicts have to
    /// be there.
    pub deadline: Duration,
    /// How long at least a decided order is remembered of which verdicts have not come, so that they are known
    /// for late; and verdicts whose order has not been seen.
    pub remember: Duration,
}

impl Default for AggregatorPolicy {
    /// 30 s and 10 s.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(30), remember: Duration::from_secs(10) }
    }
}
