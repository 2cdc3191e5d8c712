//! The topics of all services, made at once.
//!
//! Each service creates those that it owns, and waits for those of others. On a Kafka that has just started this costs
//! more than all else: six times it makes topics, and is asked again and again whether they are there. So whoever runs
//! all services makes them all before, with one request. Whether they are as they should be, the services see to.

use std::time::Duration;

use fraud_service::FraudPolicy;
use service::{Environment, topics};
use streams::TopicSpec;
use tokio::time::timeout;
use validation_aggregator::AggregatorPolicy;

use crate::on_thread::on_thread;

/// Nobody answers HTTP meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);

/// Makes them where there are none yet, as far as Kafka lets it: what goes wrong here goes wrong for a service, too, which says so and
/// tries again.
pub(super) async fn create(environment: &Environment) -> anyhow::Result<()> {
    let environment = environment.clone();
    let created = on_thread("topics", move || environment.create_topics(&topics()))?;
    match timeout(PATIENCE, created).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::debug!(%error, "the services make their topics themselves"),
        Ok(Err(_)) => tracing::warn!("making all topics has panicked"),
        Err(_) => tracing::info!("the services start while topics are being made"),
    }
    Ok(())
}

/// All topics that the six services create.
fn topics() -> Vec<TopicSpec> {
    let topologies = [
        orders_service::topology().topology,
        fraud_service::topology(FraudPolicy::default()),
        inventory_service::topology().0,
        details_service::topology(),
        validation_aggregator::topology(AggregatorPolicy::default()),
        email_service::topology().topology,
    ];
    let commands = [
        topics::ORDER_REQUESTS.spec(),
        topics::WAREHOUSE_INVENTORY.spec(),
        topics::CUSTOMERS.spec(),
        email_service::WAITING.spec(),
    ];
    let mut topics: Vec<TopicSpec> =
        topologies.iter().flat_map(|topology| topology.owned_topics()).chain(commands).collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    // The three validators write to the same one.
    topics.dedup_by(|a, b| a.name == b.name);
    topics
}
