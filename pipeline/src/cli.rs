//! The command line.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use service::with_environment;

use crate::bench::BenchArgs;
use crate::simulate::SimulateArgs;
use crate::up::UpArgs;

/// An order validation pipeline on Apache Kafka
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(Box<UpArgs>),
    Simulate(SimulateArgs),
    Bench(BenchArgs),
}

impl Cli {
    /// Reads a command line, the program's name first. `up` also reads the environment, as every service does.
    pub(crate) fn parse(
        command_line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let command = Self::command().mut_subcommand("up", with_environment);
        let matches = command.try_get_matches_from(command_line)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        if let (Command::Up(args), Some((_, matches))) = (&mut cli.command, matches.subcommand()) {
            let source = matches.value_source("bootstrap_servers");
            args.own_kafka = source == Some(ValueSource::DefaultValue);
        }
        Ok(cli)
    }
}

#[cfg(test)]
mod tests;
