//! What every HTTP server of ours does, whatever its routes.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{App, Error};

use crate::body::payload_config;
use crate::head_as_get::head_as_get;
use crate::{admission, cache_control, errors, http_metrics, routing};

/// An HTTP application with these routes, in which errors are problems, bodies and the number of requests
/// have a limit, and requests are counted. HEAD is routed as GET: whatever serves the application leaves the body out.
pub fn app(
    routes: impl FnOnce(&mut ServiceConfig),
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(payload_config())
        .configure(routes)
        .wrap(from_fn(head_as_get))
        .wrap(from_fn(errors::as_problems))
        .wrap(from_fn(admission::admit))
        .wrap(from_fn(cache_control::say))
        // Around all that answers: who forwards takes an answer without a name for somebody else's.
        .wrap(from_fn(routing::identify))
        .wrap(from_fn(http_metrics::count))
}
