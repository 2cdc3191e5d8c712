//! fraud-service as a process.

use std::process::ExitCode;

use clap::Parser;
use fraud_service::FraudPolicy;

/// Judges whether a customer orders for more than the limit within an hour.
#[derive(Parser)]
#[command(name = "fraud-service", version)]
struct Args {
    #[command(flatten)]
    service: service::ServiceArgs,
    /// What a customer's orders of an hour may not reach, in major units: a number for all currencies, or such
    /// as 2000,JPY=300000.
    #[arg(long, default_value = "2000")]
    fraud_limit: FraudPolicy,
}

fn main() -> ExitCode {
    let args: Args = service::parse_args();
    service::run_service("fraud-service", &args.service, |environment| {
        fraud_service::run(environment, args.fraud_limit)
    })
}
