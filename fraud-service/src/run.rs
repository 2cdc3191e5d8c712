//! The service as it runs.

use service::{Environment, RunningService, StartServiceError};

use crate::policy::FraudPolicy;
use crate::topology::topology;

/// Starts fraud-service.
///
/// # Errors
///
/// The stores cannot be made. That Kafka is away is no error.
pub fn run(environment: &Environment, policy: FraudPolicy) -> Result<RunningService, StartServiceError> {
    let streams = environment.start(topology(policy), Vec::new())?;
    Ok(RunningService::new("fraud-service", streams))
}
