//! The service as it runs.

use service::{Environment, RunningService, StartServiceError};

use crate::topology::topology;

/// Starts details-service.
///
/// # Errors
///
/// The stores cannot be made. That Kafka is away is no error.
pub fn run(environment: &Environment) -> Result<RunningService, StartServiceError> {
    let streams = environment.start(topology(), Vec::new())?;
    Ok(RunningService::new("details-service", streams))
}
