//! The log: set up here, once, and written to stderr, so that stdout stays for what a program has to say.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::args::{LogFormat, ServiceArgs};

/// Begins to log as `args` say. For mains only, once; a second call changes nothing.
pub fn init(args: &ServiceArgs) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter(args.log_level.as_deref(), std::env::var("RUST_LOG").ok())))
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let result = match args.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    if let Err(error) = result {
        tracing::debug!(%error, "the log was set up before");
    }
}

/// What is logged: as asked for by argument, else by `RUST_LOG`.
fn filter(argument: Option<&str>, rust_log: Option<String>) -> String {
    let asked = argument.map(str::to_owned).or(rust_log).filter(|filter| !filter.trim().is_empty());
    asked.unwrap_or_else(|| DEFAULT.to_owned())
}

/// The HTTP server tells of each of its threads, and the stores of each of their files.
const DEFAULT: &str = "info,actix_server=warn,fjall=warn,lsm_tree=warn";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_wins_over_the_environment() {
        for (argument, rust_log, expected) in [
            (None, None, DEFAULT),
            (Some("debug"), Some("warn"), "debug"),
            (None, Some("warn"), "warn"),
            (None, Some(" "), DEFAULT),
        ] {
            assert_eq!(filter(argument, rust_log.map(str::to_owned)), expected, "{argument:?} {rust_log:?}");
        }
    }
}
