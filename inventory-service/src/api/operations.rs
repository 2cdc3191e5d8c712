//! What each route takes and answers. The functions do nothing: they bear the description, so that the handlers can
//! be read without it.
#![expect(dead_code, reason = "only the descriptions are used")]

use service::api::{BodyRefusals, Conflict, Id, InvalidParameter, NotFound, ServerProblems};

use super::{Adjustment, Stock};

/// How much of a product there is.
#[utoipa::path(
    get,
    path = "/v1/inventory/{productId}",
    tag = "inventory",
    params(("productId" = inline(Id), Path, description = "The product's name", example = "p-1")),
    responses(
        (status = 200, description = "The stock", body = Stock),
        NotFound,
        InvalidParameter,
        ServerProblems,
    ),
)]
fn stock() {}

/// Changes a stock. With an id it is made once, however often it is sent, for a day; it is refused if less would be
/// on hand than is reserved.
#[utoipa::path(
    post,
    path = "/v1/inventory/{productId}/adjustments",
    tag = "inventory",
    params(("productId" = inline(Id), Path, description = "The product's name", example = "p-1")),
    request_body = Adjustment,
    responses(
        (status = 200, description = "The stock after the adjustment, or as it was answered before", body = Stock),
        Conflict,
        BodyRefusals,
        ServerProblems,
    ),
)]
fn adjust_stock() {}
