//! The service as it runs: topology and HTTP.

use std::sync::Arc;

use service::topics::ORDER_REQUESTS;
use service::{Environment, RunningService, StartServiceError};
use utoipa::OpenApi as _;

use crate::api::OrdersApi;
use crate::http;
use crate::kafka_orders::KafkaOrders;
use crate::topology::{OrdersTopology, topology};

/// The service's name, also its topology's.
const NAME: &str = "orders-service";

/// Starts the service. Its HTTP side is the only writer of `order-requests`.
///
/// # Errors
///
/// The stores or a client cannot be made. That Kafka is away is no error.
pub fn run(environment: &Environment) -> Result<RunningService, StartServiceError> {
    let OrdersTopology { topology, view } = topology();
    let streams = environment.start(topology, vec![ORDER_REQUESTS.spec()])?;
    let orders = KafkaOrders::new(streams.queries(), environment.commands()?, view);
    let router = environment.router(&streams)?;
    let routes = http::routes(Arc::new(orders), router.clone());
    Ok(RunningService::new(NAME, streams)
        .with_routes(routes)
        .with_background(router)
        .with_api(OrdersApi::openapi()))
}
