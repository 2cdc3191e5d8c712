//! All that is measured of HTTP.

use std::fmt;

use serde::Serialize;

use super::requests::{self, Requests};
use super::waiters::{self, Waiters};
use crate::bench::args::HttpArgs;
use crate::bench::cost;
use crate::bench::latency::LatencyMillis;
use crate::bench::machine::Machine;
use crate::bench::rig::Rig;
use crate::bench::table::Table;

/// What `pipeline bench http` measures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::bench) struct Report {
    machine: Machine,
    waiters: Vec<Waiters>,
    requests: Vec<Requests>,
}

impl Report {
    pub(in crate::bench) async fn measure(args: &HttpArgs) -> anyhow::Result<Self> {
        let rig = Rig::start(&args.common.up).await?;
        // Before all else: in memory that was used before, nobody would see what they take.
        let waiters = waiters::measure(&rig, args.waiters).await?;
        let requests = requests::measure(&rig, args).await?;
        Ok(Self { machine: Machine::this(), waiters, requests })
    }

    pub(in crate::bench) fn is_sound(&self) -> bool {
        self.waiters.iter().all(Waiters::is_sound)
            && self.requests.iter().all(|requests| requests.errors.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}", self.machine, requests_table(&self.requests))?;
        for Requests { name, errors, .. } in &self.requests {
            for (error, count) in errors {
                writeln!(f, "{name}: {count} times {error}")?;
            }
        }
        let costs = cost::table(self.requests.iter().map(|requests| (&*requests.name, &requests.costs)));
        write!(f, "\n{costs}")?;
        if !self.waiters.is_empty() {
            write!(f, "\n{}", waiters_table(&self.waiters))?;
        }
        Ok(())
    }
}

fn requests_table(measured: &[Requests]) -> Table {
    let mut table = Table::default();
    let heads = ["requests", "answers", "answers/s"].into_iter().chain(LatencyMillis::HEADS);
    table.row(heads.chain(["errors"]));
    for Requests { name, answered, errors, answers_per_second, latency_millis, .. } in measured {
        let speed = [name.clone(), answered.to_string(), format!("{answers_per_second:.0}")];
        let errors = errors.values().sum::<usize>().to_string();
        table.row(speed.into_iter().chain(LatencyMillis::cells(*latency_millis)).chain([errors]));
    }
    table
}

fn waiters_table(measured: &[Waiters]) -> Table {
    let mut table = Table::default();
    let heads = ["long polls, from the commit", "orders", "answered"];
    table.row(heads.into_iter().chain(LatencyMillis::HEADS).chain(["KB each"]));
    for Waiters { waiters, orders, answered, after_commit_millis, bytes_each } in measured {
        let counts = [waiters, orders, answered].map(ToString::to_string);
        let memory = format!("{:.1}", bytes_each / 1024.0);
        table.row(counts.into_iter().chain(LatencyMillis::cells(*after_commit_millis)).chain([memory]));
    }
    table
}

#[cfg(test)]
mod tests;
