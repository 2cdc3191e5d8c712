//! `pipeline`: the front door. `up` runs all of the pipeline in one process, `simulate` sends it orders,
//! `bench` measures it.

mod bench;
mod cli;
mod client;
#[cfg(test)]
mod fake_server;
mod on_thread;
mod pace;
mod percentiles;
mod seed;
mod simulate;
mod up;

use std::process::ExitCode;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    run(cli).unwrap_or_else(|error| {
        eprintln!("pipeline: {}", explain(&error));
        ExitCode::FAILURE
    })
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    service::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Up(args) => up::up(*args).await.map(|()| ExitCode::SUCCESS),
            Command::Simulate(args) => simulate::simulate(&args).await,
            Command::Bench(args) => bench::bench(&args).await,
        }
    })
}

/// An error with its causes. Some errors tell their cause themselves: nothing is said twice.
fn explain(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::explain;

    #[test]
    fn no_cause_is_told_twice() {
        for (error, expected) in [
            (anyhow!("it broke"), "it broke"),
            (anyhow!("no disk").context("could not write"), "could not write: no disk"),
            (anyhow!("no disk").context("could not write: no disk"), "could not write: no disk"),
            (anyhow!("c").context("b: c").context("a"), "a: b: c"),
        ] {
            assert_eq!(explain(&error), expected);
        }
    }
}
