//! The HTTP/1 server: the threads and the codec are actix's, the routes actix-web's; the conversation is ours.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::ServiceConfig as CodecConfig;
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactory as _, fn_factory, fn_service};
use actix_web::dev::AppConfig;
use actix_web::web::ServiceConfig;
use tokio::net::TcpStream;

use crate::app;
use crate::client_connection::ClientConnection;
use crate::conversation::converse;

/// More would only cost memory: handlers do not compute.
const MAX_THREADS: usize = 4;

/// Serves `routes` on `listener`, on so many connections at most; what comes beyond waits to be accepted. When it is
/// stopped, requests in flight have `answer_within` to be answered.
pub(crate) fn http_server(
    listener: TcpListener,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    connections: usize,
    answer_within: Duration,
) -> io::Result<Server> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let builder = Server::build()
        .workers(threads)
        .max_concurrent_connections(connections.div_ceil(threads))
        .disable_signals()
        .shutdown_timeout(answer_within.as_secs());
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let (routes, stopping) = (routes.clone(), stopping.clone());
        fn_factory(move || {
            let app = app(routes.clone()).into_factory().new_service(AppConfig::default());
            let stopping = stopping.clone();
            async move {
                let (app, config) = (Rc::new(app.await?), CodecConfig::default());
                Ok::<_, ()>(fn_service(move |stream: TcpStream| {
                    let (app, config, stopping) = (app.clone(), config.clone(), stopping.clone());
                    async move {
                        let connection = ClientConnection::new(stream, config);
                        converse(connection, &*app, stopping.notified()).await;
                        Ok::<_, Infallible>(())
                    }
                }))
            }
        })
    })?;
    Ok(server.run())
}
