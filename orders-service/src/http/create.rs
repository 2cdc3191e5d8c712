//! `POST /v1/orders`.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::{NewOrder, OrderId, Origin, parse_new_order};
use service::{Call, JsonBody, Kind, Problem};
use tokio::time::timeout;

use super::HttpSide;
use super::created::{Created, created};
use super::idempotency_key::{IdempotencyKey, make_id};
use super::order_answer::{accepted, order_answer};
use super::preferences::{Preference, preference};
use super::progress;
use super::waiting::{Awaited, wait_for};
use crate::orders::Orders;
use crate::shown_order::ShownOrder;

/// Creates an order, and answers with what the view says of it.
pub(super) async fn create(
    request: HttpRequest,
    JsonBody(body): JsonBody,
    call: Call,
    side: Data<HttpSide>,
) -> Result<HttpResponse, Problem> {
    let key = IdempotencyKey::of(&request)?;
    // What the server makes up is made up once, before anything is sent, whoever carries the request out.
    let make_id = |customer: &_| call.made_id().unwrap_or_else(|| make_id(customer, key.as_ref()));
    let asked = parse_new_order(&body, make_id)?;
    let call = call.with_body(body).with_made_id(&asked.id);
    let answer = match preference(&request) {
        Preference::RespondAsync => create_later(&side, &asked).await,
        Preference::None => create_now(&side, &call, &asked).await,
        Preference::Wait(patience) => create_and_wait(&side, &call, &asked, patience).await,
    };
    answer.map_err(|problem| problem.with_id(&asked.id))
}

/// As long as Kafka tries to take a record, and more than a rebalance needs.
const CARRY_OUT_WITHIN: Duration = Duration::from_secs(10);

/// Where the order will be.
async fn create_later(side: &HttpSide, asked: &NewOrder) -> Result<HttpResponse, Problem> {
    within_limit(&asked.id, CARRY_OUT_WITHIN, side.orders.request(asked.clone())).await?;
    Ok(applied(accepted(&asked.id), "respond-async"))
}

/// The order as soon as it is there.
async fn create_now(side: &HttpSide, call: &Call, asked: &NewOrder) -> Result<HttpResponse, Problem> {
    let here = async |progress: Option<String>| {
        let Carried { status, order, .. } =
            carry_out(&*side.orders, asked, progress, call, CARRY_OUT_WITHIN).await?;
        order_answer(status, &order)
    };
    side.router.answer(call, side.orders.partition(&asked.id), CARRY_OUT_WITHIN, here).await
}

/// The order when it is decided, or else as it was seen last: that it was created is certain, whatever happens to
/// the wait.
async fn create_and_wait(
    side: &HttpSide,
    call: &Call,
    asked: &NewOrder,
    patience: Duration,
) -> Result<HttpResponse, Problem> {
    let (orders, seen) = (&*side.orders, RefCell::new(None));
    let limit = CARRY_OUT_WITHIN.max(patience);
    let here = async |progress: Option<String>| {
        let Carried { status, order, mine } = carry_out(orders, asked, progress, call, limit).await?;
        seen.replace(Some((status, order.clone())));
        let waited = wait_for(orders, &asked.id, call, patience, Awaited::Decision).await;
        let waited = waited.map_err(|problem| problem.with_progress(progress::of(mine)))?;
        order_answer(status, &waited.order.unwrap_or(order))
    };
    let partition = orders.partition(&asked.id);
    let answer = side.router.answer(call, partition, limit, here).await;
    let answer = match (answer, seen.into_inner()) {
        (Err(problem), Some((status, order))) if problem.kind() == Kind::Unavailable => {
            order_answer(status, &order)?
        }
        (answer, _) => answer?,
    };
    Ok(applied(answer, &format!("wait={}", patience.as_secs())))
}

/// A request that was carried out: the order, and whether it is new.
struct Carried {
    status: StatusCode,
    order: Arc<ShownOrder>,
    mine: Origin,
}

/// Writes the request, unless an earlier attempt has, and waits until it is carried out: within the limit, counted
/// from when the call came.
async fn carry_out(
    orders: &dyn Orders,
    asked: &NewOrder,
    progress: Option<String>,
    call: &Call,
    limit: Duration,
) -> Result<Carried, Problem> {
    // So that a stop waits for it.
    let _busy = call.shutdown().busy();
    let partition = orders.partition(&asked.id);
    let written = progress.and_then(|text| progress::parse(&text)).filter(|mine| mine.partition == partition);
    let mine = match written {
        Some(mine) => mine,
        None => {
            // Where what is there cannot be read, each request would become a dead letter.
            orders.get(&asked.id)?;
            within_limit(&asked.id, call.time_left(limit), orders.request(asked.clone())).await?
        }
    };
    let carried_out = async {
        orders.carried_out(mine).await?;
        orders.get(&asked.id)
    };
    let order = within_limit(&asked.id, call.time_left(limit), carried_out).await;
    let order = order.map_err(|problem| problem.with_progress(progress::of(mine)))?;
    match (created(order.as_deref().map(|order| &**order), mine, asked), order) {
        (Created::ByThis, Some(order)) => Ok(Carried { status: StatusCode::CREATED, order, mine }),
        (Created::Before, Some(order)) => Ok(Carried { status: StatusCode::OK, order, mine }),
        (Created::Conflict, _) => {
            Err(Problem::conflict(format!("order {} is there, with other content", asked.id)))
        }
        (_, None) | (Created::Nothing, _) => Err(Problem::new(
            Kind::Internal,
            format!("order {} was not created, although Kafka took it", asked.id),
        )),
    }
}

async fn within_limit<T>(
    id: &OrderId,
    limit: Duration,
    step: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    timeout(limit, step).await.unwrap_or_else(|_| {
        Err(Problem::unavailable(format!("it is not known yet whether order {id} was created")))
    })
}

/// Tells which preference was followed (RFC 7240).
fn applied(mut response: HttpResponse, preference: &str) -> HttpResponse {
    if let Ok(value) = HeaderValue::from_str(preference) {
        response.headers_mut().insert(HeaderName::from_static("preference-applied"), value);
    }
    response
}
