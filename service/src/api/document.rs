//! One document of all that a process serves.

use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Paths, RefOr};

use crate::problem::Body;
use crate::{docs, probes};

/// What every process serves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Order pipeline",
        description = "Orders that are validated by independent checks, on Apache Kafka. A write is answered when \
            every later read shows it. Errors are RFC 9457 problems; a request may be sent again after a 503.",
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
    add_heads(&mut document.paths);
    document
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
