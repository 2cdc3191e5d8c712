//! Latencies as they are told.

use std::time::Duration;

use serde::Serialize;

use crate::percentiles::Percentiles;

/// In milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct LatencyMillis {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl LatencyMillis {
    /// None of no durations.
    pub(super) fn of(durations: &[Duration]) -> Option<Self> {
        let Percentiles { p50, p90, p99, max } = Percentiles::of(durations)?;
        Some(Self { p50: millis(p50), p90: millis(p90), p99: millis(p99), max: millis(max) })
    }

    /// The heads of its columns.
    pub(super) const HEADS: [&str; 4] = ["p50 ms", "p90 ms", "p99 ms", "max ms"];

    /// Its columns.
    pub(super) fn cells(latency: Option<Self>) -> [String; 4] {
        let Some(Self { p50, p90, p99, max }) = latency else { return Default::default() };
        [p50, p90, p99, max].map(|millis| format!("{millis:.1}"))
    }
}

/// To the microsecond, for what is finer is noise.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
