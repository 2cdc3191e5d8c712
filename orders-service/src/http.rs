//! The HTTP side: routes, and what each of them takes and answers.

mod create;
mod created;
mod idempotency_key;
mod order_answer;
mod preferences;
mod progress;
mod read;
#[cfg(test)]
pub(crate) mod tests;
mod version_tag;
mod waiting;

use std::sync::Arc;

use actix_web::web::{self, Data, ServiceConfig};
use service::Router;

use crate::orders::Orders;

/// What the handlers need.
struct HttpSide {
    orders: Arc<dyn Orders>,
    router: Router,
}

/// All routes of the service, to these orders, of which `router` knows where they are.
pub(crate) fn routes(
    orders: Arc<dyn Orders>,
    router: Router,
) -> impl Fn(&mut ServiceConfig) + Send + Sync + 'static {
    let side = Data::new(HttpSide { orders, router });
    move |config| {
        side.router.register(config);
        config
            .app_data(side.clone())
            .service(web::resource(either("/v1/orders")).route(web::post().to(create::create)))
            .service(
                web::resource(either("/v1/orders/{id}"))
                    .route(web::get().to(read::order))
                    .route(web::head().to(read::order)),
            )
            .service(
                web::resource(either("/v1/orders/{id}/validated"))
                    .route(web::get().to(read::validated))
                    .route(web::head().to(read::validated)),
            );
    }
}

/// The path, and the same without its version: clients of pipelines of this kind use both.
fn either(path: &'static str) -> [&'static str; 2] {
    [path, path.trim_start_matches("/v1")]
}
