//! `pipeline bench`: what a pipeline does on this machine, and what it costs.
//!
//! An empty Kafka and a `pipeline up` run as processes of their own, so that what each of them costs can be told
//! apart from the load, which this process makes. Nothing of them is left afterwards.

mod args;
mod cost;
mod final_states;
mod http;
mod latency;
mod machine;
mod orders;
mod process;
mod producer;
mod report;
mod rig;
mod run;
mod table;
mod under_test;
mod watch;

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use service::stop_signal;

pub(crate) use args::{BenchArgs, What};
use report::Report;

/// What a shell gives for a program that ctrl-c has ended.
const INTERRUPTED: u8 = 128 + 2;

/// Fails when an order was lost or decided twice, or a request was not answered as it should be: then the
/// figures are not worth having.
pub(crate) async fn bench(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    // Heeded from the start: what is dropped takes its processes and files with it.
    let stop = stop_signal().context("could not listen for signals")?;
    tokio::select! {
        result = measure(args) => result,
        () = stop => Ok(INTERRUPTED.into()),
    }
}

async fn measure(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        None => {
            let report = Report::measure(args).await?;
            tell(&report, args.common.json.as_deref(), report.is_sound())
        }
        Some(What::Http(args)) => {
            let report = http::Report::measure(args).await?;
            tell(&report, args.common.json.as_deref(), report.is_sound())
        }
    }
}

/// The report for people on stdout, and for programs in a file if one is named.
fn tell(report: &(impl Display + Serialize), json: Option<&Path>, sound: bool) -> anyhow::Result<ExitCode> {
    print!("{report}");
    if let Some(file) = json {
        let report = serde_json::to_string_pretty(report)? + "\n";
        fs::write(file, report).with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is being done, for who waits.
fn progress(what: impl Display) {
    eprintln!("bench: {what}");
}
