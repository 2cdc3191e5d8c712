//! inventory-service as a process.

use std::process::ExitCode;

use clap::Parser;

/// Judges orders by the stock, reserves it, and adjusts it.
#[derive(Parser)]
#[command(name = "inventory-service", version)]
struct Args {
    #[command(flatten)]
    service: service::ServiceArgs,
}

fn main() -> ExitCode {
    let args: Args = service::parse_args();
    service::run_service("inventory-service", &args.service, inventory_service::run)
}
