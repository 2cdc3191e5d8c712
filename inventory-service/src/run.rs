//! The service: the topology, and what HTTP does with its stores.

use actix_web::web::Data;
use service::{Environment, RunningService, StartServiceError, topics};
use utoipa::OpenApi as _;

use crate::api::InventoryApi;
use crate::http::{self, Inventory};
use crate::topology::topology;

/// Starts inventory-service.
///
/// # Errors
///
/// The topology or the producer of commands cannot be started.
pub fn run(environment: &Environment) -> Result<RunningService, StartServiceError> {
    let (topology, stores) = topology();
    let streams = environment.start(topology, vec![topics::WAREHOUSE_INVENTORY.spec()])?;
    let (queries, commands) = (streams.queries(), environment.commands()?);
    let router = environment.router(&streams)?;
    let inventory = Data::new(Inventory { stores, queries, commands, router: router.clone() });
    Ok(RunningService::new("inventory-service", streams)
        .with_routes(move |config| http::routes(config, inventory.clone()))
        .with_background(router)
        .with_api(InventoryApi::openapi()))
}
