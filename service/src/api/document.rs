//! One document of all that a process serves.

use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Schema, SchemaType};
use utoipa::openapi::{PathItem, Paths, RefOr, Type};

use crate::problem::Body;
use crate::{docs, probes};

/// What every process serves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Order pipeline",
        description = "Orders that are validated by independent checks, on Apache Kafka. A write is answered, other \
            than with 202, when every later read shows it, at whichever instance. Errors are RFC 9457 problems. After \
            a 503, or without an answer, a request can safely be sent again if it has a name: GET, HEAD and PUT have \
            one in their path, an order has its id or Idempotency-Key, an adjustment its id, for a day. Without a \
            name it may be done twice; a 503 tells the id that the server has given it, if it has.",
        version = env!("CARGO_PKG_VERSION"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(probes::alive, probes::ready, probes::metrics, docs::openapi),
    components(schemas(Body)),
    tags((name = "process", description = "What those ask who watch over the process")),
)]
struct Process;

/// The document of a process with these services.
pub(crate) fn document(
    services: impl IntoIterator<Item = utoipa::openapi::OpenApi>,
) -> utoipa::openapi::OpenApi {
    let mut document =
        services.into_iter().fold(Process::openapi(), |document, service| document.merge_from(service));
    document.info.contact = None;
    document.paths.paths.values_mut().flat_map(operations).for_each(no_parameter_is_null);
    add_heads(&mut document.paths);
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post].into_iter().flatten()
}

/// An `Option` is what may be left out, and in a parameter not what may be null.
fn no_parameter_is_null(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
            && let SchemaType::Array(types) = &mut schema.schema_type
        {
            types.retain(|kind| *kind != Type::Null);
        }
    }
}

/// What GET answers, HEAD answers too, without a body.
fn add_heads(paths: &mut Paths) {
    for item in paths.paths.values_mut() {
        item.head = item.get.as_ref().map(head_of);
    }
}

fn head_of(get: &Operation) -> Operation {
    let mut head = get.clone();
    head.operation_id = head.operation_id.map(|id| format!("{id}_head"));
    for response in head.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.content.clear();
        }
    }
    head
}
