//! `orders-service`: takes orders over HTTP and shows what becomes of them.

use std::process::ExitCode;

use clap::Parser;
use service::{ServiceArgs, parse_args, run_service};

/// Takes orders over HTTP, keeps their states and shows them.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    service: ServiceArgs,
}

fn main() -> ExitCode {
    let args: Args = parse_args();
    run_service("orders-service", &args.service, orders_service::run)
}
