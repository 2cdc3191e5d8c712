//! What each route takes and answers. The functions do nothing: they bear the description, so that the handlers can
//! be read without it.
#![expect(dead_code, reason = "only the descriptions are used")]

use service::api::{BodyRefusals, Id, InvalidParameter, NotFound, ServerProblems};

use super::Customer;

/// A customer, as they were written last, at whichever instance.
#[utoipa::path(
    get,
    path = "/v1/customers/{customerId}",
    tag = "customers",
    params(("customerId" = inline(Id), Path, description = "The customer's name", example = "c-15")),
    responses(
        (status = 200, description = "The customer", body = Customer),
        NotFound,
        InvalidParameter,
        ServerProblems,
    ),
)]
fn customer() {}

/// Writes a customer, new or known.
#[utoipa::path(
    put,
    path = "/v1/customers/{customerId}",
    tag = "customers",
    params(("customerId" = inline(Id), Path, description = "The customer's name", example = "c-15")),
    request_body = Customer,
    responses(
        (status = 200, description = "The customer, as they are now", body = Customer),
        BodyRefusals,
        ServerProblems,
    ),
)]
fn put_customer() {}
