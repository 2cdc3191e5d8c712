//! What those who watch over the process ask: is it alive, is it ready, what has it counted.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::observed::Observed;
use crate::problem::{Kind, Problem};

/// `/healthz`, `/readyz` and `/metrics`.
pub(crate) fn routes(config: &mut ServiceConfig) {
    for (path, route) in [
        ("/healthz", [web::get().to(alive), web::head().to(alive)]),
        ("/readyz", [web::get().to(ready), web::head().to(ready)]),
        ("/metrics", [web::get().to(metrics), web::head().to(metrics)]),
    ] {
        config.service(route.into_iter().fold(web::resource(path), |resource, route| resource.route(route)));
    }
}

async fn alive() -> impl Responder {
    json(r#"{"status":"alive"}"#)
}

async fn ready(services: Data<Vec<Observed>>) -> Result<HttpResponse, Problem> {
    let reasons: Vec<String> = services
        .iter()
        .flat_map(|service| service.reasons().into_iter().map(|reason| format!("{}: {reason}", service.name)))
        .collect();
    match reasons.is_empty() {
        true => Ok(json(r#"{"status":"ready"}"#)),
        false => Err(Problem::unavailable("not everything runs").with_reasons(reasons)),
    }
}

async fn metrics(registry: Data<Registry>) -> Result<HttpResponse, Problem> {
    let mut page = String::new();
    text::encode(&mut page, &registry).map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, content_type)).body(page))
}

fn json(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(text)
}
