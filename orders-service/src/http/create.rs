//! `POST /v1/orders`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::{NewOrder, Order, OrderId, parse_new_order};
use service::{JsonBody, Kind, Problem, Shutdown};
use tokio::time::{Instant, timeout};

use super::created::{Created, created};
use super::idempotency_key::{IdempotencyKey, make_id};
use super::order_answer::{accepted, order_answer};
use super::preferences::{Preference, preference};
use super::waiting::wait_for;
use crate::orders::Orders;

/// Creates an order, and answers with what the view says of it.
pub(super) async fn create(
    request: HttpRequest,
    JsonBody(body): JsonBody,
    orders: Data<dyn Orders>,
    shutdown: Shutdown,
) -> Result<HttpResponse, Problem> {
    let started = Instant::now();
    let key = IdempotencyKey::of(&request)?;
    // What the server makes up is made up here, once, whoever carries the request out.
    let asked = parse_new_order(&body, |customer| make_id(customer, key.as_ref()))?;
    match preference(&request) {
        Preference::RespondAsync => {
            let id = asked.id.clone();
            within_limit(&id, orders.request(asked)).await?;
            Ok(applied(accepted(&id), "respond-async"))
        }
        Preference::None => {
            let (status, order) = carry_out(&**orders, asked).await?;
            order_answer(status, &order)
        }
        Preference::Wait(patience) => {
            let (status, order) = carry_out(&**orders, asked).await?;
            let patience_left = patience.saturating_sub(started.elapsed());
            let order = decided(&**orders, order, patience_left, &shutdown).await;
            Ok(applied(order_answer(status, &order)?, &format!("wait={}", patience.as_secs())))
        }
    }
}

/// As long as Kafka tries to take a record, and more than a rebalance needs.
const CARRY_OUT_WITHIN: Duration = Duration::from_secs(10);

/// Writes the request and waits until it is carried out: the order, and whether it is new.
async fn carry_out(orders: &dyn Orders, asked: NewOrder) -> Result<(StatusCode, Order), Problem> {
    // Before the write: what cannot be answered here is not accepted here.
    orders.serves(&asked.id)?;
    let mine = within_limit(&asked.id, async {
        let mine = orders.request(asked.clone()).await?;
        orders.carried_out(mine).await?;
        Ok(mine)
    })
    .await?;
    let order = orders.get(&asked.id)?;
    match (created(order.as_ref(), mine, &asked), order) {
        (Created::ByThis, Some(order)) => Ok((StatusCode::CREATED, order)),
        (Created::Before, Some(order)) => Ok((StatusCode::OK, order)),
        (Created::Conflict, _) => {
            Err(Problem::conflict(format!("order {} is there, with other content", asked.id)))
        }
        (_, None) | (Created::Nothing, _) => Err(Problem::new(
            Kind::Internal,
            format!("order {} was not created, although Kafka took it", asked.id),
        )),
    }
}

async fn within_limit<T>(id: &OrderId, step: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    timeout(CARRY_OUT_WITHIN, step).await.unwrap_or_else(|_| {
        Err(Problem::unavailable(format!(
            "it is not known yet whether order {id} was created; the same request with this id can safely be sent again"
        )))
    })
}

/// The order when it is decided, or else as it was seen last: that it was created is certain, whatever
/// happens to the wait.
async fn decided(orders: &dyn Orders, order: Order, patience: Duration, shutdown: &Shutdown) -> Order {
    let is_final = |order: Option<&Order>| order.is_some_and(|order| order.state.is_final());
    let waited = wait_for(orders, &order.id, patience, shutdown, is_final).await;
    waited.ok().and_then(|waited| waited.order).unwrap_or(order)
}

/// Tells which preference was followed (RFC 7240).
fn applied(mut response: HttpResponse, preference: &str) -> HttpResponse {
    if let Ok(value) = HeaderValue::from_str(preference) {
        response.headers_mut().insert(HeaderName::from_static("preference-applied"), value);
    }
    response
}
