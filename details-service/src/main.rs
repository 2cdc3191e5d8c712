//! details-service as a process.

use std::process::ExitCode;

use clap::Parser;

/// Judges orders by themselves.
#[derive(Parser)]
#[command(name = "details-service", version)]
struct Args {
    #[command(flatten)]
    service: service::ServiceArgs,
}

fn main() -> ExitCode {
    let args: Args = service::parse_args();
    service::run_service("details-service", &args.service, details_service::run)
}
