//! `GET /v1/orders/{id}` and `GET /v1/orders/{id}/validated`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::{Order, OrderId};
use service::{IdInPath, Interrupted, Problem, Shutdown, Timeout};

use super::order_answer::{not_modified, order_answer};
use super::version_tag::{KnownVersions, known_versions};
use super::waiting::{Waited, wait_for};
use crate::orders::Orders;

/// The order as it is; with a timeout, as soon as it is there in a version that the client does not have.
pub(super) async fn order(
    request: HttpRequest,
    IdInPath(id): IdInPath<OrderId>,
    Timeout(timeout): Timeout,
    orders: Data<dyn Orders>,
    shutdown: Shutdown,
) -> Result<HttpResponse, Problem> {
    let known = known_versions(&request);
    let Some(timeout) = timeout else {
        let order = orders.get(&id)?.ok_or_else(|| Problem::not_found(format!("there is no order {id}")))?;
        return shown(&order, &known);
    };
    let is_news = |order: Option<&Order>| order.is_some_and(|order| !known.contain(order));
    let Waited { order, interrupted } = wait_for(&**orders, &id, timeout, &shutdown, is_news).await?;
    match order {
        Some(order) => shown(&order, &known),
        None => Err(too_late(interrupted, format!("there is no order {id} yet"))),
    }
}

/// The order once it is decided.
pub(super) async fn validated(
    IdInPath(id): IdInPath<OrderId>,
    Timeout(timeout): Timeout,
    orders: Data<dyn Orders>,
    shutdown: Shutdown,
) -> Result<HttpResponse, Problem> {
    let is_final = |order: Option<&Order>| order.is_some_and(|order| order.state.is_final());
    let patience = timeout.unwrap_or(DEFAULT_PATIENCE);
    let Waited { order, interrupted } = wait_for(&**orders, &id, patience, &shutdown, is_final).await?;
    match order {
        Some(order) if order.state.is_final() => order_answer(StatusCode::OK, &order),
        Some(_) => Err(too_late(interrupted, format!("order {id} is not decided yet"))),
        None => Err(too_late(interrupted, format!("there is no order {id} yet"))),
    }
}

const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);

fn shown(order: &Order, known: &KnownVersions) -> Result<HttpResponse, Problem> {
    if known.contain(order) { Ok(not_modified(order)) } else { order_answer(StatusCode::OK, order) }
}

fn too_late(interrupted: Option<Interrupted>, detail: String) -> Problem {
    match interrupted {
        Some(Interrupted::Stopping) => {
            Problem::unavailable(format!("{detail}, and this instance is about to stop"))
        }
        Some(Interrupted::TimedOut) | None => Problem::timed_out(detail),
    }
}
