//! Requests that are answered at once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::time::sleep;

use super::answers::Answers;
use super::target::Target;
use crate::bench::args::HttpArgs;
use crate::bench::cost::Costs;
use crate::bench::latency::LatencyMillis;
use crate::bench::orders::Orders;
use crate::bench::progress;
use crate::bench::rig::Rig;
use crate::pace::paced;

/// Requests of one kind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Requests {
    pub(super) name: String,
    /// How many were answered as they should be.
    pub(super) answered: usize,
    /// All others, by what went wrong.
    pub(super) errors: BTreeMap<String, usize>,
    pub(super) answers_per_second: f64,
    pub(super) latency_millis: Option<LatencyMillis>,
    pub(super) costs: Costs,
}

/// As many customers as a tenth of this have the orders.
const ORDERS: usize = 10_000;

/// POST to warm up, POST at once, POST at a rate, GET.
pub(super) async fn measure(rig: &Rig, args: &HttpArgs) -> anyhow::Result<Vec<Requests>> {
    let target = Target::new(&rig.under_test.url)?;
    let concurrency = args.concurrency.get();
    let seconds = args.seconds.get();
    let mut measured = Vec::new();

    if args.warmup > 0 {
        let name = format!("POST, {concurrency} at once, to warm up");
        measured.push(post(rig, &target, name, for_seconds(args.warmup), concurrency).await?);
    }
    let name = format!("POST, {concurrency} at once");
    measured.push(post(rig, &target, name, for_seconds(seconds), concurrency).await?);

    let count = (args.rate * f64::from(seconds)).ceil() as usize;
    let numbers = paced(0..count, Some(args.rate));
    let name = format!("POST, {}/s", args.rate);
    measured.push(post(rig, &target, name, numbers, count).await?);

    let known = Orders::new(ORDERS).order(0);
    target.post(&known).await.map_err(refused)?;
    let get = |_| target.get(&known.id);
    let name = format!("GET, {concurrency} at once");
    measured.push(Requests::of(rig, name, for_seconds(seconds), concurrency, get).await?);
    Ok(measured)
}

/// Creates orders. Returns when they are decided: until then they would be in the way of what comes next.
async fn post(
    rig: &Rig,
    target: &Target,
    name: String,
    numbers: impl Stream<Item = usize>,
    concurrency: usize,
) -> anyhow::Result<Requests> {
    let orders = Orders::new(ORDERS);
    let create = async |number| target.post(&orders.order(number)).await;
    let requests = Requests::of(rig, name, numbers, concurrency, create).await?;
    queue_up(target).await.map_err(refused)?;
    Ok(requests)
}

/// Waits for orders that stand behind all others, in each partition with hardly an exception.
async fn queue_up(target: &Target) -> Result<(), String> {
    let last = Orders::new(64);
    for number in 0..last.count() {
        target.post(&last.order(number)).await?;
    }
    for number in 0..last.count() {
        target.poll(&last.id(number)).await?;
    }
    Ok(())
}

fn refused(error: String) -> anyhow::Error {
    anyhow!("an order was answered {error}")
}

/// One number after the other, as fast as they are taken.
fn for_seconds(seconds: u32) -> impl Stream<Item = usize> {
    stream::iter(0..).take_until(sleep(Duration::from_secs(seconds.into())))
}

impl Requests {
    async fn of<F: Future<Output = Result<(), String>>>(
        rig: &Rig,
        name: String,
        numbers: impl Stream<Item = usize>,
        concurrency: usize,
        call: impl Fn(usize) -> F,
    ) -> anyhow::Result<Self> {
        progress(&name);
        let meters = Costs::start(rig)?;
        let Answers { latencies, errors, elapsed } = Answers::collect(numbers, concurrency, call).await;
        let costs = meters.read()?;
        Ok(Self {
            name,
            answered: latencies.len(),
            errors,
            answers_per_second: latencies.len() as f64 / elapsed.as_secs_f64().max(f64::EPSILON),
            latency_millis: LatencyMillis::of(&latencies),
            costs,
        })
    }
}
