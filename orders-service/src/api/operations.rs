//! What each route takes and answers. The functions do nothing: they bear the description, so that the handlers can
//! be read without it.
#![expect(dead_code, reason = "only the descriptions are used")]

use service::api::{
    BodyRefusals, Conflict, Id, InvalidParameter, NotFound, ServerProblems, TimedOut, Timeout,
};

use super::{Accepted, EntityTag, Location, NewOrder, Order, PreferenceApplied};

/// Creates an order, and answers with what the view says of it.
#[utoipa::path(
    post,
    path = "/v1/orders",
    tag = "orders",
    params(
        ("Idempotency-Key" = Option<String>, Header,
            pattern = r#"^([!#-~]{1,255}|"([ !#-\[\]-~]|\\["\\]){1,255}")$"#, example = "\"3f6c\"",
            description = "Makes the id of an order that comes without one: the same key of the same customer means \
                the same order. With an id it changes nothing. In quotes, as a string of RFC 8941, it is the same \
                key as without"),
        ("Prefer" = Option<String>, Header, example = "wait=5",
            description = "`wait=` and seconds: answer when the order is decided, or after this time. \
                `respond-async`: answer as soon as Kafka has the request. Others are ignored (RFC 7240)"),
    ),
    request_body = NewOrder,
    responses(
        (status = 201, description = "The order was created", body = Order,
            headers(
                ("Location" = inline(Location)),
                ("ETag" = inline(EntityTag)),
                ("Preference-Applied" = inline(PreferenceApplied), description = "With Prefer"),
            )),
        (status = 200, description = "The order was there, with the same content", body = Order,
            headers(
                ("ETag" = inline(EntityTag)),
                ("Preference-Applied" = inline(PreferenceApplied), description = "With Prefer"),
            )),
        (status = 202, description = "Kafka has the request", body = Accepted,
            headers(
                ("Location" = inline(Location)),
                ("Preference-Applied" = inline(PreferenceApplied)),
            )),
        Conflict,
        BodyRefusals,
        ServerProblems,
    ),
)]
fn create_order() {}

/// The order as it is; with a timeout, as soon as it is there in a version that the client does not have
#[utoipa::path(
    get,
    path = "/v1/orders/{id}",
    tag = "orders",
    params(
        ("id" = inline(Id), Path, description = "The order's name", example = "01J9Z"),
        ("timeout" = inline(Option<Timeout>), Query,
            description = "How many milliseconds to wait for the order to be there, in a version that \
                If-None-Match does not name", example = 0),
        ("If-None-Match" = Option<String>, Header, example = "\"1.1\"",
            description = "ETags of versions that the client has (RFC 9110)"),
    ),
    responses(
        (status = 200, description = "The order", body = Order,
            headers(("ETag" = inline(EntityTag)))),
        (status = 304, description = "The client has it as it is", headers(("ETag" = inline(EntityTag)))),
        NotFound,
        InvalidParameter,
        ServerProblems,
        TimedOut,
    ),
)]
fn order() {}

/// The order once it is decided.
#[utoipa::path(
    get,
    path = "/v1/orders/{id}/validated",
    tag = "orders",
    params(
        ("id" = inline(Id), Path, description = "The order's name", example = "01J9Z"),
        ("timeout" = inline(Option<Timeout>), Query,
            description = "How many milliseconds to wait for the order to be VALIDATED or FAILED: 10,000 unless \
                said otherwise", example = 10_000),
    ),
    responses(
        (status = 200, description = "The order, decided", body = Order,
            headers(("ETag" = inline(EntityTag)))),
        InvalidParameter,
        ServerProblems,
        TimedOut,
    ),
)]
fn validated_order() {}
