//! The answers from 400 up that operations have in common, each with an example as it really looks.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use utoipa::IntoResponses;
use utoipa::openapi::header::Header;
use utoipa::openapi::{ContentBuilder, Object, Ref, RefOr, Response, ResponseBuilder, Type};

use crate::problem::{Flaw, Kind, Place, Problem};

/// The request has a parameter or a header of the wrong form.
pub struct InvalidParameter;

/// The body is refused for what it is.
pub struct BodyRefusals;

/// There is nothing of that name.
pub struct NotFound;

/// What is there contradicts what is asked for.
pub struct Conflict;

/// What was waited for did not come in time.
pub struct TimedOut;

/// Not the client's doing.
pub struct ServerProblems;

impl IntoResponses for InvalidParameter {
    fn responses() -> Responses {
        let detail = "must be a whole number of milliseconds from 0 to 300000, not \"soon\"";
        responses([Problem::invalid(Place::Parameter("timeout".to_owned()), detail)])
    }
}

impl IntoResponses for BodyRefusals {
    fn responses() -> Responses {
        let other = |status, detail: &str| Problem::new(Kind::Other(status), detail);
        let flaw = |pointer: &str, detail: &str| Flaw {
            place: Place::Pointer(pointer.to_owned()),
            detail: detail.to_owned(),
        };
        responses([
            Problem::new(Kind::NotJson, "the body is not JSON: expected value at line 1 column 1"),
            other(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
            other(StatusCode::PAYLOAD_TOO_LARGE, "the body has more than 262144 bytes"),
            Problem::new(Kind::UnsupportedMediaType, "Content-Type must be application/json"),
            Problem::new(Kind::Invalid, "the body has 2 invalid fields").with_errors(vec![
                flaw("/state", "is not a known field"),
                flaw("/quantity", "must be an integer, not a string"),
            ]),
        ])
    }
}

impl IntoResponses for NotFound {
    fn responses() -> Responses {
        responses([Problem::not_found("there is nothing of this name")])
    }
}

impl IntoResponses for Conflict {
    fn responses() -> Responses {
        responses([Problem::conflict("order o-1 is there, with other content")])
    }
}

impl IntoResponses for TimedOut {
    fn responses() -> Responses {
        responses([Problem::timed_out("order o-1 is not decided yet")])
    }
}

impl IntoResponses for ServerProblems {
    fn responses() -> Responses {
        responses([
            Problem::new(Kind::Internal, "what is stored under this name cannot be read"),
            Problem::unavailable("partition 3 of orders-service is not served by this instance now"),
        ])
    }
}

type Responses = BTreeMap<String, RefOr<Response>>;

fn responses<const N: usize>(examples: [Problem; N]) -> Responses {
    examples
        .iter()
        .map(|example| (example.kind().status().as_str().to_owned(), response(example).into()))
        .collect()
}

fn response(example: &Problem) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(Some(serde_json::json!(example.body(Some("/v1/example")))))
        .build();
    let response = ResponseBuilder::new()
        .description(example.kind().type_and_title().1)
        .content("application/problem+json", content);
    match example.kind() {
        Kind::Unavailable => response.header("Retry-After", retry_after()).build(),
        _ => response.build(),
    }
}

fn retry_after() -> Header {
    let mut header = Header::new(Object::with_type(Type::Integer));
    header.description = Some("Seconds after which it is worth asking again".to_owned());
    header
}
