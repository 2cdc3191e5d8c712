//! The six services.

use service::{Environment, RunningService};

use super::UpArgs;

/// Starts all of them, within a tokio runtime. If one cannot be started, those before it stop again.
pub(crate) fn start(environment: &Environment, args: &UpArgs) -> anyhow::Result<Vec<RunningService>> {
    Ok(vec![
        orders_service::run(environment)?,
        fraud_service::run(environment, args.fraud_limit.clone())?,
        inventory_service::run(environment)?,
        details_service::run(environment)?,
        validation_aggregator::run(environment, &args.aggregator)?,
        email_service::run(environment, &args.mail, args.data_dir().join("mail"))?,
    ])
}
