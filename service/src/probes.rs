//! What those who watch over the process ask: is it alive, is it ready, what has it counted.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::ServerProblems;
use crate::observed::Observed;
use crate::problem::{Kind, Problem};

/// Where they ask.
pub(crate) const PATHS: [&str; 3] = [HEALTHZ, READYZ, METRICS];

const HEALTHZ: &str = "/healthz";
const READYZ: &str = "/readyz";
const METRICS: &str = "/metrics";

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource(HEALTHZ).route(web::get().to(alive)))
        .service(web::resource(READYZ).route(web::get().to(ready)))
        .service(web::resource(METRICS).route(web::get().to(metrics)));
}

/// Whether the process is alive
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "process",
    responses((status = 200, description = "It is", body = Status, example = json!({"status": "alive"}))),
)]
pub(crate) async fn alive() -> impl Responder {
    json(&Status { status: "alive", details: Vec::new() })
}

/// Whether all of the process works: every task runs
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "process",
    responses(
        (status = 200, description = "It does. `details` tells what is worth knowing even so, such as an input that \
            another program's open transaction holds up",
            body = Status, example = json!({"status": "ready"})),
        ServerProblems,
    ),
)]
pub(crate) async fn ready(services: Data<Vec<Observed>>) -> Result<HttpResponse, Problem> {
    let told = |tell: fn(&Observed) -> Vec<String>| {
        let of_each = services
            .iter()
            .flat_map(|service| tell(service).into_iter().map(|text| format!("{}: {text}", service.name)));
        of_each.collect::<Vec<String>>()
    };
    let (reasons, details) = (told(Observed::reasons), told(Observed::notes));
    match reasons.is_empty() {
        true => Ok(json(&Status { status: "ready", details })),
        false => Err(Problem::unavailable("not everything runs").with_reasons([reasons, details].concat())),
    }
}

/// What the process has counted, in the text format of OpenMetrics
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "process",
    responses(
        (status = 200, description = "For Prometheus", body = String,
            content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ServerProblems,
    ),
)]
pub(crate) async fn metrics(registry: Data<Registry>) -> Result<HttpResponse, Problem> {
    let mut page = String::new();
    text::encode(&mut page, &registry).map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, content_type)).body(page))
}

/// How the process is
#[derive(Serialize, ToSchema)]
struct Status {
    status: &'static str,
    /// What is worth knowing even so
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    details: Vec<String>,
}

fn json(status: &Status) -> HttpResponse {
    HttpResponse::Ok().json(status)
}
