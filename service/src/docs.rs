//! The document of the routes, for programs at `/openapi.json`, for people at `/docs`.

use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::api::ServerProblems;

/// The document as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Document(Bytes);

impl Document {
    pub(crate) fn new(document: &utoipa::openapi::OpenApi) -> serde_json::Result<Self> {
        Ok(Self(serde_json::to_vec(document)?.into()))
    }
}

/// `/openapi.json` and `/docs`, which loads nothing from elsewhere.
pub(crate) fn routes(config: &mut ServiceConfig) {
    let page = Config::from("/openapi.json").validator_url("none");
    config
        .service(web::resource("/openapi.json").route(web::get().to(openapi)))
        .service(web::resource("/docs").route(web::get().to(page_with_slash)))
        .service(SwaggerUi::new("/docs/{_:.*}").config(page));
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "process",
    responses((status = 200, description = "OpenAPI 3.1", body = Object), ServerProblems),
)]
pub(crate) async fn openapi(document: Data<Document>) -> impl Responder {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(document.0.clone())
}

/// The page names its parts relative to itself.
async fn page_with_slash() -> impl Responder {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}
