//! How a program reads its settings: from the command line, and else from the environment.

use clap::{Command, CommandFactory, FromArgMatches};

/// Stands before the name of every environment variable. Others set variables, too: in Kubernetes a service of the name
/// `kafka` gives each process `KAFKA_PORT=tcp://…`.
const PREFIX: &str = "ORDER_PIPELINE_";

/// Reads the settings of this process. Where they are wrong, or help is asked for, it says so and ends the process.
pub fn parse_args<A: CommandFactory + FromArgMatches>() -> A {
    let matches = with_environment(A::command()).get_matches();
    A::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// The same command, each argument of which can also be an environment variable: `--data-dir` is
/// `ORDER_PIPELINE_DATA_DIR`.
#[must_use]
pub fn with_environment(command: Command) -> Command {
    command.mut_args(|argument| match argument.get_long().map(variable) {
        Some(variable) => argument.env(variable),
        None => argument,
    })
}

fn variable(argument: &str) -> String {
    format!("{PREFIX}{}", argument.replace('-', "_").to_uppercase())
}
