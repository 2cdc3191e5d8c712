//! Stocks over HTTP: adjustments are commands, written to their topic and answered from the stores.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use domain::{AdjustmentId, ProductId, Stock, StockAdjustment, StockView, Timestamp, parse_adjustment};
use service::topics::WAREHOUSE_INVENTORY;
use service::{Call, IdInPath, Interrupted, JsonBody, Kind, Problem, Router};
use streams::{CommandWriter, Queries};
use uuid::Uuid;

use crate::adjustment::{AdjustmentKey, AdjustmentOutcome, AdjustmentResult};
use crate::topology::Stores;

/// What the handlers need.
#[derive(Clone)]
pub(crate) struct Inventory {
    pub(crate) stores: Stores,
    pub(crate) queries: Queries,
    pub(crate) commands: CommandWriter,
    pub(crate) router: Router,
}

pub(crate) fn routes(config: &mut ServiceConfig, inventory: Data<Inventory>) {
    inventory.router.register(config);
    config
        .app_data(inventory)
        .service(web::resource("/v1/inventory/{productId}").route(web::get().to(stock)))
        .service(web::resource("/v1/inventory/{productId}/adjustments").route(web::post().to(adjust)));
}

/// How long a command may take to be judged. What takes longer is answered with 503, and may be asked again.
const PATIENCE: Duration = Duration::from_secs(10);

async fn stock(
    product: IdInPath<ProductId>,
    call: Call,
    inventory: Data<Inventory>,
) -> Result<HttpResponse, Problem> {
    let IdInPath(product) = product;
    let here = async |_| match inventory.queries.get(&inventory.stores.stock, &product)? {
        Some(stock) => Ok(show(&product, stock)),
        None => Err(Problem::not_found(format!("nothing is known of the stock of {product}"))),
    };
    inventory.router.answer(&call, inventory.queries.partition_of(&product), Duration::ZERO, here).await
}

async fn adjust(
    product: IdInPath<ProductId>,
    body: JsonBody,
    call: Call,
    inventory: Data<Inventory>,
) -> Result<HttpResponse, Problem> {
    let form = parse_adjustment(&body.0)?;
    let adjustment = StockAdjustment {
        // Made once, before anything is sent: by it a second attempt changes nothing.
        id: form.id.or_else(|| call.made_id()).unwrap_or_else(new_id),
        product_id: product.0,
        quantity: form.quantity,
        requested_at: Timestamp::now(),
    };
    let partition = inventory.queries.partition_of(&adjustment.product_id);
    let call = call.with_body(body.0).with_made_id(&adjustment.id);
    let here = async |_| {
        // So that a stop waits for it.
        let _busy = call.shutdown().busy();
        let judged = inventory.judge(&adjustment);
        match call.shutdown().wait_with_grace(call.time_left(PATIENCE), judged).await {
            Ok(result) => answer(&adjustment, result?),
            Err(Interrupted::TimedOut | Interrupted::Stopping) => Err(Problem::unavailable(format!(
                "it is not known yet whether adjustment {} was made",
                adjustment.id
            ))),
        }
    };
    let answer = inventory.router.answer(&call, partition, PATIENCE, here).await;
    answer.map_err(|problem| problem.with_id(&adjustment.id))
}

impl Inventory {
    /// What became of the command, or of an earlier one with the same id: read, or written and waited for.
    async fn judge(&self, adjustment: &StockAdjustment) -> Result<AdjustmentResult, Problem> {
        let product = &adjustment.product_id;
        let key = AdjustmentKey { product_id: product.clone(), adjustment_id: adjustment.id.clone() };
        let partition = self.queries.partition_of(product);
        if let Some(result) = self.queries.get_at(partition, &self.stores.adjustments, &key)? {
            return Ok(result);
        }
        // Where the stock cannot be read, each command would become a dead letter.
        self.queries.get(&self.stores.stock, product)?;
        let written = self.commands.send(&WAREHOUSE_INVENTORY, product, adjustment).await?;
        self.queries.committed(&WAREHOUSE_INVENTORY, written.partition, written.offset).await?;
        let result = self.queries.get_at(partition, &self.stores.adjustments, &key)?;
        // Without a result it went to the dead letter topic.
        result.ok_or_else(|| Problem::new(Kind::Internal, "the adjustment could not be judged"))
    }
}

/// An id that nobody else gives.
fn new_id() -> AdjustmentId {
    let id = Uuid::now_v7().to_string();
    id.parse().expect("a UUID is of an id's letters and length")
}

fn answer(adjustment: &StockAdjustment, result: AdjustmentResult) -> Result<HttpResponse, Problem> {
    if result.quantity != adjustment.quantity {
        return Err(Problem::conflict(format!(
            "adjustment {} of {} was made with the quantity {}, not {}",
            adjustment.id, adjustment.product_id, result.quantity, adjustment.quantity
        )));
    }
    match result.outcome {
        AdjustmentOutcome::Applied { stock } => Ok(show(&adjustment.product_id, stock)),
        AdjustmentOutcome::Refused { why, stock } => Err(Problem::conflict(format!(
            "{why}: {} on hand, {} of them reserved, {} to be added",
            stock.on_hand, stock.reserved, adjustment.quantity
        ))),
    }
}

fn show(product_id: &ProductId, stock: Stock) -> HttpResponse {
    HttpResponse::Ok().json(StockView { product_id, stock })
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;

    use super::*;
    use crate::rules::AdjustmentRefusal;

    #[track_caller]
    fn check(asked: i64, judged: i64, outcome: AdjustmentOutcome, status: u16) {
        let adjustment = StockAdjustment {
            id: "a-1".parse().unwrap(),
            product_id: "p-1".parse().unwrap(),
            quantity: asked,
            requested_at: Timestamp::UNIX_EPOCH,
        };
        let origin = domain::Origin { partition: 0, offset: 7 };
        let result = AdjustmentResult { quantity: judged, outcome, origin, judged_at: Timestamp::UNIX_EPOCH };
        let found = match answer(&adjustment, result) {
            Ok(response) => response.status(),
            Err(problem) => problem.status_code(),
        };
        assert_eq!(found.as_u16(), status);
    }

    #[test]
    fn the_first_judgement_with_an_id_stands() {
        let stock = Stock { on_hand: 5, reserved: 3 };
        let refused = AdjustmentOutcome::Refused { why: AdjustmentRefusal::BelowReserved, stock };
        check(5, 5, AdjustmentOutcome::Applied { stock }, 200);
        check(6, 5, AdjustmentOutcome::Applied { stock }, 409);
        check(-4, -4, refused, 409);
        check(-1, -4, refused, 409);
    }

    #[test]
    fn an_id_can_be_made() {
        assert_ne!(new_id(), new_id());
    }
}
