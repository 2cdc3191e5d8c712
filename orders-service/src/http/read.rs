//! `GET /v1/orders/{id}` and `GET /v1/orders/{id}/validated`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::OrderId;
use service::{Call, IdInPath, Interrupted, Problem, Timeout};

use super::HttpSide;
use super::order_answer::{not_modified, order_answer};
use super::version_tag::{KnownVersions, known_versions};
use super::waiting::{Awaited, Waited, wait_for};
use crate::orders::Orders;
use crate::shown_order::ShownOrder;

/// The order as it is; with a timeout, as soon as it is there in a version that the client does not have.
pub(super) async fn order(
    request: HttpRequest,
    IdInPath(id): IdInPath<OrderId>,
    Timeout(timeout): Timeout,
    call: Call,
    side: Data<HttpSide>,
) -> Result<HttpResponse, Problem> {
    let (known, orders) = (known_versions(&request), &*side.orders);
    let here = async |_| match timeout {
        None => order_now(orders, &id, &known),
        Some(timeout) => order_news(orders, &id, &known, &call, timeout).await,
    };
    side.router.answer(&call, orders.partition(&id), timeout.unwrap_or_default(), here).await
}

/// The order once it is decided.
pub(super) async fn validated(
    IdInPath(id): IdInPath<OrderId>,
    Timeout(timeout): Timeout,
    call: Call,
    side: Data<HttpSide>,
) -> Result<HttpResponse, Problem> {
    let (timeout, orders) = (timeout.unwrap_or(DEFAULT_PATIENCE), &*side.orders);
    let here = async |_| decided_order(orders, &id, &call, timeout).await;
    side.router.answer(&call, orders.partition(&id), timeout, here).await
}

const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);

fn order_now(orders: &dyn Orders, id: &OrderId, known: &KnownVersions) -> Result<HttpResponse, Problem> {
    let order = orders.get(id)?.ok_or_else(|| Problem::not_found(format!("there is no order {id}")))?;
    shown(&order, known)
}

async fn order_news(
    orders: &dyn Orders,
    id: &OrderId,
    known: &KnownVersions,
    call: &Call,
    timeout: Duration,
) -> Result<HttpResponse, Problem> {
    let Waited { order, interrupted } = wait_for(orders, id, call, timeout, Awaited::News(known)).await?;
    match order {
        Some(order) => shown(&order, known),
        None => Err(too_late(interrupted, format!("there is no order {id} yet"))),
    }
}

async fn decided_order(
    orders: &dyn Orders,
    id: &OrderId,
    call: &Call,
    timeout: Duration,
) -> Result<HttpResponse, Problem> {
    let Waited { order, interrupted } = wait_for(orders, id, call, timeout, Awaited::Decision).await?;
    match order {
        Some(order) if order.state.is_final() => order_answer(StatusCode::OK, &order),
        Some(_) => Err(too_late(interrupted, format!("order {id} is not decided yet"))),
        None => Err(too_late(interrupted, format!("there is no order {id} yet"))),
    }
}

fn shown(order: &ShownOrder, known: &KnownVersions) -> Result<HttpResponse, Problem> {
    if known.contain(order) { Ok(not_modified(order)) } else { order_answer(StatusCode::OK, order) }
}

fn too_late(interrupted: Option<Interrupted>, detail: String) -> Problem {
    match interrupted {
        // Another instance may go on with it.
        Some(Interrupted::Stopping) => {
            Problem::not_mine(format!("{detail}, and this instance is about to stop"), None)
        }
        Some(Interrupted::TimedOut) | None => Problem::timed_out(detail),
    }
}
