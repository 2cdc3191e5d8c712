//! The service as it runs.

use std::time::Duration;

use service::{Environment, RunningService, StartServiceError, duration};

use crate::policy::AggregatorPolicy;
use crate::topology::topology;

/// What can be set of the aggregator at its start.
#[derive(Clone, Debug, clap::Args)]
pub struct AggregatorArgs {
    /// How long an order's verdicts may take, such as 30s or 1m 30s. What is missing then fails the order.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub deadline: Duration,
}

impl AggregatorArgs {
    fn policy(&self) -> AggregatorPolicy {
        AggregatorPolicy { deadline: self.deadline, ..AggregatorPolicy::default() }
    }
}

/// Starts validation-aggregator.
///
/// # Errors
///
/// The stores cannot be made. That Kafka is away is no error.
pub fn run(environment: &Environment, args: &AggregatorArgs) -> Result<RunningService, StartServiceError> {
    let streams = environment.start(topology(args.policy()), Vec::new())?;
    Ok(RunningService::new("validation-aggregator", streams))
}
