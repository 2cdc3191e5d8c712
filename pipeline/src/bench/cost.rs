//! What a stretch of work costs each of those who take part in it.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::process::Process;
use super::rig::Rig;
use super::table::Table;

/// The three processes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Costs<T = Cost> {
    pub(super) pipeline: T,
    pub(super) broker: T,
    /// The bench itself, which takes its share of the machine from the others.
    pub(super) load: T,
}

/// What one process has used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    pub(super) cpu_seconds: f64,
    pub(super) peak_mb: f64,
}

impl Costs<Meter> {
    /// Begins to measure.
    pub(super) fn start(rig: &Rig) -> anyhow::Result<Self> {
        Ok(Self {
            pipeline: Meter::start(rig.pipeline())?,
            broker: Meter::start(rig.broker()?)?,
            load: Meter::start(Process(std::process::id()))?,
        })
    }

    /// What it was since then.
    pub(super) fn read(&self) -> anyhow::Result<Costs> {
        Ok(Costs { pipeline: self.pipeline.read()?, broker: self.broker.read()?, load: self.load.read()? })
    }
}

/// What each of these stretches, by its name, has cost.
pub(super) fn table<'a>(stretches: impl IntoIterator<Item = (&'a str, &'a Costs)>) -> Table {
    let mut table = Table::default();
    table.row(["", "CPU s:", "pipeline", "broker", "load", "peak MB:", "pipeline", "broker"]);
    for (name, Costs { pipeline, broker, load }) in stretches {
        let cpu = |cost: &Cost| format!("{:.2}", cost.cpu_seconds);
        let memory = |cost: &Cost| format!("{:.0}", cost.peak_mb);
        let (cpu, memory) = ([pipeline, broker, load].map(cpu), [pipeline, broker].map(memory));
        let none = || [String::new()];
        table.row([name.to_owned()].into_iter().chain(none()).chain(cpu).chain(none()).chain(memory));
    }
    table
}

/// Measures one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    process: Process,
    started: Instant,
    before: Duration,
}

impl Meter {
    pub(super) fn start(process: Process) -> anyhow::Result<Self> {
        process.forget_peak();
        Ok(Self { process, started: Instant::now(), before: process.cpu_time()? })
    }

    pub(super) fn read(&self) -> anyhow::Result<Cost> {
        let peak = self.process.memory()?.peak;
        Ok(Cost { cpu_seconds: self.cpu_time()?.as_secs_f64(), peak_mb: peak as f64 / (1 << 20) as f64 })
    }

    /// How much of one core it took, in percent.
    pub(super) fn cpu_percent(&self) -> anyhow::Result<f64> {
        Ok(100.0 * self.cpu_time()?.as_secs_f64() / self.started.elapsed().as_secs_f64().max(f64::EPSILON))
    }

    fn cpu_time(&self) -> anyhow::Result<Duration> {
        Ok(self.process.cpu_time()?.saturating_sub(self.before))
    }
}
