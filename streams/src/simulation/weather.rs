//! How well a simulated world goes.

use std::time::Duration;

/// How long things take, and how often they fail. Chances are per 10,000 calls.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// How long a request or an answer is on its way, at most.
    pub latency: Duration,
    /// How often one of them takes much longer.
    pub slow: u32,
    /// How long it then takes, at most.
    pub slow_latency: Duration,
    /// How often a request never arrives.
    pub lost_requests: u32,
    /// How often an answer never arrives.
    pub lost_answers: u32,
    /// How often the end of a transaction arrives after nobody waits for it any more.
    pub late_ends: u32,
    /// How often a store cannot be written.
    pub failing_writes: u32,
}

impl Weather {
    /// A short way to Kafka, and nothing goes wrong.
    pub fn fair() -> Self {
        Self { latency: Duration::from_millis(2), ..Self::default() }
    }
}
