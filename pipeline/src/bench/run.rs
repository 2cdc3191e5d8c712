//! One run: orders are requested, and followed to their final states.

use std::sync::Arc;
use std::time::Duration;

use domain::OrderState;
use serde::Serialize;
use tokio::time::sleep;

use super::cost::{Costs, Meter};
use super::latency::LatencyMillis;
use super::orders::Orders;
use super::rig::Rig;
use super::watch::Watch;

/// A run that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) orders: usize,
    /// Orders a second; none: as fast as they can be written.
    pub(super) rate: Option<f64>,
}

/// A run that was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) name: String,
    pub(super) orders: usize,
    pub(super) rate: Option<f64>,
    /// From the first request to the last final state.
    pub(super) seconds: f64,
    pub(super) orders_per_second: f64,
    /// From when an order's request was sent to when its final state was seen.
    pub(super) latency_millis: Option<LatencyMillis>,
    pub(super) validated: usize,
    pub(super) failed: usize,
    /// Orders without a final state.
    pub(super) missing: usize,
    /// Final states beyond the first of an order.
    pub(super) duplicates: usize,
    /// From before the first request to the last final state.
    pub(super) costs: Costs,
}

impl Plan {
    pub(super) async fn carry_out(&self, rig: &Rig) -> anyhow::Result<Run> {
        rest(rig).await?;
        let orders = Arc::new(Orders::new(self.orders));
        let mut watch = Watch::start(rig.reader()?, rig.partitions(), orders.clone()).await?;
        let meters = Costs::start(rig)?;
        let sent = rig.producer.write(orders, self.rate).await?;
        watch.complete().await;
        let costs = meters.read()?;
        let states = watch.end().await?;

        let took = states.last_seen_at().zip(sent.first()).map(|(last, first)| last - *first);
        let seconds = took.unwrap_or_default().as_micros() as f64 / 1e6;
        let missing = states.missing();
        Ok(Run {
            name: self.name.clone(),
            orders: self.orders,
            rate: self.rate,
            seconds,
            orders_per_second: (self.orders - missing) as f64 / seconds.max(f64::EPSILON),
            latency_millis: LatencyMillis::of(&states.latencies(&sent)),
            validated: states.count(OrderState::Validated),
            failed: states.count(OrderState::Failed),
            missing,
            duplicates: states.duplicates,
            costs,
        })
    }
}

/// Waits until the pipeline has done what the run before has left it to do, such as records of the tiers: until it
/// takes next to nothing of a core, or for as long as that may last.
async fn rest(rig: &Rig) -> anyhow::Result<()> {
    for _ in 0..MOST_LOOKS {
        let meter = Meter::start(rig.pipeline())?;
        sleep(LOOK).await;
        if meter.cpu_percent()? < AT_REST_PERCENT {
            break;
        }
    }
    Ok(())
}

const LOOK: Duration = Duration::from_secs(1);
const MOST_LOOKS: usize = 60;
const AT_REST_PERCENT: f64 = 6.0;

impl Run {
    /// Nothing was lost and nothing decided twice.
    pub(super) fn is_sound(&self) -> bool {
        self.missing == 0 && self.duplicates == 0
    }
}
