//! validation-aggregator as a process.

use std::process::ExitCode;

use clap::Parser;
use validation_aggregator::AggregatorArgs;

/// Joins the verdicts on an order into one outcome.
#[derive(Parser)]
#[command(name = "validation-aggregator", version)]
struct Args {
    #[command(flatten)]
    service: service::ServiceArgs,
    #[command(flatten)]
    aggregator: AggregatorArgs,
}

fn main() -> ExitCode {
    let args: Args = service::parse_args();
    service::run_service("validation-aggregator", &args.service, |environment| {
        validation_aggregator::run(environment, &args.aggregator)
    })
}
