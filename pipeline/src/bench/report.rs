//! All runs of a bench, and what they come to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use super::args::BenchArgs;
use super::cost::{self, Meter};
use super::latency::LatencyMillis;
use super::machine::Machine;
use super::progress;
use super::rig::Rig;
use super::run::{Plan, Run};
use super::table::Table;

/// What `pipeline bench` measures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    machine: Machine,
    /// From the start of a pipeline whose Kafka answers until all of it runs.
    ready_seconds: f64,
    /// Of one core, while nothing is asked of the pipeline.
    idle_cpu_percent: Option<f64>,
    runs: Vec<Run>,
}

impl Report {
    pub(super) async fn measure(args: &BenchArgs) -> anyhow::Result<Self> {
        let rig = Rig::start(&args.common.up).await?;
        let mut report = Self {
            machine: Machine::this(),
            ready_seconds: rig.under_test.ready_after.as_secs_f64(),
            idle_cpu_percent: idle_cpu_percent(&rig, args.idle).await?,
            runs: Vec::new(),
        };
        for plan in plans(args) {
            progress(format_args!("{} orders, {}", plan.orders, plan.name));
            report.runs.push(plan.carry_out(&rig).await?);
        }
        Ok(report)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.runs.iter().all(Run::is_sound)
    }
}

async fn idle_cpu_percent(rig: &Rig, seconds: u32) -> anyhow::Result<Option<f64>> {
    if seconds == 0 {
        return Ok(None);
    }
    progress(format_args!("leaving the pipeline alone for {seconds} s"));
    let meter = Meter::start(rig.pipeline())?;
    sleep(Duration::from_secs(seconds.into())).await;
    meter.cpu_percent().map(Some)
}

/// The runs that are asked for, in their order.
fn plans(args: &BenchArgs) -> Vec<Plan> {
    let bursts = [("warm-up", args.warmup), ("burst", args.orders)];
    let bursts = bursts.into_iter().filter(|(_, orders)| *orders > 0);
    let bursts = bursts.map(|(name, orders)| Plan { name: name.to_owned(), orders, rate: None });
    let rates = args.rates.iter().map(|rate| Plan {
        name: format!("{rate}/s"),
        orders: (rate * f64::from(args.seconds.get())).ceil() as usize,
        rate: Some(*rate),
    });
    bursts.chain(rates).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        write!(f, "ready after {:.2} s", self.ready_seconds)?;
        if let Some(percent) = self.idle_cpu_percent {
            write!(f, ", {percent:.1} % of a core when idle")?;
        }
        let costs = cost::table(self.runs.iter().map(|run| (&*run.name, &run.costs)));
        write!(f, "\n\n{}\n{costs}", outcomes(&self.runs))
    }
}

fn outcomes(runs: &[Run]) -> Table {
    let mut table = Table::default();
    let heads = ["run", "orders", "orders/s"].into_iter().chain(LatencyMillis::HEADS);
    table.row(heads.chain(["validated", "failed", "missing", "duplicates"]));
    for run in runs {
        let speed = [run.name.clone(), run.orders.to_string(), format!("{:.0}", run.orders_per_second)];
        let ends = [run.validated, run.failed, run.missing, run.duplicates].map(|count| count.to_string());
        table.row(speed.into_iter().chain(LatencyMillis::cells(run.latency_millis)).chain(ends));
    }
    table
}

#[cfg(test)]
mod tests;
