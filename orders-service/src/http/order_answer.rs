//! An order as an answer.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder};
use domain::{Order, OrderId};
use service::Problem;

use super::version_tag::tag;
use crate::shown_order::ShownOrder;

/// The order, its version, and where it is.
pub(super) fn order_answer(status: StatusCode, order: &ShownOrder) -> Result<HttpResponse, Problem> {
    let body = order.json()?;
    let mut response = HttpResponse::build(status);
    response.insert_header((ETAG, tag(order).to_string())).insert_header((CONTENT_TYPE, "application/json"));
    if status == StatusCode::CREATED {
        locate(&mut response, &order.id);
    }
    Ok(response.body(body))
}

/// Only that the client has it already.
pub(super) fn not_modified(order: &Order) -> HttpResponse {
    HttpResponse::NotModified().insert_header((ETAG, tag(order).to_string())).finish()
}

/// Only where the order will be.
pub(super) fn accepted(id: &OrderId) -> HttpResponse {
    locate(&mut HttpResponse::Accepted(), id).json(serde_json::json!({ "id": id }))
}

fn locate<'a>(response: &'a mut HttpResponseBuilder, id: &OrderId) -> &'a mut HttpResponseBuilder {
    response.insert_header((LOCATION, format!("/v1/orders/{id}")))
}
