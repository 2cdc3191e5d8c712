//! The service as it runs.

use std::time::Duration;

use jiff::SignedDuration;
use service::{Environment, RunningService, StartServiceError};

use crate::policy::AggregatorPolicy;
use crate::topology::topology;

/// What can be set of the aggregator at its start.
#[derive(Clone, Debug, clap::Args)]
pub struct AggregatorArgs {
    /// How long an order's verdicts may take, such as 30s or 1m 30s. What is missing then fails the order.
    #[arg(long, default_value = "30s", value_parser = deadline)]
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

fn deadline(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    match Duration::try_from(duration) {
        Ok(deadline) if !deadline.is_zero() => Ok(deadline),
        _ => Err("must be longer than nothing".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_a_positive_duration() {
        for (text, expected) in
            [("30s", Some(30_000)), ("1m 30s", Some(90_000)), ("250ms", Some(250)), ("PT2S", Some(2_000))]
        {
            assert_eq!(deadline(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
        for text in ["", "30", "-5s", "0s", "soon"] {
            assert!(deadline(text).is_err(), "{text}");
        }
    }
}
