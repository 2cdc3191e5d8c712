//! The six services.

use service::{Environment, RunningService, StartServiceError};

use super::UpArgs;

/// Starts all of them. If one cannot be started, those before it are stopped again.
pub(crate) fn start(
    environment: &Environment,
    args: &UpArgs,
) -> Result<Vec<RunningService>, StartServiceError> {
    _ = args;
    Ok(vec![
        RunningService::new(
            "details-service",
            environment.start(details_service::topology(), vec![service::topics::ORDERS.spec()])?,
        ),
        RunningService::new(
            "fraud-service",
            environment.start(fraud_service::topology(args.fraud_limits.clone()), vec![])?,
        ),
    ])
}
